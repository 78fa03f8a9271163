"""`hallway completion SHELL`, and `hallway complete WHAT`, with which its script asks the bus for names and ids.

What others have written gets into a shell here. Only words of plain letters, digits and a few signs are offered, so no
shell expands one and no terminal obeys one. Completion must not disturb the person's typing: it writes no bus, it ends
within a second whatever it hangs in, and it reports no error.
"""

from __future__ import annotations

import argparse
import os
import threading
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from hallway.bus.connect import connect
from hallway.cli.terminal import err, out
from hallway.core.errors import HallwayError
from hallway.local.client_catalog import CATALOG
from hallway.local.paths import bus_address

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from hallway.bus.base import Bus

SHELLS = ("bash", "zsh", "fish")
SAFE = frozenset(ascii_letters + digits + "._/-")
LIMIT_S = 1.0
MAX_OFFERED = 200
ITEM_SHOWN = 8  # characters of an item's id
ME = "me"
VALUES: dict[str, Callable[[Bus], list[str]]] = {
    "sessions": lambda bus: [ME, *(each.name for each in bus.sessions.find_sessions(limit=MAX_OFFERED))],
    "messages": lambda bus: [each.message_id for each in bus.messages.sent(limit=MAX_OFFERED)],
    "tasks": lambda bus: [each.task_id for each in bus.tasks.list_tasks(limit=MAX_OFFERED)],
    "claims": lambda bus: [each.claim_id for each in bus.claims.list_claims(limit=MAX_OFFERED)],
    "conflicts": lambda bus: [each.conflict_id for each in bus.conflicts.find(limit=MAX_OFFERED)],
    "items": lambda bus: [each.item_id[:ITEM_SHOWN] for each in bus.attention.read(limit=MAX_OFFERED).items],
    "keys": lambda bus: [each.key for each in bus.memory.find(limit=MAX_OFFERED)],
    "projects": lambda bus: sorted({each.project for each in bus.sessions.find_sessions(limit=MAX_OFFERED)}),
}
CLIENTS = "clients"
WHAT_OF = {  # by what the help calls an argument
    **dict.fromkeys(("SESSION", "ID", "FROM", "TO"), "sessions"),
    "MESSAGE": "messages",
    "TASK": "tasks",
    "CLAIM": "claims",
    "CONFLICT": "conflicts",
    "ITEM": "items",
    "KEY": "keys",
    "PROJECT": "projects",
    "AGENT": CLIENTS,
    "CLIENT": CLIENTS,
}


def complete(args: Namespace) -> int:
    """Print names or ids for a shell's completion, a line each; nothing if the bus does not answer at once."""
    deadline = threading.Timer(LIMIT_S, os._exit, (0,))
    deadline.daemon = True
    deadline.start()
    try:
        words = [*CATALOG] if args.what == CLIENTS else _values(args)
        out().write(*(word for word in words if word and SAFE.issuperset(word) and not word.startswith("-")))
    except (HallwayError, OSError):
        pass  # the command that is being typed reports what is wrong
    return 0


def _values(args: Namespace) -> list[str]:
    from hallway.cli.doctor import bus_kind, local_file

    path = local_file(args.url) if bus_kind(bus_address(args.url)) == "file" else None
    if path is not None and not os.path.exists(path):
        return []
    with connect(args.url) as bus:
        return VALUES[args.what](bus)


def completion(args: Namespace) -> None:
    """Print the completion script of a shell; it completes commands, flags, and names and ids from the bus.

    For bash: eval "$(hallway completion bash)" in ~/.bashrc.
    For zsh: hallway completion zsh > a folder of $fpath/_hallway.
    For fish: hallway completion fish > ~/.config/fish/completions/hallway.fish.
    """
    import shtab

    screen = out()
    parser = args.build_parser(has_choices=True)
    for action in _actions(parser):
        if what := WHAT_OF.get(str(action.metavar)):
            action.complete = _completer(what)  # type: ignore[attr-defined]  # read by shtab
    screen.stream.write(shtab.complete(parser, args.shell) + "\n")
    if screen.has_colour:
        err().write("This is a script for the shell to read, see: hallway completion --help")


def _actions(parser: ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # argparse has no public way to its arguments
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)
        else:
            yield action


def _completer(what: str) -> dict[str, str | dict[str, str]]:
    """Return how each shell completes a kind of word, for shtab.

    bash's own `compgen -W` would expand what is in the words; zsh would run a command in a specification at once.
    """
    command, function = f"hallway complete {what} 2>/dev/null", f"_hallway_complete_{what}"
    loop = 'while IFS= read -r word; do [[ "$word" == "$1"* ]] && printf "%s\\n" "$word"; done'
    preamble = {
        "bash": f"{function}() {{\n  local word\n  {loop} < <({command})\n}}",
        "zsh": f'{function}() {{\n  local -a offered\n  offered=(${{(f)"$({command})"}})\n  compadd -a offered\n}}',
    }
    return {"bash": function, "zsh": function, "fish": f"({command})", "preamble": preamble}
