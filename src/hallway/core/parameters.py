"""The data dictionary: what each name means and may hold, in every operation, record, route, flag and page.

One word for one thing (docs/glossary.md): `kind_of` finds a name's kind, first among the noun's own words, then
among those that all nouns share. A parameter that is not here is an error when its operation is declared.
"""

from __future__ import annotations

from hallway.core.model import (
    CLAIM_MODES,
    CLAIM_STATES,
    MEMORY_TYPES,
    MESSAGE_TYPES,
    PRIORITIES,
    REASONS,
    REQUEST_STATES,
    ROLES,
    STATUSES,
    TASK_STATUSES,
)
from hallway.core.schema import (
    MAX_DEPTH,
    ArrayOf,
    Boolean,
    Choice,
    Duration,
    FieldType,
    Identifier,
    Integer,
    Json,
    JsonObject,
    JsonOrText,
    MessageReference,
    Number,
    PartyId,
    Recipient,
    SearchText,
    SessionName,
    SessionReference,
    Text,
)

TTL_DEFAULT_S = 120
MIN_TTL_S = 10
MAX_TTL_S = 24 * 3600
OTHERS_DEFAULT = 50
MAX_WAIT_S = 60
MAX_BODY = 64 * 1024
DAY_S = 24 * 3600
MAX_AGE_S = 100 * 365 * DAY_S
VERSIONS_DEFAULT = 100
CLAIM_TTL_S = 1800
MIN_CLAIM_TTL_S = 10
MAX_GLOB = 256
MAX_DETAIL = 200
RECORD_BYTES = 1_000_000  # of a line of an export, as JSON; a hub's request takes 1 MiB

COMMON: dict[str, FieldType] = {
    "session_id": SessionReference("The session: its id, its name, or the beginning of its id", metavar="SESSION"),
    "agent_name": Text("What the agent is, such as Claude Code in shop", metavar="NAME", flag="--agent"),
    "agent_type": Text("The kind of agent: claude-code, codex, gemini …", most=64, metavar="TYPE", flag="--type"),
    "project": Text(
        "The repository's namespace; unset, the acting session's, else the one of the folder this runs in",
        most=1024,
        metavar="PROJECT",
    ),
    "human_user": Text("The person this session works for", flag="--user", metavar="USER"),
    "limit": Integer("How many to return at the most", least=1, most=1000, metavar="N"),
    "after": Integer("Only what comes after this seq", metavar="SEQ"),
    "allow_secret": Boolean("Even where it holds what looks like a key or a token"),
    "timeout_s": Number("How long to wait, in seconds", least=0, most=3600, metavar="SECONDS"),
}

SESSIONS: dict[str, FieldType] = {
    "name": SessionName("What to call the session: letters a to z, digits and hyphens", metavar="NAME"),
    "client_name": Text("What the client itself calls the session, such as its title", least=0, metavar="TITLE"),
    "status": Choice(*STATUSES, about="What the session does; waiting: it needs a person or an answer"),
    "reason": Choice(*REASONS, about="Why the session is waiting or idle", metavar="REASON"),
    "detail": Text("The question, or what wants permission, in a line", least=0, most=MAX_DETAIL, metavar="TEXT"),
    "current_task": Text("What the session works on, in a line", least=0, most=1000, flag="--task", metavar="TEXT"),
    "status_detail": Json("Any JSON the session wants others to see beside its status"),
    "blob": JsonObject("A JSON object, kept as the session's status_detail"),
    "location": Text("Host and directory, as HOST:DIRECTORY", most=4200, metavar="HOST:DIR"),
    "branch": Text("The branch that is checked out", most=500, metavar="BRANCH"),
    "capabilities": ArrayOf(Text(most=64), "What the session can do for others, by name", metavar="A,B"),
    "session_ids": ArrayOf(Identifier(), "The sessions' ids", most=1000, metavar="A,B"),
    "continues": SessionReference("The session that goes on under the new id", metavar="OLD"),
    "capability": Text("Only sessions that have this capability", most=64, metavar="NAME"),
    "metadata": JsonObject("Anything else worth knowing, as a JSON object", metavar="JSON"),
    "ttl_s": Duration(
        "Seconds without a heartbeat after which the session counts as offline",
        least=MIN_TTL_S,
        most=MAX_TTL_S,
        flag="--ttl",
        metavar="SECONDS",
    ),
    "unless_ended": Boolean("Leave a session that was ended as it is; one that expired lives again"),
    "include_offline": Boolean("Sessions that have ended or expired, too", flag="--all"),
    "move": Boolean("Move the session to this project, where it is live in another one"),
    "all_projects": Boolean("In every project, not only in one"),
    "end_reason": Text("Why it ended", flag="--reason", metavar="TEXT"),
    "older_than_s": Duration(
        "Only what ended at least this many seconds ago", most=MAX_AGE_S, flag="--older-than", metavar="SECONDS"
    ),
    "after_id": Identifier("Only sessions registered before this one: the last of the page before", metavar="ID"),
}

