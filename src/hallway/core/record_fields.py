"""What each field of a record says, for whoever reads records as JSON: the OpenAPI document. The hub alone loads it.

A field is described under its record where it has words of its own there, else under its name, which then means the
same in every record.
"""

from __future__ import annotations

from hallway.core.model import (
    ATTENTION_KINDS,
    ATTENTION_STATES,
    DELIVERY_STATES,
    MEMORY_TYPES,
    MESSAGE_TYPES,
    PRIORITIES,
    REASONS,
    REQUEST_STATES,
    ROLES,
    STATUSES,
    TASK_STATUSES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.core.model import Record

SHARED = {
    "session_id": "The session's id, as its agent knows it",
    "name": "What people and agents call the session: unique among the live sessions of its project",
    "agent_name": "What the agent is, such as Claude Code in shop",
    "agent_type": "The kind of agent: claude-code, codex, gemini …",
    "project": "The repository's namespace",
    "reason": "Why the session is waiting or idle; null: unknown, or it is neither",
    "detail": "The question, what wants permission, or the first line of the last answer",
    "current_task": "What the session works on, in a line",
    "human_user": "The person the session works for",
    "branch": "The branch that is checked out where the session runs",
    "message_id": "The message's id",
    "thread_id": "The id of the first message of its thread",
    "seq": "Rises with every message of the bus, without repeating",
    "task_id": "The task's id: that of the message which offered it",
    "subject": "What it is about, in a line",
    "body": "The text, of any number of lines",
    "data": "What a program should read of it",
    "type": "What kind of message it is",
    "priority": "How much it matters",
    "status": "What the session does; waiting: it needs a person or an answer",
    "unread": "How many messages are not acknowledged",
    "expires_at": "When it is gone; null: never",
    "last_used_at": "When it was used last; null: never",
    "last_used_from": "The address it was used from last",
    "role": "What it may do: read; write as itself; everything",
    "projects": "The projects it is for; null: all of them",
    "by_type": "How many of each type",
    "by_status": "How many of each status",
    "status_detail": "Any JSON that the session wants others to see beside its status",
    "last_seen": "When the session last gave a sign of life",
}
MESSAGE = {
    "from_session": "Who sent it: a session's id, or user:NAME",
    "to_session": "Whom it is for: a session's id, user:NAME, capability:NAME, type:CLIENT, branch:NAME, or *",
    "in_reply_to": "The id of the message that it answers",
    "task_id": "The task that it is about",
    "sent_at": "When it was sent",
    "expires_at": "After when nobody needs it any more; null: it does not expire",
    "reply_by": "By when a request is to be answered; null: it has no deadline, or is no request",
}

ENTRY = {
    "entry_id": "The id of this version of the entry",
    "key": "What it is remembered under",
    "type": "What kind of thing it is",
    "value": "What is remembered: any JSON",
    "version": "The version's number: 1 for the first of its key",
    "tags": "Words to find it by",
    "session_id": "Who wrote this version: a session's id, or user:NAME",
    "created_at": "When this version was written",
    "metadata": "Anything else that its writer wanted known",
}
PEER = {
    "silent_s": "How many seconds ago it gave a sign of life",
    "status_s": "How many seconds ago its status or reason changed",
}
OWN: dict[str, dict[str, str]] = {
    "Session": {
        "location": "Host and directory, as HOST:DIRECTORY",
        "capabilities": "What the session can do for others, by name",
        "metadata": "Anything else that the session wants known",
        "status_since": "When its status or reason changed last",
        "started_at": "When the session was registered first",
        "ttl_s": "Seconds without a sign of life after which it is offline",
        "ended_at": "When it ended or expired; null: it is live",
        "end_reason": "Why it ended; null: it is live",
    },
    "SessionLabel": {"is_shared": "Whether another session of its project, live now, has the name"},
    "PeerSession": PEER,
    "ActiveSession": PEER,
    "FileConflict": {
        "conflict_id": "The conflict's id",
        "seq": "The seq of the event with which it was found",
        "kind": "same_worktree, or other_worktree: what both write meets when it is merged",
        "subject": "The file that both sessions write, relative to the repository's root",
        "session_id": "The other session's id",
        "name": "The other session's name",
        "branch": "The branch that the other session wrote the file on",
        "detail": "What the conflict means, in a line",
    },
    "ConflictParty": {
        "session_id": "The session's id",
        "name": "The session's name",
        "branch": "The branch that it wrote the file on",
        "worktree": "The worktree that it wrote the file in: HOST:FOLDER",
        "path": "The file's absolute path on the session's machine",
        "written_at": "When it wrote the file last",
    },
    "Conflict": {
        "conflict_id": "The conflict's id",
        "seq": "The seq of the event with which it was found",
        "path": "The file, relative to the repository's root",
        "kind": "same_worktree, or other_worktree: what both write meets when it is merged",
        "found_at": "When it was found",
        "merge": "clean or conflict: what a merge of the two worktrees gave; null: it was not tried",
        "merge_lines": "The lines of the first session's file that conflict: 10-14, 30",
        "merge_files": "The files that conflict, at most ten of them",
        "tried_at": "When the merge was tried last",
        "sessions": "The two sessions, the one that wrote first at first",
    },
    "Heartbeat": {
        "others": "The other live sessions of the project, newest first",
        "others_total": "How many other live sessions the project has",
        "unread": "How many messages wait for the session",
        "conflicts": "Conflicts with other sessions that concern this one",
    },
    "ActiveSessions": {
        "sessions": "The live sessions of the project, newest first",
        "total": "How many live sessions the project has",
    },
    "MessageHit": {
        **MESSAGE,
        "line": "A line of the text, with what was found between **",
        "cursor": "Where the page after this message begins",
        "is_loose": "Whether it has only some of the words that were searched for, because no message has all",
    },
    "Message": MESSAGE,
    "Receipt": {
        "seq": "The message's place in the order of all messages",
        "task_id": "The task that the message is about",
        "recipients": "For how many inboxes it is stored",
        "recipient_status": "How the one recipient is; offline: the message waits for it; null: it is no session",
        "is_repeat": "Whether the idempotency key was known, and this is about the first message",
        "forwarded_to": "The session that the addressed one goes on as, which has it instead; null: it was not moved",
        "held_back": "Why it wakes nobody where it otherwise would; null: it does",
    },
    "WakeUp": {
        "session_id": "The session that is to be woken",
        "messages": "What it is to be woken with; none: nothing now",
        "retry_after_s": "Seconds after which to ask again; null: when something new comes",
    },
    "Delivery": {
        "recipient": "The session or person it was stored for",
        "state": "How far it has come: stored, injected (its client took it), acknowledged, expired (never taken)",
        "stored_at": "When it was stored for the recipient",
        "injected_at": "When the recipient's client took it",
        "acknowledged_at": "When the recipient acknowledged it",
        "held_back": "Why it does not wake the recipient, though messages of its kind do; null: it does, or has",
        "request_state": "How the request stands that the message is; null: it is no request",
    },
    "Request": {
        "from_session": "Who asked: a session's id, or user:NAME",
        "to_session": "Whose answer is waited for: a session's id, user:NAME, or a group of sessions",
        "state": "How it stands; turn_ended: its recipient saw it and stopped working without an answer",
        "state_since": "Since when it stands so",
        "asked_at": "When it was sent",
        "reply_by": "By when it is to be answered; null: it has no deadline",
        "answer_id": "The id of the first reply; null: there is none",
    },
    "InboxSummary": {
        "recipient": "The session or person whose inbox it is",
        "urgent": "How many of the unread messages are urgent",
        "oldest_at": "When the oldest unread message was stored",
    },
    "Thread": {
        "messages": "The thread's messages, by seq; in_reply_to makes them a tree",
        "deliveries": "How far each message has come with each recipient",
    },
    "PingResult": {
        "session_id": "The session that was asked for",
        "is_live": "Whether it is live",
        "message_id": "The id of the ping that was left in its inbox",
    },
    "Task": {
        "status": "Whether it is offered, accepted, completed or cancelled",
        "subject": "What is to be done, in a line",
        "body": "What is to be done, in full",
        "data": "What a program should read of the task",
        "offered_by": "Who offered it",
        "offered_to": "Whom it is offered to now; beside an owner: whom it is being handed to",
        "owner": "Who has accepted it",
        "result": "What came of it",
        "created_at": "When it was offered",
        "updated_at": "When it changed last",
    },
    "AttentionItem": {
        "item_id": "The item's id, which stays the same until the item is resolved",
        "kind": "Why it needs a person",
        "is_urgent": "Whether it comes before what is not",
        "state": "Whether it is open, answered (the session does not have the answer yet) or dismissed",
        "state_since": "Since when it is open, answered or dismissed",
        "session_id": "The session that it is about, live or gone; null: it is about a person or a group",
        "name": "What people call the session, the person or the group",
        "client": "The kind of agent: claude-code, codex, gemini …",
        "person": "The person whom it is for, or whom the session works for; null: nobody in particular",
        "what": "The question, the command, the subject or the last answer, in a line; empty: the session has not said",
        "since": "Since when it needs a person",
        "message_id": "The message that it is about; null: none",
        "task_id": "The task that it is about; null: none",
        "terminal": "Where the session's terminal is, as its hooks recorded it; null: not known",
        "actions": "What the caller can do about it",
    },
    "Attention": {
        "items": "What needs a person, the most important first",
        "total": "How many items the whole list has",
        "by_kind": "How many items of each kind the whole list has",
        "version": "Another one for every change of the list: the version to wait with",
    },
    "AttentionReply": {
        "item": "The item as it is now",
        "message_id": "The message that was sent",
        "recipient_status": "How the one recipient is; offline: the message waits for it; null: it is no session",
        "held_back": "Why the message wakes nobody where it otherwise would; null: it does",
    },
    "NotificationTurn": {
        "may_send": "Whether the caller may send it now, and has the lease",
        "is_settled": "Whether it never has to be sent any more: it was, it need not be, or it could not be",
        "attempt": "Which attempt this is: 1 for the first; 0 for none",
        "key": "The same for every attempt, by which a receiver recognises a repetition",
        "retry_in_s": "After how many seconds to ask again; null: not at all, or it may be sent now",
    },
    "NotificationChannel": {
        "person": "Who is told through it",
        "channel": "Its name in the person's rules, with the host where it is bound to one",
        "by_state": "How many are sending, waiting for another attempt, sent, failed, or unknown (interrupted)",
        "last_sent_at": "When one was sent last; null: never",
        "last_error": "Why one could not be sent, the last time; null: it never happened",
        "last_error_at": "When that was",
    },
    "AnswerToken": {
        "token": "The token, which is shown this one time",
        "item_id": "The item that it answers",
        "expires_at": "When it is no longer accepted",
    },
    "Claim": {
        "claim_id": "The claim's id",
        "paths": "The globs and resources that are claimed",
        "mode": "exclusive, or shared: beside other shared claims",
        "intent": "What it is claimed for",
        "state": "Whether it is granted, or waits for its turn",
        "number": "Its place in the project's queue: a claim with a lower number is granted before an overlapping one",
        "fence": "The number of its grant, which only rises in the project; null while it waits",
        "task_id": "The task it is for",
        "asked_at": "When it was asked for",
        "granted_at": "When it was granted; null while it waits",
        "ttl_s": "For how many seconds it is granted",
        "expires_at": "When it ends, or, while it waits, when it is given up",
    },
    "EditCheck": {
        "is_claimed": "Whether other sessions hold any path of the project exclusively",
        "claims": "The claims that forbid the edit",
    },
    "Pruned": {
        "removed": "How many were removed, by noun",
        "is_complete": "Whether all that is old is removed; false: ask again",
    },
    "RefusedRecord": {
        "index": "The record's place among those of the request: 0 for the first",
        "record": "What kind of record it is",
        "reason": "Why it was not added",
    },
    "ImportedBatch": {
        "added": "How many records were added, by kind",
        "existing": "How many records the bus had already, by kind",
        "refused": "The records that were not added",
    },
    "ProjectMove": {
        "old_project": "The project that the records were in before the move",
        "new_project": "The project that they were moved to",
        "is_undo": "Whether the move was taken back: the records are in the old project again",
        "is_dry_run": "Whether nothing was changed, only counted",
        "moved": "How many records were moved, by noun",
        "shared_total": "How many memory keys stayed because both projects have them",
        "shared_keys": "The first hundred of these keys",
        "tokens": "The tokens that see the project which had the records, but not the one which has them now",
    },
    "SessionStats": {
        "total": "How many sessions the bus knows",
        "live": "How many of them are live",
        "offline": "How many of them are offline",
        "by_type": "How many of each agent type, live and offline",
        "by_user": "How many of each person, live and offline",
    },
    "EventStats": {"total": "How many events the record holds", "last_seq": "The newest event's seq"},
    "MessageStats": {
        "total": "How many messages the bus holds",
        "size_bytes": "How many bytes their texts and data have",
        "unread": "How many deliveries are not acknowledged",
    },
    "RequestStats": {"total": "How many requests wait for an answer", "by_state": "How many stand so"},
    "TaskStats": {"total": "How many tasks the bus knows"},
    "MemoryEntry": ENTRY,
    "MemoryHit": {
        **ENTRY,
        "value": "What is remembered: any JSON; null if has_value is false",
        "has_value": "Whether the value is here, because values were asked for",
        "line": "A line of the value, with what was found between **",
        "cursor": "Where the page after this entry begins",
        "is_loose": "Whether it has only some of the words that were searched for, because no entry has all",
    },
    "MemoryStats": {"total": "How many keys are remembered"},
    "FileTouch": {
        "path": "The file's absolute path on the session's machine",
        "session_id": "The session that wrote it",
        "at": "When it was written last",
    },
    "Token": {
        "name": "Whose it is: its bearer writes as user:NAME",
        "created_at": "When it was made",
        "expires_at": "When it is no longer accepted; null: it stays good",
        "revoked_at": "When it was revoked; null: it was not",
    },
    "Login": {
        "login_id": "The login's id",
        "name": "The name of the token that it was made with",
        "host": "The hub that it is logged in to",
        "browser": "What the browser says it is",
        "began_at": "When it was made",
        "expires_at": "When it ends at the latest",
    },
    "NewToken": {
        "name": "Whose it is: its bearer writes as user:NAME",
        "expires_at": "When it is no longer accepted; null: it stays good",
        "token": "The token itself, which is shown this once",
    },
    "Identity": {
        "name": "The name of the caller's token; null: the caller owns the bus",
        "role": "What the caller may do",
        "projects": "The projects that the caller sees; null: all of them",
    },
    "Stats": {
        "sessions": "The sessions in numbers",
        "messages": "The messages in numbers",
        "tasks": "The tasks in numbers",
        "memory": "The memory in numbers",
        "events": "The events in numbers",
    },
    "Event": {
        "seq": "Rises with every event of the bus, without repeating",
        "at": "When it happened",
        "kind": "What happened: session.registered, message.sent …",
        "session_id": "Who did it, or to whom it happened; null: nobody",
        "data": "What else is known of it",
    },
}
STATED = ("Session", "PeerSession", "ActiveSession", "Heartbeat", "PingResult")
WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    **{(record, "status"): STATUSES for record in STATED},
    ("Receipt", "recipient_status"): STATUSES,
    **{(record, "reason"): REASONS for record in ("Session", "PeerSession", "ActiveSession")},
    ("Task", "status"): TASK_STATUSES,
    ("AttentionItem", "kind"): ATTENTION_KINDS,
    ("AttentionItem", "state"): ATTENTION_STATES,
    **{(record, "type"): MESSAGE_TYPES for record in ("Message", "MessageHit")},
    **{(record, "priority"): PRIORITIES for record in ("Message", "MessageHit")},
    ("Delivery", "state"): DELIVERY_STATES,
    ("Delivery", "request_state"): REQUEST_STATES,
    ("Request", "state"): REQUEST_STATES,
    ("Request", "priority"): PRIORITIES,
    **{(record, "type"): MEMORY_TYPES for record in ("MemoryEntry", "MemoryHit")},
    **{(record, "role"): ROLES for record in ("Token", "NewToken", "Identity")},
}


def describe(record: type[Record], field: str) -> str:
    """Return what a record's field says; raises LookupError for one that nobody has described."""
    about = OWN.get(record.__name__, {}).get(field) or SHARED.get(field)
    if about is None:
        raise LookupError(
            f"src/hallway/core/record_fields.py does not say what {field!r} of {record.__name__} is: add it to"
            f" OWN[{record.__name__!r}] there, or to SHARED if it means the same in every record"
        )
    return about


def words_of(record: type[Record], field: str) -> tuple[str, ...]:
    """Return the words that a record's field is one of; none where it is any text."""
    return WORDS.get((record.__name__, field), ())
