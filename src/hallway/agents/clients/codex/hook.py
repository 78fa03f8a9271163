"""Codex: Claude Code's shape; its edits are patches, and it names its session to nobody but in the payload."""

from __future__ import annotations

from hallway.agents.hook.event import ASKED, EDIT, END, PROMPT, START, STOP, SUCCESSIONS, TOOL, ClientAdapter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import Payload


class CodexAdapter(ClientAdapter):
    client = "codex"
    title = "Codex"
    kinds = {
        "SessionStart": START,
        "UserPromptSubmit": PROMPT,
        "PreToolUse": EDIT,
        "PostToolUse": TOOL,
        "PermissionRequest": ASKED,
        "Stop": STOP,
        "SubagentStop": TOOL,
        "Interrupt": STOP,
        "SessionEnd": END,
    }
    edits = frozenset(("Edit", "Write"))
    shells = frozenset(("Bash",))
    successions = (*SUCCESSIONS, "startup")  # `/new` begins a conversation as the start of the program does

    def kind_of(self, event_name: str, payload: Payload) -> str:
        if event_name == "PreToolUse" and text(payload, "tool_name") == "request_user_input":
            return ASKED
        return super().kind_of(event_name, payload)

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        from hallway.agents.clients.codex.title import read_title

        return read_title(session_id, environ)

    def has_one_conversation(self, process: int) -> bool:
        """Return whether a person has the conversation open in a terminal; an editor's server has several."""
        from hallway.agents.clients.codex.wake import is_in_terminal

        return is_in_terminal(process)

    def files(self, payload: Payload) -> list[str]:
        tool_input = payload.get("tool_input")
        if text(payload, "tool_name") != "apply_patch" or not isinstance(tool_input, dict):
            return super().files(payload)
        from hallway.agents.hook.shell_command import patched_files

        return patched_files(text(tool_input, "command", "input", "patch"))


ADAPTER = CodexAdapter()
