"""What a hook costs the client that runs it: whole processes, from their start to their end, against an interpreter
that does nothing."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import hallway
from bench.tools import Result, fill, folder
from hallway.agents.client_parts import installer_of
from hallway.agents.install.hook_commands import command_of, interpreter
from hallway.local.hook_gate import file_of, socket_of

SESSION = "6f1c"
ROUNDS = 60
NODE = (
    "setInterval(() => {}, 1000); const { statSync } = require('fs'); const n = 1e5; const b = process.hrtime.bigint();\
 for (let i = 0; i < n; i++) statSync(process.argv[1]).mtimeMs > Date.now();\
 console.log(Number(process.hrtime.bigint() - b) / n / 1e6); process.exit()"
)
CLAUDE = {"name": "claude-code", "version": "2"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CLAUDE},
}


class Session:
    """A session of Claude Code at work, on a bus of its own with others beside it."""

    def __init__(self, home: str, others: int) -> None:
        if others:
            fill(home, others)
        self.home = home
        self.environ = {
            **os.environ,
            "HALLWAY_HOME": home,
            "CLAUDE_CODE_SESSION_ID": SESSION,
            "HALLWAY_PROJECT": "bench",
            "HALLWAY_HOOK_BUDGET_MS": "10000",
        }
        self.environ.pop("HALLWAY_URL", None)
        self.bus = hallway.connect(home, project="bench")
        self.clock = time.perf_counter
        self._numbers = itertools.count()
        with mock.patch.dict(os.environ, {"HALLWAY_HOME": home}):
            os.environ.pop("HALLWAY_URL", None)
            client = installer_of("claude-code")
            self.quick, self.always = command_of(client, runs_for="any"), command_of(client)
            self.check = command_of(client, runs_for="check")
        self.bus.sessions.register("bob", "bob's agent", "codex", ttl_s=86_400)
        self.hook("SessionStart")
        self.prompt()

    def hook(self, event: str, command: str | None = None, **more: object) -> tuple[float, bytes]:
        """The seconds that a hook takes, and what it writes."""
        told = {"hook_event_name": event, "session_id": SESSION, "cwd": self.home, "n": next(self._numbers), **more}
        return self.run(["/bin/sh", "-c", command or self.always], json.dumps(told).encode())

    def run(self, command: list[str], told: bytes = b"") -> tuple[float, bytes]:
        began = self.clock()
        done = subprocess.run(command, input=told, stdout=subprocess.PIPE, env=self.environ, check=True)
        return self.clock() - began, done.stdout

    def nothing(self) -> float:
        return self.run([*interpreter()[:3], "-c", "pass"])[0]

    def shell(self) -> float:
        return self.run(["/bin/sh", "-c", ":"])[0]

    def quiet(self) -> float:
        """A tool when nothing is due."""
        until = time.time() + 30
        os.utime(file_of(self.home, SESSION), (until, until))
        return self.hook("PostToolUse", self.quick, tool_name="Bash")[0]

    def due(self) -> float:
        """A tool when only the heartbeat is due."""
        os.utime(file_of(self.home, SESSION), (0, 0))
        taken, said = self.hook("PostToolUse", self.quick, tool_name="Bash")
        assert not said
        return taken

    def news(self) -> float:
        """A tool when a message waits."""
        self.bus.messages.send("bob", SESSION, "notification", f"The cart, {next(self._numbers)}", "is broken")
        taken, said = self.hook("PostToolUse", self.quick, tool_name="Bash")
        assert said
        return taken

    def edit(self, path: str) -> tuple[float, bytes]:
        return self.hook("PreToolUse", self.check, tool_name="Edit", tool_input={"file_path": path})

    def free_edit(self) -> float:
        """Before an edit while nobody else has claimed anything."""
        return self.edit("src/web.py")[0]

    def checked_edit(self) -> float:
        """Before an edit of what nobody has claimed, while another session has claimed something else."""
        taken, said = self.edit("src/web.py")
        assert not said
        return taken

    def denied_edit(self) -> float:
        """Before an edit of what another session has claimed."""
        taken, said = self.edit("src/api/users.py")
        assert b"deny" in said
        return taken

    def wrote(self) -> float:
        return self.hook("PostToolUse", tool_name="Edit", tool_input={"file_path": f"/src/{next(self._numbers)}"})[0]

    def prompt(self) -> float:
        return self.hook("UserPromptSubmit", prompt=f"mend the login, {next(self._numbers)}")[0]

    def stop(self) -> float:
        return self.hook("Stop")[0]

    @contextmanager
    def server(self) -> Iterator[None]:
        """The session's own MCP server, as its client starts it."""
        with subprocess.Popen(
            [sys.executable, "-m", "hallway", "mcp"],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(HELLO) + "\n")
            server.stdin.flush()
            server.stdout.readline()
            while not os.path.exists(socket_of(self.home, SESSION)):
                time.sleep(0.01)
            yield
            server.stdin.close()


