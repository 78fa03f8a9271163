"""A client that runs hooks: the commands that hallway would have it configured with, through a real shell."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, NamedTuple

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.hook_commands import Hook, command_of, hooks_of

SESSION = "0c7f"
PATIENT_MS = "20000"  # a slow machine's hook has time; what the budget does is a test of its own
SHOWN = ("additionalContext", "additional_context", "text")

CLAUDES = "SessionStart UserPromptSubmit PostToolUse PermissionRequest Stop SessionEnd"

# For each client: its session's variable, if it has one, and its names for what happens.
NAMES = {
    "claude-code": ("CLAUDE_CODE_SESSION_ID", CLAUDES),
    "codex": ("", CLAUDES),
    "gemini": ("GEMINI_SESSION_ID", "SessionStart BeforeAgent AfterTool Notification AfterAgent SessionEnd"),
    "qwen": ("QWEN_CODE_SESSION_ID", CLAUDES),
    "copilot": ("", "sessionStart userPromptSubmitted postToolUse notification agentStop sessionEnd"),
    "cursor": ("", "sessionStart beforeSubmitPrompt postToolUse - stop sessionEnd"),
    "opencode": ("", "start prompt tool asked stop end"),
}
KINDS = ("start", "prompt", "tool", "asked", "stop", "end")

# A client's process: it runs the commands that it is told, in the terminal whose descriptor it is given, if any.
RUNNER = """
import fcntl, json, subprocess, sys, termios
for terminal in sys.argv[1:]:
    fcntl.ioctl(int(terminal), termios.TIOCSCTTY, 0)
for line in sys.stdin:
    said = json.loads(line)
    shell, told = ["/bin/sh", "-c", said["command"]], said["told"].encode()
    done = subprocess.run(shell, input=told, capture_output=True, env=said["environ"], cwd=said["folder"])
    print(json.dumps([done.stdout.decode(), done.stderr.decode(), done.returncode]), flush=True)
"""


class Ran(NamedTuple):
    """What a hook wrote and how it ended."""

    out: str
    err: str
    status: int

    @property
    def answer(self) -> dict[str, Any]:
        return json.loads(self.out) if self.out else {}

    @property
    def shown(self) -> str:
        """What the agent is shown, wherever the client wants it."""
        answer = self.answer.get("hookSpecificOutput", self.answer)
        return next((answer[name] for name in SHOWN if name in answer), "")


class Client:
    """One session of one kind of client."""

    def __init__(self, kind: str, directory: Path, session_id: str = SESSION) -> None:
        self.kind = kind
        self.session_id = session_id
        self.directory = directory
        variable, names = NAMES[kind]
        self.names = dict(zip(KINDS, names.split(), strict=True))
        self.count = 0
        self.process: Popen[str] | None = None  # what runs the hooks instead of the tests themselves
        self.environ = {**os.environ, "HALLWAY_HOOK_BUDGET_MS": PATIENT_MS}
        if variable:
            self.environ[variable] = session_id
        if kind == "copilot":
            self.environ["COPILOT_CLI"] = "1"
        # Nearly every client sets it, so it must mean nothing.
        self.environ["CLAUDE_PROJECT_DIR"] = str(directory)

    def hook(self, kind: str, matcher: str | None = None) -> Hook | None:
        """What is configured for what happens: of several, the first, or the one with a matcher."""
        found = [each for each in hooks_of(CLIENTS[self.kind]) if each.event == self.names[kind]]
        return next((each for each in found if matcher is None or each.matcher == matcher), None)

    def command(self, kind: str, matcher: str | None = None) -> str:
        if self.kind == "opencode":
            return command_of(CLIENTS["opencode"])
        hook = self.hook(kind, matcher)
        assert hook is not None, (self.kind, kind)
        return str(hook.entry.get("command") or hook.entry["bash"])

    def payload(self, kind: str, **more: Any) -> dict[str, Any]:
        self.count += 1
        told: dict[str, Any] = {"cwd": str(self.directory), "hook_event_name": self.names[kind], "n": self.count}
        if self.kind == "copilot":
            told |= {"sessionId": self.session_id, "notification_type": "permission_prompt"}
            del told["hook_event_name"]
        elif self.kind == "cursor":
            told |= {"conversation_id": self.session_id, "workspace_roots": [str(self.directory)]}
        else:
            told["session_id"] = self.session_id
        return {**told, **more}

    def does(self, kind: str, matcher: str | None = None, **more: Any) -> Ran:
        """Have something happen."""
        return self.runs(self.command(kind, matcher), json.dumps(self.payload(kind, **more)))

    @contextlib.contextmanager
    def in_process(self, *, with_terminal: bool) -> Iterator[None]:
        """Run the hooks from a process of its own, with a terminal or without one."""
        ours, its = os.openpty()
        runner = [sys.executable, "-c", RUNNER, *([str(its)] if with_terminal else [])]
        with Popen(runner, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True, pass_fds=[its]) as self.process:
            os.close(its)
            yield
            self.process.communicate()
        self.process = None
        os.close(ours)

    def runs(self, command: str, told: str | bytes, **environ: str) -> Ran:
        if self.process:
            assert self.process.stdin
            assert self.process.stdout
            run = {"command": command, "told": str(told), "environ": {**self.environ, **environ}}
            self.process.stdin.write(json.dumps({**run, "folder": str(self.directory)}) + "\n")
            self.process.stdin.flush()
            return Ran(*json.loads(self.process.stdout.readline()))
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=told if isinstance(told, bytes) else told.encode(),
            capture_output=True,
            env={**self.environ, **environ},
            cwd=self.directory,
            timeout=60,
            check=False,
        )
        return Ran(done.stdout.decode(), done.stderr.decode(), done.returncode)
