"""Hook events in hallway's terms, and the adapters that translate a client's payload into one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Payload: TypeAlias = dict[str, Any]

# A session starts or resumes; a turn starts; a tool has run; the person is asked; the turn ends; the session ends.
START, PROMPT, TOOL, ASKED, STOP, END = "start", "prompt", "tool", "asked", "stop", "end"
ANSWERED = "answered"  # the person has answered a dialog, and the turn goes on
IDLE = "idle"  # the client idles, so a turn whose end no hook reported is over
AT_WORK = ("working", "waiting")  # the status of a session whose turn is not over
WOKEN = "Not from your user: hallway has woken you, because another session wrote to you while you were idle."
SUCCESSIONS = ("clear", "resume", "fork")  # starts that replace the session that the process was in
NOT_TYPED = ("<", "Another Claude session", WOKEN, "[SYSTEM NOTIFICATION")  # how a prompt begins that no person typed
QUESTION_TOOLS = ("AskUserQuestion", "ask_user", "ask_user_question", "request_user_input")
# How clients say in an error that a limit is reached.
LIMITS = ("rate_limit", "rate limit", "quota", "usage_limit", "resource_exhausted", "too many requests")
ENDED_BY_FORCE = ("StopFailure", "Interrupt")  # stops that no answer can block
NAMED = (START, PROMPT, ASKED, STOP)  # the events at which the client's name of the session is looked up
OFF = ("0", "no", "off", "false")  # how a variable of hallway's is switched off
EDIT = "edit"  # a tool that may write files is about to run
DENY, WARN = "deny", "warn"  # what becomes of an edit of a file that another session has claimed: HALLWAY_CLAIMS
NEWS = "news"  # an idle session has news; only clients whose plugin can start a turn report it


class HookEvent:
    """An event of one session: its `kind` and what events of that kind carry; `event_name` is the client's word for it.

    `prompt` is the user's prompt, `is_typed` whether a person typed it; `files` what a tool has written, or is about to
    write; `command` the shell command that is about to run; `is_new` whether a start is outside of a turn;
    `is_subagent` whether a subagent did it; `is_repeat` whether a stop follows one that was blocked, or a dialog is on
    the bus already. `reason` is why the session waits, idles or ended, and of an edit DENY or WARN; `detail` a text
    about it: the question, what wants permission, the last answer, the error.
    `is_successor`: whether a start replaces the process's session before, which is `continues` once it is found.
    `timestamp` is the client's, empty if it gives none. `name` is what the client calls the session, empty if it has no
    name of its own or the event is one at which that is not looked up; `terminal` where its terminal is, at a start.
    """

    __slots__ = (
        "command",
        "continues",
        "detail",
        "directory",
        "event_name",
        "files",
        "is_new",
        "is_repeat",
        "is_subagent",
        "is_successor",
        "is_typed",
        "kind",
        "name",
        "prompt",
        "reason",
        "session_id",
        "terminal",
        "timestamp",
    )

    def __init__(self, kind: str, event_name: str, session_id: str, directory: str = "") -> None:
        self.kind = kind
        self.event_name = event_name
        self.session_id = session_id
        self.directory = directory
        self.files: list[str] = []
        self.terminal: Payload = {}
        self.prompt = self.reason = self.detail = self.continues = self.timestamp = self.name = self.command = ""
        self.is_new = True
        self.is_subagent = self.is_repeat = self.is_successor = self.is_typed = False


class ClientAdapter:
    """An adapter for one client's hooks. This one is for Claude Code's format, which most clients follow.

    A client's own adapter overrides what differs.
    """

    client = ""
    title = ""
    kinds: dict[str, str] = {}
    successions: tuple[str, ...] = SUCCESSIONS
    edits: frozenset[str] = frozenset()  # the tools that write the file their input names
    shells: frozenset[str] = frozenset()  # the tools that run the shell command their input names
    process_variable = ""  # the environment variable with the process id of the client, if there is one
    reports_wake_ups = True  # whether a turn that a wake-up starts begins with a prompt's hook
    asks_when_idle = False  # whether the client's plugin asks for news while the session is idle
    shows: tuple[str, ...] = (START, PROMPT, TOOL)  # the events at which the client accepts context for its agent

    def read(self, payload: Payload, event_name: str, environ: Any) -> HookEvent | None:
        """Translate a client's payload into a hook event; None for what hallway does not handle."""
        event_name = event_name or text(payload, "hook_event_name")
        session_id = text(payload, "session_id", "sessionId")
        kind = self.kind_of(event_name, payload)
        if not kind or not session_id or self.is_foreign(payload, session_id, environ):
            return None
        event = HookEvent(kind, event_name, session_id, text(payload, "cwd"))
        event.prompt = text(payload, "prompt")
        event.timestamp = text(payload, "timestamp")
        event.is_typed = kind == PROMPT and is_typed(event.prompt)
        event.reason, event.detail = self.reason_of(kind, event_name, payload)
        event.is_subagent = bool(text(payload, "agent_id")) or event_name == "SubagentStop"
        if kind in NAMED and not event.is_subagent:
            event.name = self.name_of(payload, session_id, environ)
        event.is_repeat = payload.get("stop_hook_active") is True or event_name in ENDED_BY_FORCE
        event.is_new = text(payload, "source") != "compact"
        event.is_successor = kind == START and text(payload, "source") in self.successions
        event.files = self.files(payload) if kind in (TOOL, EDIT) else []
        event.command = self.command(payload) if kind == EDIT else ""
        return event

    def kind_of(self, event_name: str, payload: Payload) -> str:
        return self.kinds.get(event_name, "")

    def reason_of(self, kind: str, event_name: str, payload: Payload) -> tuple[str, str]:
        """Return why a session waits, idles or has ended, and a text about it (S11); empty for another event."""
        if kind == END:
            return text(payload, "reason"), ""
        if kind == ASKED:
            return self.asked_for(payload)
        if kind != STOP:
            return "", ""
        if event_name == "Interrupt":
            return "interrupted", ""
        if event_name == "StopFailure":
            error = text(payload, "error")
            detail = text(payload, "error_details", "last_assistant_message") or error
            return "limited" if is_limit(error) else "error", detail
        return "done", text(payload, "last_assistant_message")

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        """Return what the client calls a session, as its person or its model has named it; empty if nobody has."""
        return ""

    def asked_for(self, payload: Payload) -> tuple[str, str]:
        """Return whether a permission or an answer is asked for, and which."""
        tool, tool_input = text(payload, "tool_name"), payload.get("tool_input")
        if not tool:
            asks = text(payload, "notification_type", "notificationType")
            return "permission" if "permission" in asks or not asks else "question", text(payload, "message")
        tool_input = tool_input if isinstance(tool_input, dict) else {}
        if tool in QUESTION_TOOLS:
            return "question", question_of(tool_input)
        what = text(tool_input, "command", "file_path", "path", "url", "query", "pattern")
        return "permission", f"{tool}: {what}" if what else tool

    def has_one_conversation(self, process: int) -> bool:
        """Return whether a process of the client has one conversation at a time, which another one replaces."""
        return True

    def is_foreign(self, payload: Payload, session_id: str, environ: Any) -> bool:
        """Return whether another client runs this hook because it read this client's configuration; that client has
        hooks of its own.

        The running client names the session in its own environment variable; nearly all set `CLAUDE_PROJECT_DIR`.
        """
        from hallway.local.client_catalog import CATALOG

        others = [row.session_variable for row in CATALOG.values() if row.name != self.client]
        return any(environ.get(variable) == session_id for variable in others if variable)

    def files(self, payload: Payload) -> list[str]:
        """Return the files that a tool has written."""
        tool_input = payload.get("tool_input")
        if text(payload, "tool_name") not in self.edits or not isinstance(tool_input, dict):
            return []
        path = text(tool_input, "file_path", "notebook_path", "path")
        return [path] if path else []

    def command(self, payload: Payload) -> str:
        """Return the shell command that a tool runs; empty for another tool."""
        tool_input = payload.get("tool_input")
        if text(payload, "tool_name") not in self.shells or not isinstance(tool_input, dict):
            return ""
        return text(tool_input, "command")

    def deny_edit(self, event: HookEvent, words: str) -> Payload:
        """Return the answer that keeps a tool from running, with the reason for the agent."""
        return {
            "hookSpecificOutput": {
                "hookEventName": event.event_name,
                "permissionDecision": "deny",
                "permissionDecisionReason": words,
            }
        }

    def warn_of_edit(self, event: HookEvent, words: str) -> Payload:
        """Return the answer that tells the agent something about a tool that is about to run."""
        return self.inject_context(event, words)

    def inject_context(self, event: HookEvent, words: str) -> Payload:
        """Return the answer that adds context for the agent."""
        return {"hookSpecificOutput": {"hookEventName": event.event_name, "additionalContext": words}}

    def block_stop(self, event: HookEvent, words: str) -> Payload:
        """Return the answer to a stop that makes the agent go on."""
        return {"decision": "block", "reason": words}


