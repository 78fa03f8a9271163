"""Codex: the server in config.toml, the hooks in hooks.json, which Codex runs once the person trusts them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import IO, TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, CHECK, EDITS, ClientInstaller, Diagnostic, home, place, stdio_server
from hallway.agents.install.configs import HOOKS, HookEntries, JsonConfig, TomlConfig
from hallway.agents.install.hook_commands import is_ours
from hallway.agents.install.hook_entries import grouped, is_hallways
from hallway.agents.install.switch import NO_HOOKS, NO_SERVER, Switch, is_false
from hallway.local.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.configs import Config

MOVED = "CODEX_HOME"
TRUST = "Start codex, type /hooks, and trust hallway's hooks: until then Codex skips them without a word."
LOOK = "Start codex in this folder, trust the folder if Codex asks, and type /hooks."
SWITCH_ON = "Start codex, type /hooks, and switch hallway's hooks on."
# Codex gives its servers a bare environment: what tells hallway where its bus is must be let through by name.
LET_THROUGH = [
    MOVED,
    "HALLWAY_HOME",
    "HALLWAY_URL",
    "HALLWAY_TOKEN",
    "HALLWAY_PROJECT",
    "HALLWAY_USER",
    "HALLWAY_DETAIL",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
]
REQUIRED = "mcp_servers.hallway.required=true"  # a run waits for hallway's tools
ANSWER_WAIT_S = 10
HOOKS_ASKED = 2  # the question's number


class CodexInstaller(ClientInstaller):
    name, title, programs = "codex", "Codex", ("codex",)
    trust = TRUST
    hooks = (
        ("SessionStart", None, ""),
        ("UserPromptSubmit", None, ""),
        ("PostToolUse", None, ANY),
        ("PostToolUse", "apply_patch|Edit|Write", EDITS),
        ("PreToolUse", "request_user_input", ""),
        ("PreToolUse", "apply_patch|Edit|Write|Bash", CHECK),
        ("PermissionRequest", None, ""),
        ("Stop", None, ""),
        ("SubagentStop", None, ANY),
        ("Interrupt", None, ""),
        ("SessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(variable=MOVED, base="~/.codex")

    def configs(self, root: str | None) -> list[Config]:
        folder = place(root, self.folder, ".codex")
        return [
            TomlConfig(os.path.join(folder, "config.toml"), "mcp_servers", stdio_server(root, env_vars=LET_THROUGH)),
            JsonConfig(os.path.join(folder, "hooks.json"), HookEntries(grouped(self, root), is_hallways)),
        ]

    def one_prompt(self, prompt: str) -> list[str] | None:
        return ["exec", "--sandbox", "read-only", "--skip-git-repo-check", "-c", REQUIRED, prompt]

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [os.path.join(folder, "config.toml") for folder in (self.folder, os.path.join(root, ".codex"))]
        return [
            *(Switch(file, ("mcp_servers", name, "enabled"), is_false, NO_SERVER) for file in files),
            *(Switch(file, ("features", "hooks"), is_false, NO_HOOKS) for file in files),
        ]

    def asks(self, root: str | None) -> list[str]:
        trusted = ["Codex reads a repository's files once you trust its folder."] if root else []
        return [*trusted, TRUST]

    def troubles(self) -> Iterator[Diagnostic]:
        """Yield a diagnostic for hallway's hooks that Codex does not run, as Codex itself reports."""
        if self.program is None:
            return
        listed = listed_hooks(self.program)
        if listed is None:
            detail = "Codex did not say which hooks it runs: not known whether it trusts hallway's"
            yield Diagnostic(HOOKS, detail, TRUST, is_certain=False)
            return
        hooks = [hook for hook in listed if is_ours(str(hook.get("command", "")))]
        if not hooks:
            yield Diagnostic(HOOKS, "Codex lists none of hallway's hooks in this folder", LOOK)
        waiting = [hook for hook in hooks if hook.get("trustStatus") not in ("trusted", "managed")]
        if waiting:
            detail = f"{len(waiting)} of {len(hooks)} hooks are not trusted, so Codex skips them"
            yield Diagnostic(HOOKS, detail, TRUST)
        disabled = [hook for hook in hooks if hook.get("enabled") is False]
        if disabled:
            yield Diagnostic(HOOKS, f"{len(disabled)} of {len(hooks)} hooks are switched off in Codex", SWITCH_ON)


def listed_hooks(program: str) -> list[dict[str, Any]] | None:
    """Return the hooks that Codex would run here and whether it trusts them; None when Codex does not say."""
    try:
        with subprocess.Popen(
            [program, "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                return _ask(process)
            finally:
                process.kill()
    except OSError:
        return None


def _ask(process: subprocess.Popen[str]) -> list[dict[str, Any]] | None:
    from threading import Timer

    if process.stdin is None or process.stdout is None:
        return None
    hurry = Timer(ANSWER_WAIT_S, process.kill)
    hurry.start()
    try:
        process.stdin.write("".join(json.dumps(question) + "\n" for question in _questions()))
        process.stdin.flush()
        return _hooks_of(process.stdout)
    except OSError:
        return None
    finally:
        hurry.cancel()


def _questions() -> list[dict[str, Any]]:
    caller = {"name": "hallway", "title": "hallway doctor", "version": "1"}
    return [
        {"id": 1, "method": "initialize", "params": {"clientInfo": caller}},
        {"method": "initialized"},
        {"id": HOOKS_ASKED, "method": "hooks/list", "params": {"cwds": [working_directory()]}},
    ]


def _hooks_of(answers: IO[str]) -> list[dict[str, Any]] | None:
    """Return the hooks in Codex's answer; None if there is none, or if the program speaks another protocol."""
    for line in answers:
        try:
            answer = json.loads(line)
            if answer.get("id") == HOOKS_ASKED:
                return [hook for folder in answer["result"]["data"] for hook in folder["hooks"]]
        except (ValueError, AttributeError, KeyError, TypeError):
            return None
    return None


CLIENT = CodexInstaller()
