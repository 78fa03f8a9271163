"""The chain from a client on this machine to the first message of one of its sessions, link by link.

`hallway install`, `hallway doctor`, `hallway list` and the page show it: which links are done, and what mends the first
broken one. The files of the client and the marks that its hooks leave tell; no bus is opened.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hallway.agents.install.all_clients import CLIENTS, is_installed, repository
from hallway.agents.install.causes import find_causes
from hallway.agents.install.configs import HOOKS, SERVER
from hallway.core.errors import HallwayError
from hallway.local.setup_marks import HOOK, MESSAGE, has_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.agents.install.client import ClientInstaller, Diagnostic

FIRST_MESSAGE = "hallway broadcast me 'Hello from my terminal'"


class Link:
    """A link of the chain: what must hold (also in short), whether it does, and what to do if it does not.

    `is_done` is None where the client did not say.
    """

    __slots__ = ("following", "is_done", "name", "short")

    def __init__(self, name: str, short: str, is_done: bool | None, following: str) -> None:
        self.name = name
        self.short = short
        self.is_done = is_done
        self.following = following


class SetupChain:
    """The chain of one client. A link is done only if those before it are."""

    def __init__(self, client: ClientInstaller, links: list[Link]) -> None:
        self.client = client
        self.links = links
        for before, link in pairwise(links):
            link.is_done = link.is_done if before.is_done else False

    @property
    def broken(self) -> Link | None:
        """Return the first link that is not done; None if all are."""
        return next((link for link in self.links if not link.is_done), None)

    def to_dict(self) -> dict[str, object]:
        return {
            "client": self.client.name,
            "title": self.client.title,
            "links": [{"link": link.name, "is_done": link.is_done} for link in self.links],
            "next": self.broken.following if self.broken else None,
        }


def chain_of(client: ClientInstaller, troubles: Iterable[Diagnostic] | None = None) -> SetupChain:
    """Return the chain of a client.

    `troubles` are those that the client itself reports, which takes seconds to ask. Without them, hooks that need the
    person's trust count as trusted once one has run; so they do where the client did not say.
    """
    root = repository()
    has_hook = has_mark(client.name, HOOK)
    following = dict.fromkeys((SERVER, HOOKS), f"hallway install {client.name}")
    try:
        is_done: dict[str, bool | None] = {
            what: is_installed(client, what) or is_installed(client, what, root) for what in (SERVER, HOOKS)
        }
        if is_done[HOOKS] and client.trust and not has_hook and troubles is None:
            is_done[HOOKS], following[HOOKS] = False, client.trust
        for cause in (*find_causes(client, root), *(troubles or ())):
            if is_done[cause.what] and (cause.is_certain or not has_hook):
                is_done[cause.what] = False if cause.is_certain else None
                following[cause.what] = cause.following
    except HallwayError as error:  # a file of the client that cannot be read
        is_done, following[SERVER] = {SERVER: False, HOOKS: False}, f"{error.message}. {error.hint}"
    return SetupChain(
        client,
        [
            Link("client found", "found", client.is_here, f"Install {client.title} on this machine"),
            Link("server registered", SERVER, is_done[SERVER], following[SERVER]),
            Link("hooks trusted", HOOKS, is_done[HOOKS], following[HOOKS]),
            Link("first hook seen", "first hook", has_hook, client.start),
            Link("first message received", "first message", has_mark(client.name, MESSAGE), FIRST_MESSAGE),
        ],
    )


def chains() -> list[SetupChain]:
    """Return the chains of the clients on this machine."""
    return [chain_of(client) for client in CLIENTS.values() if client.is_here]