MEMORY: dict[str, FieldType] = {
    "session_id": PartyId("Who writes or wrote it: a session, or user:NAME", flag="--session", metavar="SESSION"),
    "key": Text("What it is remembered under; slashes and spaces are fine", most=512, metavar="KEY"),
    "value": JsonOrText("Any JSON; as text, what is not JSON is a string", size_bytes=256 * 1024, metavar="VALUE"),
    "type": Choice(*MEMORY_TYPES, about="What kind of thing it is", metavar="TYPE"),
    "ttl": Duration("Seconds until it is forgotten", least=1, most=MAX_AGE_S, metavar="SECONDS"),
    "tags": ArrayOf(Text(most=64), "Words to find it by", metavar="A,B"),
    "metadata": JsonObject("Anything else worth knowing, as a JSON object", metavar="JSON"),
    "expected_version": Integer("Write only over this version; 0: over none", flag="--if-version", metavar="N"),
    "idempotency_key": Text("A key of the writer's choice: set twice, it is one version", metavar="KEY"),
    "before_version": Integer("Only versions before this one: the last of the page before", metavar="N"),
    "query": SearchText("Words to look for in keys, tags, values", least=0, most=1000, metavar="QUERY", short="q"),
    "pattern": Text("A glob that the key must fit: task_*", most=512, metavar="GLOB"),
    "match_all": Boolean("With all of the tags, not just any"),
    "include_values": Boolean("The values, too", flag="--values"),
    "after": Text("Only what comes after this cursor: the last of the page before", most=600, metavar="CURSOR"),
}

EVENTS: dict[str, FieldType] = {
    "kinds": ArrayOf(
        Text(most=64), "Only events of these kinds; session means every session.… kind", flag="--kind", metavar="A,B"
    ),
}

MESSAGE_ID = Identifier("The message's id", metavar="MESSAGE")
MESSAGE_TYPE = Choice(*MESSAGE_TYPES, about="What kind of message it is", flag="--type", metavar="TYPE")
SUBJECT = Text("What it is about, in a line; unset, the body's first line", least=0, metavar="SUBJECT")
BODY = Text("The text, of any number of lines", least=0, most=MAX_BODY, many_lines=True, metavar="BODY")
DATA = JsonObject("What a program should read of it, as a JSON object", size_bytes=MAX_BODY, metavar="JSON")
FROM_SESSION = PartyId("Who says it: a session, or user:NAME", metavar="FROM")
TO_SESSION = Recipient(
    "Whom it is for: a session, user:NAME, capability:NAME, type:CLIENT, branch:NAME, or * for the project",
    metavar="TO",
)
WAIT_S = Number("How long to wait for something", least=0, most=MAX_WAIT_S, flag="--wait", metavar="SECONDS")
IDEMPOTENCY_KEY = Text("A key of the sender's choice: sent twice, it is one message", flag="--key", metavar="KEY")

