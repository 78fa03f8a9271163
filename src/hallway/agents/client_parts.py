"""Loading of the modules in a client's folder; each is loaded by itself, so that a hook imports only what it needs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from hallway.agents.hook.event import ClientAdapter
    from hallway.agents.install.client import ClientInstaller
    from hallway.agents.turn_note import TurnNote

    Deliver: TypeAlias = Callable[[str, str, int, Mapping[str, str]], bool]
    ReadTurn: TypeAlias = Callable[[str, int, Mapping[str, str]], TurnNote | None]


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
    deliver: Deliver | None = getattr(_optional_part(client, "wake"), "deliver", None)
    return deliver


def turn_reader_of(client: str) -> ReadTurn | None:
    """Return the function that reads what a client notes about its turn; None if the client notes nothing that hooks
    do not tell.
    """
    read: ReadTurn | None = getattr(_optional_part(client, "turn"), "read_turn", None)
    return read


def _optional_part(client: str, part: str):  # type: ignore[no-untyped-def]
    try:
        return _part(client, part)
    except ModuleNotFoundError as error:
        if error.name != _name(client, part):
            raise
        return None


def _part(client: str, part: str):  # type: ignore[no-untyped-def]
    name = _name(client, part)
    __import__(name)
    return sys.modules[name]


def _name(client: str, part: str) -> str:
    return f"hallway.agents.clients.{client.replace('-', '_')}.{part}"
