"""What a client runs before an edit, and what it is answered."""

from __future__ import annotations

import json
from typing import Any

from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.hook_commands import command_of, hooks_of
from hooks.client import Client, Ran

# For each client: the event before a tool, a tool that edits a file, its parameter, and the tool that runs commands.
TOOLS = {
    "claude-code": ("PreToolUse", "Edit", "file_path", "Bash"),
    "codex": ("PreToolUse", "Write", "file_path", "Bash"),
    "gemini": ("BeforeTool", "write_file", "file_path", "run_shell_command"),
    "qwen": ("PreToolUse", "edit", "file_path", "run_shell_command"),
    "copilot": ("preToolUse", "edit", "path", "bash"),
    "cursor": ("preToolUse", "Write", "file_path", "Shell"),
    "opencode": ("edit", "write", "filePath", "bash"),
}


def payload_of(client: Client, tool: str, tool_input: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = ("toolName", "toolArgs") if client.kind == "copilot" else ("tool_name", "tool_input")
    payload = client.payload("tool", **dict(zip(names, (tool, tool_input), strict=True)), **more)
    if "hook_event_name" in payload:
        payload["hook_event_name"] = TOOLS[client.kind][0]
    return payload


def hook_command(client: Client) -> str:
    if client.kind == "opencode":
        return command_of(CLIENTS["opencode"])
    (entry,) = [
        each.entry
        for each in hooks_of(CLIENTS[client.kind])
        if each.event == TOOLS[client.kind][0] and "HALLWAY_CLAIMS" in str(each.entry)
    ]
    return str(entry.get("command") or entry["bash"])


def before(client: Client, tool: str, tool_input: dict[str, Any], **environ: str) -> Ran:
    ran = client.runs(hook_command(client), json.dumps(payload_of(client, tool, tool_input)), **environ)
    assert (ran.status, ran.err) == (0, "")
    return ran


def before_edit(client: Client, path: str, **environ: str) -> Ran:
    _, tool, parameter, _ = TOOLS[client.kind]
    return before(client, tool, {parameter: path}, **environ)


def before_command(client: Client, command: str, **environ: str) -> Ran:
    return before(client, TOOLS[client.kind][3], {"command": command}, **environ)


def denial(ran: Ran) -> str:
    """Why an edit is denied, wherever the client wants it; empty where it goes on."""
    answer = ran.answer.get("hookSpecificOutput", ran.answer)
    is_denied = "deny" in (answer.get("permissionDecision"), answer.get("decision"), answer.get("permission"))
    if not is_denied and "denied" not in answer:
        return ""
    return next(
        answer[name] for name in ("permissionDecisionReason", "reason", "agent_message", "denied") if name in answer
    )
