"""From words to an operation and its answer: what both parsers of the command line end in.

`parse_plainly` is the quick one, read off the catalogue and unable to say no: whatever is not plain (help, an unknown
flag, a missing word) it leaves to argparse, which knows how to explain. Light: the heartbeat's fast path imports it.
"""

from __future__ import annotations

import os
import sys

from hallway.bus.connect import connect
from hallway.cli.labels import STANDARD_INPUT, flag, label, switched
from hallway.cli.render import show, show_error
from hallway.cli.terminal import err, out
from hallway.core.errors import HallwayError, IdentityMissing, InvalidInput
from hallway.core.model import PERSON
from hallway.core.schema import Boolean, Identifier, PartyId
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from hallway.bus.base import Bus
    from hallway.core.operation import Operation

    Words: TypeAlias = Mapping[str, str | bool]  # a parameter's name, and what was typed for it

INTERRUPTED = 130  # what shells give for Ctrl-C
PIPE_CLOSED = 141  # and for a reader that went away
ME = "me"  # who types: the session whose agent runs this command, else the person at this machine
SPOOL = "spool"  # what hooks could not do in time, beside the bus: see agents/hook/spool.py

ASKS_FIRST = ("sessions.clear_offline", "memory.clear_some", "retention.prune")  # see cli/removal.py
HINTS = {"secret_found": "Say where it is kept instead; if it is none, or meant for all to read: --allow-secret"}

# What a command does in as many steps as it takes, where an operation is one of them.
MULTI_STEP: dict[str, Callable[[Bus, dict[str, Any]], Any]] = {
    "retention.prune": lambda bus, arguments: bus.prune(**arguments),
    "memory.clear_some": lambda bus, arguments: bus.memory.clear(**arguments),
}


def operations() -> dict[str, Operation]:
    """Return every operation that has a verb, by its verb."""
    return {
        operation.verb: operation
        for service in Service.__subclasses__()
        for operation in service.operations.values()
        if operation.verb
    }


def parse_fast(argv: list[str]) -> tuple[Operation, Words, bool] | None:
    """Return the operation, what was typed for its parameters, and whether JSON is wanted; None for anything
    unusual.
    """
    found = operations()
    words = 2 if " ".join(argv[:2]) in found else 1
    operation = found.get(" ".join(argv[:words]))
    if operation is None or operation.name in ASKS_FIRST:
        return None
    wanted = list(operation.words)
    flags = {flag(each): each for each in operation.parameters.values() if each.name not in operation.words}
    typed: dict[str, str | bool] = {}
    is_json = False
    rest = iter(argv[words:])
    for word in rest:
        if not word.startswith("-"):
            if not wanted:
                return None
            typed[wanted.pop(0)] = word
        elif word == "--json":
            is_json = True
        elif (parameter := flags.get(word)) is None:
            return None
        elif isinstance(parameter.kind, Boolean):
            typed[parameter.name] = switched(parameter)
        else:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
            typed[parameter.name] = value
    is_complete = not any(operation.parameters[name].is_required for name in wanted)
    return (operation, typed, is_json) if is_complete else None


def perform(
    operation: Operation,
    typed: Words,
    *,
    is_json: bool,
    url: str | None = None,
    files: Mapping[str, str] | None = None,
    variant: str = "",
    then: Callable[[Bus, Any, dict[str, Any]], None] | None = None,
    before: Callable[[Bus, dict[str, Any]], bool] | None = None,
) -> None:
    """Check what was typed, run the operation and show its answer; what is wrong is said before a bus is opened.

    `files` holds the paths of texts that come from a file. `before` is asked whether to run the operation at
    all. `then` is what is left to do once the answer is out; a `variant` is shown in a way of its own.
    """
    try:
        _perform(operation, typed, files or {}, is_json=is_json, url=url, variant=variant, then=then, before=before)
    except HallwayError as error:
        error.hint_for_face({**HINTS, "invalid_input": f"See: hallway {operation.verb} --help"})
        raise


def _perform(
    operation: Operation,
    typed: Words,
    files: Mapping[str, str],
    *,
    is_json: bool,
    url: str | None,
    variant: str,
    then: Callable[[Bus, Any, dict[str, Any]], None] | None,
    before: Callable[[Bus, dict[str, Any]], bool] | None,
) -> None:
    arguments = _arguments(operation, typed, files)
    with connect(url) as bus:
        if os.path.exists(os.path.join(bus.folder, SPOOL)):
            _work_off(bus)
        if before and not before(bus, arguments):
            return
        if whole := MULTI_STEP.get(operation.name):
            result = whole(bus, arguments)
        else:
            result = bus.execute(operation, bus.services[operation.noun], arguments)
        show(out(), operation, result, arguments, is_json=is_json, variant=variant)
        if then:
            then(bus, result, arguments)


def _arguments(operation: Operation, typed: Words, files: Mapping[str, str]) -> dict[str, Any]:
    """Return checked arguments; errors name what a person types."""
    if files or STANDARD_INPUT in typed.values():
        from hallway.cli.text_input import read_texts

        typed = read_texts(operation, typed, files)
    named = {name: _read(operation, name, value) for name, value in typed.items()}
    return operation.arguments((), named, title=f"hallway {operation.verb}", label=lambda name: label(operation, name))


def _work_off(bus: Bus) -> None:
    """Do what hooks could not do in time; what is wrong now will be met by the next one."""
    from hallway.agents.hook.spool import work_off

    try:
        work_off(bus)
    except (HallwayError, OSError):
        pass  # the command itself says what is wrong with the bus


def _read(operation: Operation, name: str, typed: str | bool) -> Any:
    """Return the value of what was typed for a parameter."""
    kind = operation.parameters[name].kind
    if isinstance(typed, bool):
        return typed
    if typed == ME and isinstance(kind, Identifier):
        return _me(kind)
    return kind.parse(label(operation, name), typed)


def _me(kind: Identifier) -> str:
    """Return who types: a session's id or, where a person is allowed, `user:NAME`; raises IdentityMissing."""
    from hallway.local.identity import from_environment
    from hallway.local.workspace import current_user

    if session_id := from_environment():
        return session_id
    if not isinstance(kind, PartyId):
        raise IdentityMissing("no agent's session runs this command", hint="Say whose it is: export HALLWAY_SESSION=ID")
    user = current_user()
    if user is None:
        raise InvalidInput("nobody knows who you are", hint="Say it: export HALLWAY_USER=NAME")
    return f"{PERSON}{user}"


def guarded(command: Callable[[], int | None], *, is_json: bool) -> int:
    """Run a command at the edge of the process: its exit status, whatever happens."""
    try:
        try:
            status = command() or 0
        except HallwayError as error:
            show_error(err(), error, is_json=is_json)
            status = error.exit_status
        except SystemExit:  # how argparse ends once it has shown its help
            status = 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return PIPE_CLOSED
    except OSError as error:  # the answer cannot be written: its disk is full, its terminal has gone
        _forget_output()
        show_error(err(), HallwayError(f"the command could not end as it should: {error}"), is_json=is_json)
        return HallwayError.exit_status


def _forget_output() -> None:
    """Send what is still buffered nowhere, or the interpreter complains about it when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
