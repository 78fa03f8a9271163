"""One thing that happened in a client, in hallway's words, whatever the client calls it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Payload: TypeAlias = dict[str, Any]

# A session begins or goes on; a turn begins; a tool has run; a person is asked; the turn is over; the session is.
START, PROMPT, TOOL, ASKED, STOP, END = "start", "prompt", "tool", "asked", "stop", "end"
WOKEN = "Not from your user: hallway has woken you, because another session wrote to you while you were idle."
NOT_TYPED = ("<", "Another Claude session", WOKEN, "[SYSTEM NOTIFICATION")  # how what no person typed begins
ENDED_BY_FORCE = ("StopFailure", "Interrupt")  # stops that no answer can hold up
NEWS = "news"  # something came for a session that idles; only a client that can start a turn for it asks


class HookEvent:
    """What happened: `kind`, in which session and folder, and what the kind brings with it.

    `prompt` is what the user said, `is_typed` whether a person did and no program; `files` what a tool has written;
    `is_new` whether a start found no turn at work; `is_inner` whether a subagent did it; `is_repeat` whether a stop
    follows one that was already held up.
    """

    __slots__ = (
        "directory",
        "event",
        "files",
        "is_inner",
        "is_new",
        "is_repeat",
        "is_typed",
        "kind",
        "prompt",
        "reason",
        "session_id",
    )

    def __init__(self, kind: str, event: str, session_id: str, directory: str = "") -> None:
        self.kind = kind
        self.event = event
        self.session_id = session_id
        self.directory = directory
        self.files: list[str] = []
        self.prompt = self.reason = ""
        self.is_new = True
        self.is_inner = self.is_repeat = self.is_typed = False


class ClientAdapter:
    """How one client tells its hooks what happened, and takes what they answer: Claude Code's way, which most follow.

    A client's module says where it differs.
    """

    client = ""
    title = ""
    kinds: dict[str, str] = {}
    edits: frozenset[str] = frozenset()  # the tools that write the file their input names
    process_variable = ""  # the environment variable with the process id of the client, if there is one
    asks_when_idle = False  # whether the client's plugin asks for news while the session is idle
    shows: tuple[str, ...] = (START, PROMPT, TOOL)  # when the client takes words for its agent

    def read(self, payload: Payload, event: str, environ: Any) -> HookEvent | None:
        """Translate a client's payload into a hook event; None for what hallway does not handle."""
        event = event or text(payload, "hook_event_name")
        session_id = text(payload, "session_id", "sessionId")
        kind = self.kind_of(event, payload)
        if not kind or not session_id or self.is_foreign(payload, session_id, environ):
            return None
        moment = HookEvent(kind, event, session_id, text(payload, "cwd"))
        moment.prompt = text(payload, "prompt")
        moment.is_typed = kind == PROMPT and is_typed(moment.prompt)
        moment.reason = text(payload, "reason")
        moment.is_inner = bool(text(payload, "agent_id")) or event == "SubagentStop"
        moment.is_repeat = payload.get("stop_hook_active") is True or event in ENDED_BY_FORCE
        moment.is_new = text(payload, "source") != "compact"
        moment.files = self.files(payload) if kind == TOOL else []
        return moment

    def kind_of(self, event: str, payload: Payload) -> str:
        return self.kinds.get(event, "")

    def is_foreign(self, payload: Payload, session_id: str, environ: Any) -> bool:
        """Return whether another client runs this hook because it read this client's configuration; that client has
        hooks of its own.

        Who names the session in the environment is the client; `CLAUDE_PROJECT_DIR` is set by nearly all of them.
        """
        from hallway.local.client_catalog import CATALOG

        others = [row.session_variable for row in CATALOG.values() if row.name != self.client]
        return any(environ.get(variable) == session_id for variable in others if variable)

    def files(self, payload: Payload) -> list[str]:
        """Return the files that a tool has written."""
        told = payload.get("tool_input")
        if text(payload, "tool_name") not in self.edits or not isinstance(told, dict):
            return []
        path = text(told, "file_path", "notebook_path", "path")
        return [path] if path else []

    def show(self, moment: HookEvent, words: str) -> Payload:
        """Return the answer that adds context for the agent."""
        return {"hookSpecificOutput": {"hookEventName": moment.event, "additionalContext": words}}

    def hold(self, moment: HookEvent, words: str) -> Payload:
        """Return the answer to a stop that makes the agent go on."""
        return {"decision": "block", "reason": words}


class PluginAdapter(ClientAdapter):
    """An adapter for a plugin of hallway's own, which uses hallway's words and places the answer itself."""

    kinds = {kind: kind for kind in (START, PROMPT, TOOL, ASKED, STOP, END, NEWS)}
    asks_when_idle = True

    def show(self, moment: HookEvent, words: str) -> Payload:
        return {"text": words}

    def hold(self, moment: HookEvent, words: str) -> Payload:
        return {"prompt": words}


def is_typed(prompt: str) -> bool:
    """Return whether a person typed a prompt; a client hands over what programs say as prompts, too."""
    return bool(prompt.strip()) and not prompt.lstrip().startswith(NOT_TYPED)


def text(payload: Payload, *names: str) -> str:
    """Return the first of the named members that is a non-empty string."""
    return next((found for name in names if isinstance(found := payload.get(name), str) and found), "")