class PluginAdapter(ClientAdapter):
    """An adapter for a plugin of hallway's own, which reports hallway's kinds and places the answer itself."""

    kinds = {kind: kind for kind in (START, PROMPT, TOOL, ASKED, ANSWERED, STOP, END, EDIT, NEWS)}
    shells = frozenset(("bash",))
    asks_when_idle = True

    def reason_of(self, kind: str, event_name: str, payload: Payload) -> tuple[str, str]:
        usual = {ASKED: "permission", STOP: "done"}.get(kind, "")
        detail = question_of(payload) if kind == ASKED and "questions" in payload else text(payload, "detail")
        return text(payload, "reason") or usual, detail

    def name_of(self, payload: Payload, session_id: str, environ: Any) -> str:
        return text(payload, "name")

    def inject_context(self, event: HookEvent, words: str) -> Payload:
        return {"text": words}

    def deny_edit(self, event: HookEvent, words: str) -> Payload:
        return {"denied": words}

    def block_stop(self, event: HookEvent, words: str) -> Payload:
        return {"prompt": words}


def question_of(tool_input: Payload) -> str:
    """Return the first question of a tool that asks the person, with its choices and the number of other questions."""
    questions = _objects(tool_input.get("questions")) or [tool_input]
    first = questions[0]
    question = text(first, "question", "header", "prompt", "message")
    choices = " / ".join(_choices(first))
    more = f" … and {len(questions) - 1} more" if len(questions) > 1 else ""
    return f"{question} ({choices}){more}" if choices else f"{question}{more}"


