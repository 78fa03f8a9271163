"""Search of messages by their words, on every store: what is found, by whom, and how the index keeps up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.model import MessageHit
from hallway.core.principal import Principal
from hallway.services import message_search, search
from hallway.services.messages import CollaborationHub

SHOP, BANK = "github.com/acme/shop", "github.com/acme/bank"


@pytest.fixture
def talk(bus: LocalBus) -> LocalBus:
    for session_id, project in (("alice", SHOP), ("bob", SHOP), ("carol", BANK), ("dan", BANK)):
        bus.sessions.register(session_id, session_id, "claude-code", project=project)
    say(bus, "alice", "bob", "the login form", "May I run the migration_tool on users?")
    say(bus, "bob", "alice", "Re: the login form", "Not before the backup of café tables.")
    say(bus, "carol", "dan", "quarterly report", "the login page of the bank is slow")
    return bus


def say(bus: LocalBus, sender: str, to: str, subject: str, body: str) -> str:
    return bus.messages.send(sender, to, "notification", subject, body).message_id


def found(hits: list[MessageHit]) -> list[str]:
    """Who wrote what, in no order."""
    return sorted(f"{each.from_session}: {each.subject}" for each in hits)


def test_messages_are_found_by_words_of_subject_and_text(talk: LocalBus) -> None:
    (hit,) = talk.messages.search("migration tool")
    assert (hit.subject, hit.from_session, hit.is_loose) == ("the login form", "alice", False)
    assert "**migration**" in hit.line
    assert found(talk.messages.search("LOGIN form")) == ["alice: the login form", "bob: Re: the login form"]
    assert found(talk.messages.search("cafe")) == ["bob: Re: the login form"]
    assert talk.messages.search("zebra") == []
    assert talk.messages.search('"AND (: *') == []


def test_a_word_in_the_subject_counts_more_than_one_in_the_text(talk: LocalBus) -> None:
    assert talk.messages.search("login")[-1].from_session == "carol"


def test_other_forms_are_found_and_then_any_of_the_words(talk: LocalBus) -> None:
    assert found(talk.messages.search("migrations")) == ["alice: the login form"]
    (loose,) = talk.messages.search("backup zebra")
    assert (loose.from_session, loose.is_loose) == ("bob", True)


def test_a_search_is_narrowed_by_project_and_sender(talk: LocalBus) -> None:
    assert found(talk.messages.search("login", project=BANK)) == ["carol: quarterly report"]
    assert found(talk.messages.search("login", from_session="bob")) == ["bob: Re: the login form"]
    assert talk.messages.search("report", project=SHOP) == []


def test_what_is_sent_after_a_search_is_found_by_the_next_one(talk: LocalBus) -> None:
    assert talk.messages.search("pelican") == []
    for number in range(3):
        say(talk, "alice", "bob", f"pelican {number}", "x")
    assert len(talk.messages.search("pelican")) == 3


def test_what_is_pruned_is_found_no_more_and_later_messages_are(talk: LocalBus, clock: FakeClock) -> None:
    say(talk, "alice", "user:erin", "an old pelican", "x")
    assert len(talk.messages.search("pelican")) == 1
    clock.advance(100 * 24 * 3600)
    while not talk.retention.prune(older_than_s=24 * 3600).is_complete:
        pass
    assert talk.messages.search("pelican") == []
    talk.sessions.heartbeat("alice")
    say(talk, "alice", "user:erin", "a new pelican", "x")
    assert found(talk.messages.search("pelican")) == ["alice: a new pelican"]


def test_a_moved_project_keeps_its_messages_findable(talk: LocalBus) -> None:
    assert talk.messages.search("migration", project=SHOP)
    talk.projects.move(SHOP, "github.com/acme/store")
    assert talk.messages.search("migration", project=SHOP) == []
    assert found(talk.messages.search("migration", project="github.com/acme/store")) == ["alice: the login form"]
    talk.projects.undo(SHOP, "github.com/acme/store")
    assert found(talk.messages.search("migration", project=SHOP)) == ["alice: the login form"]
    assert talk.messages.search("migration", project="github.com/acme/store") == []


def test_pages_follow_each_other_without_gap_or_repeat(talk: LocalBus) -> None:
    for number in range(25):
        say(talk, "alice", "bob", f"pelican {number % 7} n{number}", "over the sea " * (number % 5))
    seen: list[str] = []
    cursor = None
    while page := talk.messages.search("pelican", limit=4, cursor=cursor):
        seen += [each.message_id for each in page]
        cursor = page[-1].cursor
    assert len(seen) == len(set(seen)) == 25
    with pytest.raises(errors.InvalidInput):
        talk.messages.search("pelican", cursor="seven")


def test_a_page_of_texts_is_bounded_in_bytes(talk: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE_BYTES", 1000)
    for number in range(5):
        say(talk, "alice", "bob", f"pelican {number}", "x" * 400)
    page = talk.messages.search("pelican")
    assert len(page) == 2
    assert len(talk.messages.search("pelican", cursor=page[-1].cursor)) == 2


def test_the_index_grows_in_parts_and_each_message_is_in_it_once(
    talk: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "INDEX_AT_ONCE", 7)
    monkeypatch.setattr(message_search, "INDEX_BYTES", 500)
    for number in range(40):
        say(talk, "alice", "bob", f"pelican {number}", "y" * (number * 10))
    assert len(talk.messages.search("pelican", limit=100)) == 40
    assert talk.store.one("messages.last_indexed")[0] == talk.messages.sent(limit=1)[0].seq


def test_searches_at_the_same_time_index_each_message_once(
    talk: LocalBus, open_bus: Callable[[], LocalBus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "INDEX_AT_ONCE", 5)
    for number in range(60):
        say(talk, "alice", "bob", f"pelican {number}", "x")
    counts: list[int] = []

    def look() -> None:
        counts.append(len(open_bus().messages.search("pelican", limit=100)))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert counts == [60] * 4


def test_a_token_for_a_project_finds_only_what_its_bearer_may_read(talk: LocalBus) -> None:
    talk.messages.send("carol", "user:erin", "request", "a pelican for erin", project=BANK)
    talk.principal = Principal("erin", "agent", [SHOP])
    assert found(talk.messages.search("login")) == ["alice: the login form", "bob: Re: the login form"]
    assert found(talk.messages.search("pelican")) == ["carol: a pelican for erin"]
    assert talk.messages.search("quarterly") == []


def test_a_reader_of_a_bus_that_cannot_be_written_finds_what_was_indexed(
    talk: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(talk.messages.search("login")) == 3
    say(talk, "alice", "bob", "login again", "x")

    def full(*_: object, **__: object) -> None:
        raise errors.StorageError("the disk is full")

    monkeypatch.setattr(talk, "transaction", full)
    assert len(CollaborationHub(talk).search("login")) == 3
