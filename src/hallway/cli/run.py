"""Run an operation from the command line and show its result; both command-line parsers use this module.

`parse_fast` is the fast parser, built from the operation catalogue. It leaves help, unknown flags and missing arguments
to argparse, which explains them. Keep the imports light: the heartbeat's fast path loads this module.
"""

from __future__ import annotations

import os
import sys

from hallway.bus.connect import connect
from hallway.cli.labels import STANDARD_INPUT, flag, label, switched
from hallway.cli.render import renderer_of, show_error
from hallway.cli.terminal import err, out
from hallway.core.errors import HallwayError, IdentityMissing, InvalidInput
from hallway.core.model import PERSON
from hallway.core.parameters import type_of
from hallway.core.redaction import redact_url
from hallway.core.schema import Boolean, Identifier, PartyId
from hallway.local.paths import address_source, bus_address, bus_file
from hallway.services import SERVICES, service_class
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from hallway.bus.base import Bus
    from hallway.cli.render.parts import Renderer
    from hallway.core.operation import Operation

    Words: TypeAlias = Mapping[str, str | bool]  # by parameter name: the typed text, or True or False for a flag

INTERRUPTED = 130  # a shell's exit status after Ctrl-C
PIPE_CLOSED = 141  # a shell's exit status after the reader of a pipe has ended
ME = "me"  # the caller: the session whose agent runs this command, else the person at this machine
SPOOL = "spool"  # the file of hook events that are not handled yet, beside the bus: see agents/hook/spool.py

ASKS_FIRST = (  # see cli/confirmation.py
    "sessions.clear_offline",
    "memory.clear_some",
    "retention.prune",
    "projects.move",
    "projects.undo",
)
HINTS = {
    "secret_found": "Send the place where it is stored. If it is not a secret or may be public: --allow-secret",
    "conflict": "See how it is now: hallway task show TASK",
    "attention_not_found": "See them: hallway attention",
    "claim_refused": "Send a holder a request to release it, wait for it (--wait SECONDS), or work elsewhere",
    "session_elsewhere": "Name where it lives (--project), or move it (--move). Another session needs another id",
}

# Commands that call their operation several times until the work is complete.
MULTI_STEP: dict[str, Callable[[Bus, dict[str, Any]], Any]] = {
    "retention.prune": lambda bus, arguments: bus.prune(**arguments),
    "memory.clear_some": lambda bus, arguments: bus.memory.clear(**arguments),
}


NOUNS = {"sessions": "session", "messages": "message", "attention": "attention"}  # whose verbs come after them, too
SYNONYMS = {"ps": "list"}
VERBS = {  # first words of the verbs, by noun: a command imports the services of its own
    "sessions": "clear-offline continue end heartbeat list ping register rename session show status",
    "messages": "ack broadcast deliveries inbox message messages replies reply search send thread",
    "requests": "requests",
    "tasks": "task",
    "memory": "memory",
    "claims": "claims",
    "conflicts": "conflicts",
    "tokens": "token whoami",
    "logins": "token",
    "projects": "project",
    "retention": "prune",
    "stats": "stats",
    "attention": "answer attention dismiss nudge",
}


def operations(nouns: Iterable[str] = SERVICES) -> dict[str, Operation]:
    """Return the operations of some nouns that have a verb, by their verbs; `rename` is also `session rename`."""
    declared = {
        operation.verb: operation
        for noun in nouns
        for operation in service_class(noun).operations.values()
        if operation.verb
    }
    for verb, operation in [*declared.items()]:
        noun = NOUNS.get(operation.noun)
        if noun and verb != noun:
            declared[f"{noun} {'list' if verb == operation.noun else verb}"] = operation
    return declared


def parse_fast(argv: list[str]) -> tuple[Operation, Words, bool] | None:
    """Return the operation, the arguments typed for it, and whether `--json` is given; None if argparse must parse."""
    if not argv:
        return None
    argv = [SYNONYMS.get(argv[0], argv[0]), *argv[1:]]
    declared = operations(noun for noun in SERVICES if argv[0] in VERBS.get(noun, "").split())
    words = 2 if " ".join(argv[:2]) in declared else 1
    operation = declared.get(" ".join(argv[:words]))
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
    fields: str | None = None,
    template: str | None = None,
    variant: str = "",
    then: Callable[[Bus, Any, dict[str, Any]], None] | None = None,
    before: Callable[[Bus, dict[str, Any]], bool] | None = None,
) -> None:
    """Check the typed arguments, run the operation and show its result. Wrong arguments raise before a bus is opened.

    `files` holds the paths of the texts to read from files. `fields` are those of the result to print as JSON, and
    `template` is a text to fill with fields. `before` returns whether to run the operation at all.
    `then` is called after the result is shown. `variant` selects another renderer of the result.
    """
    try:
        arguments = _arguments(operation, typed, files or {})
        render = _renderer(operation, fields, template, is_json=is_json, variant=variant)
        is_for_people = not is_json and template is None
        _perform(operation, arguments, render, is_for_people=is_for_people, url=url, then=then, before=before)
    except HallwayError as error:
        error.hint_for_face({**HINTS, "invalid_input": f"See: hallway {operation.verb} --help"})
        if terminal := error.details.get("terminal"):
            from hallway.text.terminal_place import way_to_terminal

            error.hint = f"Answer it there: {way_to_terminal(terminal, os.environ)}"
        raise