MESSAGES: dict[str, FieldType] = {
    "session_id": PartyId("Whose messages: a session, or user:NAME", metavar="SESSION"),
    "from_session": FROM_SESSION,
    "to_session": TO_SESSION,
    "type": MESSAGE_TYPE,
    "message_type": Choice(*MESSAGE_TYPES, about="Only messages of this type", flag="--type", metavar="TYPE"),
    "types": ArrayOf(Choice(*MESSAGE_TYPES), "Only messages of these types", flag="--type", metavar="A,B"),
    "subject": SUBJECT,
    "body": BODY,
    "data": DATA,
    "priority": Choice(*PRIORITIES, about="How much it matters", metavar="PRIORITY"),
    "message_id": MESSAGE_ID,
    "to_message": MessageReference("The id of the message that this answers", metavar="MESSAGE"),
    "in_reply_to": Identifier("The id of the message that this answers", flag="--reply-to", metavar="MESSAGE"),
    "before": Integer("Only what was sent before this seq", least=1, metavar="SEQ"),
    "query": SearchText("Words to look for in subjects and texts", most=1000, metavar="QUERY", short="q"),
    "cursor": Text(
        "Only what comes after this cursor: the last of the page before", most=600, flag="--after", metavar="CURSOR"
    ),
    "message_ids": ArrayOf(MESSAGE_ID, "The messages' ids", most=1000, metavar="A,B"),
    "expires_in_s": Duration(
        "Seconds after which nobody needs it any more",
        least=1,
        most=365 * DAY_S,
        flag="--expires-in",
        metavar="SECONDS",
    ),
    "reply_within_s": Duration(
        "Seconds within which a request is to be answered; unset, 600; 0: no deadline",
        most=365 * DAY_S,
        flag="--reply-within",
        metavar="SECONDS",
    ),
    "idempotency_key": IDEMPOTENCY_KEY,
    "include_broadcasts": Boolean("Include broadcasts to the project", flag="--no-broadcasts"),
    "unread_only": Boolean("Only what is not acknowledged yet", flag="--unread"),
    "keep": Boolean("Leave the answered message in the inbox"),
    "new_only": Boolean("Only what no client has taken yet", flag="--new"),
    "wait_s": WAIT_S,
    "after_id": PartyId(
        "Only recipients after this one: the last of the page before", is_reference=False, metavar="ID"
    ),
}

REQUESTS: dict[str, FieldType] = {
    "session_id": PartyId("Who asked: a session's id, or user:NAME", metavar="ID"),
    "message_id": Identifier("The request's id", metavar="MESSAGE"),
    "from_session": PartyId("Only requests of this session or user:NAME", flag="--from", metavar="ID"),
    "to_session": Recipient("Only requests to this session, user:NAME, or group", flag="--to", metavar="ID"),
    "unanswered": Boolean("Only requests that still wait for an answer"),
    "other_than": Choice(*REQUEST_STATES, about="Only once it stands otherwise than so", metavar="STATE"),
    "before": Integer("Only requests before this seq: the last of the page before", least=1, metavar="SEQ"),
    "wait_s": Number("How long to wait for another state", least=0, most=MAX_WAIT_S, flag="--wait", metavar="SECONDS"),
}

TASKS: dict[str, FieldType] = {
    "session_id": PartyId("Who does it: a session, or user:NAME", metavar="SESSION"),
    "from_session": FROM_SESSION,
    "to_session": TO_SESSION,
    "subject": SUBJECT,
    "body": BODY,
    "data": DATA,
    "idempotency_key": IDEMPOTENCY_KEY,
    "task_id": Identifier("The task's id: that of the message which offered it", metavar="TASK"),
    "status": Choice(*TASK_STATUSES, about="Only tasks of this status"),
    "owner": PartyId("Only tasks that this session or user:NAME has accepted", metavar="SESSION"),
    "include_done": Boolean("Completed and cancelled tasks, too", flag="--all"),
    "result": Text("What came of it", least=0, most=MAX_BODY, many_lines=True, metavar="TEXT"),
    "reason": Text("Why", least=0, most=1000, metavar="TEXT"),
    "after_id": Identifier("Only tasks made before this one: the last of the page before", metavar="TASK"),
}

IGNORES_CASE = Boolean("Names that differ only in case are one file, as on macOS and Windows")
PATH = Text("A file's absolute path on the session's machine", most=4096, metavar="PATH")

