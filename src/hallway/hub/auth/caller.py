"""The caller of a request: its token's grant, its workspace and its address. Every job of the hub's workers has one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hallway.bus.remote import HERE_HEADER, read_here
from hallway.core.errors import Unauthorised
from hallway.core.model import OBSERVER
from hallway.hub.http import header
from hallway.local.workspace import NoWorkspace, ScopedWorkspace, current_user

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Scope

    from hallway.core.context import Workspace
    from hallway.core.errors import HallwayError
    from hallway.core.principal import Principal
    from hallway.hub.auth.token_cache import Grant

NOWHERE = NoWorkspace()
NOTHING = nullcontext()
SESSION_HEADER = "Hallway-Session"  # names the session that calls, percent-encoded where it is not ASCII
HERE, SESSION = HERE_HEADER.lower().encode(), SESSION_HEADER.lower().encode()


class Caller:
    """A request's sender: the grant of its token (None: the owner of the bus), and where it says that it runs."""

    __slots__ = ("address", "grant", "here")

    def __init__(self, here: Workspace, grant: Grant | None = None, address: str = "") -> None:
        self.here = here if grant is None else ScopedWorkspace(here, grant.principal)
        self.grant = grant
        self.address = address

    @property
    def principal(self) -> Principal | None:
        return None if self.grant is None else self.grant.principal

    @property
    def name(self) -> str | None:
        """Return the name of the caller's token; None for the owner of the bus."""
        return None if self.grant is None else self.grant.principal.name

    @property
    def is_observer(self) -> bool:
        return self.grant is not None and self.grant.principal.role == OBSERVER

    def sees(self, project: str) -> bool:
        return self.grant is None or self.grant.principal.sees(project)

    @property
    def allowance(self) -> AbstractContextManager[None]:
        """Return a context that counts one open stream or wait against the caller's limits."""
        return NOTHING if self.grant is None else self.grant.allowance

    @property
    def end(self) -> tuple[asyncio.Future[None], ...]:
        """Return a future that is done when the token is no longer valid, as a tuple for `asyncio.wait`."""
        return () if self.grant is None else (self.grant.ended,)

    def require_valid(self) -> None:
        """Raise Unauthorised if the token was revoked while the caller waited."""
        if self.grant is not None and self.grant.is_over:
            raise Unauthorised("this token was revoked, or has expired")

    def note_refusal(self, what: str, error: HallwayError) -> None:
        """Record for the audit that an operation was refused to the token's bearer."""
        if self.grant is not None:
            self.grant.audit.note(self.grant.principal.name, what, error.code, self.address)


HUB = Caller(NOWHERE)  # the hub itself, for operations that no request asked for


def owner_name() -> str:
    """Return the name of the person who runs the hub, without slashes, which a party's name cannot contain."""
    return (current_user() or "owner").replace("/", "-")


class OwnerWorkspace:
    """The workspace of the person who runs the hub, of which only the name is known."""

    project = branch = location = suggested_name = session_id = None

    def __init__(self) -> None:
        self.user = owner_name()


def caller_of(scope: Scope) -> Caller:
    """Return the caller of a request that has passed the authentication middleware."""
    workspace, named = header(scope, HERE), named_session(scope)
    here = read_here(workspace.decode("latin-1"), named) if workspace or named else NOWHERE
    grant: Grant | None = scope["grant"]
    return Caller(here, grant, address_of(scope) if grant else "")


def named_session(scope: Scope) -> str | None:
    """Return the calling session that the request's own header names; hallway's programs ping theirs themselves."""
    return unquote(header(scope, SESSION).decode("latin-1").strip()) or None


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the server or a proxy that it trusts says."""
    client = scope.get("client")
    return client[0] if client else ""
