"""Who may do what: the one function that every operation passes, whatever face it came through.

A caller is a *principal*, the bearer of a token; none at all is whoever owns the bus's file, who may do everything.
An observer reads. An agent reads, and writes as the sessions it registered itself and as the person its token is named
after. An admin does everything. What an operation needs is read off its declaration (`Operation.actor`,
`Operation.is_admins`), so a new one cannot forget to say.

What a principal may not do is refused (403). What it may not see is not there for it (404, empty lists, no counts):
services put `bus.visible` into their statements.
"""

from __future__ import annotations

from hallway.core.errors import Refused
from hallway.core.model import ADMIN, OBSERVER, PERSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.operation import Operation
    from hallway.core.principal import Principal

REGISTERING = ("sessions.register", "sessions.heartbeat")  # which take an id that the bus does not know


def authorise(bus: Context, principal: Principal, operation: Operation, arguments: dict[str, Any]) -> None:
    """Let an operation pass, or raise Refused, or the error of what the principal cannot see.

    It runs inside the operation's own transaction, so what it found is still so when the operation writes.
    """
    if principal.role == ADMIN:
        _tell_of_admin(bus, principal, operation, arguments)
        return
    if operation.is_admins:
        raise Refused(
            f"only an admin may {operation.name}, and the token {principal.name!r} is an {principal.role}'s",
            hint="Ask whoever runs the hub: hallway whoami says what your token may do",
        )
    if operation.actor is None:
        return
    if principal.role == OBSERVER:
        raise Refused(
            f"the token {principal.name!r} is an observer's: it reads, and may not {operation.name}",
            hint="Use a token with the role agent: hallway token create NAME --role agent",
        )
    _require_own(bus, principal, operation, arguments[operation.actor])
    project = arguments.get("project")
    if project is not None and not principal.sees(project):
        raise principal.outside(project)


def _require_own(bus: Context, principal: Principal, operation: Operation, party: str | None) -> None:
    if party is None:
        raise Refused(
            f"only an admin may {operation.name} for everybody",
            hint=f"Name the session of yours whose it is: {operation.actor}",
        )
    if party.startswith(PERSON):
        if party != principal.person:
            raise Refused(
                f"the token {principal.name!r} speaks as {principal.person}, not as {party}",
                hint=f"Say it in that name: export HALLWAY_USER={principal.name}",
            )
        return
    row = bus.store.one("sessions.owner", session_id=party)
    if row is None:
        if operation.name not in REGISTERING:
            bus.sessions.require(party)
    elif not principal.sees(row[1]):
        bus.sessions.require(party)  # which says what it says of an id that is not there
    elif row[0] != principal.name:
        raise Refused(
            f"the session {party!r} was registered by another token than {principal.name!r}",
            hint="Act as a session of your own: hallway register ID NAME TYPE",
        )


def _tell_of_admin(bus: Context, principal: Principal, operation: Operation, arguments: dict[str, Any]) -> None:
    """Append an audit event for an act that only an admin may do."""
    if not operation.is_write:
        return
    party = arguments[operation.actor] if operation.actor else None
    if party == principal.person:
        return
    row = bus.store.one("sessions.owner", session_id=party) if party else None
    is_own = row is not None and row[0] == principal.name
    is_new = row is None and operation.name in REGISTERING
    if not (is_own or is_new):
        bus.events.append("access.administered", "", None, principal=principal.name, operation=operation.name, of=party)
