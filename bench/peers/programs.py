"""The programs that are measured: how each is installed, set up in a home of its own, and asked to do the same work."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.tools import HERE
from hallway.agents.client_parts import installer_of
from hallway.agents.install.hook_commands import command_of

ENVIRONMENTS = HERE.parent / "build" / "peers"
SAID = "I found it in api/auth.py, {n}"
TOKEN = "a-token-of-the-benchmark"  # noqa: S105
HOOK = {"hook_event_name": "PostToolUse", "session_id": "bob", "tool_name": "Bash", "tool_input": {"command": "ls"}}
HTTP_WORK = ("heartbeat", "send", "inbox of ten", "memory set")


class Request:
    """A kind of request to a hub: method, path, and a JSON body in which `{n}` is another number each time."""

    def __init__(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        self.method = method
        self.path = path
        self.body = "" if body is None else json.dumps(body)


class Program:
    """A program in a home of its own, with the sessions alice and bob.

    `commands` are what a person or an agent runs, by the work they do; `requests` what its hub is asked, if it has one.
    """

    name = ""
    requirement = ""  # as pip installs it; empty: this checkout
    requests: dict[str, Request] = {}

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "HALLWAY_MESSAGE_BURST": "0"}
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    @property
    def folder(self) -> Path:
        """The folder with the program's commands."""
        if not self.requirement:
            return Path(sys.executable).parent
        return ENVIRONMENTS / self.requirement.partition("[")[0].partition("=")[0] / "bin"

    @property
    def version(self) -> str:
        return self.requirement.rpartition("=")[2] or "this checkout"

    @property
    def commands(self) -> dict[str, list[str]]:
        raise NotImplementedError

    def set_up(self) -> None:
        """Make the sessions and what the work needs."""

    def install(self) -> None:
        if self.requirement and not self.folder.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.folder.parent)], check=True)
            pip = [str(self.folder / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, self.requirement], check=True)

    def run(self, *words: str, told: bytes = b"") -> bytes:
        """Run one of its commands, with another number for each `{n}`; return what it prints."""
        number = str(next(self._numbers))
        command = [str(self.folder / words[0]), *(word.replace("{n}", number) for word in words[1:])]
        done = subprocess.run(
            command, input=told, capture_output=True, env=self.environ, cwd=self.home, check=True, timeout=60
        )
        return done.stdout

    def ask(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Send a request to the program's hub that must succeed."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), self.headers, method=method)
        urllib.request.urlopen(request, timeout=30).close()

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}

    @contextlib.contextmanager
    def serving(self, *words: str) -> Iterator[None]:
        """Run the program's hub."""
        command = [str(self.folder / words[0]), *words[1:]]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environ, cwd=self.home
        ) as self.process:
            try:
                self._wait_for_port()
                yield
            finally:
                self.process.terminate()
                self.process.wait(30)
                self.process = None

    def _wait_for_port(self) -> None:
        port = int(self.url.rpartition(":")[2])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen on {self.url}")

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Set the program up, with its hub if it has one, until the block ends."""
        self.set_up()
        yield


class Hallway(Program):
    """hallway, from this checkout."""

    name = "hallway"
    requests = {
        "heartbeat": Request("POST", "/sessions/bob/heartbeat", {"current_task": "mend the form"}),
        "send": Request("POST", "/messages", {"from_session": "alice", "to_session": "carol", "body": SAID}),
        "inbox of ten": Request("GET", "/sessions/bob/inbox?limit=10"),
        "memory set": Request("PUT", "/memory/finding", {"session_id": "alice", "value": SAID}),
    }

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.environ |= {"HALLWAY_PROJECT": "github.com/acme/shop", "CLAUDE_CODE_SESSION_ID": "bob"}
        self.url = f"http://127.0.0.1:{free_port()}"

    @property
    def commands(self) -> dict[str, list[str]]:
        return {
            "list": ["hallway", "list"],
            "send": ["hallway", "send", "alice", "carol", SAID],
            "inbox": ["hallway", "inbox", "bob"],
            "hook": ["/bin/sh", "-c", command_of(installer_of("claude-code"), runs_for="any")],
            "mcp": ["hallway", "mcp"],
        }

    def set_up(self) -> None:
        for session in ("alice", "bob", "carol"):
            self.run("hallway", "register", session, f"{session}'s agent", "claude-code", "--ttl", "86400")
        for number in range(10):
            self.run("hallway", "send", "alice", "bob", SAID.format(n=number))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        self.set_up()
        with self.serving("hallway", "serve", "--port", self.url.rpartition(":")[2], "--limit-requests", "1000000000"):
            yield


class Switchboard(Program):
    """agent-switchboard: a hub that keeps everything for a time only; its commands are clients of the hub."""

    name = "agent-switchboard"
    requirement = "agent-switchboard[all]==2.6.0"
    requests = {
        "heartbeat": Request("POST", "/agents/heartbeat", {"workspace": "w", "agent_id": "bob", "task": "mend it"}),
        "send": Request(
            "POST", "/messages", {"workspace": "w", "channel": "@carol", "agent_id": "alice", "body": SAID}
        ),
        "inbox of ten": Request("GET", "/inbox?workspace=w&agent_id=bob&peek=true&limit=10"),
        "memory set": Request(
            "PUT", "/board", {"workspace": "w", "key": "finding", "agent_id": "alice", "value": SAID}
        ),
    }

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.environ |= {"SWITCHBOARD_TOKEN": TOKEN, "SWITCHBOARD_URL": self.url, "SWITCHBOARD_WORKSPACE": "w"}

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Authorization": f"Bearer {TOKEN}"}

    @property
    def commands(self) -> dict[str, list[str]]:
        return {
            "list": ["switchboard", "agents"],
            "send": ["switchboard", "--agent-id", "alice", "dm", "carol", SAID],
            "inbox": ["switchboard", "--agent-id", "bob", "inbox", "--peek"],
            "mcp": ["switchboard-mcp"],
        }

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        port, database = self.url.rpartition(":")[2], str(self.home / "hub.db")
        with self.serving("switchboard", "serve", "--port", port, "--db", database, "--log-level", "error"):
            for agent in ("alice", "bob", "carol"):
                self.ask("POST", "/agents/register", {"workspace": "w", "agent_id": agent, "name": agent, "ttl": 3600})
            for number in range(10):
                said = {"workspace": "w", "channel": "@bob", "agent_id": "alice", "body": SAID.format(n=number)}
                self.ask("POST", "/messages", said)
            yield


class Puenteo(Program):
    """puenteo: commands, an MCP server and hooks on files of the user's; its gateway serves reads mainly."""

    name = "puenteo"
    requirement = "puenteo==0.13.0"

    @property
    def commands(self) -> dict[str, list[str]]:
        return {
            "list": ["puenteo", "ps"],
            "send": ["puenteo", "send", "claude:carol", SAID, "--as", "claude:alice", "--no-push"],
            "inbox": ["puenteo", "inbox", "--as", "claude:bob", "--peek"],
            "hook": ["puenteo", "hook", "PostToolUse", "--agent", "claude"],
            "mcp": ["puenteo", "mcp"],
        }

    def set_up(self) -> None:
        for session in ("alice", "bob", "carol"):
            self.run("puenteo", "join", "--name", session, "--as", f"claude:{session}")
        for number in range(10):
            said = SAID.format(n=number)
            self.run("puenteo", "send", "claude:bob", said, "--as", "claude:alice", "--no-push")


class Hcom(Program):
    """hcom: one program that starts the agents itself; it has no MCP server, and its hooks come with the launch."""

    name = "hcom"
    requirement = "hcom==0.7.31"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.environ |= {"HCOM_DIR": str(home / "hcom")}

    @property
    def commands(self) -> dict[str, list[str]]:
        return {"list": ["hcom", "list"], "send": ["hcom", "send", "--from", "alice", "@bigboss", "--", SAID]}

    def set_up(self) -> None:
        (self.home / "hcom").mkdir()
        self.run("hcom", "start")


PROGRAMS: tuple[type[Program], ...] = (Hallway, Switchboard, Puenteo, Hcom)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
