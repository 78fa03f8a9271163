"""Claude Code: the server in ~/.claude.json, the hooks in settings.json; of a repository, .mcp.json and .claude/."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ANY, CHECK, EDITS, IDLE, ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways
from hallway.agents.install.switch import NO_HOOKS, NO_SERVER, Switch, is_true, lists

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config

MOVED = "CLAUDE_CONFIG_DIR"
WAIT_S = 86_400  # how long a hook may wait beside an idle session


class ClaudeCodeInstaller(ClientInstaller):
    name, title, programs = "claude-code", "Claude Code", ("claude",)
    waits_for_tools = {"MCP_CONNECTION_NONBLOCKING": "0"}
    hooks = (
        ("SessionStart", None, ""),
        ("UserPromptSubmit", None, ""),
        ("PreToolUse", "Edit|Write|MultiEdit|NotebookEdit|Bash", CHECK),
        ("PostToolUse", "*", ANY),
        ("PostToolUse", "Edit|Write|MultiEdit|NotebookEdit", EDITS),
        ("PermissionRequest", "*", ""),
        ("Notification", "*", ""),
        ("Stop", None, ""),
        ("StopFailure", None, ""),
        ("SubagentStop", None, ANY),
        ("Stop", None, IDLE),
        ("SessionEnd", None, ""),
    )

    @property
    def folder(self) -> str:
        return home(variable=MOVED, base="~/.claude")

    def configs(self, root: str | None) -> list[Config]:
        server = OwnKey(("mcpServers", NAME), stdio_server(root, type="stdio"))
        registry = home(".claude.json", variable=MOVED)
        return [
            JsonConfig(place(root, registry, ".mcp.json"), server, is_private=root is None),
            JsonConfig(
                place(root, home("settings.json", variable=MOVED, base="~/.claude"), ".claude", "settings.json"),
                HookEntries(grouped(self, root), is_hallways),
            ),
        ]

    def hook_entry(self, event: str, command: str, runs_for: str) -> dict[str, Any]:
        entry = super().hook_entry(event, command, runs_for)
        return entry | {"asyncRewake": True, "timeout": WAIT_S} if runs_for == IDLE else entry

    def one_prompt(self, prompt: str) -> list[str] | None:
        return ["-p", prompt, "--allowedTools", "mcp__hallway"]

    def switches(self, root: str, name: str) -> list[Switch]:
        files = [home("settings.json", variable=MOVED, base="~/.claude")]
        files += [os.path.join(root, ".claude", file) for file in ("settings.json", "settings.local.json")]
        return [
            *(Switch(file, ("disableAllHooks",), is_true, NO_HOOKS) for file in files),
            *(
                Switch(file, (key,), lists(name), NO_SERVER)
                for file in files
                for key in ("disabledMcpjsonServers", "deniedMcpServers")
            ),
            Switch(
                home(".claude.json", variable=MOVED), ("projects", root, "disabledMcpServers"), lists(name), NO_SERVER
            ),
        ]

    def asks(self, root: str | None) -> list[str]:
        return ["Claude Code asks before it starts a repository's server: say yes once."] if root else []

    def remains(self, root: str | None) -> list[str]:
        return [
            *super().remains(root),
            'To let agents use all of hallway\'s tools without a question, add "mcp__hallway" to permissions.allow.',
        ]


CLIENT = ClaudeCodeInstaller()
