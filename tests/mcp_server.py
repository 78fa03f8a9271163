"""`hallway mcp` in a process of its own, and what a client says to it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
PATIENCE_S = 60.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which only the bus is told, and what a test adds."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    return {
        **kept,
        "HALLWAY_HOME": str(home),
        "HALLWAY_PROJECT": "github.com/acme/shop",
        "HALLWAY_USER": "alice",
        **more,
    }


class Server:
    """A client's view of one server."""

    def __init__(self, home: Path, *words: str, program: list[str] | None = None, **environ: str) -> None:
        """Start it; `program`, if any, is what starts it in turn."""
        self.process = subprocess.Popen(
            [*(program or []), sys.executable, "-m", "hallway", "mcp", *words],
            env=environment(home, **environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._rest = b""
        self._count = 0
        self.notes: list[dict[str, Any]] = []

    def initialize(self, client: str = "claude-code", version: str = "2025-06-18") -> dict[str, Any]:
        return self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": client})

    def call(self, name: str, meta: dict[str, Any] | None = None, /, **arguments: Any) -> dict[str, Any]:
        """A tool's structured result; an error's text where it fails."""
        result = self.ask("tools/call", name=name, arguments=arguments, _meta={**MODERN, **(meta or {})})
        return dict(json.loads(result["content"][0]["text"]))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A request's result; fails where it is an error."""
        answer = self.answer_to(method, **params)
        assert "result" in answer, answer
        return dict(answer["result"])

    def answer_to(self, method: str, **params: Any) -> dict[str, Any]:
        request_id = self.send(method, **params)
        while (message := self.receive()).get("id") != request_id:
            self.notes.append(message)
        return message

    def send(self, method: str, **params: Any) -> int:
        self._count += 1
        self.write({"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
        return self._count

    def write(self, message: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next message; fails when none comes in time."""
        return dict(json.loads(self.line(within_s)))

    def line(self, within_s: float = PATIENCE_S) -> bytes:
        """The next line without its end, whatever is in it."""
        assert self.process.stdout
        deadline = time.monotonic() + within_s
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "nothing came"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "the server has closed its output"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> int:
        """Close its input and wait for its end."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.wait()