def _renderer(
    operation: Operation, fields: str | None, template: str | None, *, is_json: bool, variant: str
) -> Renderer:
    if template is not None:
        from hallway.cli.render.fields import fields_as_text

        return fields_as_text(operation, template)
    if fields is not None:
        from hallway.cli.render.fields import fields_as_json

        return fields_as_json(operation, fields)
    return renderer_of(operation, is_json=is_json, variant=variant)


def _perform(
    operation: Operation,
    arguments: dict[str, Any],
    render: Renderer,
    *,
    is_for_people: bool,
    url: str | None,
    then: Callable[[Bus, Any, dict[str, Any]], None] | None,
    before: Callable[[Bus, dict[str, Any]], bool] | None,
) -> None:
    with connect(url) as bus:
        if os.path.exists(os.path.join(bus.folder, SPOOL)):
            _work_off(bus)
        if before and not before(bus, arguments):
            return
        if whole := MULTI_STEP.get(operation.name):
            result = whole(bus, arguments)
        else:
            # A copy, in which the bus replaces references by ids: what is shown has what the person typed.
            result = bus.execute(operation, bus.service_of(operation.noun), {**arguments})
        screen = out()
        if is_for_people:
            screen.names = bus.sessions.names_in(result)
        lines = render(screen, result, arguments)
        if screen.is_terminal and not then:
            from hallway.cli.pager import show

            show(screen, [*lines])
        else:
            screen.write(*lines)
        if operation.name == "attention.read" and screen.is_terminal:
            from hallway.cli.looks import note_look

            note_look(bus)
        if operation.name == "tokens.whoami" and is_for_people:
            out().write(f"Bus: {sanitize(bus_in_use(url))}")
        if operation.name == "memory.find" and not result:
            from hallway.bus.former_memory import offer_former_memory

            if offer := offer_former_memory(bus, arguments["project"]):
                err().write(sanitize(offer))
        if then:
            then(bus, result, arguments)


def bus_in_use(url: str | None = None) -> str:
    """Return the bus that commands use, without a password, and what selected it."""
    return f"{redact_url(bus_address(url) or bus_file(None))} ({address_source(url)})"


def _arguments(operation: Operation, typed: Words, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the checked arguments; error messages name parameters as a person types them."""
    if files or STANDARD_INPUT in typed.values():
        from hallway.cli.text_input import read_texts

        typed = read_texts(operation, typed, files)
    named = {name: _read(operation, name, value) for name, value in typed.items()}
    return operation.arguments((), named, title=f"hallway {operation.verb}", label=lambda name: label(operation, name))


def _work_off(bus: Bus) -> None:
    """Handle the hook events that hooks left in the spool file; errors are ignored, and a later command tries again."""
    from hallway.agents.hook.spool import work_off

    try:
        work_off(bus)
    except (HallwayError, OSError):
        pass  # the command itself reports what is wrong with the bus


def _read(operation: Operation, name: str, typed: str | bool) -> Any:
    """Return the parameter's value for a typed argument."""
    kind = operation.parameters[name].kind
    if isinstance(typed, bool):
        return typed
    if typed == ME and isinstance(kind, Identifier):
        return _me(kind)
    return kind.parse(label(operation, name), typed)


def own_address(typed: str) -> str:
    """Return a session's id or `user:NAME` as it was typed; for `me` that of the caller."""
    kind = type_of("messages", "session_id")
    assert isinstance(kind, PartyId)  # noqa: S101 (for the type checker)
    return _me(kind) if typed == ME else kind.check("--as", kind.parse("--as", typed))


def _me(kind: Identifier) -> str:
    """Return the caller: a session's id or, if a person is allowed here, `user:NAME`; raises IdentityMissing."""
    from hallway.local.identity import from_environment
    from hallway.local.workspace import current_user

    if session_id := from_environment():
        return session_id
    if not isinstance(kind, PartyId):
        raise IdentityMissing("no agent session runs this command", hint="Name the session: export HALLWAY_SESSION=ID")
    user = current_user()
    if user is None:
        raise InvalidInput("your user name is not known", hint="Set it: export HALLWAY_USER=NAME")
    return f"{PERSON}{user}"


def guarded(command: Callable[[], int | None], *, is_json: bool) -> int:
    """Run a command, show its error if it fails, and return the exit status of the process."""
    try:
        try:
            status = command() or 0
        except HallwayError as error:
            show_error(err(), error, is_json=is_json)
            status = error.exit_status
        except SystemExit:  # argparse raises it after it has shown the help
            status = 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return PIPE_CLOSED
    except OSError as error:  # the result cannot be written: the disk is full, or the terminal is closed
        _forget_output()
        show_error(err(), HallwayError(f"the command failed: {error}"), is_json=is_json)
        return HallwayError.exit_status


def _forget_output() -> None:
    """Send buffered output to the null device; otherwise the interpreter prints an error about it when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
