"""What every face must answer alike: calls by operation name, and what comes of the last one.

To add a case, write the calls and what the last one `gives` (every field named must be so; others may be anything, but
the same through every face) or the code it `fails` with. `earlier(n, "field")` stands for a field of what the n-th call
gave. Times and ids are alike through every face by their order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SHOP = "github.com/acme/shop"
ANY = object()  # in what a call gives: something, whatever it is


class Earlier(NamedTuple):
    """A value that an earlier call of the case gave."""

    call: int
    field: str


earlier = Earlier


class Call(NamedTuple):
    """An operation and its arguments."""

    operation: str
    arguments: dict[str, Any]


def call(operation: str, /, **arguments: Any) -> Call:
    return Call(operation, arguments)


class Case(NamedTuple):
    """Calls in order, and what the last of them must come to."""

    about: str
    calls: tuple[Call, ...]
    gives: Any = ANY
    fails: str | None = None


def case(about: str, *calls: Call, gives: Any = ANY, fails: str | None = None) -> Case:
    return Case(about, calls, gives, fails)


ALICE = call("sessions.register", session_id="alice", agent_name="alice's agent", agent_type="claude-code")
BOB = call(
    "sessions.register",
    session_id="bob",
    agent_name="bob's agent",
    agent_type="codex",
    human_user="bob",
    capabilities=["go", "a,b"],
    current_task="mend the login",
)
ODD = "ünï☂%2F%+&=?#;'\"<>"

SESSIONS = [
    case(
        "a new session takes over where its caller runs",
        ALICE,
        gives={
            "session_id": "alice",
            "agent_name": "alice's agent",
            "agent_type": "claude-code",
            "project": SHOP,
            "status": "active",
            "reason": None,
            "detail": None,
            "status_since": "time 1",
            "current_task": None,
            "status_detail": None,
            "human_user": "alice",
            "branch": None,
            "capabilities": [],
            "metadata": {},
            "ttl_s": 120,
            "ended_at": None,
            "end_reason": None,
            "started_at": "time 1",
            "last_seen": "time 1",
        },
    ),
    case(
        "everything a session may say",
        call(
            "sessions.register",
            session_id="alice",
            agent_name=" a  name ",
            agent_type="codex",
            human_user="bob",
            capabilities=["go", "a,b", "[x]"],
            metadata={"n": [1, 2.5, None, True], "ü": {"": "☂"}},
            project="other",
            current_task="-x --y",
            status="working",
            location="host:/src",
            branch="fix/1",
            ttl_s=60,
        ),
        gives={
            "agent_name": " a  name ",
            "capabilities": ["go", "a,b", "[x]"],
            "branch": "fix/1",
            "ttl_s": 60,
            "metadata": {"n": [1, 2.5, None, True], "ü": {"": "☂"}},
            "current_task": "-x --y",
        },
    ),
    case(
        "registering again changes what is said and keeps the rest",
        BOB,
        call(
            "sessions.register",
            session_id="bob",
            agent_name="another",
            agent_type="codex",
        ),
        gives={
            "agent_name": "another",
            "human_user": "bob",
            "capabilities": ["go", "a,b"],
            "started_at": "time 1",
            "last_seen": "time 2",
        },
    ),
    case(
        "a heartbeat tells who else is here",
        ALICE,
        BOB,
        call("sessions.heartbeat", session_id="alice"),
        gives={
            "session_id": "alice",
            "project": SHOP,
            "status": "active",
            "others_total": 1,
            "conflicts": [],
            "others": [{"session_id": "bob", "current_task": "mend the login", "human_user": "bob"}],
        },
    ),
    case(
        "a heartbeat registers whom it does not know",
        call(
            "sessions.heartbeat",
            session_id="carol",
            current_task="read",
            status="waiting",
            agent_name="c",
        ),
        gives={"session_id": "carol", "status": "waiting", "others": [], "others_total": 0},
    ),
    case(
        "a heartbeat with a limit",
        ALICE,
        BOB,
        call("sessions.heartbeat", session_id="carol", limit=1),
        gives={"others": [{"session_id": "bob"}], "others_total": 2},
    ),
    case(
        "odd characters in an id and a text",
        call(
            "sessions.heartbeat",
            session_id=ODD,
            current_task=ODD,
        ),
        call("sessions.get", session_id=ODD),
        gives={"session_id": ODD, "current_task": ODD},
    ),
    case(
        "an empty task is one",
        BOB,
        call("sessions.heartbeat", session_id="bob", current_task=""),
        call("sessions.get", session_id="bob"),
        gives={"current_task": ""},
    ),
    case(
        "a ping keeps alive",
        ALICE,
        call("sessions.ping", session_id="alice"),
        gives={"status": "active", "started_at": "time 1", "last_seen": "time 2"},
    ),
    case("a ping of nobody", ALICE, call("sessions.ping", session_id="alicia"), fails="session_not_found"),
    case(
        "a status",
        ALICE,
        call(
            "sessions.update_status",
            session_id="alice",
            status="waiting",
            current_task="a question",
        ),
        gives={"status": "waiting", "current_task": "a question"},
    ),
    case(
        "a status with its reason",
        ALICE,
        call(
            "sessions.update_status",
            session_id="alice",
            status="waiting",
            reason="permission",
            detail="Bash: rm -r build",
        ),
        gives={
            "status": "waiting",
            "reason": "permission",
            "detail": "Bash: rm -r build",
            "status_since": "time 2",
        },
    ),
    case(
        "a reason and a detail in a heartbeat, as the others see them",
        BOB,
        call("sessions.heartbeat", session_id="bob", status="idle", reason="done", detail="All tests pass."),
        call("sessions.active"),
        gives={"sessions": [{"session_id": "bob", "status": "idle", "reason": "done", "detail": "All tests pass."}]},
    ),
    case(
        "a reason of a session that works",
        ALICE,
        call("sessions.heartbeat", session_id="alice", status="working", reason="done"),
        fails="invalid_input",
    ),
    case(
        "an unknown reason",
        ALICE,
        call("sessions.heartbeat", session_id="alice", status="waiting", reason="coffee"),
        fails="invalid_input",
    ),
    case(
        "the status offline ends a session",
        ALICE,
        call(
            "sessions.update_status",
            session_id="alice",
            status="offline",
        ),
        gives={"status": "offline", "end_reason": "status", "ended_at": "time 2"},
    ),
    case(
        "an unknown status",
        ALICE,
        call("sessions.update_status", session_id="alice", status="asleep"),
        fails="invalid_input",
    ),
    case(
        "a status detail",
        ALICE,
        call(
            "sessions.set_status_detail",
            session_id="alice",
            blob={"step": 1, "ü": [None, {"x": 2**70}]},
        ),
        gives={"status_detail": {"step": 1, "ü": [None, {"x": 2**70}]}},
    ),
    case(
        "an end with its reason",
        ALICE,
        call("sessions.end", session_id="alice", end_reason="done: 100 %"),
        gives={"status": "offline", "end_reason": "done: 100 %"},
    ),
    case(
        "a session is renamed, and found under its name",
        ALICE,
        BOB,
        call("sessions.rename", session_id="alice", name="login-form"),
        call("sessions.get", session_id="@login-form"),
        gives={"session_id": "alice", "name": "login-form"},
    ),
    case(
        "a name that another session has",
        ALICE,
        BOB,
        call("sessions.rename", session_id="alice", name="login-form"),
        call("sessions.rename", session_id="bob", name="login-form"),
        fails="name_taken",
    ),
    case(
        "what cannot be a name",
        ALICE,
        call("sessions.rename", session_id="alice", name="Login Form"),
        fails="invalid_input",
    ),
    case(
        "a message to a session by its name",
        ALICE,
        BOB,
        call("sessions.rename", session_id="bob", name="login-form"),
        call("messages.send", from_session="alice", to_session="login-form", subject="hello"),
        call("messages.inbox", session_id="@login-form"),
        gives=[{"from_session": "alice", "to_session": "bob", "subject": "hello"}],
    ),
    case(
        "the beginning of an id that fits several sessions",
        call("sessions.heartbeat", session_id="worker-1"),
        call("sessions.heartbeat", session_id="worker-2"),
        call("sessions.end", session_id="work"),
        fails="session_ambiguous",
    ),
    case(
        "a message to every session of a client",
        ALICE,
        BOB,
        call("messages.send", from_session="user:carol", to_session="branch:nowhere", subject="hello"),
        fails="session_not_found",
    ),
    case(
        "a session that goes on under a new id",
        ALICE,
        BOB,
        call("sessions.succeed", session_id="bob", continues="alice"),
        call("sessions.get", session_id="alice"),
        gives={"status": "offline", "end_reason": "continued as bob"},
    ),
    case(
        "a message to a session that goes on under a new id",
        ALICE,
        BOB,
        call("sessions.succeed", session_id="bob", continues="alice"),
        call("messages.send", from_session="user:carol", to_session="alice", subject="hello"),
        gives={"recipients": 1, "recipient_status": "active", "forwarded_to": "bob"},
    ),
    case(
        "a session that continues nobody",
        ALICE,
        call("sessions.succeed", session_id="alice", continues="nobody"),
        fails="session_not_found",
    ),
    case("an end of nobody", call("sessions.end", session_id="nobody"), fails="session_not_found"),
    case(
        "an ended session is shown",
        ALICE,
        call("sessions.end", session_id="alice"),
        call("sessions.get", session_id="alice"),
        gives={"status": "offline", "end_reason": "ended"},
    ),
    case(
        "a session that is not there, with near matches",
        ALICE,
        BOB,
        call("sessions.get", session_id="alcie"),
        fails="session_not_found",
    ),
    case(
        "the sessions of all projects, newest first",
        ALICE,
        BOB,
        call(
            "sessions.heartbeat",
            session_id="carol",
            project="other",
        ),
        call("sessions.find_sessions"),
        gives=[{"session_id": "carol"}, {"session_id": "bob"}, {"session_id": "alice"}],
    ),
    case(
        "sessions by every filter",
        ALICE,
        BOB,
        call(
            "sessions.find_sessions",
            project=SHOP,
            status="active",
            agent_type="codex",
            human_user="bob",
            capability="a,b",
        ),
        gives=[{"session_id": "bob"}],
    ),
    case(
        "ended sessions, too, by pages",
        ALICE,
        BOB,
        call("sessions.end", session_id="alice"),
        call(
            "sessions.find_sessions",
            include_offline=True,
            after_id="bob",
            limit=1,
        ),
        gives=[{"session_id": "alice", "status": "offline"}],
    ),
    case("no session fits", ALICE, call("sessions.find_sessions", human_user="nobody"), gives=[]),
    case("a filter that is none", call("sessions.find_sessions", limit=0), fails="invalid_input"),
    case(
        "the active sessions of where the caller runs",
        ALICE,
        call("sessions.active"),
        gives={"project": SHOP, "total": 1, "sessions": [{"session_id": "alice"}]},
    ),
    case(
        "what sessions are called",
        ALICE,
        BOB,
        call("sessions.rename", session_id="alice", name="login-form"),
        call("sessions.find_names", session_ids=["alice", "nobody"]),
        gives=[{"session_id": "alice", "name": "login-form", "is_shared": False}],
    ),
    case(
        "ended sessions are cleared",
        ALICE,
        BOB,
        call("sessions.end", session_id="alice"),
        call("sessions.clear_offline", project=SHOP),
        gives=1,
    ),
    case(
        "ended sessions of every project are cleared",
        ALICE,
        call("sessions.heartbeat", session_id="carol", project="other"),
        call("sessions.end", session_id="carol"),
        call("sessions.clear_offline", all_projects=True),
        gives=1,
    ),
    case("the project that the caller is in", call("sessions.current_project"), gives=SHOP),
    case(
        "the project of a session that is elsewhere",
        call("sessions.heartbeat", session_id="carol", project="other"),
        call("sessions.current_project", session_id="carol"),
        gives="other",
    ),
    case("nothing to clear", ALICE, call("sessions.clear_offline", older_than_s=60), gives=0),
    case(
        "a text over its limit",
        call("sessions.heartbeat", session_id="alice", current_task="x" * 1001),
        fails="too_large",
    ),
    case(
        "a control character",
        call("sessions.heartbeat", session_id="alice", current_task="\x1b[2J"),
        fails="invalid_input",
    ),
    case("a TTL that is too long", call("sessions.heartbeat", session_id="alice", ttl_s=10**9), fails="invalid_input"),
    case(
        "a TTL that is no number", call("sessions.heartbeat", session_id="alice", ttl_s="soon"), fails="invalid_input"
    ),
    case("an id that is an address", call("sessions.heartbeat", session_id="user:bob"), fails="invalid_input"),
    case("an id with a slash", call("sessions.heartbeat", session_id="a/b"), fails="invalid_input"),
    case(
        "too many capabilities",
        call(
            "sessions.register",
            session_id="alice",
            agent_name="a",
            agent_type="b",
            capabilities=["x"] * 65,
        ),
        fails="too_large",
    ),
    case(
        "metadata that are no object",
        call(
            "sessions.register",
            session_id="alice",
            agent_name="a",
            agent_type="b",
            metadata=[1],
        ),
        fails="invalid_input",
    ),
]

EVENTS = [
    case(
        "events of a project and kind",
        ALICE,
        BOB,
        call("sessions.end", session_id="alice"),
        call(
            "sessions.heartbeat",
            session_id="carol",
            project="other",
        ),
        call("events.read", project=SHOP, kinds=["session.ended", "none"], after=1),
        gives=[{"seq": 3, "kind": "session.ended", "session_id": "alice", "data": {"end_reason": "ended"}}],
    ),
    case("a page of events", ALICE, BOB, call("events.read", limit=1), gives=[{"seq": 1, "at": "time 1"}]),
    case("the newest event", ALICE, BOB, call("events.last_seq"), gives=2),
    case("no event yet", call("events.last_seq"), gives=0),
    case(
        "the bus in numbers",
        ALICE,
        BOB,
        call("sessions.end", session_id="bob"),
        call("stats.read", project=SHOP),
        gives={
            "sessions": {"total": 2, "live": 1, "by_user": {"alice": 1, "bob": 1}},
            "events": {"total": 3, "last_seq": 3},
        },
    ),
]

ASKED = call("messages.send", from_session="alice", to_session="bob", type="request", subject="Which port?")
SENT = call(
    "messages.send",
    from_session="alice",
    to_session="bob",
    subject="hello",
    body="two\nlines",
    data={"n": [1, None]},
    priority="high",
)

MESSAGES = [
    case(
        "a message is stored for its recipient",
        ALICE,
        BOB,
        SENT,
        gives={"seq": 1, "recipients": 1, "recipient_status": "active", "is_repeat": False},
    ),
    case(
        "an inbox",
        ALICE,
        BOB,
        SENT,
        call("messages.inbox", session_id="bob"),
        gives=[
            {
                "message_id": "id-1",
                "from_session": "alice",
                "to_session": "bob",
                "subject": "hello",
                "body": "two\nlines",
                "data": {"n": [1, None]},
                "priority": "high",
                "type": "notification",
            }
        ],
    ),
    case(
        "what is acknowledged",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.acknowledge",
            session_id="bob",
            message_ids=[earlier(2, "message_id")],
        ),
        gives=1,
    ),
    case(
        "a reply and its thread",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.reply",
            from_session="bob",
            to_message=earlier(2, "message_id"),
            body="yes",
        ),
        call("messages.get_conversation", message_id=earlier(3, "message_id")),
        gives={
            "thread_id": "id-1",
            "messages": [{"seq": 1}, {"seq": 2, "in_reply_to": "id-1", "to_session": "alice"}],
        },
    ),
    case(
        "a repeated key sends nothing",
        ALICE,
        BOB,
        *[
            call(
                "messages.send",
                from_session="alice",
                to_session="bob",
                body="once",
                idempotency_key="k 1",
            )
        ]
        * 2,
        gives={"message_id": "id-1", "seq": 1, "is_repeat": True},
    ),
    case("the same twice", ALICE, BOB, SENT, SENT, fails="repeated"),
    case(
        "a message to nobody",
        ALICE,
        call("messages.send", from_session="alice", to_session="alicia", body="x"),
        fails="session_not_found",
    ),
    case(
        "an unknown priority",
        ALICE,
        BOB,
        call(
            "messages.send",
            from_session="alice",
            to_session="bob",
            body="x",
            priority="very",
        ),
        fails="invalid_input",
    ),
    case(
        "a broadcast",
        ALICE,
        BOB,
        call("messages.broadcast", from_session="alice", subject="all", body="x"),
        gives={"recipients": 1},
    ),
    case("an unknown message", call("messages.get", message_id="nothing"), fails="message_not_found"),
    case(
        "one message",
        ALICE,
        BOB,
        SENT,
        call("messages.get", message_id=earlier(2, "message_id")),
        gives={"subject": "hello", "thread_id": "id-1", "in_reply_to": None, "task_id": None, "project": SHOP},
    ),
    case(
        "everything a message may say",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.send",
            from_session="alice",
            to_session="bob",
            type="request",
            subject=ODD,
            body="-x\n\ty " + ODD,
            data={"ü": [None, {"x": 2**70}]},
            in_reply_to=earlier(2, "message_id"),
            priority="low",
            expires_in_s=600,
            idempotency_key="k",
            project="other",
        ),
        call("messages.inbox", session_id="bob", after=1, types=["request", "sync"], limit=1, new_only=True),
        gives=[
            {
                "type": "request",
                "subject": ODD,
                "body": "-x\n\ty " + ODD,
                "data": {"ü": [None, {"x": 2**70}]},
                "in_reply_to": "id-1",
                "priority": "low",
                "expires_at": "time 4",
                "project": "other",
            }
        ],
    ),
    case(
        "a message to a person, and the person's inbox",
        ALICE,
        call(
            "messages.send",
            from_session="alice",
            to_session="user:bob of shop",
            subject="hello",
        ),
        call("messages.inbox", session_id="user:bob of shop"),
        gives=[{"to_session": "user:bob of shop"}],
    ),
    case(
        "a message to a capability",
        ALICE,
        BOB,
        call(
            "messages.send",
            from_session="user:carol",
            to_session="capability:a,b",
            subject="who can?",
        ),
        gives={"recipients": 1, "recipient_status": None},
    ),
    case(
        "a capability that nobody has",
        ALICE,
        BOB,
        call(
            "messages.send",
            from_session="alice",
            to_session="capability:gone",
            subject="who can?",
        ),
        fails="session_not_found",
    ),
    case(
        "a message for somebody who is away",
        ALICE,
        BOB,
        call("sessions.end", session_id="bob"),
        SENT,
        gives={"recipients": 1, "recipient_status": "offline"},
    ),
    case(
        "a ping tells how somebody is",
        ALICE,
        BOB,
        call(
            "messages.ping_session",
            from_session="alice",
            to_session="bob",
        ),
        gives={"session_id": "bob", "is_live": True, "status": "active", "current_task": "mend the login"},
    ),
    case(
        "a message that a client has taken",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.mark_injected",
            session_id="bob",
            message_ids=[earlier(2, "message_id")],
        ),
        call("messages.deliveries", message_id=earlier(2, "message_id")),
        gives=[{"recipient": "bob", "state": "injected", "acknowledged_at": None}],
    ),
    case(
        "deliveries by pages",
        ALICE,
        BOB,
        call("messages.broadcast", from_session="alice", subject="all"),
        call(
            "messages.deliveries",
            message_id=earlier(2, "message_id"),
            after_id="bob",
            limit=5,
        ),
        gives=[],
    ),
    case(
        "what was acknowledged is no longer in the inbox",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.acknowledge",
            session_id="bob",
            message_ids=[earlier(2, "message_id"), "another"],
        ),
        call("messages.inbox", session_id="bob"),
        gives=[],
    ),
    case(
        "the replies to a message, whatever their type and state",
        ALICE,
        BOB,
        call("messages.send", from_session="alice", to_session="bob", type="request", subject="Which port?"),
        call(
            "messages.send",
            from_session="bob",
            to_session="alice",
            type="sync",
            subject="7433",
            in_reply_to=earlier(2, "message_id"),
        ),
        call("messages.acknowledge", session_id="alice", message_ids=[earlier(3, "message_id")]),
        call("messages.replies", session_id="alice", message_id=earlier(2, "message_id"), wait_s=0.01, limit=5),
    ),
    case(
        "a message without a reply",
        ALICE,
        BOB,
        SENT,
        call("messages.replies", session_id="alice", message_id=earlier(2, "message_id")),
        gives=[],
    ),
    case(
        "the replies to nothing",
        ALICE,
        call("messages.replies", session_id="alice", message_id="nothing"),
        fails="message_not_found",
    ),
    case(
        "the requests of a project, newest first",
        ALICE,
        BOB,
        ASKED,
        call(
            "messages.send",
            from_session="bob",
            to_session="*",
            type="request",
            subject="Who has the key?",
            reply_within_s=0,
        ),
        call("requests.find", project=SHOP, limit=5),
        gives=[
            {"from_session": "bob", "to_session": "*", "state": "open", "reply_by": None},
            {"from_session": "alice", "to_session": "bob", "subject": "Which port?", "answer_id": None},
        ],
    ),
    case(
        "the requests that wait for an answer",
        ALICE,
        BOB,
        ASKED,
        call("messages.send", from_session="bob", to_session="alice", type="request", subject="Which host?"),
        call("messages.reply", from_session="bob", to_message=earlier(2, "message_id"), body="7433"),
        call("requests.find", unanswered=True, from_session="bob", to_session="alice"),
        gives=[{"subject": "Which host?", "state": "open"}],
    ),
    case(
        "how many requests wait for an answer",
        ALICE,
        BOB,
        ASKED,
        call("requests.counts", project=SHOP),
        gives={"total": 1, "by_state": {"open": 1}},
    ),
    case(
        "no request is older",
        ALICE,
        BOB,
        ASKED,
        call("requests.find", before=1),
        gives=[],
    ),
    case(
        "a request whose recipient is gone",
        ALICE,
        BOB,
        ASKED,
        call("sessions.end", session_id="bob"),
        call(
            "requests.outcome",
            session_id="alice",
            message_id=earlier(2, "message_id"),
            wait_s=0.01,
            other_than="open",
        ),
        gives=[{"subject": "Which port?", "state": "recipient_gone"}],
    ),
    case(
        "a request that stands as before",
        ALICE,
        BOB,
        ASKED,
        call("requests.outcome", session_id="alice", message_id=earlier(2, "message_id"), other_than="open"),
        gives=[],
    ),
    case(
        "the outcome of no request",
        ALICE,
        call("requests.outcome", session_id="alice", message_id="nothing"),
        fails="message_not_found",
    ),
    case(
        "only a request has a deadline",
        ALICE,
        BOB,
        call("messages.send", from_session="alice", to_session="bob", subject="done", reply_within_s=60),
        fails="invalid_input",
    ),
    case("an inbox that waits in vain", ALICE, call("messages.inbox", session_id="alice", wait_s=0.01), gives=[]),
    case(
        "a wait that is too long", ALICE, call("messages.inbox", session_id="alice", wait_s=61), fails="invalid_input"
    ),
    case("an inbox of nobody", ALICE, call("messages.inbox", session_id="alicia"), fails="session_not_found"),
    case(
        "a history, read or not",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.broadcast",
            from_session="alice",
            subject="all",
            priority="urgent",
        ),
        call("messages.acknowledge", session_id="bob", message_ids=[earlier(2, "message_id")]),
        call("messages.get_messages", session_id="bob", limit=2),
        gives=[{"subject": "hello"}, {"subject": "all", "priority": "urgent", "type": "broadcast"}],
    ),
    case(
        "a history without broadcasts",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.broadcast",
            from_session="alice",
            subject="all",
        ),
        call("messages.get_messages", session_id="bob", include_broadcasts=False),
        gives=[{"subject": "hello"}],
    ),
    case(
        "a history by type, by what is unread, and by pages",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.get_messages",
            session_id="bob",
            message_type="notification",
            unread_only=True,
            after=0,
            limit=1,
        ),
        gives=[{"subject": "hello"}],
    ),
    case(
        "a reply to nothing",
        ALICE,
        call(
            "messages.reply",
            from_session="alice",
            to_message="nothing",
            body="yes",
        ),
        fails="message_not_found",
    ),
    case(
        "everything a reply may say",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.reply",
            from_session="bob",
            to_message=earlier(2, "message_id"),
            body="yes",
            data={"a": 1},
            type="notification",
            subject="of course",
            priority="high",
            idempotency_key="r",
        ),
        call("messages.get", message_id=earlier(3, "message_id")),
        gives={"subject": "of course", "type": "notification", "to_session": "alice", "data": {"a": 1}},
    ),
    case(
        "a body over its limit",
        ALICE,
        BOB,
        call(
            "messages.send",
            from_session="alice",
            to_session="bob",
            subject="x",
            body="x" * 65537,
        ),
        fails="too_large",
    ),
    case(
        "a message that says nothing",
        ALICE,
        BOB,
        call("messages.send", from_session="alice", to_session="bob"),
        fails="invalid_input",
    ),
    case(
        "a subject of two lines",
        ALICE,
        BOB,
        call(
            "messages.send",
            from_session="alice",
            to_session="bob",
            subject="two\nlines",
        ),
        fails="invalid_input",
    ),
    case(
        "what was sent, newest first",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.reply",
            from_session="bob",
            to_message=earlier(2, "message_id"),
            body="yes",
        ),
        call("messages.sent", project=SHOP),
        gives=[{"from_session": "bob", "seq": 2}, {"from_session": "alice"}],
    ),
    case(
        "messages found by their words",
        ALICE,
        BOB,
        SENT,
        call("messages.search", query="Hello", project=SHOP, limit=1),
        gives=[{"from_session": "alice", "is_loose": False}],
    ),
    case(
        "messages found by no word",
        ALICE,
        call("messages.search", query="zebra"),
        gives=[],
    ),
    case(
        "a search with a cursor of another kind",
        ALICE,
        call("messages.search", query="hello", cursor="seven"),
        fails="invalid_input",
    ),
    case(
        "what one session sent, by pages",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.reply",
            from_session="bob",
            to_message=earlier(2, "message_id"),
            body="yes",
        ),
        call("messages.sent", from_session="alice", before=2, limit=1),
        gives=[{"seq": 1, "subject": "hello"}],
    ),
    case(
        "whose inboxes have something in them",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.send",
            from_session="user:carol",
            to_session="alice",
            subject="now",
            priority="urgent",
        ),
        call("messages.inboxes", project=SHOP, limit=5),
        gives=[
            {"recipient": "alice", "unread": 1, "urgent": 1},
            {"recipient": "bob", "unread": 1, "urgent": 0},
        ],
    ),
    case(
        "how much is in one inbox",
        ALICE,
        BOB,
        SENT,
        call("messages.inboxes", session_id="bob"),
        gives=[{"recipient": "bob", "unread": 1, "oldest_at": "time 3"}],
    ),
    case(
        "no inbox has anything in it",
        ALICE,
        BOB,
        SENT,
        call(
            "messages.acknowledge",
            session_id="bob",
            message_ids=[earlier(2, "message_id")],
        ),
        call("messages.inboxes"),
        gives=[],
    ),
    case(
        "what is old is removed",
        ALICE,
        BOB,
        SENT,
        call("sessions.end", session_id="alice"),
        call(
            "messages.acknowledge",
            session_id="bob",
            message_ids=[earlier(2, "message_id")],
        ),
        call("retention.prune", older_than_s=0, keep_bytes=10),
        gives={"removed": {"messages": 1, "sessions": 1}, "is_complete": True},
    ),
    case("nothing is old", ALICE, BOB, SENT, call("retention.prune"), gives={"removed": {}, "is_complete": True}),
    case("an age beyond all measure", call("retention.prune", older_than_s=2**62), fails="invalid_input"),
]

OFFERED = call("tasks.offer", from_session="alice", to_session="*", subject="mend the login", body="it is broken")

TASKS = [
    case(
        "a task is accepted by one",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.accept",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        gives={"status": "accepted", "owner": "bob", "offered_by": "alice"},
    ),
    case(
        "the second comes too late",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.accept",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        call("sessions.heartbeat", session_id="carol"),
        call(
            "tasks.accept",
            session_id="carol",
            task_id=earlier(2, "task_id"),
        ),
        fails="conflict",
    ),
    case("an unknown task", ALICE, call("tasks.accept", session_id="alice", task_id="nothing"), fails="task_not_found"),
    case("the open tasks", ALICE, OFFERED, call("tasks.list_tasks", project=SHOP), gives=[{"status": "offered"}]),
    case(
        "a task that is offered to another",
        ALICE,
        BOB,
        call(
            "tasks.offer",
            from_session="bob",
            to_session="user:carol",
            subject="mend it",
            body="",
            data={"branch": "fix"},
            idempotency_key="t",
        ),
        call("tasks.accept", session_id="alice", task_id=earlier(2, "task_id")),
        fails="refused",
    ),
    case(
        "a task that is handed over",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.accept",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        call(
            "tasks.handoff",
            session_id="bob",
            task_id=earlier(2, "task_id"),
            to_session="alice",
            body="two\nlines",
            data={"branch": "fix"},
        ),
        gives={"task_id": "id-1", "status": "accepted", "owner": "bob", "offered_to": "alice"},
    ),
    case(
        "a task that is done",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.accept",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        call("tasks.complete", session_id="bob", task_id=earlier(2, "task_id"), result="two\nlines"),
        gives={"status": "completed", "owner": "bob", "result": "two\nlines"},
    ),
    case(
        "a task of another is not to be completed",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.complete",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        fails="conflict",
    ),
    case(
        "a task that is called off",
        ALICE,
        OFFERED,
        call(
            "tasks.cancel",
            session_id="alice",
            task_id=earlier(1, "task_id"),
            reason="not needed",
        ),
        gives={"status": "cancelled"},
    ),
    case(
        "one task",
        ALICE,
        OFFERED,
        call("tasks.get", task_id=earlier(1, "task_id")),
        gives={
            "task_id": "id-1",
            "subject": "mend the login",
            "body": "it is broken",
            "data": {},
            "offered_to": "*",
            "owner": None,
            "result": None,
            "created_at": "time 2",
            "project": SHOP,
        },
    ),
    case(
        "tasks by every filter",
        ALICE,
        BOB,
        OFFERED,
        call(
            "tasks.accept",
            session_id="bob",
            task_id=earlier(2, "task_id"),
        ),
        call("tasks.list_tasks", status="accepted", owner="bob", include_done=True, limit=1),
        gives=[{"status": "accepted"}],
    ),
    case("the next page of tasks", ALICE, OFFERED, call("tasks.list_tasks", after_id=earlier(1, "task_id")), gives=[]),
]

MEMORY = [
    case(
        "what is remembered",
        ALICE,
        call(
            "memory.set",
            session_id="alice",
            key="db/host name",
            value={"port": 5432},
            type="fact",
            tags=["db", "a,b"],
        ),
        call("memory.get_entry", key="db/host name"),
        gives={
            "key": "db/host name",
            "value": {"port": 5432},
            "type": "fact",
            "version": 1,
            "tags": ["db", "a,b"],
            "session_id": "alice",
            "project": SHOP,
        },
    ),
    case(
        "null is a value",
        ALICE,
        call("memory.set", session_id="alice", key="k", value=None),
        gives={"value": None, "version": 1},
    ),
    case(
        "a compare-and-set that comes second",
        ALICE,
        call(
            "memory.set",
            session_id="alice",
            key="k",
            value=1,
        ),
        call("memory.set", session_id="alice", key="k", value=2, expected_version=0),
        fails="version_conflict",
    ),
    case("a key that is not there", call("memory.get_entry", key="nothing"), fails="entry_not_found"),
    case(
        "what is forgotten",
        ALICE,
        call("memory.set", session_id="alice", key="k", value=[1]),
        call("memory.delete", key="k"),
        gives=1,
    ),
    case(
        "everything an entry may say",
        ALICE,
        call(
            "memory.set",
            session_id="user:bob",
            key=ODD,
            value="-x five",
            type="decision",
            ttl=600,
            tags=["a,b"],
            metadata={"ü": 1},
            expected_version=0,
            idempotency_key="k",
            project="other",
        ),
        gives={
            "session_id": "user:bob",
            "key": ODD,
            "value": "-x five",
            "expires_at": "time 3",
            "metadata": {"ü": 1},
            "project": "other",
        },
    ),
    case(
        "the same key of the writer writes once",
        ALICE,
        *[
            call(
                "memory.set",
                session_id="alice",
                key="k",
                value=[1],
                idempotency_key="once",
            )
        ]
        * 2,
        gives={"version": 1, "entry_id": "id-1"},
    ),
    case(
        "a history, newest first, by pages",
        ALICE,
        *[
            call(
                "memory.set",
                session_id="alice",
                key="k",
                value=[number],
            )
            for number in range(3)
        ],
        call("memory.get_all", key="k", before_version=3, limit=1),
        gives=[{"version": 2, "value": [1]}],
    ),
    case(
        "entries by words",
        ALICE,
        call(
            "memory.set",
            session_id="alice",
            key="auth",
            value="where the token is checked",
        ),
        call("memory.find", query="token"),
        gives=[
            {"key": "auth", "value": None, "line": "where the **token** is checked"},
        ],
    ),
    case(
        "entries by every filter",
        ALICE,
        call(
            "memory.set",
            session_id="alice",
            key="auth/token",
            value={"a": 1},
            type="fact",
            tags=["db", "web"],
        ),
        call(
            "memory.find",
            pattern="auth/*",
            tags=["db", "web"],
            match_all=True,
            type="fact",
            session_id="alice",
            include_values=True,
            project=SHOP,
            limit=5,
        ),
        gives=[{"key": "auth/token", "value": {"a": 1}}],
    ),
    case("no entry fits", ALICE, call("memory.find", query='"( OR *'), gives=[]),
    case(
        "what one session wrote is forgotten",
        ALICE,
        BOB,
        *[
            call(
                "memory.set",
                session_id=name,
                key="k",
                value=[name],
            )
            for name in ("alice", "bob")
        ],
        call("memory.delete", key="k", session_id="bob"),
        call(
            "memory.get_entry",
            key="k",
        ),
        gives={"version": 1, "value": ["alice"]},
    ),
    case(
        "all is forgotten",
        ALICE,
        *[call("memory.set", session_id="alice", key=key, value=[1]) for key in "ab"],
        call("memory.clear_some", session_id="alice", project=SHOP),
        gives=2,
    ),
    case(
        "more tags than an entry may have",
        ALICE,
        call(
            "memory.set",
            session_id="alice",
            key="k",
            value=[1],
            tags=["x"] * 65,
        ),
        fails="too_large",
    ),
    case(
        "an entry of a session that was never seen",
        call("memory.set", session_id="alicia", key="k", value=[1]),
        gives={"session_id": "alicia", "project": SHOP, "version": 1},
    ),
    case(
        "a key with slashes",
        ALICE,
        *[
            call("memory.set", session_id="alice", key=key, value=[key])
            for key in ("decision", "decision/forms", "/decision//forms/", "decision/../forms", "decision/history")
        ],
        call("memory.get_entry", key="decision/forms"),
        gives={"value": ["decision/forms"]},
    ),
    *[
        case(
            f"the history of {key}",
            ALICE,
            call("memory.set", session_id="alice", key=key, value=[key]),
            call("memory.get_all", key=key),
            gives=[{"key": key, "value": [key]}],
        )
        for key in ("decision/forms", "/decision//forms/", "decision/../forms", "decision/history")
    ],
]

FILES = [
    case(
        "the files that a session wrote",
        ALICE,
        call("files.touch", session_id="alice", paths=["/a", "/b,c", "/a"]),
        gives=2,
    ),
    case(
        "who wrote a file",
        ALICE,
        BOB,
        *[
            call(
                "files.touch",
                session_id=name,
                paths=["/shop/cart.py", f"/shop/{name}.py"],
            )
            for name in ("alice", "bob")
        ],
        call("files.touched", project=SHOP, path="/shop/cart.py", session_id="bob", within_s=60, limit=5),
        gives=[{"project": SHOP, "path": "/shop/cart.py", "session_id": "bob"}],
    ),
    case("a file that nobody wrote", call("files.touched", path="/none"), gives=[]),
    case(
        "a file that a session wrote which was never seen",
        call("files.touch", session_id="alicia", paths=["/a"]),
        call("sessions.get", session_id="alicia"),
        gives={"agent_name": "unknown", "project": SHOP, "status": "active"},
    ),
]

HELD = call("claims.claim", session_id="alice", paths=["src/api/", "./docs/*.md"], intent="new handlers")

CLAIMS = [
    case(
        "a claim of paths and a resource, with everything said",
        ALICE,
        call("tasks.offer", from_session="alice", to_session="*", subject="mend it"),
        call(
            "claims.claim",
            session_id="alice",
            paths=["src/api/**", "resource:staging"],
            intent="mend it",
            mode="shared",
            ttl_s=60,
            queue_s=5,
            task_id=earlier(1, "task_id"),
            ignores_case=True,
            notify=True,
            project=SHOP,
        ),
        gives={
            "session_id": "alice",
            "project": SHOP,
            "paths": ["resource:staging", "src/api/**"],
            "mode": "shared",
            "intent": "mend it",
            "state": "granted",
            "fence": 1,
            "ttl_s": 60,
        },
    ),
    case(
        "what another session holds",
        ALICE,
        BOB,
        HELD,
        call("claims.claim", session_id="bob", paths=["docs/a.md"]),
        fails="claim_refused",
    ),
    case(
        "a place in the queue, and then the grant",
        ALICE,
        BOB,
        HELD,
        call("claims.claim", session_id="bob", paths=["docs/a.md"], queue_s=60),
        call("claims.granted", session_id="bob", claim_id=earlier(3, "claim_id"), wait_s=0),
        call("claims.release", session_id="alice", claim_id=earlier(2, "claim_id")),
        call("claims.granted", session_id="bob", claim_id=earlier(3, "claim_id"), wait_s=1),
        gives=[{"session_id": "bob", "paths": ["docs/a.md"], "state": "granted"}],
    ),
    case(
        "a claim that is renewed",
        ALICE,
        HELD,
        call("claims.renew", session_id="alice", claim_id=earlier(1, "claim_id"), ttl_s=7200),
        gives={"paths": ["docs/*.md", "src/api/**"], "ttl_s": 7200},
    ),
    case(
        "a claim of another session",
        ALICE,
        BOB,
        HELD,
        call("claims.release", session_id="bob", claim_id=earlier(2, "claim_id")),
        fails="refused",
    ),
    case(
        "a person's release",
        ALICE,
        HELD,
        call("claims.release", session_id="user:carol", claim_id=earlier(1, "claim_id"), force=True),
        gives=True,
    ),
    case(
        "a claim that has ended",
        ALICE,
        HELD,
        call("claims.release", session_id="alice", claim_id=earlier(1, "claim_id")),
        call("claims.get", claim_id=earlier(1, "claim_id")),
        fails="claim_not_found",
    ),
    case("one claim", ALICE, HELD, call("claims.get", claim_id=earlier(1, "claim_id")), gives={"claim_id": "id-1"}),
    case(
        "the claims",
        ALICE,
        HELD,
        call("claims.list_claims", project=SHOP, session_id="alice", state="granted", limit=5),
        gives=[{"claim_id": "id-1", "intent": "new handlers"}],
    ),
    case("the next page of claims", ALICE, HELD, call("claims.list_claims", after_id=earlier(1, "claim_id")), gives=[]),
    case(
        "an edit of what another session holds",
        ALICE,
        BOB,
        HELD,
        call("claims.check_edit", session_id="bob", files=["docs/a,b.md", "README.md"], ignores_case=True),
        gives={"is_claimed": True, "claims": [{"session_id": "alice", "intent": "new handlers"}]},
    ),
    case(
        "an edit while nobody else holds anything",
        ALICE,
        HELD,
        call("claims.check_edit", session_id="alice", files=["docs/a.md"]),
        gives={"is_claimed": False, "claims": []},
    ),
    case(
        "a path out of the repository",
        ALICE,
        call("claims.claim", session_id="alice", paths=["../x"]),
        fails="invalid_input",
    ),
]

IN_CART = {"paths": ["/src/shop/web/cart.py"], "worktree": "host-1:/src/shop", "branch": "main"}
BOTH_WRITE = (
    ALICE,
    BOB,
    call("files.touch", session_id="alice", **IN_CART, repository="", ignores_case=False, is_shared=True),
    call("files.touch", session_id="bob", **IN_CART),
)
FOUND = call("conflicts.find")

CONFLICTS = [
    case(
        "a file that two sessions write",
        *BOTH_WRITE,
        call("conflicts.find", project=SHOP, session_id="alice", before=1000, limit=5),
        gives=[{"path": "web/cart.py", "kind": "same_worktree", "project": SHOP, "merge": None}],
    ),
    case(
        "a heartbeat in a conflict",
        *BOTH_WRITE,
        call("sessions.heartbeat", session_id="alice"),
        gives={"conflicts": [{"kind": "same_worktree", "subject": "web/cart.py", "session_id": "bob"}]},
    ),
    case(
        "a conflict that is settled",
        *BOTH_WRITE,
        FOUND,
        call("conflicts.settle", session_id="bob", conflict_id=earlier(4, "0.conflict_id")),
        gives=True,
    ),
    case(
        "a conflict that a person settles, and that is none any more",
        *BOTH_WRITE,
        FOUND,
        call("conflicts.settle", session_id="user:carol", conflict_id=earlier(4, "0.conflict_id")),
        FOUND,
        gives=[],
    ),
    case(
        "a merge that was tried",
        *BOTH_WRITE,
        FOUND,
        call(
            "conflicts.report_merge",
            session_id="bob",
            conflict_id=earlier(4, "0.conflict_id"),
            merge="conflict",
            merge_lines="10-14, 30",
            merge_files=["web/cart.py"],
            is_committed=False,
        ),
        FOUND,
        gives=[{"merge": "conflict", "merge_lines": "10-14, 30", "merge_files": ["web/cart.py"]}],
    ),
    case("no conflict", ALICE, call("conflicts.settle", session_id="alice", conflict_id="none"), gives=False),
]

WAKES = [
    case(
        "what an idle session is woken with",
        ALICE,
        BOB,
        SENT,
        call("wakes.start", session_id="bob"),
        gives={"session_id": "bob", "messages": [{"message_id": "id-1"}], "retry_after_s": None},
    ),
    case(
        "a wake-up that reached nobody",
        ALICE,
        BOB,
        SENT,
        call("wakes.start", session_id="bob"),
        call(
            "wakes.undo",
            session_id="bob",
            message_ids=[earlier(2, "message_id"), "another"],
        ),
        gives=1,
    ),
    case(
        "a wake-up that the client has taken",
        ALICE,
        BOB,
        SENT,
        call("wakes.start", session_id="bob"),
        call("wakes.confirm", session_id="bob"),
        gives=1,
    ),
    case(
        "a turn that goes on for a message",
        ALICE,
        BOB,
        SENT,
        call(
            "wakes.continue_turn",
            session_id="bob",
            message_ids=[earlier(2, "message_id")],
        ),
        gives=1,
    ),
    case(
        "a person's prompt",
        ALICE,
        BOB,
        SENT,
        call("wakes.start", session_id="bob"),
        call(
            "wakes.refill",
            session_id="alice",
        ),
        gives=1,
    ),
    case("the wake-up of a stranger", call("wakes.start", session_id="alicia"), fails="session_not_found"),
]

CAROL = call("tokens.create", name="carol", role="observer", projects=[SHOP, "other"], expires_in_s=60)

TOKENS = [
    case(
        "a token",
        CAROL,
        gives={
            "name": "carol",
            "role": "observer",
            "projects": [SHOP, "other"],
            "expires_at": "time 1",
            "token": "a token",
        },
    ),
    case("a name that is taken", CAROL, CAROL, fails="conflict"),
    case("a role that is none", call("tokens.create", name="carol", role="king"), fails="invalid_input"),
    case(
        "the tokens",
        CAROL,
        call("tokens.create", name="bob"),
        call("tokens.list_tokens"),
        gives=[
            {"name": "bob", "role": "agent", "projects": None, "expires_at": None, "last_used_at": None},
            {"name": "carol", "role": "observer", "projects": [SHOP, "other"]},
        ],
    ),
    case(
        "a token with a new secret",
        CAROL,
        call("tokens.rotate", name="carol"),
        gives={"name": "carol", "token": "a token", "expires_at": "time 1"},
    ),
    case("a token that is taken back", CAROL, call("tokens.revoke", name="carol"), gives={"name": "carol"}),
    case(
        "what was taken back, too",
        CAROL,
        call("tokens.revoke", name="carol"),
        call(
            "tokens.list_tokens",
            include_revoked=True,
        ),
        gives=[{"name": "carol"}],
    ),
    case(
        "a token that is not there, with near matches",
        CAROL,
        call("tokens.revoke", name="caroll"),
        fails="token_not_found",
    ),
    case("nobody logged in", call("logins.list_logins"), gives=[]),
    case("a login that is not there", call("logins.end", login_id="none"), fails="login_not_found"),
    case("who I am", call("tokens.whoami"), gives={"name": None, "role": "admin", "projects": None}),
]

MOVED = call("projects.move", old_project=SHOP, new_project="new")

PROJECTS = [
    case(
        "a project moves to another name",
        ALICE,
        BOB,
        SENT,
        call("memory.set", session_id="alice", key="k", value=1),
        MOVED,
        gives={
            "old_project": SHOP,
            "new_project": "new",
            "is_undo": False,
            "is_dry_run": False,
            "moved": {"sessions": 2, "messages": 1, "memory": 1},
            "shared_total": 0,
            "shared_keys": [],
            "tokens": [],
        },
    ),
    case(
        "a move that is only tried",
        ALICE,
        call("projects.move", old_project=SHOP, new_project="new", dry_run=True),
        gives={"is_dry_run": True, "moved": {"sessions": 1}},
    ),
    case(
        "a move that is taken back",
        ALICE,
        MOVED,
        call("projects.undo", old_project=SHOP, new_project="new"),
        gives={"is_undo": True, "moved": {"sessions": 1}},
    ),
    case(
        "a move of nothing",
        ALICE,
        call("projects.move", old_project="shop", new_project="new"),
        fails="project_not_found",
    ),
    case(
        "a move that never was",
        ALICE,
        call("projects.undo", old_project=SHOP, new_project="new"),
        fails="project_not_found",
    ),
    case("a move to itself", ALICE, call("projects.move", old_project=SHOP, new_project=SHOP), fails="invalid_input"),
]

COUNT = {"record": "memory_key", "project": SHOP, "key": "k", "last_version": 7}
KEY = {"record": "token", "name": "carol", "token_sha256": "0" * 64, "role": "observer", "projects": [SHOP]}
KEY |= {"created_at": "2026-01-01T00:00:00Z", "expires_at": None}
LOST = {"record": "delivery", "message_id": "m", "recipient": "bob"}
LOST |= dict.fromkeys(("expires_at", "injected_at", "acknowledged_at"))

IMPORTS = [
    case(
        "lines of an export are added, and each that is refused is told",
        call("imports.add_records", records=[{"record": "hallway", "format": 1, "project": None}, COUNT, LOST, KEY]),
        gives={
            "added": {"memory_key": 1},
            "existing": {},
            "refused": [
                {"index": 2, "record": "delivery", "reason": "there is no message m"},
                {
                    "index": 3,
                    "record": "token",
                    "reason": "the token 'carol' is imported only with --with-tokens (over HTTP: with_tokens)",
                },
            ],
        },
    ),
    case(
        "a version number that an import reserved is not given out again",
        ALICE,
        call("imports.add_records", records=[COUNT]),
        call("memory.set", session_id="alice", key="k", value=1),
        gives={"version": 8},
    ),
    case(
        "lines that are there already are left alone",
        call("imports.add_records", records=[COUNT]),
        call("imports.add_records", records=[COUNT, COUNT]),
        gives={"added": {}, "existing": {"memory_key": 2}, "refused": []},
    ),
    case(
        "tokens are added where that is asked for",
        call("imports.add_records", records=[KEY], with_tokens=True),
        call("tokens.list_tokens"),
        gives=[{"name": "carol", "role": "observer", "projects": [SHOP]}],
    ),
    case("no lines", call("imports.add_records", records=[]), gives={"added": {}, "existing": {}, "refused": []}),
    case(
        "a malformed line, and nothing of its batch is added",
        call("imports.add_records", records=[COUNT, {**COUNT, "last_version": -1}]),
        fails="invalid_input",
    ),
    case("a line of no known kind", call("imports.add_records", records=[{"record": ["x"]}]), fails="invalid_input"),
    case("a line that is no object", call("imports.add_records", records=[1]), fails="invalid_input"),
    case(
        "an export of another format",
        call("imports.add_records", records=[{"record": "hallway", "format": 2}]),
        fails="invalid_input",
    ),
]

ASKS = call(
    "messages.send",
    from_session="alice",
    to_session="user:alice",
    type="request",
    subject="Which port?",
    priority="urgent",
)
ATTENTION = [
    case("nothing needs attention", ALICE, call("attention.read"), gives={"items": [], "total": 0, "by_kind": {}}),
    case(
        "what needs attention, the most important first",
        ALICE,
        BOB,
        call("sessions.update_status", session_id="bob", status="waiting", reason="permission", detail="Bash: ls"),
        ASKS,
        call("attention.read", project=SHOP, person="alice", limit=5, wait_s=0.01),
        gives={
            "items": [
                {
                    "kind": "request",
                    "is_urgent": True,
                    "state": "open",
                    "session_id": "alice",
                    "client": "claude-code",
                    "person": "alice",
                    "what": "Which port?",
                    "actions": ["answer", "open", "dismiss"],
                }
            ],
            "total": 1,
            "by_kind": {"request": 1},
        },
    ),
    case(
        "what was dismissed is not on the list",
        ALICE,
        ASKS,
        call("attention.read"),
        call("attention.dismiss", item_id=earlier(2, "items.0.item_id")),
        call("attention.read"),
        gives={"items": [], "total": 0},
    ),
    case(
        "what was dismissed is there for who asks for it",
        ALICE,
        ASKS,
        call("attention.read"),
        call("attention.dismiss", item_id=earlier(2, "items.0.item_id")),
        call("attention.read", include_dismissed=True),
        gives={"items": [{"kind": "request", "state": "dismissed"}], "total": 1},
    ),
    case(
        "a dismissal that is undone",
        ALICE,
        ASKS,
        call("attention.read"),
        call("attention.dismiss", item_id=earlier(2, "items.0.item_id")),
        call("attention.restore", item_id=earlier(2, "items.0.item_id")),
        gives={"kind": "request", "state": "open"},
    ),
    case(
        "an answer that is not picked up yet",
        ALICE,
        ASKS,
        call("attention.read"),
        call("attention.answer", item_id=earlier(2, "items.0.item_id"), body="5432", idempotency_key="k"),
        gives={"item": {"kind": "request", "state": "answered"}, "recipient_status": "active", "held_back": None},
    ),
    case(
        "nobody to remind",
        ALICE,
        ASKS,
        call("attention.read"),
        call("attention.nudge", item_id=earlier(2, "items.0.item_id"), body="well?"),
        fails="refused",
    ),
    case(
        "the page after an item that is gone",
        ALICE,
        call("attention.read", after_id="0123456789abcdef"),
        fails="attention_not_found",
    ),
    case("an item that is not there", ALICE, call("attention.dismiss", item_id="0123"), fails="attention_not_found"),
]
MADE_UP = "made-up"
ITEM_ASKED = earlier(2, "items.0.item_id")
NOTIFICATIONS = [
    case("nobody was told of anything", call("notifications.list_channels"), gives=[]),
    case(
        "an item is sent by one sender",
        ALICE,
        ASKS,
        call("attention.read"),
        call("notifications.take", channel="phone", item_id=ITEM_ASKED, holder="one"),
        gives={"may_send": True, "is_settled": False, "attempt": 1, "retry_in_s": None},
    ),
    case(
        "another sender asks later",
        ALICE,
        ASKS,
        call("attention.read"),
        call("notifications.take", channel="phone", item_id=ITEM_ASKED, holder="one"),
        call(
            "notifications.take",
            channel="phone",
            item_id=earlier(2, "items.0.item_id"),
            holder="two",
            is_repeatable=True,
            unless_seen=True,
        ),
        gives={"may_send": False, "is_settled": False, "attempt": 0},
    ),
    case(
        "an attempt that failed",
        ALICE,
        ASKS,
        call("attention.read"),
        call("notifications.take", channel="phone", item_id=ITEM_ASKED, holder="one"),
        call(
            "notifications.settle",
            channel="phone",
            item_id=earlier(2, "items.0.item_id"),
            holder="one",
            error="no network",
            retry_in_s=5,
        ),
        gives=True,
    ),
    case(
        "nobody has the lease",
        call("notifications.settle", channel="phone", item_id="0123456789abcdef", holder="one"),
        gives=False,
    ),
    case(
        "what does not need a person is not sent",
        call("notifications.take", channel="phone", item_id="0123456789abcdef", holder="one"),
        gives={"may_send": False, "is_settled": True, "attempt": 0},
    ),
    case("a person looks at the list", call("notifications.look"), gives=True),
    case(
        "an answer with a token",
        ALICE,
        ASKS,
        call("attention.read"),
        call("notifications.make_token", item_id=ITEM_ASKED, expires_in_s=60),
        call("notifications.answer", token=earlier(3, "token"), body="5432"),
        gives={"item": {"kind": "request", "state": "answered"}, "held_back": None},
    ),
    case(
        "a token that nobody made",
        call("notifications.answer", token=MADE_UP, body="5432"),
        fails="unauthorised",
    ),
]
CASES = [
    *SESSIONS,
    *EVENTS,
    *MESSAGES,
    *TASKS,
    *ATTENTION,
    *NOTIFICATIONS,
    *MEMORY,
    *FILES,
    *CLAIMS,
    *CONFLICTS,
    *WAKES,
    *TOKENS,
    *PROJECTS,
    *IMPORTS,
]
