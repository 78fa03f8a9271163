"""A bus with two projects and three tokens, and a call of every operation about what is whose.

`own` is alice's, `others` is bob's in the same project, `elsewhere` is carol's in another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.core.principal import Principal
from hallway.services import service_classes
from hallway.services.tokens import digest_of

if TYPE_CHECKING:
    from hallway.bus.local import LocalBus
    from hallway.core.operation import Operation

SHOP, BANK = "github.com/acme/shop", "github.com/acme/bank"
OPERATIONS: dict[str, Operation] = {
    operation.name: operation for service in service_classes() for operation in service.operations.values()
}
TARGETS = ("own", "others", "elsewhere")
OWNERS = {"own": ("alice", SHOP), "others": ("bob", SHOP), "elsewhere": ("carol", BANK)}


def principal(role: str, name: str = "alice") -> Principal:
    """Alice's token, which is for the shop alone unless it is an admin's."""
    return Principal(name, role, None if role == "admin" else [SHOP])


class World:
    """What is on the bus, by whose it is: a session, a message it got and one it sent, a task, a memory entry."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.messages: dict[str, str] = {}
        self.tasks: dict[str, str] = {}
        self.claims: dict[str, str] = {}
        self.conflicts: dict[str, str] = {}
        self.logins: dict[str, str] = {}
        for target, (owner, project) in OWNERS.items():
            bus.principal = Principal(owner, "agent", [project])
            for session_id in (target, f"{target}-2"):
                bus.sessions.register(session_id, f"{owner}'s agent", "codex", project=project, capabilities=["go"])
            sent = bus.messages.send(f"{target}-2", target, "request", f"about {target}", f"{target} {owner} text")
            self.messages[target] = sent.message_id
            self.tasks[target] = bus.tasks.offer(f"{target}-2", target, f"task of {target}").task_id
            for session_id in (target, f"{target}-2"):
                bus.files.touch(session_id, ["/shop/cart.py"])
            self.conflicts[target] = bus.conflicts.find(session_id=target)[0].conflict_id
            self.claims[target] = bus.claims.claim(target, [f"{target}/**"], f"claim of {target}").claim_id
            bus.claims.claim(f"{target}-2", [f"{target}-2/**"])
            bus.memory.set(target, f"key-{target}", f"value of {target}", tags=["t"])
            bus.sessions.update_status(f"{target}-2", "waiting", reason="question", detail=f"question of {target}")
        bus.principal = None
        bus.attention.refresh()
        bus.messages.index_new()
        bus.principal = principal("agent", "bob")
        bus.notifications.take("phone", self.item("others", "question"), "h")
        bus.principal = None

    def log_in(self) -> None:
        """Make a token for each owner, and log a browser in with it."""
        for target, (owner, _) in OWNERS.items():
            made = self.bus.tokens.create(owner)
            self.bus.logins.begin(digest_of(made.token), owner, "localhost", None, "a browser")
            self.logins[target] = self.bus.logins.list_logins()[0].login_id

    def item(self, target: str, kind: str) -> str:
        """Return the id of what needs attention about what is somebody's; a made-up one if there is nothing."""
        items = self.bus.attention.read(limit=1000).items
        wanted = {f"{target}-2"} if kind == "question" else {f"{target}-2", target}
        return next((each.item_id for each in items if each.kind == kind and each.session_id in wanted), "none")

    def call(self, who: Principal | None, operation: str, arguments: dict[str, Any]) -> Any:
        """What an operation gives that principal, as the door of every face runs it."""
        declared = OPERATIONS[operation]
        self.bus.principal = who
        try:
            checked = declared.arguments((), arguments)
            return self.bus.execute(declared, self.bus.services[declared.noun], checked)
        finally:
            self.bus.principal = None

    def arguments(self, operation: str, target: str) -> dict[str, Any]:
        """How an operation is called about what is somebody's."""
        said = CALLS[operation]
        words = {
            "$session": target,
            "$message": self.messages[target],
            "$task": self.tasks[target],
            "$claim": self.claims[target],
            "$conflict": self.conflicts[target],
            "$key": f"key-{target}",
            "$project": OWNERS[target][1],
            "$owner": OWNERS[target][0],
            "$neighbour": f"{target}-2",
            "$login": self.logins.get(target, ""),
        }
        if operation == "notifications.answer":
            words["$token"] = self.bus.notifications.make_token(self.item(target, "question")).token
        if operation.startswith(("attention.", "notifications.")):
            words |= {"$question": self.item(target, "question"), "$unclaimed": self.item(target, "unclaimed")}
        return {name: _filled(value, words) for name, value in said.items()}