FILES: dict[str, FieldType] = {
    "paths": ArrayOf(PATH, "The files' absolute paths on the session's machine", most=100, metavar="A,B"),
    "path": PATH,
    "within_s": Duration("Only what was written within so many seconds", most=MAX_AGE_S, metavar="SECONDS"),
    "worktree": Text("The worktree that the files are in, as HOST:FOLDER", most=4096 + 256, metavar="HOST:FOLDER"),
    "branch": Text("The branch that is checked out in the worktree", most=500, metavar="BRANCH"),
    "repository": Text("Which of the project's repositories it is, if it has several", least=0, most=1024),
    "ignores_case": IGNORES_CASE,
    "is_shared": Boolean(
        "Whether other sessions may be in conflict over them; not over ignored files", flag="--shared"
    ),
}

CONFLICTS: dict[str, FieldType] = {
    "session_id": PartyId("One of the two sessions; who settles it may be user:NAME, too", metavar="ID"),
    "conflict_id": Identifier("The conflict's id", metavar="CONFLICT"),
    "merge": Choice("clean", "conflict", about="What a merge of the two worktrees gave; unset: nothing is known"),
    "merge_lines": Text("The lines of the first session's file that conflict: 10-14, 30", least=0, most=200),
    "merge_files": ArrayOf(Text(most=4096), "The files that conflict, relative to the repository's root", most=10),
    "is_committed": Boolean("A commit contains what both sessions wrote"),
    "before": Integer("Only conflicts before this seq: the last of the page before", metavar="SEQ"),
}

CLAIMS: dict[str, FieldType] = {
    "session_id": PartyId("Who claims: a session's id, or user:NAME", metavar="ID"),
    "paths": ArrayOf(
        Text("A glob of paths or resource:NAME", most=MAX_GLOB),
        "Globs relative to the repository's root (src/api/**), or resource:NAME",
        most=100,
        metavar="PATH",
    ),
    "files": ArrayOf(
        Text("A file's path", most=4096),
        "The files' paths relative to the repository's root, or globs",
        most=100,
        metavar="PATH",
    ),
    "intent": Text("What it is claimed for, in a line", least=0, most=500, metavar="TEXT"),
    "mode": Choice(*CLAIM_MODES, about="Whether others may claim the same; shared: those that are shared, too"),
    "ttl_s": Duration(
        "Seconds after which it ends", least=MIN_CLAIM_TTL_S, most=DAY_S, flag="--for", metavar="SECONDS"
    ),
    "queue_s": Duration("Seconds to keep a place in the queue, if another session is in the way", most=DAY_S),
    "task_id": Identifier(
        "The task it is for: it goes along when the task is handed over", flag="--task", metavar="TASK"
    ),
    "ignores_case": IGNORES_CASE,
    "notify": Boolean("Send a message when a claim that waits is granted"),
    "claim_id": Identifier("The claim's id", metavar="CLAIM"),
    "state": Choice(*CLAIM_STATES, about="Only claims that are granted, or that wait"),
    "force": Boolean("End another session's claim, as a person"),
    "after_id": Identifier("Only claims asked for after this one: the last of the page before", metavar="CLAIM"),
    "wait_s": Number("How long to wait for the grant", least=0, most=MAX_WAIT_S, flag="--wait", metavar="SECONDS"),
}

TOKENS: dict[str, FieldType] = {
    "name": Identifier("Whose it is: its bearer writes as user:NAME", most=100, metavar="NAME"),
    "role": Choice(*ROLES, about="What it may do: read; write as itself; everything", metavar="ROLE"),
    "projects": ArrayOf(
        Text(most=1024), "The projects that it is for; unset, all of them", flag="--project", metavar="A,B"
    ),
    "expires_in_s": Duration(
        "Seconds after which it is no longer accepted", least=1, most=MAX_AGE_S, flag="--expires", metavar="SECONDS"
    ),
    "include_revoked": Boolean("Those that were revoked or have expired, too", flag="--all"),
}

