"""Loading of the modules in a client's folder; each is loaded by itself, so that a hook imports only what it needs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from hallway.agents.hook.event import ClientAdapter
    from hallway.agents.install.client import ClientInstaller

    Deliver: TypeAlias = Callable[[str, str, int, Mapping[str, str]], bool]


def adapter_of(client: str) -> ClientAdapter:
    """Return the adapter that translates a client's hook events."""
    adapter: ClientAdapter = _part(client, "hook").ADAPTER
    return adapter


def installer_of(client: str) -> ClientInstaller:
    """Return the installer of a client, which knows the files that hold hallway."""
    installer: ClientInstaller = _part(client, "install").CLIENT
    return installer


def waker_of(client: str) -> Deliver | None:
    """Return the function that starts a turn in an idle session of a client; None if the client has no way to do it."""
    try:
        deliver: Deliver = _part(client, "wake").deliver
    except ModuleNotFoundError as error:
        if error.name != _name(client, "wake"):
            raise
        return None
    return deliver


def _part(client: str, part: str):  # type: ignore[no-untyped-def]
    name = _name(client, part)
    __import__(name)
    return sys.modules[name]


def _name(client: str, part: str) -> str:
    return f"hallway.agents.clients.{client.replace('-', '_')}.{part}"
