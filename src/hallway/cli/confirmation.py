"""Flags and confirmation of the commands that remove or move many records at once.

A command that removes acts on the current project unless `--all-projects` is given. With `--dry-run` the commands count
the records and change nothing. On a terminal they ask for confirmation, unless `--yes` is given. A script, which has no
terminal, is not asked.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from hallway.cli.render.parts import how_many, in_numbers
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
    """The person did not confirm the command; nothing was changed."""

    code = "declined"
    hint = "Answer y, or add --yes"


class Confirmation:
    """The flags of a command that asks first, and its question."""

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the command's flags; every such command has `--yes`."""
        parser.add_argument("--yes", action="store_true", dest="is_meant", help="do not ask first, even on a terminal")

    def check(self, args: Namespace, bus: Bus, arguments: dict[str, Any]) -> bool:
        """Return whether to run the operation; raise Declined if the person does not confirm it."""
        raise NotImplementedError


class Removal(Confirmation):
    """A kind of record that a command removes: its singular name, and a function that counts."""

    def __init__(self, what: str, count: Callable[[Bus, dict[str, Any]], int] | None) -> None:
        self.what = what
        self.count = count

    def add_options(self, parser: ArgumentParser) -> None:
        """Add `--yes`, and `--dry-run` if the records can be counted."""
        if self.count:
            about = "show how many, but remove nothing"
            parser.add_argument("--dry-run", action="store_true", dest="is_dry", help=about)
        super().add_options(parser)

    def check(self, args: Namespace, bus: Bus, arguments: dict[str, Any]) -> bool:
        """Set the project; count for a dry run; else ask."""
        is_everywhere = arguments.get("all_projects", False)
        if "project" in arguments and arguments["project"] is None and not is_everywhere:
            author = arguments.get("session_id") or PERSON
            arguments["project"] = bus.sessions.current_project(None if author.startswith(PERSON) else author)
        where = f" of {sanitize(arguments['project'])}" if arguments.get("project") else ""
        where = " of every project" if is_everywhere else where
        if self.count and getattr(args, "is_dry", False):
            count = self.count(bus, arguments)
            question = {"would_remove": count, "project": arguments.get("project")}
            line = (
                clean_json(encode(question)) if args.is_json else f"Would remove {how_many(count, self.what)}{where}."
            )
            out().write(line)
            return False
        if not args.is_meant and is_at_terminal():
            what = how_many(self.count(bus, arguments), self.what) if self.count else f"every {self.what}"
            _ask(f"Remove {what}{where}? [y/N] ", "nothing was removed")
        return True


class Move(Confirmation):
    """A move between two projects, or its undo: the operation's own dry run counts."""

    def __init__(self, *, is_undo: bool = False) -> None:
        self.is_undo = is_undo

    def check(self, args: Namespace, bus: Bus, arguments: dict[str, Any]) -> bool:
        """Ask with the counts of a dry run."""
        if arguments["dry_run"] or args.is_meant or not is_at_terminal():
            return True
        run = bus.projects.undo if self.is_undo else bus.projects.move
        planned = run(arguments["old_project"], arguments["new_project"], dry_run=True)
        names = [sanitize(planned.old_project), sanitize(planned.new_project)]
        source, target = reversed(names) if self.is_undo else names
        what = in_numbers(planned.moved.items()) or "nothing"
        _ask(f"Move {what} from {source} to {target}? [y/N] ", "nothing was moved")
        return True


def _ended_sessions(bus: Bus, arguments: dict[str, Any]) -> int:
    before_s = time.time() - arguments["older_than_s"]
    sessions = bus.sessions.list_sessions(include_offline=True, project=arguments["project"])
    return len([each for each in sessions if each.ended_at and each.ended_at.timestamp() <= before_s])


def _entries(bus: Bus, arguments: dict[str, Any]) -> int:
    if author := arguments["session_id"]:
        return len(bus.memory.get_by_session(author, project=arguments["project"]))
    total: int = bus.memory.get_stats(arguments["project"]).total
    return total


CONFIRMATIONS: dict[str, Confirmation] = {
    "sessions.clear_offline": Removal("offline session", _ended_sessions),
    "memory.clear_some": Removal("memory key", _entries),
    "retention.prune": Removal("old record", None),
    "projects.move": Move(),
    "projects.undo": Move(is_undo=True),
}


def is_at_terminal() -> bool:
    """Return whether a person can be asked: input and errors are a terminal's."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def _ask(question: str, otherwise: str) -> None:
    """Ask a question on the terminal; raise Declined for any answer but yes."""
    screen = err()
    screen.stream.write(screen.paint(question, "bold"))
    screen.stream.flush()
    if sys.stdin.readline().strip().lower() not in YES:
        raise Declined(otherwise)
