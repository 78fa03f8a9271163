"""A terminal of tmux in which a command runs: what is on its screen, and keys for it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

TIMEOUT_S = 60


class Tmux:
    """A tmux server of its own with one window. It ends with the block, and what runs in it as well."""

    def __init__(self, command: list[str], environ: dict[str, str], width: int, height: int) -> None:
        self._folder = tempfile.mkdtemp(prefix="tmux")  # the path of a socket must be short
        self.status_file = Path(self._folder, "status")
        line = f"{shlex.join(command)}; echo $? > {shlex.quote(str(self.status_file))}; sleep 600"
        self._environ = {**environ, "TERM": "xterm-256color"}
        size = ["-x", str(width), "-y", str(height)]
        self._run("-f", "/dev/null", "new-session", "-d", *size, "sh", "-c", line)

    def _run(self, *words: str) -> str:
        command = ["tmux", "-S", str(Path(self._folder, "socket")), *words]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        return done.stdout

    def screen(self, *options: str) -> str:
        """Return what is on the screen now; with `-e` its colours, too."""
        return self._run("capture-pane", "-p", *options)

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def until(self, condition: Callable[[str], object]) -> str:
        """Wait until the screen is as it should be, and return it."""
        until(lambda: condition(self.screen()))
        return self.screen()

    def status(self) -> int:
        """Return the exit status of the command, once it has ended."""
        until(lambda: self.status_file.exists() and self.status_file.read_text())
        return int(self.status_file.read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("kill-server")
        shutil.rmtree(self._folder, ignore_errors=True)


def has_tmux() -> bool:
    return shutil.which("tmux", path=os.environ.get("PATH")) is not None
