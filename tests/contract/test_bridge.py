"""What programs of the bridge call: its names, arguments and answers, unchanged but for the package's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway import CollaborationHub, MemoryType, MessageType, SessionRegistry, SessionStatus, SharedMemory
from hallway.core import model
from hallway.core.errors import InvalidInput, SessionNotFound
from support import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SessionRegistry]:
    with SessionRegistry(tmp_path) as opened:
        opened.register("s1", "alice's claude", "claude-code", "alice", ["review"], {"host": "a"}, "shop")
        opened.register("s2", "bob's codex", "codex", "bob", project="shop")
        yield opened


@pytest.fixture
def hub(registry: SessionRegistry) -> CollaborationHub:
    return CollaborationHub(registry)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (SessionStatus, model.STATUSES),
        (MessageType, model.MESSAGE_TYPES),
        (MemoryType, model.MEMORY_TYPES),
    ],
)
def test_the_words_are_enumerations_of_strings(names: type[StrEnum], words: tuple[str, ...]) -> None:
    assert tuple(names) == words
    assert [member.name for member in names] == [word.upper() for word in words]


def test_operations_take_the_members_and_records_equal_them(registry: SessionRegistry, hub: CollaborationHub) -> None:
    registry.update_status("s1", SessionStatus.WORKING, "mends the cart")
    session = registry.get("s1")
    assert session.status == SessionStatus.WORKING
    assert type(session.status) is str
    assert [each.session_id for each in registry.find_sessions(SessionStatus.WORKING)] == ["s1"]
    hub.send("s1", "s2", MessageType.REQUEST, "review")
    (message,) = hub.get_messages("s2", message_type=MessageType.REQUEST)
    assert message.type == MessageType.REQUEST
    memory = SharedMemory(registry)
    assert memory.set("s1", "k", 1, MemoryType.DECISION).type == MemoryType.DECISION


def test_find_sessions_takes_the_status_first(registry: SessionRegistry) -> None:
    registry.update_status("s2", "idle")
    assert [each.session_id for each in registry.find_sessions("active")] == ["s1"]
    assert [each.session_id for each in registry.find_sessions("idle", "codex", "bob")] == ["s2"]
    assert registry.find_sessions("idle", "claude-code") == []


def test_a_hub_of_a_registry_is_on_its_bus(registry: SessionRegistry, hub: CollaborationHub) -> None:
    assert hub.bus is registry.bus
    assert hub.registry.get("s1") == registry.get("s1")


def test_reply_takes_the_message_or_its_id(hub: CollaborationHub) -> None:
    hub.send("s1", "s2", "request", "review")
    (message,) = hub.get_messages("s2")
    hub.reply("s2", message, "looks good", {"lines": 3})
    hub.reply("s2", message.message_id, "on second thoughts")
    answers = hub.get_messages("s1")
    assert [each.body for each in answers] == ["looks good", "on second thoughts"]
    assert {each.in_reply_to for each in answers} == {message.message_id}
    with pytest.raises(InvalidInput):
        hub.reply("s2", object(), "to nothing")  # type: ignore[arg-type]


def test_classes_opened_on_their_own_answer_an_unknown_id_and_raise_nothing(
    registry: SessionRegistry, hub: CollaborationHub, tmp_path: Path
) -> None:
    assert registry.get("nobody") is None
    assert registry.ping("nobody") is False
    assert registry.ping("s1")
    assert hub.get("0192f0c1-0000-7000-8000-000000000000") is None
    with hallway.connect(tmp_path) as bus:
        for call in (bus.sessions.get, bus.sessions.ping):
            with pytest.raises(SessionNotFound):
                call("nobody")


@pytest.mark.parametrize(
    ("message_type", "handler"), [("reqest", print), (7, print), ("request", None), ("request", "f")]
)
def test_register_handler_refuses_at_once_what_could_never_be_called(
    hub: CollaborationHub, message_type: Any, handler: Any
) -> None:
    for session_id in (None, "s2"):
        with pytest.raises(InvalidInput):
            hub.register_handler(message_type, handler, session_id)
    with pytest.raises(InvalidInput):
        hub.bus.events.on("message.sent", None)


def test_a_handler_of_a_member_is_called(hub: CollaborationHub) -> None:
    seen: list[str] = []
    hub.register_handler(MessageType.REQUEST, lambda message: seen.append(message.subject), "s2")
    hub.send("s1", "s2", MessageType.NOTIFICATION, "not this")
    hub.send("s1", "s2", MessageType.REQUEST, "this")
    until(lambda: seen == ["this"])


def test_memory_is_found_by_session_tags_and_pattern(registry: SessionRegistry) -> None:
    memory = SharedMemory(registry)
    memory.set("s1", "task_1", {"a": 1}, "task", tags=["x", "y"])
    memory.set("s2", "task_2", "two", "note", tags=["y"])
    assert [entry.key for entry in memory.get_by_session("s1", project="shop")] == ["task_1"]
    assert {entry.key for entry in memory.get_by_tags(["x", "y"], project="shop")} == {"task_1", "task_2"}
    assert [entry.key for entry in memory.get_by_tags(["x", "y"], match_all=True, project="shop")] == ["task_1"]
    assert [entry.key for entry in memory.search("task_*", project="shop")] == ["task_1", "task_2"]
    assert [entry.value for entry in memory.get_all("task_1", project="shop")] == [{"a": 1}]
    assert memory.get("missing", "default") == "default"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            SessionRegistry,
            "register unregister ping update_status get list_sessions find_sessions get_stats clear_offline",
        ),
        (
            CollaborationHub,
            "send broadcast reply ping_session get_messages get_conversation register_handler get_stats registry",
        ),
        (SharedMemory, "set get get_all get_by_session get_by_tags search delete clear get_stats"),
    ],
)
def test_every_name_of_the_bridge_is_there(owner: type, names: str) -> None:
    assert [name for name in names.split() if not hasattr(owner, name)] == []
