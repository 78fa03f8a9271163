"""The command `hallway top`. Textual, which draws it, is an extra and is imported only when the command runs."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hallway.bus.connect import connect
from hallway.core.errors import InvalidInput

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def top(args: Namespace) -> int:
    """Show what needs you, the sessions and their work, on a terminal, and act on it.

    The list is the one of hallway attention, and everything changes as it happens. The keys: j and k move, enter
    opens, r answers, d dismisses, n writes a message, / filters, ? shows all keys, q ends.
    """
    if args.is_json:
        raise InvalidInput("hallway top is for a person at a terminal", hint="For programs: hallway attention --json")
    if not (all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout, sys.stderr))):
        raise InvalidInput("hallway top needs a terminal", hint="Without one: hallway attention")
    if find_spec("textual") is None:
        raise InvalidInput(
            "the package that draws hallway top is not installed", hint="Install it: pip install 'hallway[top]'"
        )
    from hallway.cli.top.program import TopProgram

    with connect(args.url) as bus:
        return TopProgram(bus, args.url).run_until_closed()


def top_options(parser: ArgumentParser) -> None:
    pass
