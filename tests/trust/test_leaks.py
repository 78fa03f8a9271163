"""What looks like a key or a token is refused before it enters a message or the memory."""

from __future__ import annotations

from typing import Any

import pytest

from hallway.errors import SecretFound
from hallway.leaks import FORMS, find_secret

SECRETS = [prefix + ("A1b2C3d4" * 12)[:least] for prefix, least, _ in FORMS]
SECRETS.append("-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
HARMLESS = [
    "", "ghp_", "the prefix is ghp_ and more", "hf_model", "task_" + "a" * 60, "e5d0c1f2" * 8, "xoxb-short",
    "xghp_" + "a" * 40, "git commit 87fbc9f4e5d0c1f287fbc9f4e5d0c1f287fbc9f4", "-----BEGIN CERTIFICATE-----", "AKIA is",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:11])
def test_a_secret_is_found_wherever_it_stands(secret: str) -> None:
    for text in (secret, f"key={secret}", f'{{"token": "{secret}"}}', f"a\n{secret}\nb", "x " * 1000 + secret):
        assert find_secret(text), text[:60]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reminds_of_one_is_none(text: str) -> None:
    assert find_secret(text) is None


@pytest.fixture
def talk(bus: Any) -> Any:
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, "a", "b")
    return bus


def test_every_way_of_writing_refuses_it_and_says_nothing_of_it(talk: Any) -> None:
    secret = SECRETS[1]
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
        lambda **more: talk.tasks.complete("alice", task.task_id, secret, **more),
    ]
    for way in ways:
        with pytest.raises(SecretFound) as refused:
            way()
        assert "--allow-secret" in refused.value.hint
    assert talk.events.last_seq() == before
    for way in ways:
        way(allow_secret=True)


def test_a_refusal_does_not_repeat_the_secret(talk: Any) -> None:
    with pytest.raises(SecretFound) as refused:
        talk.messages.send("alice", "bob", "notification", "x", SECRETS[0])
    assert SECRETS[0] not in str(refused.value.to_dict())
    assert "hallway token" in refused.value.message


def test_looking_costs_next_to_nothing() -> None:
    from timeit import timeit

    short, long = "mend the login form, please" * 4, "word " * 13_000
    assert timeit(lambda: find_secret(short), number=1000) < 0.1  # seconds for a thousand
    assert timeit(lambda: find_secret(long), number=10) < 0.1
