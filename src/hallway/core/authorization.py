"""Authorization: one function checks every operation, whichever face (CLI, HTTP, MCP, Python) the call came through.

A caller is a *principal*, the bearer of a token. A call without a principal comes from the owner of the bus's file,
who may do everything. An observer reads. An agent reads, and writes as the sessions that it registered and as the
person its token is named after. An admin does everything. The rights that an operation needs are read from its
declaration (`Operation.actor`, `Operation.is_admins`), so every new operation has them.

An action that the principal may not do is refused (403). Data that the principal may not see is treated as missing
(404, empty lists, not counted): services pass `bus.visible` to their statements.
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


def authorise(bus: Context, principal: Principal, operation: Operation, arguments: dict[str, Any]) -> None:
    """Check that a principal may run an operation; raise Refused, or a NotFound for data that it may not see.

    The check runs inside the operation's transaction, so its result still holds when the operation writes.
    """
    if principal.role == ADMIN:
        _tell_of_admin(bus, principal, operation, arguments)
        return
    if operation.is_admins:
        raise Refused(
            f"only an admin may call {operation.name}, and the token {principal.name!r} is an {principal.role}'s",
            hint="Ask an admin of the hub. What your token may do: whoami",
        )
    if operation.actor is None and not operation.is_persons:
        return
    if principal.role == OBSERVER:
        raise Refused(
            f"the token {principal.name!r} is an observer's: it may only read, so it may not {operation.name}",
            hint="Use a token with the role agent, which an admin of the hub makes",
        )
    if operation.actor is None:  # it acts as the principal's own person, and finds only what that may see
        return
    _require_own(bus, principal, operation, arguments[operation.actor])
    project = arguments.get("project")
    if project is not None and not principal.sees(project):
        raise principal.outside(project)


def _require_own(bus: Context, principal: Principal, operation: Operation, party: str | None) -> None:
    if party is None:
        raise Refused(
            f"only an admin may call {operation.name} for everybody",
            hint=f"Name one of your own sessions with the parameter {operation.actor}",
        )
    if party.startswith(PERSON):
        if party != principal.person:
            raise Refused(
                f"the token {principal.name!r} speaks as {principal.person}, not as {party}",
                hint=f"Say it as {principal.person}",
            )
        return
    row = bus.store.one("sessions.owner", session_id=party)
    if row is None:
        if not operation.registers:
            bus.sessions.require(party)
    elif not principal.sees(row[1]):
        bus.sessions.require(party)  # raises the same SessionNotFound as for an id that does not exist
    elif row[0] != principal.name:
        raise Refused(
            f"the session {party!r} was registered by another token than {principal.name!r}",
            hint="Use a session that your token registered, or register one",
        )


def _tell_of_admin(bus: Context, principal: Principal, operation: Operation, arguments: dict[str, Any]) -> None:
    """Append an audit event for a write that only an admin may do."""
    if not operation.is_write or operation.is_persons:
        return
    party = arguments[operation.actor] if operation.actor else None
    if party == principal.person:
        return
    row = bus.store.one("sessions.owner", session_id=party) if party else None
    is_own = row is not None and row[0] == principal.name
    is_new = row is None and operation.registers
    if not (is_own or is_new):
        bus.events.append("access.administered", "", None, principal=principal.name, operation=operation.name, of=party)