def processor_time() -> float:
    """Return the processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def turns(cases: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Each case's median, measured in turns."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case())
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def all_results() -> Iterator[Result]:
    yield from in_a_session()
    yield from in_a_crowd()
    yield from before_edits()
    yield from in_open_code()
    yield digest()


def in_a_session() -> Iterator[Result]:
    """A session as `hallway install` sets it up, with its server, and one whose server is not there."""
    with folder() as home:
        session = Session(home, 0)
        cases = {
            "shell": session.shell,
            "nothing": session.nothing,
            "quiet": session.quiet,
            "due": session.due,
            "news": session.news,
            "wrote": session.wrote,
            "stop": session.stop,
            "prompt": session.prompt,
        }
        alone = turns(cases)
        with session.server():
            served = turns(cases)
        session.bus.close()
    note = f"{served['quiet'] * 1000:.2f} ms; {served['quiet'] / served['nothing']:.2f} × of `python -I -S -c pass`"
    yield Result(
        "a hook after a tool, nothing due, against `sh -c :`",
        served["quiet"] / served["shell"],
        1.5,
        at_least=False,
        note=note,
    )
    told = {
        "due": "a heartbeat is due",
        "news": "a message waits: a digest",
        "wrote": "a file was written",
        "prompt": "the user says something",
        "stop": "the turn is over",
    }
    for where, seconds in (("", served), (", without the session's server", alone)):
        for name, what in told.items():
            note = f"{seconds[name] * 1000:.1f} against {seconds['nothing'] * 1000:.1f} ms"
            yield Result(
                f"{what}{where}, against `python -I -S -c pass`",
                seconds[name] / seconds["nothing"],
                2,
                at_least=False,
                note=note,
            )


def before_edits() -> Iterator[Result]:
    """The check before an edit: while nobody has claimed anything, and while another session has.

    It is processor time, of the hook and what it starts: on a busy machine the server's turn comes at any time.
    """
    with folder() as home:
        session = Session(home, 0)
        session.clock = processor_time
        os.makedirs(os.path.join(home, ".git", "objects"))
        os.makedirs(os.path.join(home, ".git", "refs"))
        with open(os.path.join(home, ".git", "HEAD"), "w") as head:
            head.write("ref: refs/heads/main\n")
        session.free_edit()  # which marks the gate file
        free = turns({"shell": session.shell, "free": session.free_edit})
        session.bus.claims.claim("bob", ["src/api/**"], "new handlers", ttl_s=86_400)
        cases = {"nothing": session.nothing, "checked": session.checked_edit, "denied": session.denied_edit}
        alone = turns(cases)
        with session.server():
            served = turns(cases)
        session.bus.close()
    yield Result(
        "before an edit, nobody else has claimed anything, against `sh -c :`",
        free["free"] / free["shell"],
        1.5,
        at_least=False,
        note=f"{free['free'] * 1000:.2f} against {free['shell'] * 1000:.2f} ms",
    )
    told = {"checked": "before an edit, others have claimed something else", "denied": "an edit is denied"}
    for where, seconds in (("", served), (", without the session's server", alone)):
        for name, what in told.items():
            yield Result(
                f"{what}{where}, against `python -I -S -c pass`",
                seconds[name] / seconds["nothing"],
                2,
                at_least=False,
                note=f"{seconds[name] * 1000:.1f} against {seconds['nothing'] * 1000:.1f} ms",
            )


def in_a_crowd() -> Iterator[Result]:
    """One session on the bus, and 10,000."""
    with folder() as few, folder() as many:
        one, crowd = Session(few, 0), Session(many, 10_000)
        seconds = turns({"one": one.due, "crowd": crowd.due, "one prompt": one.prompt, "crowd prompt": crowd.prompt})
        one.bus.close()
        crowd.bus.close()
    for name, what in (("", "a heartbeat that is due"), (" prompt", "a prompt")):
        ratio = seconds[f"crowd{name}"] / seconds[f"one{name}"]
        yield Result(f"{what}: 10,000 sessions on the bus against one", ratio, 1.2, at_least=False)


def in_open_code() -> Iterator[Result]:
    """OpenCode's plugin starts nothing: it looks at a file's time."""
    if node := shutil.which("node"):
        with folder() as home:
            session = Session(home, 0)
            done = subprocess.run(
                [node, "-e", NODE, file_of(home, SESSION)], capture_output=True, text=True, check=True
            )
            session.bus.close()
        yield Result("OpenCode's plugin after a tool, nothing due", float(done.stdout), 3, at_least=False, unit="ms")


def digest() -> Result:
    """How much of an agent's attention much news takes."""
    with folder() as home:
        session = Session(home, 50)
        for number in range(100):
            session.bus.messages.send("bob", SESSION, "request", f"{number} 漢🙂" * 20, "<b>" * 1000, priority="urgent")
        _, said = session.hook("PostToolUse", tool_name="Bash")
        session.bus.close()
    shown = json.loads(said)["hookSpecificOutput"]["additionalContext"]
    return Result("a digest of 100 urgent messages", len(shown.encode()), 1024, at_least=False, unit="bytes")
