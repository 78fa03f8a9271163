"""connect(url): open a bus here or behind a hub."""

from __future__ import annotations

import os

from hallway.bus.base import Bus
from hallway.bus.local import LocalBus
from hallway.core.errors import UnsupportedUrl
from hallway.local.paths import HUBS, bus_file, data_folder
from hallway.local.workspace import LocalWorkspace
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.store.postgres.store import PostgresStore


def connect(url: str | os.PathLike[str] | None = None, *, project: str | None = None) -> Bus:
    """Open a bus: a folder or file, `sqlite:///PATH`, `postgresql://…`, or a hub's `http(s)://` address
    (several of hubs that serve one bus: with commas between).

    Unset, `HALLWAY_URL` decides, else it is this user's own file. A hub that wants a token gets `HALLWAY_TOKEN`, else
    what `hallway login` stored for it. `project` is what new sessions belong to that do not say; unset, the repository
    this process runs in. Close it, or use it in a `with` block.
    """
    address = os.fspath(url) if url is not None else os.environ.get("HALLWAY_URL") or None
    here = LocalWorkspace(project)
    if address and address.startswith(HUBS):
        from hallway.bus.remote import RemoteBus
        from hallway.local.credentials import token_for

        return RemoteBus(address, here, token_for(address, data_folder))
    if address and address.startswith(("postgresql://", "postgres://")):
        return LocalBus(_postgres(address), here)
    if address and "://" in address and not address.startswith("sqlite:///"):
        raise UnsupportedUrl(f"{address.partition('://')[0]}:// is no kind of bus that this hallway can open")
    from hallway.store.sqlite import SQLiteStore

    return LocalBus(SQLiteStore(bus_file(address)), here)


def _postgres(url: str) -> PostgresStore:
    try:
        from hallway.store.postgres.store import PostgresStore
    except ModuleNotFoundError:
        raise UnsupportedUrl(
            "this hallway was installed without what PostgreSQL needs",
            hint="Install it: pip install 'hallway[postgres]'",
        ) from None
    return PostgresStore(url)


Service.connect = staticmethod(connect)  # so that SessionRegistry(path) opens a bus
