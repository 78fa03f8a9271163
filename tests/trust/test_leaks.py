"""What looks like a key or a token is refused before it enters a message or the memory, and replaced in a status."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from hallway.core.errors import SecretFound
from hallway.core.schema import encode
from hallway.core.secret_scan import find_secret, replace_secrets, rules
from trust.secret_corpus import HARMLESS, SECRETS

SURROUNDINGS = (
    "{}",
    "key={}",
    '{{"token": "{}"}}',
    "a\n{}\nb",
    "a\t{}",
    "x " * 1000 + "{}",
    "\\n{}",
    "\\t{}",
    "use {}, please",
    "({})",
    "`{}`",
    "https://example.com/?token%3D{}",
    "{}.",
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_and_replaced_wherever_it_stands(name: str) -> None:
    for around in SURROUNDINGS:
        text = around.format(SECRETS[name])
        assert find_secret(text), text[:60]
        replaced = replace_secrets({"deep": [text], text: 1})
        assert SECRETS[name] not in str(replaced)
        assert "[removed: " in replaced["deep"][0]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reminds_of_one_is_none(text: str) -> None:
    assert find_secret(text) is None
    assert replace_secrets(text) == text


def test_the_expressions_are_compiled_only_for_texts_that_hold_one_of_their_words() -> None:
    program = (
        "import sys; from hallway.core.secret_scan import find_secret, rules; before = set(sys.modules)\n"
        "assert find_secret('mend the login form ' * 100) is None\n"
        "assert 're' not in set(sys.modules) - before, 're'\n"
        "assert not any(rule._pattern for rule in rules())"
    )
    subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path!r}\n{program}"], check=True)


def test_every_form_has_a_kind_words_and_an_expression_that_compiles() -> None:
    assert len(rules()) > 100
    assert len({rule.kind for rule in rules()}) == len(rules())
    for rule in rules():
        assert all(word == word.lower() != "" for word in rule.words)
        assert list(rule.spans("nothing here")) == []


@pytest.fixture
def talk(bus: Any) -> Any:
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, "a", "b")
    return bus


def test_every_way_of_writing_refuses_it_and_says_nothing_of_it(talk: Any) -> None:
    secret = SECRETS["GitHub personal"]
    first = talk.messages.send("bob", "alice", "request", "a question")
    task = talk.tasks.offer("bob", "alice", "work")
    talk.tasks.accept("alice", task.task_id)
    before = talk.events.last_seq()
    ways = [
        lambda **more: talk.messages.send("alice", "bob", "notification", "x", f"it is {secret}", **more),
        lambda **more: talk.messages.send("alice", "bob", "notification", secret, **more),
        lambda **more: talk.messages.send("alice", "bob", "sync", "x", "", {"deep": [{"token": secret}]}, **more),
        lambda **more: talk.messages.broadcast("alice", "x", secret, **more),
        lambda **more: talk.messages.reply("alice", first.message_id, secret, **more),
        lambda **more: talk.tasks.offer("alice", "bob", "x", secret, **more),
        lambda **more: talk.tasks.handoff("alice", task.task_id, "bob", secret, **more),
        lambda **more: talk.memory.set("alice", "k", {"token": secret}, **more),
        lambda **more: talk.memory.set("alice", secret, 1, **more),
        lambda **more: talk.memory.set("alice", "k", 1, metadata={"a": secret}, **more),
        lambda **more: talk.memory.set("alice", "k", 1, tags=["a", secret], **more),
        lambda **more: talk.memory.set("alice", "k", f"one\n{secret}", **more),
        lambda **more: talk.memory.set("alice", "k", {f"\t{secret}": 1}, **more),
        lambda **more: talk.memory.set("alice", "k", 1, idempotency_key=secret, **more),
        lambda **more: talk.messages.send("alice", "bob", "notification", "x", "a\n" + secret, **more),
        lambda **more: talk.messages.send("alice", "bob", "notification", "x", "k", idempotency_key=secret, **more),
        lambda **more: talk.tasks.complete("alice", task.task_id, secret, **more),
    ]
    for way in ways:
        with pytest.raises(SecretFound) as refused:
            way()
        assert "allow_secret" in refused.value.hint
    assert talk.events.last_seq() == before
    for way in ways:
        way(allow_secret=True)


def test_a_status_is_never_refused_for_a_secret_which_is_replaced_by_its_kind(talk: Any) -> None:
    secret = SECRETS["GitHub personal"]
    task = talk.tasks.offer("bob", "alice", "work")
    said = {
        "current_task": f"push with {secret}",
        "branch": f"b-{secret}",
        "metadata": {"a": [f"\n{secret}"], secret: 1},
        "capabilities": [secret],
        "location": f"host:/{secret}",
        "human_user": secret,
    }
    talk.sessions.register("carol", secret, "b", **said)
    talk.sessions.heartbeat("alice", current_task=f"first line {secret}", branch=secret)
    talk.sessions.update_status("alice", "working", f"\t{secret}")
    talk.sessions.set_status_detail("alice", {"deep": [{"token": f"a\n{secret}"}], secret: 2})
    talk.files.touch("alice", [f"/src/{secret}.txt"])
    talk.tasks.cancel("bob", task.task_id, f"because {secret}")
    talk.sessions.end("carol", secret)
    assert talk.sessions.get("alice").current_task == "\t[removed: github pat]"
    everything = [
        talk.events.read(0, limit=1000),
        talk.sessions.find_sessions(include_offline=True),
        talk.messages.sent(),
        talk.tasks.get(task.task_id),
    ]
    assert secret not in encode(everything)


def test_what_was_stored_by_its_old_name_can_still_be_deleted(talk: Any) -> None:
    secret = SECRETS["npm"]
    talk.memory.set("alice", secret, 1, allow_secret=True)
    assert talk.memory.delete(secret) == 1


def test_a_refusal_does_not_repeat_the_secret(talk: Any) -> None:
    with pytest.raises(SecretFound) as refused:
        talk.messages.send("alice", "bob", "notification", "x", SECRETS["hallway token"])
    assert SECRETS["hallway token"] not in str(refused.value.to_dict())
    assert "hallway token" in refused.value.message