def _choices(question: Payload) -> list[str]:
    """Return what a question offers to choose from, in any of the forms that clients use."""
    options = question.get("options") or question.get("choices")
    schema = question.get("requestedSchema")
    if not options and isinstance(schema, dict) and isinstance(fields := schema.get("properties"), dict):
        options = next((field["enum"] for field in _objects(list(fields.values())) if field.get("enum")), None)
    labels = [text(each, "label", "value") if isinstance(each, dict) else str(each) for each in _listed(options)]
    return [label for label in labels if label]


def _objects(value: Any) -> list[Payload]:
    return [each for each in _listed(value) if isinstance(each, dict)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def keeps_prompts_off(environ: Any) -> bool:
    """Return whether the person keeps prompts off the bus, and with them the titles that a model makes of them."""
    return is_switched_off(environ, "HALLWAY_TASK_FROM_PROMPT")


def is_switched_off(environ: Any, variable: str) -> bool:
    """Return whether an environment variable says that something is not done."""
    return environ.get(variable, "").lower() in OFF


def is_typed(prompt: str) -> bool:
    """Return whether a person typed a prompt; clients also submit programs' texts as prompts."""
    return bool(prompt.strip()) and not prompt.lstrip().startswith(NOT_TYPED)


def is_limit(error: str) -> bool:
    """Return whether a client's name of an error says that a limit is reached."""
    error = error.lower()
    return any(limit in error for limit in LIMITS)


def text(payload: Payload, *names: str) -> str:
    """Return the first of the named members that is a non-empty string."""
    return next((value for name in names if isinstance(value := payload.get(name), str) and value), "")
