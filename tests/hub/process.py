"""A real hub in a process of its own, for the tests that need one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import PATIENCE_S, measured, until

if TYPE_CHECKING:
    from typing import Self

CHANGED = """\
import importlib, json, sys, time
ahead_s, now, now_ns = int(sys.argv.pop(1)), time.time, time.time_ns
if ahead_s:
    time.time, time.time_ns = (lambda: now() + ahead_s), (lambda: now_ns() + ahead_s * 10**9)
for name, value in json.loads(sys.argv[1]).items():
    module, _, constant = name.rpartition(".")
    assert hasattr(importlib.import_module(module), constant)
    setattr(importlib.import_module(module), constant, value)
from hallway.cli.main import run
sys.exit(run(sys.argv[2:]))
"""


class HubProcess:
    """`hallway serve` on a bus in `home`; it listens when this is made.

    `constants` are a hub's own that this one has other values for, by their full names: a test of what happens after
    15 seconds need not last so long. `program` is what of Python's command line runs hallway.
    """

    def __init__(
        self,
        home: Path,
        *options: str,
        port: int = 0,
        constants: dict[str, Any] | None = None,
        program: tuple[str, ...] = ("-m", "hallway"),
        clock_ahead_s: int = 0,
        inside: str | None = None,
        **environ: str,
    ) -> None:
        self.home = home
        self.forgiven: set[str] = set()  # messages of errors that a test provokes
        home.mkdir(parents=True, exist_ok=True)
        serve = ["serve", "--port", str(port), "--log-format", "json", *options]
        if constants or clock_ahead_s:
            command = ["-c", CHANGED, str(clock_ahead_s), json.dumps(constants or {}), *serve]
        else:
            command = [*program, *serve]
        within = ["nsenter", f"--net=/var/run/netns/{inside}"] if inside else []
        self._log = home / "hub.log"
        self._log_begins = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*within, sys.executable, *command],
                env={**environment(home), **environ},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.pid = self._process.pid
        try:
            until(lambda: self._process.poll() is not None or self._serving())
            assert self._process.poll() is None, self.errors()
        except BaseException:
            self.kill()
            raise
        self.url: str = self._serving()[0]["address"]
        self.port = int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """What this hub has logged; a line that is no JSON is an error that nobody logged."""
        lines = self._log.read_bytes()[self._log_begins :].decode().splitlines(keepends=True)
        return [
            json.loads(line) if line.startswith("{") else {"level": "error", "message": line}
            for line in lines
            if line.endswith("\n")
        ]

    def errors(self) -> list[str]:
        """What went wrong in a way that nobody foresaw."""
        return [
            f"{record['message']}\n{record.get('traceback', '')}"
            for record in self.log()
            if record["level"] in ("error", "critical") and record["message"] not in self.forgiven
        ]

    def _serving(self) -> list[dict[str, Any]]:
        return [record for record in self.log() if record["message"] == "serving"]

    @property
    def bus_file(self) -> Path:
        return self.home / "bus.db"

    def state(self) -> str:
        """What the system says of the process."""
        return Path(f"/proc/{self.pid}/status").read_text()

    def memory_kib(self) -> int:
        """How much memory it has in use."""
        return int(self.state().partition("VmRSS:")[2].split()[0])

    def cpu_s(self) -> float:
        """How much processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, within_s: float = PATIENCE_S) -> int:
        """Ask it to end, and its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within_s)

    def ends(self, within_s: float = PATIENCE_S) -> int:
        return self._process.wait(within_s)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.kill()
        assert kind is not None or not self.errors(), "\n".join(self.errors())


def environment(home: Path) -> dict[str, str]:
    """The environment of a process whose bus is in `home` and whose person is alice."""
    return {
        "PATH": os.environ["PATH"],
        **measured(),
        "HOME": str(home.parent),
        "LANG": "C.UTF-8",
        "HALLWAY_HOME": str(home),
        "HALLWAY_PROJECT": "github.com/acme/shop",
        "HALLWAY_USER": "alice",
        "PYTHONWARNINGS": "error",
    }