ATTENTION: dict[str, FieldType] = {
    "item_id": Identifier("The item's id, or its first four characters or more", metavar="ITEM"),
    "person": Text("Only what concerns this person, and what concerns nobody in particular", most=100, metavar="NAME"),
    "include_dismissed": Boolean("What was dismissed, too", flag="--dismissed"),
    "after_id": Identifier("Only what comes after this item: the last of the page before", metavar="ITEM"),
    "version": Text("With a time to wait: the version of the list that the caller has", most=64, metavar="VERSION"),
    "wait_s": WAIT_S,
    "body": Text("The text, of any number of lines", most=MAX_BODY, many_lines=True, metavar="TEXT"),
    "idempotency_key": IDEMPOTENCY_KEY,
}

NOTIFICATIONS: dict[str, FieldType] = {
    "channel": Identifier("The name of a way in which the person is told", metavar="CHANNEL"),
    "item_id": Identifier("The item's id", metavar="ITEM"),
    "holder": Identifier("A name of the sender's own, for its lease", metavar="HOLDER"),
    "is_repeatable": Boolean("Send it again if a sender ended in the middle: the receiver recognises a repetition"),
    "unless_seen": Boolean("Not if the person has looked at the list since the item appeared"),
    "error": Text("Why it could not be sent; unset, it was", most=500, metavar="TEXT"),
    "retry_in_s": Number("After how many seconds to try again; unset, not at all", least=0, most=DAY_S),
    "expires_in_s": Duration("Seconds after which the token is no longer accepted", least=1, most=7 * DAY_S),
    "token": Text("The token that came with the notification", metavar="TOKEN"),
    "body": Text("The text, of any number of lines", most=MAX_BODY, many_lines=True, metavar="TEXT"),
}

RETENTION: dict[str, FieldType] = {
    "older_than_s": Duration(
        "Remove what is at least this many seconds old", most=MAX_AGE_S, flag="--older-than", metavar="SECONDS"
    ),
    "keep_bytes": Integer("Keep no more than so many bytes of messages, the newest", metavar="BYTES"),
}

PROJECTS: dict[str, FieldType] = {
    "old_project": Text("The project that the records are in, or were in before the move", most=1024, metavar="OLD"),
    "new_project": Text("The project that the records move to, or were moved to", most=1024, metavar="NEW"),
    "dry_run": Boolean("Count what would be moved, but move nothing"),
}

IMPORTS: dict[str, FieldType] = {
    "records": ArrayOf(
        JsonObject("A line of an export", size_bytes=RECORD_BYTES, depth=MAX_DEPTH + 1),
        "The records: lines of an export",
        most=1000,
    ),
    "with_tokens": Boolean("The tokens, too, which open this bus to their bearers"),
}

NOUNS: dict[str, dict[str, FieldType]] = {
    "sessions": SESSIONS,
    "messages": MESSAGES,
    "requests": REQUESTS,
    "tasks": TASKS,
    "memory": MEMORY,
    "events": EVENTS,
    "files": FILES,
    "claims": CLAIMS,
    "conflicts": CONFLICTS,
    "tokens": TOKENS,
    "logins": {"login_id": Identifier("The login's id", metavar="LOGIN")},
    "projects": PROJECTS,
    "retention": RETENTION,
    "imports": IMPORTS,
    "attention": ATTENTION,
    "notifications": NOTIFICATIONS,
    "wakes": {"message_ids": ArrayOf(MESSAGE_ID, "The messages' ids", most=1000, metavar="A,B")},
}


PROJECT_OR_ALL = Text("Only this project; unset, every project", most=1024, metavar="PROJECT")


def type_of(noun: str, name: str) -> FieldType:
    """Return the type of a name as a noun uses it; raises LookupError for a name that the dictionary lacks."""
    kind = NOUNS.get(noun, {}).get(name) or COMMON.get(name)
    if kind is None:
        raise LookupError(
            f"src/hallway/core/parameters.py has no word {name!r} for {noun}: add it to {noun.upper()} there, or to"
            f" COMMON if it means the same for every noun"
        )
    return kind
