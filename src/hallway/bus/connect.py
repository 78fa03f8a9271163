"""`connect(url)`: open a local bus, or one behind a hub."""

from __future__ import annotations

import os

from hallway.bus.base import Bus
from hallway.bus.local import LocalBus
from hallway.core.errors import UnsupportedUrl
from hallway.local.paths import HUBS, bus_address, bus_file, data_folder, normalise_address, require_readable
from hallway.local.workspace import LocalWorkspace
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.store.postgres.store import PostgresStore


def connect(url: str | os.PathLike[str] | None = None, *, project: str | None = None) -> Bus:
    """Open a bus: a folder or file, `sqlite:///PATH`, `postgresql://…`, or a hub's `http(s)://` address.

    Several hubs that serve one bus: their addresses, separated by commas. Without `url`, `HALLWAY_URL` is used, else
    the bus that `hallway use` selected, else this user's own file. The token for a hub is `HALLWAY_TOKEN`, else the
    one that `hallway login` stored. `project` is the default project of new sessions; without it, the default is the
    repository this process runs in. Close the bus, or use it in a `with` block.
    """
    if url is not None and not os.fspath(url):
        raise UnsupportedUrl("the address of the bus is empty", hint="Leave it out to use the bus of this user")
    address = normalise_address(os.fspath(url)) if url is not None else bus_address()
    here = LocalWorkspace(project)
    if address and address.startswith(HUBS):
        from hallway.bus.remote import RemoteBus
        from hallway.local.credentials import token_for

        return RemoteBus(address, here, token_for(address, data_folder))
    if address:
        require_readable(address)
    if address and address.startswith(("postgresql://", "postgres://")):
        return LocalBus(_postgres(address), here)
    if address and "://" in address and not address.startswith("sqlite:///"):
        raise UnsupportedUrl(f"{address.partition('://')[0]}:// is not an address that this version can open")
    from hallway.store.sqlite import SQLiteStore

    return LocalBus(SQLiteStore(bus_file(address)), here)


def _postgres(url: str) -> PostgresStore:
    try:
        from hallway.store.postgres.store import PostgresStore
    except ModuleNotFoundError:
        raise UnsupportedUrl(
            "the packages for PostgreSQL are not installed",
            hint="Install them: pip install 'hallway[postgres]'",
        ) from None
    return PostgresStore(url)


Service.connect = staticmethod(connect)  # so that SessionRegistry(path) opens a bus
