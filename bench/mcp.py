"""What the MCP server costs: its start and memory in every session, and a call over each transport."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import hallway
from bench.tools import HubProcess, Result, fill, folder, interleaved, run

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
PROJECT = "github.com/acme/p0"
SESSION = "s0"
AGAINST_MS = 0.1  # what a call over a pipe may cost besides


class Server:
    """`hallway mcp` on a bus, for one session of it."""

    def __init__(self, home: str) -> None:
        environ = {**os.environ, "HALLWAY_HOME": home, "HALLWAY_PROJECT": PROJECT, "CLAUDE_CODE_SESSION_ID": SESSION}
        self._numbers = itertools.count(1)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hallway", "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )

    def ask(self, method: str, **params: Any) -> bytes:
        assert self._process.stdin
        assert self._process.stdout
        message = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": {**params, "_meta": META}}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert b'"result"' in answer
        assert b'"isError"' not in answer
        return answer

    @property
    def memory_mb(self) -> float:
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))

    def close(self) -> None:
        self._process.communicate()


def all_results() -> Iterator[Result]:
    yield from start()
    yield from stdio_calls()
    yield from http_calls()


def start() -> Iterator[Result]:
    """From the client's `spawn` to the first list of tools."""
    with folder() as home:
        fill(home, 1000)

        def first_tools() -> None:
            server = Server(home)
            assert b"handoff_task" in server.ask("tools/list")
            taken.append(time.perf_counter() - began)
            server.close()

        taken: list[float] = []
        bare: list[float] = []
        for _ in range(25):
            began = time.perf_counter()
            run(sys.executable, "-c", "pass")
            bare.append(time.perf_counter() - began)
            began = time.perf_counter()
            first_tools()
        server = Server(home)
        server.ask("tools/list")
        for _ in range(20):
            server.ask("tools/call", name="sessions", arguments={})
            server.ask("tools/call", name="status", arguments={"status": "working"})
        memory = server.memory_mb
        server.close()
    spawned, passed = sorted(taken)[12], sorted(bare)[12]
    note = f"{spawned * 1000:.1f} against {passed * 1000:.1f} ms"
    yield Result(
        "from `spawn` to the first `tools/list`, against `python -c pass`",
        spawned / passed,
        3,
        at_least=False,
        note=note,
    )
    yield Result("resident memory of a session's server", memory, 20, at_least=False, unit="MB")


def stdio_calls() -> Iterator[Result]:
    """A tool call over the pipe against the same operation in process, less the tenth of a millisecond a pipe may."""
    with folder() as home:
        fill(home, 1000)
        server = Server(home)
        texts = itertools.count()
        with hallway.connect(home, project=PROJECT) as bus:
            pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
                "sessions": (
                    lambda: server.ask("tools/call", name="sessions", arguments={}),
                    lambda: bus.sessions.active(PROJECT),
                ),
                "status": (
                    lambda: server.ask("tools/call", name="status", arguments={"status": "working"}),
                    lambda: bus.sessions.heartbeat(SESSION, status="working", limit=1),
                ),
                "send": (
                    lambda: server.ask(
                        "tools/call", name="send", arguments={"to_session": "s1", "body": f"a {next(texts)}"}
                    ),
                    lambda: bus.messages.send(SESSION, "s1", body=f"b {next(texts)}"),
                ),
            }
            for name, (call, plain) in pairs.items():
                taken = interleaved({"stdio": call, "plain": plain}, 300)
                over = (taken["stdio"] * 1000 - AGAINST_MS) / (taken["plain"] * 1000)
                note = f"{taken['stdio'] * 1e6:.0f} against {taken['plain'] * 1e6:.0f} µs"
                yield Result(
                    f"`{name}` over standard input and output, less 0.1 ms, against in process",
                    over,
                    1.3,
                    at_least=False,
                    note=note,
                )
        server.close()


def http_calls() -> Iterator[Result]:
    """A tool call over HTTP against the operation's own route, on one kept connection each."""
    with folder() as home:
        fill(home, 1000)
        with HubProcess(home) as hub:
            connection = http.client.HTTPConnection("127.0.0.1", hub.port)
            headers = {"Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28"}

            def tool(name: str, arguments: dict[str, Any]) -> None:
                params = {"name": name, "arguments": {"session_id": SESSION, **arguments}, "_meta": META}
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
                named = {"Mcp-Method": "tools/call", "Mcp-Name": name}
                connection.request("POST", "/mcp", body, {**headers, **named})
                assert b'"structuredContent"' in connection.getresponse().read()

            def rest(method: str, path: str, body: dict[str, Any] | None = None) -> None:
                connection.request(method, path, json.dumps(body) if body else None, headers)
                response = connection.getresponse()
                assert response.read()
                assert response.status == 200

            texts = itertools.count()
            pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
                "sessions": (
                    lambda: tool("sessions", {"project": PROJECT}),
                    lambda: rest("GET", f"/sessions/active?project={PROJECT}"),
                ),
                "status": (
                    lambda: tool("status", {"status": "working"}),
                    lambda: rest("POST", f"/sessions/{SESSION}/heartbeat", {"status": "working", "limit": 1}),
                ),
                "send": (
                    lambda: tool("send", {"to_session": "s1", "body": f"a {next(texts)}"}),
                    lambda: rest(
                        "POST",
                        "/messages",
                        {"from_session": SESSION, "to_session": "s1", "body": f"b {next(texts)}"},
                    ),
                ),
            }
            for name, (call, plain) in pairs.items():
                taken = interleaved({"tool": call, "rest": plain}, 300)
                note = f"{taken['tool'] * 1e6:.0f} against {taken['rest'] * 1e6:.0f} µs"
                yield Result(
                    f"`{name}` through `POST /mcp` against its route",
                    taken["tool"] / taken["rest"],
                    1.5,
                    at_least=False,
                    note=note,
                )
            connection.close()
