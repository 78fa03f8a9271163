"""The MCP tools: short forms of the operations in the catalogue.

Each tool runs one operation and takes its parameters and descriptions from it; the caller's session id is never a
parameter (S7). `DAILY` is the profile that every session loads, so its descriptions are short; `ENGRAM` adds three
tools of an older contract; `full()` is the whole catalogue. A tool's `shape` reduces the result to the fields that an
agent needs.
"""

from __future__ import annotations

from hallway.core.errors import ClaimNotFound, HallwayError, InvalidInput, Refused, SessionElsewhere
from hallway.core.near_names import near_matches
from hallway.core.parties import sessions_in
from hallway.core.schema import ArrayOf, Boolean, Choice, Integer, JsonObject, Number, Text, encode
from hallway.mcp import results
from hallway.services import service_classes
from hallway.services.claims import MAX_CLAIMS, ClaimRegistry, checked_path
from hallway.services.memory import SharedMemory
from hallway.services.messages import CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.services.tasks import TaskBoard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hallway.core.operation import Operation
    from hallway.core.schema import FieldType
    from hallway.mcp.protocol import Json, Peer, Work

    Then = tuple[Operation, Callable[[Any, Json], Json | None]]

SESSION = "session_id"
SESSIONS = SessionRegistry.operations
MESSAGES = CollaborationHub.operations
TASKS = TaskBoard.operations
MEMORY = SharedMemory.operations
CLAIMS = ClaimRegistry.operations
PROJECT = SESSIONS["current_project"]
FIND_NAMES = SESSIONS["find_names"]
MAX_NAMES = 100  # names that one answer gives

READS = {"readOnlyHint": True}
# With these annotations Codex runs a tool without asking its user each time.
WRITES = {"destructiveHint": False, "openWorldHint": False}
DESTROYS = {"destructiveHint": True, "openWorldHint": False}
# Parameters with clear names: a description would cost every session tokens and add nothing.
PLAIN = frozenset(
    {
        "after",
        "body",
        "current_task",
        "data",
        "detail",
        "include_done",
        "intent",
        "key",
        "limit",
        "message_id",
        "message_ids",
        "name",
        "owner",
        "paths",
        "pattern",
        "priority",
        "project",
        "query",
        "queue_s",
        "reason",
        "result",
        "status",
        "subject",
        "tags",
        "task_id",
        "to_message",
        "to_session",
        "ttl",
        "type",
        "wait_s",
    }
)
HINTS = {
    "session_not_found": "See who is here: sessions. Is it yours? status puts it on the bus",
    "message_not_found": "See what waits for you: inbox",
    "task_not_found": "See what there is: tasks",
    "entry_not_found": "Look for it: search_memory",
    "version_conflict": "Read it (recall), then write with its version as expected_version",
    "secret_found": "Say where it is kept instead of sending it",
    "session_elsewhere": "Leave the project out: a call is about the project that your session lives in",
    "project_needed": "Put your session on the bus, in its project: status, with the parameter project",
    "conflict": "See how it is now: tasks",
    "claim_not_found": "Your claim has ended, or it never was: you need not release it",
    "claim_refused": "Ask the holder (send, type request), claim again with queue_s, or work on something else",
}
WHOLE_HINTS = {
    "claim_not_found": "See the claims: claims_list_claims",
    "session_not_found": "See all: sessions_find_sessions with include_offline. Register one: sessions_register",
    "message_not_found": "See a session's messages: messages_get_messages",
    "task_not_found": "See all tasks: tasks_list_tasks with include_done",
    "project_not_found": "See the projects of the sessions: sessions_find_sessions with include_offline",
    "token_not_found": "See the valid tokens: tokens_list_tokens",
    "login_not_found": "See the logged-in browsers: logins_list_logins",
    "entry_not_found": "Search for it: memory_find",
    "version_conflict": "Read the entry, merge your change, and set it with expected_version, its version",
    "conflict": "See how it is now: tasks_get",
}
MAX_CALL_WAIT_S = 45  # of a claim: clients give up a call after a minute
TYPES = ((Boolean, "boolean"), (Integer, "integer"), (Number, "number"), (JsonObject, "object"), (Text, "string"))


