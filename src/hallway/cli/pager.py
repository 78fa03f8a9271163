"""Showing what is longer than the screen in a pager: HALLWAY_PAGER, else PAGER, else less, if there is one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from hallway.cli.overview import height_of
from hallway.cli.terminal import cell_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hallway.cli.terminal import Terminal

NOT_FOUND = 127  # a shell's exit status for a command that is not there
ESCAPE = "\x1b"
OPTIONS = {"LESS": "FRX", "LV": "-c"}  # as git has them: colours are shown, and a short text stays on the screen


def show(screen: Terminal, lines: Sequence[str]) -> None:
    """Write lines, through a pager if they are longer than the terminal's screen."""
    command = _pager()
    if not command or not _is_longer(screen, lines) or not _page(command, lines):
        screen.write(*lines)


def _pager() -> str:
    """Return the pager's command line; empty for none."""
    for name in ("HALLWAY_PAGER", "PAGER"):
        if (command := os.environ.get(name)) is not None:
            return "" if command.strip() == "cat" else command.strip()
    return "less" if shutil.which("less") and os.environ.get("TERM", "dumb") != "dumb" else ""


def _is_longer(screen: Terminal, lines: Sequence[str]) -> bool:
    height = height_of(screen)
    if height is None or screen.width is None:
        return False
    return sum(-(-max(_width(line), 1) // screen.width) for line in lines) >= height


def _width(line: str) -> int:
    """Return the cells of a line without its colours."""
    return sum(cell_width(part.partition("m")[2] if at else part) for at, part in enumerate(line.split(ESCAPE)))


def _page(command: str, lines: Sequence[str]) -> bool:
    """Run the pager until the person leaves it; return False if it cannot be run."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        # The command line is the person's own setting, which a shell reads, as git has it.
        command_line, environ = ["sh", "-c", command], {**OPTIONS, **os.environ}
        with subprocess.Popen(
            command_line, stdin=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", env=environ
        ) as pager:
            pager.communicate("".join(f"{line}\n" for line in lines))  # a pager that is left early is no error
        return pager.returncode != NOT_FOUND
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
