"""A person at a terminal: real `hallway` processes on a bus of their own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from support import measured

if TYPE_CHECKING:
    from pathlib import Path

FULL_PARSER = "import sys; from hallway.cli.main import run; sys.exit(run(sys.argv[1:]))"
TIMEOUT_S = 120


class Person:
    """Types commands; `home` is where the bus is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {
            "PATH": os.environ["PATH"],
            **measured(),
            "HOME": str(home.parent),
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HALLWAY_HOME": str(home),
            "HALLWAY_PROJECT": "github.com/acme/shop",
            "HALLWAY_USER": "alice",
            "PYTHONWARNINGS": "error",
        }

    @property
    def bus_file(self) -> Path:
        return self.home / "bus.db"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "hallway", *words]

    def types(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it wrote and how it ended."""
        return self.runs(self.command(*words), **environ)

    def types_fully(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same through argparse, whatever the words."""
        return self.runs([sys.executable, "-c", FULL_PARSER, *words])

    def runs(self, command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self.environ, **environ}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def on_a_terminal(self, *words: str, typed: str = "", **environ: str) -> tuple[int, str]:
        """Run a command on a terminal, at which something is typed; its status, and what it wrote."""
        main, side = pty.openpty()
        environ = {**self.environ, "TERM": "dumb", **environ}
        process = subprocess.Popen(self.command(*words), env=environ, stdin=side, stdout=side, stderr=side)
        os.close(side)
        written = b""
        try:
            os.write(main, typed.encode())
            while part := os.read(main, 65536):
                written += part
        except OSError:
            pass  # how Linux tells that the other side has gone
        finally:
            os.close(main)
        return process.wait(TIMEOUT_S), written.decode()

    def gets(self, *words: str) -> Any:
        """The JSON answer of a command that must succeed."""
        done = self.types(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def starts(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
