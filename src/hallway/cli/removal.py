"""Flags and confirmation of the commands that remove many records at once.

These commands act on the current project unless `--all-projects` is given. With `--dry-run` they count the records and
remove nothing. On a terminal they ask for confirmation, unless `--yes` is given. A script, which has no terminal, is
not asked.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from hallway.cli.render.parts import how_many
from hallway.cli.terminal import err, out
from hallway.core.errors import HallwayError
from hallway.core.model import PERSON
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from hallway.bus.base import Bus

YES = ("y", "yes")


class Declined(HallwayError):
    """The person did not confirm the removal; nothing was removed."""

    code = "declined"
    hint = "Answer y, or add --yes"


class Removal:
    """A kind of record that a command removes: its singular name, and a function that counts."""

    def __init__(self, what: str, count: Callable[[Bus, dict[str, Any]], int] | None) -> None:
        self.what = what
        self.count = count


def _ended_sessions(bus: Bus, arguments: dict[str, Any]) -> int:
    before_s = time.time() - arguments["older_than_s"]
    known = bus.sessions.list_sessions(include_offline=True, project=arguments["project"])
    return len([each for each in known if each.ended_at and each.ended_at.timestamp() <= before_s])


def _entries(bus: Bus, arguments: dict[str, Any]) -> int:
    if author := arguments["session_id"]:
        return len(bus.memory.get_by_session(author, project=arguments["project"]))
    total: int = bus.memory.get_stats(arguments["project"]).total
    return total


REMOVALS = {
    "sessions.clear_offline": Removal("offline session", _ended_sessions),
    "memory.clear_some": Removal("memory key", _entries),
    "retention.prune": Removal("old record", None),
}


def add_options(parser: ArgumentParser, removal: Removal) -> None:
    """Add `--dry-run` and `--yes` to a command."""
    if removal.count:
        parser.add_argument("--dry-run", action="store_true", dest="is_dry", help="show how many, but remove nothing")
    parser.add_argument("--yes", action="store_true", dest="is_meant", help="do not ask first, even on a terminal")


def check(removal: Removal, args: Namespace, bus: Bus, arguments: dict[str, Any]) -> bool:
    """Set the project, and return whether to run the removal; raises Declined if the person does not confirm it."""
    is_everywhere = arguments.get("all_projects", False)
    if "project" in arguments and arguments["project"] is None and not is_everywhere:
        author = arguments.get("session_id") or PERSON
        arguments["project"] = bus.sessions.current_project(None if author.startswith(PERSON) else author)
    where = f" of {sanitize(arguments['project'])}" if arguments.get("project") else ""
    where = " of every project" if is_everywhere else where
    if removal.count and getattr(args, "is_dry", False):
        count = removal.count(bus, arguments)
        told = {"would_remove": count, "project": arguments.get("project")}
        line = clean_json(encode(told)) if args.is_json else f"Would remove {how_many(count, removal.what)}{where}."
        out().write(line)
        return False
    if not args.is_meant and _is_terminal():
        what = how_many(removal.count(bus, arguments), removal.what) if removal.count else f"every {removal.what}"
        _ask(f"Remove {what}{where}? [y/N] ")
    return True


def _is_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def _ask(question: str) -> None:
    """Ask a question on the terminal; raises Declined for any answer but yes."""
    screen = err()
    screen.stream.write(screen.paint(question, "bold"))
    screen.stream.flush()
    if sys.stdin.readline().strip().lower() not in YES:
        raise Declined("nothing was removed")