def _filled(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    if isinstance(value, dict):
        return {name: _filled(each, words) for name, each in value.items()}
    return words.get(value, value) if isinstance(value, str) else value


CALLS: dict[str, dict[str, Any]] = {
    "sessions.register": {"session_id": "$session", "agent_name": "a", "agent_type": "b", "project": "$project"},
    "sessions.heartbeat": {"session_id": "$session"},
    "sessions.ping": {"session_id": "$session"},
    "sessions.update_status": {"session_id": "$session", "status": "working"},
    "sessions.set_status_detail": {"session_id": "$session", "blob": {"a": 1}},
    "sessions.active": {"project": "$project"},
    "sessions.get": {"session_id": "$session"},
    "sessions.find_sessions": {"project": "$project"},
    "sessions.end": {"session_id": "$session"},
    "sessions.rename": {"session_id": "$session", "name": "renamed"},
    "sessions.succeed": {"session_id": "$session", "continues": "$neighbour"},
    "sessions.clear_offline": {"project": "$project"},
    "sessions.find_names": {"session_ids": ["$session", "$neighbour"]},
    "sessions.current_project": {"session_id": "$session"},
    "messages.send": {"from_session": "$session", "to_session": "$neighbour", "subject": "hello"},
    "messages.broadcast": {"from_session": "$session", "subject": "hello"},
    "messages.reply": {"from_session": "$session", "to_message": "$message", "body": "an answer"},
    "messages.ping_session": {"from_session": "$session", "to_session": "$neighbour"},
    "messages.inbox": {"session_id": "$session"},
    "messages.replies": {"session_id": "$neighbour", "message_id": "$message"},
    "messages.acknowledge": {"session_id": "$session", "message_ids": ["$message"]},
    "messages.mark_injected": {"session_id": "$session", "message_ids": ["$message"]},
    "messages.get_messages": {"session_id": "$session"},
    "messages.sent": {"from_session": "$neighbour"},
    "messages.search": {"query": "about", "from_session": "$neighbour"},
    "messages.inboxes": {"project": "$project"},
    "messages.get": {"message_id": "$message"},
    "messages.get_conversation": {"message_id": "$message"},
    "messages.deliveries": {"message_id": "$message"},
    "requests.find": {"project": "$project"},
    "requests.counts": {"project": "$project"},
    "requests.outcome": {"session_id": "$neighbour", "message_id": "$message"},
    "tasks.offer": {"from_session": "$session", "to_session": "$neighbour", "subject": "work"},
    "tasks.accept": {"session_id": "$session", "task_id": "$task"},
    "tasks.handoff": {"session_id": "$session", "task_id": "$task", "to_session": "$neighbour", "body": "b"},
    "tasks.complete": {"session_id": "$session", "task_id": "$task"},
    "tasks.cancel": {"session_id": "$neighbour", "task_id": "$task"},
    "tasks.get": {"task_id": "$task"},
    "tasks.list_tasks": {"project": "$project"},
    "memory.set": {"session_id": "$session", "key": "$key", "value": 1},
    "memory.get_entry": {"key": "$key", "project": "$project"},
    "memory.get_all": {"key": "$key", "project": "$project"},
    "memory.find": {"query": "value", "project": "$project"},
    "memory.delete": {"key": "$key", "session_id": "$session", "project": "$project"},
    "memory.clear_some": {"session_id": "$session", "project": "$project"},
    "events.read": {"project": "$project"},
    "events.last_seq": {},
    "stats.read": {"project": "$project"},
    "wakes.start": {"session_id": "$session"},
    "wakes.undo": {"session_id": "$session", "message_ids": ["$message"]},
    "wakes.confirm": {"session_id": "$session"},
    "wakes.continue_turn": {"session_id": "$session", "message_ids": ["$message"]},
    "wakes.refill": {"session_id": "$session"},
    "attention.read": {"project": "$project"},
    "attention.dismiss": {"item_id": "$question"},
    "attention.restore": {"item_id": "$question"},
    "attention.answer": {"item_id": "$question", "body": "yes"},
    "attention.nudge": {"item_id": "$unclaimed"},
    "notifications.list_channels": {},
    "notifications.take": {"channel": "phone", "item_id": "$question", "holder": "h"},
    "notifications.settle": {"channel": "phone", "item_id": "$question", "holder": "h"},
    "notifications.look": {},
    "notifications.make_token": {"item_id": "$question"},
    "notifications.answer": {"token": "$token", "body": "yes"},
    "files.touch": {"session_id": "$session", "paths": ["/shop/a.py"]},
    "files.touched": {"project": "$project"},
    "claims.claim": {"session_id": "$session", "paths": ["new/**"], "intent": "work"},
    "claims.granted": {"session_id": "$session", "claim_id": "$claim"},
    "claims.check_edit": {"session_id": "$session", "files": ["new/a.py"]},
    "claims.renew": {"session_id": "$session", "claim_id": "$claim"},
    "claims.release": {"session_id": "$session", "claim_id": "$claim"},
    "claims.list_claims": {"project": "$project"},
    "claims.get": {"claim_id": "$claim"},
    "conflicts.find": {"project": "$project"},
    "conflicts.report_merge": {"session_id": "$session", "conflict_id": "$conflict", "merge": "clean"},
    "conflicts.settle": {"session_id": "$session", "conflict_id": "$conflict"},
    "projects.move": {"old_project": "$project", "new_project": "github.com/acme/new"},
    "projects.undo": {"old_project": "$project", "new_project": "github.com/acme/new"},
    "retention.prune": {},
    "imports.add_records": {
        "records": [{"record": "memory_key", "project": "$project", "key": "k", "last_version": 7}]
    },
    "tokens.create": {"name": "dave"},
    "tokens.list_tokens": {},
    "tokens.revoke": {"name": "$owner"},
    "tokens.rotate": {"name": "$owner"},
    "tokens.whoami": {},
    "logins.list_logins": {},
    "logins.end": {"login_id": "$login"},
}