class Tool:
    """A tool that runs one operation with some of its parameters.

    `takes` names the tool's parameters, `fixed` holds fixed arguments, `gives` is the output schema. `then` lists
    operations to run after the first, each with a function that makes its arguments (None: do not run it).
    `is_of_project`: the project is the caller's unless another is named. `tells_project`: a caller that names its
    session may also name its project. `choices`: the words that the schema lists for a parameter instead of all that
    the operation takes; none: any text.
    """

    def __init__(
        self,
        name: str,
        operation: Operation,
        takes: tuple[str, ...],
        shape: Callable[[Any], Json],
        gives: dict[str, str],
        *,
        about: str = "",
        fixed: Json | None = None,
        needs: tuple[str, ...] = (),
        then: tuple[Then, ...] = (),
        is_of_project: bool = False,
        tells_project: bool = False,
        says_you: bool = False,
        choices: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = name
        self.operation = operation
        self.takes = takes
        self.shape = shape
        self.gives = gives
        self.about = about or operation.about
        self.fixed = fixed or {}
        self.needs = needs or tuple(each for each in takes if operation.parameters[each].is_required)
        self.then = then
        self.is_of_project = is_of_project
        self.tells_project = tells_project
        self.says_you = says_you
        self.choices = choices or {}
        self.actor = actor(operation)
        self.is_of_somebody = is_of_project or self.actor is not None

    def definition(self, *, names_session: bool) -> Json:
        """Return the tool's entry in `tools/list`; with `names_session` it has a parameter for the caller's id."""
        takes = self.takes_of(names_session=names_session)
        properties = {name: self._schema(name) for name in takes}
        properties = {name: each if name in self.needs else _nullable(each) for name, each in properties.items()}
        if names_session and self.is_of_somebody and SESSION not in self.takes:
            properties[SESSION] = {"type": "string"}  # no description: the instructions tell the caller its id
        schema: Json = {"type": "object", "properties": properties}
        if self.needs:
            schema["required"] = list(self.needs)
        return {
            "name": self.name,
            "description": self.about,
            "inputSchema": schema,
            "outputSchema": {
                "type": "object",
                "properties": {name: {"type": kind} if kind else {} for name, kind in self.gives.items()},
            },
            "annotations": self.annotations,
        }

    def _schema(self, name: str) -> Json:
        """Return a parameter's JSON schema, as short as possible; the operation checks the rest."""
        kind = self.operation.parameters[name].kind
        schema = _bare(kind) if name in PLAIN or not kind.about else {**_bare(kind), "description": kind.about}
        if name in self.choices:
            schema.pop("enum")
            schema |= {"enum": list(self.choices[name])} if self.choices[name] else {}
        return schema

    def takes_of(self, *, names_session: bool) -> tuple[str, ...]:
        """Return the parameters that a caller may pass."""
        return (*self.takes, "project") if names_session and self.tells_project else self.takes

    @property
    def annotations(self) -> dict[str, bool]:
        if self.operation.method == "DELETE" or self.operation.name == "retention.prune":
            return DESTROYS
        return WRITES if self.operation.is_write or self.then else READS

    def call(self, arguments: Json, peer: Peer, meta: Json) -> Work:
        """Run the tool; a HallwayError becomes an error result with a hint for the agent."""
        try:
            result = yield from self._run(dict(arguments), peer, meta)
        except HallwayError as error:
            return {"content": [_text(self.error_answer(error))], "isError": True}
        return {"content": [_text(result)], "structuredContent": result}

    def _begin(self, arguments: Json, peer: Peer, meta: Json) -> str | None:
        """Return the calling session, which is on the bus then, after a check of the arguments' names."""
        session_id = self._session(arguments, peer, meta)
        self._check(arguments, self.takes_of(names_session=peer.names_session))
        if self.actor and session_id:
            self.introduce(peer, session_id)
        return session_id

    def _run(self, arguments: Json, peer: Peer, meta: Json) -> Work:
        session_id = self._begin(arguments, peer, meta)
        call = {**self.fixed, **{name: value for name, value in arguments.items() if self._is_given(name, value)}}
        if self.actor and session_id:
            call[self.actor] = session_id
        if self.is_of_project and "project" not in call and not call.get("all_projects"):
            call["project"] = yield PROJECT, {SESSION: session_id}
        result = yield self.operation, self.operation.arguments((), call, title=self.name)
        for operation, arguments_of in self.then:
            if more := arguments_of(result, call):
                yield operation, operation.arguments((), {SESSION: session_id, **more})
        answer = self.shape(result)
        if ids := self.named_in(result):
            labels = yield FIND_NAMES, {"session_ids": ids}
            answer["names"] = {each.session_id: each.name for each in labels if each.name != each.session_id}
        if self.operation is MEMORY["find"] and not result and (hint := peer.offer_former_memory(call.get("project"))):
            answer["hint"] = hint
        return {"you": session_id, **answer} if self.says_you and session_id else answer

    def _session(self, arguments: Json, peer: Peer, meta: Json) -> str | None:
        """Return the calling session; its id is removed from the arguments unless the operation has this parameter."""
        if not self.is_of_somebody:
            return None
        identity = {} if SESSION in self.takes else arguments
        return peer.session_of(identity, meta, is_needed=bool(self.actor))

    def named_in(self, result: Any) -> list[str]:
        """Return the ids of the sessions whose names the answer gives beside its result."""
        return sorted(sessions_in(result))[:MAX_NAMES]

    def introduce(self, peer: Peer, session_id: str) -> None:
        peer.introduce(session_id)

    def error_answer(self, error: HallwayError) -> Json:
        """Return an error for an agent; if a tool helps with this error, the hint names that tool."""
        answer: Json = error.hint_for_face({**HINTS, **self.hints}).to_dict()["error"]
        return answer

    @property
    def hints(self) -> dict[str, str]:
        return {InvalidInput.code: f"See the inputSchema of {self.name} in tools/list"}

    def _is_given(self, name: str, value: Any) -> bool:
        return value is not None or self.operation.parameters[name].kind.is_nullable

    def _check(self, arguments: Json, takes: tuple[str, ...]) -> None:
        for name in arguments:
            if name not in takes:
                near = near_matches(name, list(takes))
                hint = f"Did you mean {near[0]}?" if near else f"It takes: {', '.join(takes) or 'nothing'}"
                raise InvalidInput(f"{self.name} has no parameter {name[:60]!r}", hint=hint)


class WholeTool(Tool):
    """An operation with all its parameters, its whole result and its own errors."""

    def __init__(self, operation: Operation) -> None:
        takes = tuple(name for name in operation.parameters if name != actor(operation))
        is_of_project = "project" in operation.parameters and not (operation.is_of_all or actor(operation))
        name = operation.name.replace(".", "_")
        super().__init__(name, operation, takes, results.whole, {"result": ""}, is_of_project=is_of_project)

    def named_in(self, result: Any) -> list[str]:
        return []  # this tool gives the whole result, as HTTP does

    def introduce(self, peer: Peer, session_id: str) -> None:
        """Leave it to the caller: callers of the full profile register themselves with `sessions_register`."""
        peer.leave_registration(session_id)

    def error_answer(self, error: HallwayError) -> Json:
        answer: Json = error.hint_for_face({**WHOLE_HINTS, **self.hints}).to_dict()["error"]
        return answer


class ClaimTool(Tool):
    """Claim paths; with `queue_s` the session waits for paths that others hold.

    The call itself waits as long as clients wait for a call. A longer wait outlasts the call and ends with a message.
    """

    def _run(self, arguments: Json, peer: Peer, meta: Json) -> Work:
        session_id = self._begin(arguments, peer, meta)
        given = {name: value for name, value in arguments.items() if value is not None}
        wait_s = given.pop("queue_s", 0)
        given |= {SESSION: session_id, "paths": _paths(given, peer), "ignores_case": peer.ignores_case}
        is_long = isinstance(wait_s, int) and wait_s > MAX_CALL_WAIT_S
        claim = yield self._claim({**given, "queue_s": wait_s, "notify": is_long})
        if claim.state == "waiting" and not is_long:
            place = {SESSION: session_id, "claim_id": claim.claim_id}
            try:
                granted = yield CLAIMS["granted"], CLAIMS["granted"].arguments((), {**place, "wait_s": wait_s})
            except ClaimNotFound:  # its time to wait is over
                granted = []
            if not granted:
                yield CLAIMS["release"], CLAIMS["release"].arguments((), place)
            claim = granted[0] if granted else (yield self._claim(given))
        return self.shape(claim)

    def _claim(self, call: Json) -> tuple[Operation, Json]:
        return self.operation, self.operation.arguments((), call, title=self.name)


class ReleaseTool(Tool):
    """Release the caller's claims that have one of some paths; without a path, all of them."""

    def __init__(self, name: str, shape: Callable[[Any], Json], gives: dict[str, str], about: str) -> None:
        super().__init__(name, CLAIMS["claim"], ("paths",), shape, gives, about=about)
        self.needs = ()

    def _run(self, arguments: Json, peer: Peer, meta: Json) -> Work:
        session_id = self._begin(arguments, peer, meta)
        own = {SESSION: session_id, "limit": MAX_CLAIMS}
        claims = yield CLAIMS["list_claims"], CLAIMS["list_claims"].arguments((), own)
        named = {checked_path(each) for each in _paths(arguments, peer)}
        ended = [each for each in claims if not named or named & set(each.paths)]
        if named and not ended:
            raise ClaimNotFound(f"you have no claim of {', '.join(sorted(named))}")
        for each in ended:
            call = {SESSION: session_id, "claim_id": each.claim_id}
            yield CLAIMS["release"], CLAIMS["release"].arguments((), call)
        return self.shape(ended)


class EngramTool(Tool):
    """A tool of the older contract, whose agents may send a session id; it must be the caller's id."""

    def _run(self, arguments: Json, peer: Peer, meta: Json) -> Work:
        if self.actor and not peer.names_session:
            named, own = arguments.pop(SESSION, None), peer.session_of({}, meta)
            if named not in (None, own):
                raise Refused(f"you are {own}, and cannot speak as another session", hint=f"Leave {SESSION} out")
        return (yield from super()._run(arguments, peer, meta))

    @property
    def hints(self) -> dict[str, str]:
        return {**super().hints, SessionElsewhere.code: SessionElsewhere.hint}


def actor(operation: Operation) -> str | None:
    """Return the parameter that holds the calling session's id, if any; the face fills it in, not the agent.

    This differs from `Operation.actor`, which names the session whose rights a call needs: the author that a deletion
    is limited to is named by the agent, while the session whose history is read is filled in here.
    """
    if "from_session" in operation.parameters:
        return "from_session"
    own = operation.parameters.get("session_id")
    is_own = own is not None and own.is_required and (operation.is_write or operation.noun == "messages")
    return "session_id" if is_own else None


def full() -> list[Tool]:
    """Return every operation as a tool, but for those that a person does: no agent answers in a person's place."""
    operations = [each for service in service_classes() for each in service.operations.values()]
    return [WholeTool(each) for each in operations if not each.is_persons]


def _paths(arguments: Json, peer: Peer) -> list[str]:
    """Return the paths of a call in the repository; raises InvalidInput for what is no list of texts."""
    paths: list[str] = CLAIMS["claim"].parameters["paths"].kind.check("paths", arguments.get("paths") or [])
    return [peer.path_in_repository(each) for each in paths]


def _new(messages: Any, call: Json) -> Json | None:
    return {"message_ids": [each.message_id for each in messages]} if messages else None


DAILY = (
    Tool(
        "sessions",
        SESSIONS["active"],
        ("project",),
        results.active,
        {"sessions": "array", "total": "integer"},
        about="Who works in this project, and on what",
        is_of_project=True,
        says_you=True,
    ),
    Tool(
        "status",
        SESSIONS["heartbeat"],
        ("status", "reason", "detail", "current_task", "name"),
        results.heartbeat,
        {"session_id": "string", "name": "string", "status": "string", "unread": "integer"},
        about="Tell others what you do, or why you wait (detail)",
        fixed={"limit": 1},
        tells_project=True,
        choices={"status": ("working", "waiting", "idle")},  # the others follow from coming and leaving
    ),
    Tool(
        "send",
        MESSAGES["send"],
        ("to_session", "body", "subject", "type", "priority", "data"),
        results.receipt,
        {"message_id": "string", "recipients": "integer"},
        needs=("to_session", "body"),
        about="Write to a session, a person (user:NAME) or many: capability:NAME, type:CLIENT, branch:NAME, *",
        choices={"type": ("ping", "request", "broadcast", "notification", "sync")},  # the others are tools
    ),
    Tool(
        "reply",
        MESSAGES["reply"],
        ("to_message", "body"),
        results.receipt,
        {"message_id": "string"},
        about="Answer a message; it then leaves your inbox",
    ),
    Tool(
        "inbox",
        MESSAGES["inbox"],
        ("wait_s", "limit"),
        results.inbox,
        {"messages": "array"},
        about="Your messages, oldest first; wait_s: seconds to wait",
        fixed={"limit": 10},
        then=((MESSAGES["mark_injected"], _new),),
    ),
    Tool(
        "ack",
        MESSAGES["acknowledge"],
        ("message_ids",),
        results.count("acknowledged"),
        {"acknowledged": "integer"},
        about="Remove messages that need no answer",
    ),
    Tool(
        "thread",
        MESSAGES["get_conversation"],
        ("message_id", "limit"),
        results.thread,
        {"messages": "array", "deliveries": "array"},
        about="A message, its replies, and who has seen them",
        fixed={"limit": 50},
    ),
    Tool(
        "tasks",
        TASKS["list_tasks"],
        ("owner", "include_done", "project", "limit"),
        results.tasks,
        {"tasks": "array"},
        about="The open tasks",
        fixed={"limit": 20},
        is_of_project=True,
    ),
    Tool(
        "offer_task",
        TASKS["offer"],
        ("to_session", "subject", "body", "data"),
        results.task,
        {"task_id": "string"},
        needs=("to_session", "subject"),
        about="Offer work to a session, capability:NAME or *",
    ),
    Tool(
        "accept_task",
        TASKS["accept"],
        ("task_id",),
        results.task_in_full,
        {"task_id": "string", "body": "string"},
        about="Take a task; only one session gets it",
        then=((MESSAGES["acknowledge"], lambda _, call: {"message_ids": [call["task_id"]]}),),
    ),
    Tool(
        "handoff_task",
        TASKS["handoff"],
        ("task_id", "to_session", "body", "data"),
        results.task,
        {"task_id": "string"},
        needs=("task_id", "to_session", "body"),
        about="Hand your task over; yours until the other accepts",
    ),
    Tool(
        "complete_task",
        TASKS["complete"],
        ("task_id", "result"),
        results.task,
        {"task_id": "string"},
        about="Finish your task",
    ),
    Tool(
        "remember",
        MEMORY["set"],
        ("key", "value", "type", "tags", "ttl", "expected_version"),
        results.remembered,
        {"key": "string", "version": "integer"},
        about="Keep a fact, decision or note for the project (ttl: seconds)",
    ),
    Tool(
        "recall",
        MEMORY["get_entry"],
        ("key", "project"),
        results.entry,
        {"value": "", "version": "integer"},
        about="What is remembered under a key",
        is_of_project=True,
    ),
    Tool(
        "search_memory",
        MEMORY["find"],
        ("query", "pattern", "tags", "type", "limit", "after"),
        results.findings,
        {"entries": "array"},
        about="Search by words, key (pattern: task_*), tags, type; after: the last cursor",
        fixed={"limit": 10},
        is_of_project=True,
        choices={"type": ()},
    ),
    ClaimTool(
        "claim",
        CLAIMS["claim"],
        ("paths", "intent", "queue_s"),
        results.claim,
        {"state": "string"},
        needs=("paths", "intent"),
        about="Claim paths (src/api/**) or resource:NAME, so that others keep off; queue_s: seconds to wait",
    ),
    ReleaseTool("release", results.released, {"released": "array"}, "End your claims of these paths, or all"),
)

ENGRAM = (
    EngramTool(
        "mem_session_heartbeat",
        SESSIONS["heartbeat"],
        ("project", "move", "current_task", "status"),
        results.others,
        {"session_id": "string", "project": "string", "active_sessions": "array", "total": "integer"},
        about="Say that this session is alive and what it does; answers with the other active sessions",
    ),
    EngramTool(
        "mem_session_status",
        SESSIONS["set_status_detail"],
        ("blob",),
        results.status_detail,
        {"session_id": "string", "status_detail": "object"},
        about="Keep any JSON object as this session's status",
    ),
    EngramTool(
        "mem_active_sessions",
        SESSIONS["active"],
        ("project",),
        results.active_in_full,
        {"project": "string", "sessions": "array", "total": "integer"},
        about="The active sessions of a project, newest first",
        is_of_project=True,
    ),
)


def of_profile(profile: str) -> tuple[Tool, ...]:
    """Return the tools of a profile: daily, engram or full."""
    return tuple(full()) if profile == "full" else (*DAILY, *(ENGRAM if profile == "engram" else ()))


def _bare(kind: FieldType) -> Json:
    if isinstance(kind, Choice):
        return {"type": "string", "enum": list(kind.choices)}
    if isinstance(kind, ArrayOf):
        return {"type": "array", "items": _bare(kind.item)}
    return next(({"type": name} for each, name in TYPES if isinstance(kind, each)), {})


def _nullable(schema: Json) -> Json:
    """Return the schema of a parameter that may be null: in strict mode models send null for one that is left out."""
    if "type" not in schema:
        return schema  # anything at all
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **choices}


def _text(value: Json) -> Json:
    """Return a result as compact JSON text; `<` is escaped, so that no text can pass for the client's markup."""
    return {"type": "text", "text": encode(value).replace("<", "\\u003c")}
