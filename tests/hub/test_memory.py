"""The shared memory through a hub: the same answers as without one, whatever the key and the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.services.memory import SharedMemory
    from hub.client import Client
    from hub.process import HubProcess

KEYS = [
    "plain",
    "a/b/c",
    "a b",
    "100%",
    "*",
    "🚀",
    "a%2Fb",
    "x?y#z",
    "..",
    "a/../b",
    "/lead",
    "trail/",
    "k/history",
    "history",
    "a//b",
    "+",
    "é",
    "'\"",
]


@pytest.fixture
def memory(hub: HubProcess) -> Iterator[SharedMemory]:
    with hallway.connect(f"http://127.0.0.1:{hub.port}", project="github.com/acme/shop") as bus:
        bus.sessions.register("s1", "alice's claude", "claude-code")
        yield bus.memory
        bus.memory.clear()


@pytest.mark.parametrize("key", KEYS)
def test_any_key_can_be_set_got_and_deleted(memory: SharedMemory, key: str) -> None:
    assert memory.set("s1", key, None).key == key
    assert memory.get(key, "default") is None
    assert memory.set("s1", key, {"is": key}).version > 1
    assert memory.get(key) == {"is": key}
    assert len(memory.get_all(key)) == 2
    assert memory.delete(key) == 2
    assert memory.get(key, "default") == "default"


@pytest.mark.parametrize("value", [None, 10**300, -(2**64), 1e300, -0.0, "\0", "null", [[]], {"": [None]}])
def test_values_come_back_as_they_were(memory: SharedMemory, value: Any) -> None:
    assert repr(memory.set("s1", "k", value).value) == repr(value)
    assert repr(memory.get("k", "default")) == repr(value)


def test_lists_and_filters_are_the_same(memory: SharedMemory) -> None:
    entry = memory.set("s1", "task_1", "the token, in user_id", "fact", tags=["a", "b,c"])
    assert memory.get_by_tags(["b,c"]) == memory.get_by_tags(["a", "b,c"], match_all=True) == [entry]
    assert memory.search("task_*") == memory.get_by_session("s1") == [entry]
    (found,) = memory.find("user", type="fact")
    assert (found.key, found.line) == ("task_1", "the token, in **user**_id")
    assert memory.get_stats().by_type == {"fact": 1}


def test_a_lost_compare_and_set_carries_the_current_entry(memory: SharedMemory) -> None:
    memory.set("s1", "k", 1)
    with pytest.raises(errors.VersionConflict) as caught:
        memory.set("s1", "k", 2, expected_version=0)
    assert caught.value.details["current"]["value"] == 1


def test_the_search_parameter_may_be_called_q(memory: SharedMemory, client: Client) -> None:
    memory.set("s1", "k", "token")
    for name in ("q", "query"):
        answer = client.get(f"/memory?{name}=token&project=github.com/acme/shop")
        assert [found["key"] for found in answer.json] == ["k"]
