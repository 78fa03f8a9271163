"""Tokens: made, shown once, rotated, revoked, expired; what is kept of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hallway.core.errors import AlreadyTaken, InvalidInput, TokenNotFound
from hallway.services.tokens import PREFIX, digest_of
from support import kinds


def test_a_token_is_256_random_bits_and_only_its_hash_is_kept(bus: Any) -> None:
    tokens = {bus.tokens.create(f"name{number}").token for number in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        assert token.startswith(PREFIX)
        assert len(token) == len(PREFIX) + 43  # 32 bytes in base64
    rows = str(bus.store.rows("tokens.find", include_revoked=True, now=0, limit=100)) + str(bus.tokens.valid())
    assert not any(token in rows or token[len(PREFIX) :] in rows for token in tokens)
    assert {digest_of(token) for token in tokens} == set(bus.tokens.valid())
    if os.path.exists(bus.store.path):
        kept = b"".join(path.read_bytes() for path in Path(bus.store.path).parent.glob("bus.db*"))
        assert all(digest_of(token).encode() in kept and token.encode() not in kept for token in tokens)


def test_a_token_opens_what_it_was_made_for(bus: Any) -> None:
    made = bus.tokens.create("alice", "observer", ["b", "a", "b"])
    who = bus.tokens.valid()[digest_of(made.token)]
    assert (who.name, who.role, who.projects, who.person) == ("alice", "observer", {"a", "b"}, "user:alice")
    assert made.projects == ["a", "b"]
    assert bus.tokens.create("bob").role == "agent"


def test_a_name_is_one_tokens_at_a_time(bus: Any) -> None:
    bus.tokens.create("alice")
    with pytest.raises(AlreadyTaken, match="there is a token with the name 'alice'"):
        bus.tokens.create("alice", "admin")
    bus.tokens.revoke("alice")
    assert bus.tokens.create("alice", "admin").role == "admin"
    assert [each.role for each in bus.tokens.list_tokens()] == ["admin"]
    assert [each.role for each in bus.tokens.list_tokens(include_revoked=True)] == ["agent", "admin"]


def test_a_revoked_token_opens_nothing(bus: Any) -> None:
    made = bus.tokens.create("alice")
    assert bus.tokens.revoke("alice").revoked_at is not None
    assert digest_of(made.token) not in bus.tokens.valid()
    with pytest.raises(TokenNotFound):
        bus.tokens.revoke("alice")


def test_a_rotated_token_is_a_new_secret_of_the_same_principal(bus: Any, clock: Any) -> None:
    old = bus.tokens.create("alice", "observer", ["a"], 100)
    new = bus.tokens.rotate("alice")
    assert new.token != old.token
    assert (new.name, new.role, new.projects, new.expires_at) == ("alice", "observer", ["a"], old.expires_at)
    assert list(bus.tokens.valid()) == [digest_of(new.token)]
    assert bus.tokens.rotate("alice", 500).expires_at > old.expires_at


def test_an_expired_token_opens_nothing_at_the_stores_own_time(bus: Any, clock: Any) -> None:
    bus.tokens.create("alice", expires_in_s=60)
    clock.advance(59.9)
    assert len(bus.tokens.valid()) == 1
    clock.advance(0.1)
    assert bus.tokens.valid() == {}
    assert bus.tokens.list_tokens() == []


def test_an_unknown_name_gets_near_matches(bus: Any) -> None:
    bus.tokens.create("alice")
    with pytest.raises(TokenNotFound) as error:
        bus.tokens.rotate("alicia")
    assert error.value.hint == "Did you mean alice?"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "user:alice", "*", "me", "\x1b[2J", "x" * 101])
def test_a_name_that_could_not_be_written_to_is_none(bus: Any, name: str) -> None:
    with pytest.raises(InvalidInput):
        bus.tokens.create(name)


def test_an_admins_token_is_for_all_projects(bus: Any) -> None:
    with pytest.raises(InvalidInput, match="all projects"):
        bus.tokens.create("alice", "admin", ["a"])


def test_a_token_for_no_project_sees_none(bus: Any) -> None:
    made = bus.tokens.create("alice", projects=[])
    assert not bus.tokens.valid()[digest_of(made.token)].sees("github.com/acme/shop")


def test_every_change_is_an_event_without_the_secret(bus: Any) -> None:
    secrets = [bus.tokens.create("alice").token, bus.tokens.rotate("alice").token]
    bus.tokens.revoke("alice")
    assert kinds(bus) == ["token.created", "token.rotated", "token.revoked"]
    told = str([event.data for event in bus.events.read()])
    assert not any(secret in told or digest_of(secret) in told for secret in secrets)


def test_what_was_revoked_or_has_expired_long_ago_is_pruned(bus: Any, clock: Any) -> None:
    bus.tokens.create("alice")
    bus.tokens.create("bob", expires_in_s=10)
    bus.tokens.create("carol")
    bus.tokens.revoke("alice")
    clock.advance(100)
    assert bus.prune(50).removed["tokens"] == 2
    assert [each.name for each in bus.tokens.list_tokens(include_revoked=True)] == ["carol"]


def test_use_is_noted(bus: Any, clock: Any) -> None:
    bus.tokens.create("alice")
    assert bus.tokens.list_tokens()[0].last_used_at is None
    bus.tokens.note_use({"alice": "192.0.2.7"})
    assert bus.tokens.list_tokens()[0].last_used_from == "192.0.2.7"
    assert bus.tokens.list_tokens()[0].last_used_at is not None


def test_the_owner_of_a_bus_needs_no_token(bus: Any) -> None:
    who = bus.tokens.whoami()
    assert (who.name, who.role, who.projects) == (None, "admin", None)
