"""SharedMemory keeps R1 to R4, on every store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hallway
from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock, to_datetime
from hallway.core.model import MEMORY_TYPES, MemoryEntry, MemoryHit
from hallway.services import memory, search
from postgres import ON_A_FILE
from support import Here, all_events, kinds

SHOP = Here.project
OTHER = "github.com/acme/other"

# Every way in which an entry may be found; none may show what is not there.
VIEWS: dict[str, Callable[[LocalBus, str], bool]] = {
    "get": lambda bus, key: bus.memory.get(key) is not None,
    "history": lambda bus, key: bus.memory.get_all(key) != [],
    "find": lambda bus, key: key in keys_of(bus.memory.find()),
    "query": lambda bus, key: key in keys_of(bus.memory.find("token")),
    "any word": lambda bus, key: key in keys_of(bus.memory.find("token nowhere")),
    "pattern": lambda bus, key: key in keys_of(bus.memory.search(f"{key[:3]}*")),
    "tags": lambda bus, key: key in keys_of(bus.memory.get_by_tags(["auth"])),
    "session": lambda bus, key: key in keys_of(bus.memory.get_by_session("alice")),
    "type": lambda bus, key: key in keys_of(bus.memory.find(type="fact")),
    "stats": lambda bus, _: bus.memory.get_stats().total == 1 and bus.memory.get_stats().by_type == {"fact": 1},
}


@pytest.fixture(params=VIEWS)
def sees(request: pytest.FixtureRequest) -> Callable[[LocalBus, str], bool]:
    return VIEWS[request.param]


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, f"{session_id}'s agent", "claude-code")
    return bus


def keys_of(found: list[Any]) -> list[str]:
    return [each.key for each in found]


def found(bus: LocalBus, query: str, **filters: Any) -> list[str]:
    return keys_of(bus.memory.find(query, **filters))


def remember(bus: LocalBus, key: str = "api/auth.py", value: Any = "the token", **said: Any) -> MemoryEntry:
    return bus.memory.set("alice", key, value, **{"type": "fact", "tags": ["auth"], **said})


# -- R1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("R1")
def test_every_set_is_a_new_version_with_its_author(team: LocalBus, clock: FakeClock) -> None:
    team.memory.set("alice", "plan", {"steps": 3}, "decision", tags=["plan"], metadata={"by": "hand"})
    clock.advance(1)
    second = team.memory.set("bob", "plan", ["read", "write"])
    newest, first = team.memory.get_all("plan")
    assert newest == second == team.memory.get_entry("plan")
    assert (newest.version, newest.session_id, newest.value, newest.type) == (2, "bob", ["read", "write"], "state")
    assert (newest.tags, newest.metadata, newest.created_at) == ([], {}, to_datetime(clock.now()))
    assert (first.version, first.session_id, first.value, first.type) == (1, "alice", {"steps": 3}, "decision")
    assert (first.tags, first.metadata, first.project) == (["plan"], {"by": "hand"}, SHOP)


@pytest.mark.promise("R1")
def test_a_compare_and_set_is_written_only_at_its_version(team: LocalBus) -> None:
    assert remember(team, value=1, expected_version=0).version == 1
    assert remember(team, value=2, expected_version=1).version == 2
    with pytest.raises(errors.VersionConflict) as caught:
        team.memory.set("bob", "api/auth.py", 3, expected_version=1)
    current = caught.value.details["current"]
    assert (current["version"], current["value"], current["session_id"]) == (2, 2, "alice")
    assert caught.value.status == 409
    assert json.loads(json.dumps(caught.value.to_dict()))["error"]["code"] == "version_conflict"
    assert team.memory.get("api/auth.py") == 2
    assert kinds(team).count("memory.set") == 2


@pytest.mark.promise("R1")
def test_version_zero_means_that_there_is_nothing_yet(team: LocalBus, clock: FakeClock) -> None:
    remember(team, ttl=60)
    with pytest.raises(errors.VersionConflict):
        remember(team, expected_version=0)
    clock.advance(60)
    with pytest.raises(errors.VersionConflict) as caught:
        remember(team, expected_version=1)
    assert caught.value.details["current"] is None
    assert remember(team, expected_version=0).version == 2


@pytest.mark.promise("R1")
def test_no_version_is_given_out_twice(team: LocalBus) -> None:
    remember(team)
    team.memory.set("bob", "api/auth.py", "another")
    assert team.memory.delete("api/auth.py", "bob") == 1
    assert team.memory.get_entry("api/auth.py").version == 1
    assert remember(team).version == 3
    assert team.memory.delete("api/auth.py") == 2
    assert remember(team, expected_version=0).version == 4
    assert team.memory.clear() == 1
    assert remember(team).version == 5


@pytest.mark.promise("R1")
def test_a_delete_with_the_expected_version_deletes_no_other(team: LocalBus) -> None:
    team.memory.set("alice", "plan", "one")
    team.memory.set("bob", "plan", "two")
    with pytest.raises(errors.VersionConflict, match="is at version 2, not 1") as conflict:
        team.memory.delete("plan", expected_version=1)
    assert conflict.value.details["current"]["value"] == "two"
    assert team.memory.get("plan") == "two"
    assert team.memory.delete("plan", expected_version=2) == 2
    with pytest.raises(errors.VersionConflict):
        team.memory.delete("plan", expected_version=2)
    assert team.memory.delete("plan", expected_version=0) == 0


@pytest.mark.promise("R1")
def test_the_same_idempotency_key_writes_once(team: LocalBus) -> None:
    first = remember(team, idempotency_key="1", expected_version=0)
    assert remember(team, idempotency_key="1", expected_version=0) == first
    assert team.memory.set("bob", "api/auth.py", 2, idempotency_key="1").version == 2
    assert remember(team, idempotency_key="1", value=3) == first
    assert kinds(team).count("memory.set") == 2


@pytest.mark.promise("R1")
def test_of_many_threads_that_compare_and_set_one_wins_each_version(open_bus: Callable[[], LocalBus]) -> None:
    open_bus().sessions.register("alice", "alice's agent", "claude-code")
    buses = [open_bus() for _ in range(4)]
    won: list[int] = []
    seen: list[int] = []

    def race(bus: LocalBus) -> None:
        for version in range(25):
            try:
                won.append(bus.memory.set("alice", "race", version, expected_version=version).version)
            except errors.VersionConflict as error:
                seen.append(error.details["current"]["version"] - version)

    threads = [threading.Thread(target=race, args=(bus,)) for bus in buses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(1, len(won) + 1))
    assert len(won) == 25
    assert len(seen) == 75
    assert min(seen) > 0


@pytest.mark.promise("R1")
def test_a_person_may_write(team: LocalBus) -> None:
    entry = team.memory.set("user:alice", "style", "tabs")
    assert (entry.session_id, entry.project) == ("user:alice", SHOP)


@pytest.mark.promise("R1")
def test_each_change_is_an_event(team: LocalBus) -> None:
    entry = remember(team)
    team.memory.delete("api/auth.py")
    team.memory.delete("api/auth.py")
    remember(team, "other")
    team.memory.clear()
    told = [event for event in all_events(team) if event.kind.startswith("memory.")]
    assert [event.kind for event in told] == ["memory.set", "memory.deleted", "memory.set", "memory.cleared"]
    assert told[0].data == {"key": "api/auth.py", "version": 1, "type": "fact", "entry_id": entry.entry_id}
    assert (told[0].session_id, told[0].project) == ("alice", SHOP)
    assert told[1].data == {"key": "api/auth.py", "count": 1}


def test_an_entry_belongs_to_the_project_of_its_author(team: LocalBus) -> None:
    team.sessions.register("carol", "carol's agent", "codex", project=OTHER)
    team.memory.set("carol", "plan", "theirs")
    remember(team, "plan", "ours")
    assert team.memory.get("plan") == "ours"
    assert team.memory.get("plan", project=OTHER) == "theirs"
    assert keys_of(team.memory.get_by_session("carol")) == []
    assert [each.session_id for each in team.memory.find("theirs", project=OTHER)] == ["carol"]
    assert team.memory.find("theirs") == []
    assert team.memory.get_stats(OTHER).total == 1
    assert team.memory.get_stats().total == 2
    assert team.memory.clear(project=OTHER) == 1
    assert team.memory.get("plan") == "ours"


# -- R2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("R2")
def test_only_the_newest_version_of_a_key_is_found(team: LocalBus) -> None:
    remember(team, "plan", "the token is old", tags=["auth"])
    team.memory.set("bob", "plan", "a cookie", "decision", tags=["web"])
    assert found(team, "token") == []
    assert found(team, "cookie") == ["plan"]
    assert keys_of(team.memory.get_by_tags(["auth"])) == []
    assert keys_of(team.memory.get_by_session("alice")) == []
    assert keys_of(team.memory.find(type="fact")) == []
    assert keys_of(team.memory.find(type="decision")) == ["plan"]


@pytest.mark.promise("R2")
def test_find_by_tags_any_or_all(team: LocalBus) -> None:
    remember(team, "a", tags=["auth", "api v2"])
    remember(team, "b", tags=["auth"])
    remember(team, "c", tags=["Auth"])
    assert keys_of(team.memory.get_by_tags(["auth", "api v2"])) == ["b", "a"]
    assert keys_of(team.memory.get_by_tags(["auth", "api v2"], match_all=True)) == ["a"]
    assert team.memory.get_by_tags(["api"]) == []
    assert team.memory.get_by_tags([]) == []


@pytest.mark.promise("R2")
def test_find_by_glob_in_order_of_the_keys(team: LocalBus) -> None:
    for key in ("task_2", "task_1", "task", "tasks", "Task_1", "task_é", "a/b c/🚀", "100%", "*", "[x]"):
        remember(team, key)
    assert keys_of(team.memory.search("task_*")) == ["task_1", "task_2", "task_é"]
    assert keys_of(team.memory.search("task_?")) == ["task_1", "task_2", "task_é"]
    assert keys_of(team.memory.search("task_[0-9]")) == ["task_1", "task_2"]
    assert keys_of(team.memory.search("*1")) == ["Task_1", "task_1"]
    assert keys_of(team.memory.search("a/*/🚀")) == ["a/b c/🚀"]
    assert keys_of(team.memory.search("[*]")) == ["*"]
    assert keys_of(team.memory.search("100%")) == ["100%"]
    assert len(team.memory.search("*")) == 10


@pytest.mark.promise("R2")
@pytest.mark.parametrize("last", ["\ud7ff", "\U0010ffff", "z", "é"])
def test_a_globs_range_ends_after_its_last_literal_character(team: LocalBus, last: str) -> None:
    remember(team, f"k{last}"), remember(team, f"k{last}{last}"), remember(team, "l"), remember(team, "k")
    assert keys_of(team.memory.search(f"k{last}*")) == [f"k{last}", f"k{last}{last}"]


@ON_A_FILE
@pytest.mark.promise("R2")
def test_a_glob_with_a_literal_prefix_reads_a_range_of_an_index(team: LocalBus) -> None:
    text = team.store._statements["memory.in_key_order"]
    parameters = dict.fromkeys(("project", "low", "high", "after", "pattern", "now", "limit"), 1)
    plan = team.store._connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
    steps = [step for *_, step in plan]
    assert any("SEARCH k USING INDEX" in step and "key>? AND key<?" in step for step in steps), steps
    assert not any("SCAN" in step or "TEMP B-TREE" in step for step in steps), steps


@pytest.mark.promise("R2")
@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("set user_id first", "user_id"),
        ("set user_id first", "user"),
        ("set user_id first", "id"),
        ("set user_id first", "userId"),
        ("see api/auth.py there", "api/auth.py"),
        ("see api/auth.py there", "auth"),
        ("a CamelCase word", "camel"),
        ("a CamelCase word", "case"),
        ("a CamelCase word", "CamelCase"),
        ("a CamelCase word", "camelcase"),
        ("a CamelCase word", "camel_case"),
        ("the HTTPServer is up", "server"),
        ("the HTTPServer is up", "http server"),
        ("token-refresh", "refresh token"),
        ("Größe der Datei", "größe"),
        ("café", "cafe"),
        ("Привет, мир", "привет"),
        ("会话总线的设计", "会话"),
        ("会话总线的设计", "总线"),
        ("会话总线的设计", "计"),
        ("セッションバス", "バス"),
        ("세션 버스", "버스"),
        ("हिन्दी भाषा", "हिन्दी"),
        ("authentication", "authen*"),
        ({"decision": "use JWT", "files": ["src/login.ts"]}, "jwt login.ts"),
        ({"decision": "use JWT"}, "decision"),
        ("first\nsecond\tthird", "second"),
        ('say "quoted" now', "quoted"),
        (12345, "12345"),
    ],
)
def test_words_are_found_as_people_write_them(team: LocalBus, text: Any, query: str) -> None:
    remember(team, "k", text, tags=[])
    remember(team, "other", "nothing of the kind", tags=[])
    assert found(team, query) == ["k"]


@pytest.mark.promise("R2")
@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""',
        "'",
        "(",
        ")",
        "AND",
        "OR NOT",
        "NEAR(a b, 3)",
        "a AND (b OR",
        "key:token",
        "-token",
        "^token",
        "*",
        "t*",
        "{key}:x",
        "a\0b",
        "\x1b[2J",
        "🚀",
        "؟",
        "%",
        ";--",
        "token OR",
        "\\",
        "labels : x",
        "a" * 1000,
    ],
)
def test_no_query_is_an_error(team: LocalBus, query: str) -> None:
    remember(team)
    team.memory.find(query)


@pytest.mark.promise("R2")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=st.text(max_size=60))
def test_no_query_that_anybody_thinks_of_is_an_error(team: LocalBus, query: str) -> None:
    for each in team.memory.find(query):
        assert isinstance(each, MemoryHit)


@pytest.mark.promise("R2")
def test_words_are_looked_for_in_key_tags_and_value(team: LocalBus) -> None:
    remember(team, "login/flow", "nothing", tags=["cookies"])
    assert found(team, "login") == found(team, "cookies") == found(team, "nothing") == ["login/flow"]


@pytest.mark.promise("R2")
def test_labels_are_no_words(team: LocalBus) -> None:
    remember(team, "k", "v")
    assert found(team, "fact") == []
    assert found(team, "alice") == []
    assert found(team, "p" + SHOP.encode().hex()) == []


@pytest.mark.promise("R2")
def test_the_best_fit_comes_first(team: LocalBus) -> None:
    remember(team, "notes", "the token was mentioned once among a great many other words of this long note " * 3)
    remember(team, "auth", "token token refresh", tags=[])
    remember(team, "token", "how it is stored", tags=[])
    remember(team, "unrelated", "nothing", tags=[])
    assert found(team, "token") == ["token", "auth", "notes"]


@pytest.mark.promise("R2")
def test_entries_with_all_words_are_found_or_else_with_any(team: LocalBus) -> None:
    remember(team, "a", "red apple")
    remember(team, "b", "green apple")
    assert found(team, "red apple") == ["a"]
    assert found(team, "green red apple") == ["b", "a"]
    assert found(team, "yellow red") == ["a"]
    assert found(team, "yellow") == []


@pytest.mark.promise("R2")
def test_a_word_is_as_rare_as_it_is_in_the_project_that_is_searched(team: LocalBus) -> None:
    with team.transaction():
        for number in range(20):
            team.memory.set("s1", f"own/{number}", "the invoice was paid", "note", project="github.com/acme/shop")
        for number in range(200):
            team.memory.set("s1", f"other/{number}", "the ledger is locked", "note", project="github.com/acme/bank")
    team.memory.set("s1", "more/invoice", "invoice invoice ledger", "note", project="github.com/acme/shop")
    team.memory.set("s1", "more/ledger", "ledger ledger invoice", "note", project="github.com/acme/shop")
    hits = team.memory.find("invoice ledger", project="github.com/acme/shop")
    assert [hit.key for hit in hits] == ["more/ledger", "more/invoice"]


def test_the_rarest_word_leads_however_many_newer_entries_have_the_others(team: LocalBus) -> None:
    remember(team, "animal", "the zebra")
    with team.transaction():
        for number in range(2_000):
            remember(team, f"k{number}", "what is in" if number % 3 else "in")
    assert found(team, "what zebra in")[:1] == ["animal"]
    assert found(team, "zebra in")[:1] == ["animal"]


@pytest.mark.promise("R2")
def test_all_filters_must_fit(team: LocalBus) -> None:
    remember(team, "task_1", "the token", tags=["auth"])
    team.memory.set("bob", "task_2", "the token", "task", tags=["auth"])
    assert found(team, "token", session_id="bob") == ["task_2"]
    assert found(team, "token", type="fact") == ["task_1"]
    assert found(team, "token", pattern="*_2") == ["task_2"]
    assert found(team, "token", tags=["auth", "x"]) == ["task_2", "task_1"]
    assert found(team, "token", tags=["auth", "x"], match_all=True) == []
    assert keys_of(team.memory.find(pattern="task_*", session_id="alice", tags=["auth"])) == ["task_1"]


@pytest.mark.promise("R2")
def test_a_found_entry_shows_one_short_line_with_what_was_found(team: LocalBus) -> None:
    remember(team, "long", {"text": "word " * 200 + "the needleInside\nof it " + "word " * 200})
    (shown,) = team.memory.find("needle")
    assert "the **needle**Inside of it" in shown.line
    assert len(shown.line) < 140
    assert shown.value is None
    (whole,) = team.memory.find("needle", include_values=True)
    assert whole.value == team.memory.get("long")


@pytest.mark.promise("R2")
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"query": "token"},
        {"query": "token nowhere"},
        {"pattern": "k*"},
        {"tags": ["auth"]},
        {"pattern": "k*", "type": "fact"},
    ],
)
def test_every_list_is_paged(team: LocalBus, filters: dict[str, Any]) -> None:
    for number in range(25):
        remember(team, f"k{number:02}", "token " * (number % 5 + 1))
    pages: list[str] = []
    after = None
    while page := team.memory.find(**filters, limit=4, after=after):
        assert len(page) <= 4
        pages += keys_of(page)
        after = page[-1].cursor
    assert sorted(pages) == [f"k{number:02}" for number in range(25)]
    assert pages == keys_of(team.memory.find(**filters, limit=100))


@pytest.mark.promise("R2")
def test_history_is_paged(team: LocalBus) -> None:
    for number in range(1, 8):
        remember(team, "k", number)
    first = team.memory.get_all("k", limit=4)
    rest = team.memory.get_all("k", limit=4, before_version=first[-1].version)
    assert [entry.version for entry in first + rest] == [7, 6, 5, 4, 3, 2, 1]
    assert team.memory.get_all("k", before_version=1) == []


@pytest.mark.promise("R2")
def test_a_page_of_values_is_bounded_in_bytes(team: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE_BYTES", 1000)
    for number in range(5):
        remember(team, f"k{number}", "x" * 400)
    remember(team, "k5", "x" * 4000)
    assert len(team.memory.find(pattern="k*", include_values=True)) == 2
    assert keys_of(team.memory.search("k*")) == [f"k{number}" for number in range(6)]
    assert len(team.memory.find(pattern="k*")) == 6


@pytest.mark.promise("R2")
def test_of_very_many_matches_the_newest_are_ranked(team: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 3)
    remember(team, "old", "token token token")
    for number in range(3):
        remember(team, f"new{number}", "token and more")
    assert found(team, "token") == ["new2", "new1", "new0"]


@pytest.mark.promise("R2")
@pytest.mark.parametrize("cursor", ["x", "1", "1:x", "~x", "nan:1:2", "é:1"])
def test_a_cursor_of_nobodys_is_an_error(team: LocalBus, cursor: str) -> None:
    remember(team)
    with pytest.raises(errors.InvalidInput):
        team.memory.find("token", after=cursor)


@pytest.mark.promise("R2")
def test_a_transaction_finds_what_it_wrote(team: LocalBus) -> None:
    with team.transaction():
        remember(team)
        assert found(team, "token") == ["api/auth.py"]


# -- R3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("R3")
def test_an_expired_entry_is_nowhere_even_if_nothing_swept(
    team: LocalBus, clock: FakeClock, sees: Callable[[LocalBus, str], bool]
) -> None:
    entry = remember(team, ttl=60)
    assert entry.expires_at == to_datetime(clock.now()) + timedelta(seconds=60)
    clock.advance(59.999)
    assert sees(team, "api/auth.py")
    clock.advance(0.001)
    assert not sees(team, "api/auth.py")


@pytest.mark.promise("R3")
def test_a_key_whose_newest_version_has_expired_is_gone_for_good(
    team: LocalBus, clock: FakeClock, sees: Callable[[LocalBus, str], bool]
) -> None:
    remember(team)
    remember(team, ttl=60)
    clock.advance(60)
    assert not sees(team, "api/auth.py")
    assert team.memory.delete("api/auth.py") == 0
    assert remember(team).version == 3
    assert [entry.version for entry in team.memory.get_all("api/auth.py")] == [3]


@pytest.mark.promise("R3")
def test_an_expired_older_version_is_in_no_history(team: LocalBus, clock: FakeClock) -> None:
    remember(team, ttl=60)
    remember(team)
    clock.advance(60)
    assert [entry.version for entry in team.memory.get_all("api/auth.py")] == [2]
    assert team.memory.delete("api/auth.py") == 1


@pytest.mark.promise("R3")
def test_whoever_writes_removes_what_has_expired(team: LocalBus, clock: FakeClock) -> None:
    for number in range(memory.SWEEP_AT_ONCE):
        remember(team, f"k{number}", ttl=60)
    clock.advance(60)
    remember(team, "another")
    assert team.store._connection.execute("SELECT count(*) FROM memory_entries").fetchall() == [(1,)]
    assert team.store._connection.execute("SELECT count(*) FROM memory_index").fetchall() == [(1,)]


@pytest.mark.promise("R3")
def test_delete_says_how_many(team: LocalBus) -> None:
    remember(team), remember(team)
    team.memory.set("bob", "api/auth.py", 3)
    assert team.memory.delete("api/auth.py", "alice") == 2
    assert team.memory.get("api/auth.py") == 3
    assert team.memory.delete("api/auth.py", "alice") == 0
    assert team.memory.delete("api/auth.py") == 1
    assert team.memory.delete("nowhere") == 0
    assert team.memory.get_all("api/auth.py") == []


@pytest.mark.promise("R3")
def test_deleting_a_sessions_versions_shows_what_others_wrote_before(team: LocalBus) -> None:
    remember(team, value="the token")
    team.memory.set("bob", "api/auth.py", "a cookie")
    team.memory.delete("api/auth.py", "bob")
    assert team.memory.get("api/auth.py") == "the token"
    assert found(team, "token") == ["api/auth.py"]
    assert found(team, "cookie") == []


@pytest.mark.promise("R3")
def test_clear_forgets_a_project_or_a_session_in_it(team: LocalBus) -> None:
    remember(team, "a"), remember(team, "b")
    team.memory.set("bob", "b", "bob's"), team.memory.set("bob", "c", "bob's")
    assert team.memory.clear("bob") == 2
    assert sorted(keys_of(team.memory.find())) == ["a", "b"]
    assert team.memory.clear() == 2
    assert team.memory.find() == []
    assert team.memory.clear() == 0


@pytest.mark.promise("R3")
def test_clearing_takes_the_lock_in_steps(team: LocalBus, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    monkeypatch.setattr(memory, "CLEAR_AT_ONCE", 2)
    remember(team, "expired", ttl=1)
    for number in range(5):
        remember(team, f"k{number}")
    team.memory.set("bob", "k0", "bob's"), team.memory.set("bob", "k9", "bob's")
    clock.advance(1)
    assert team.memory.clear("alice") == 5
    assert sorted(keys_of(team.memory.find())) == ["k0", "k9"]
    assert [event.data["count"] for event in all_events(team) if event.kind == "memory.cleared"] == [2, 2, 1]


# -- R4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("R4")
@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"key": "k" * 513}, errors.TooLarge),
        ({"key": ""}, errors.InvalidInput),
        ({"key": "a\nb"}, errors.InvalidInput),
        ({"key": "\ud800"}, errors.InvalidInput),
        ({"value": "x" * (256 * 1024 - 1)}, errors.TooLarge),  # and two quotes
        ({"value": "é" * (128 * 1024)}, errors.TooLarge),
        ({"value": float("nan")}, errors.InvalidInput),
        ({"value": {1: 2}}, errors.InvalidInput),
        ({"value": {"a": object()}}, errors.InvalidInput),
        ({"value": "\ud800"}, errors.InvalidInput),
        ({"tags": [str(number) for number in range(65)]}, errors.TooLarge),
        ({"tags": ["t" * 65]}, errors.TooLarge),
        ({"tags": [""]}, errors.InvalidInput),
        ({"type": "memory"}, errors.InvalidInput),
        ({"ttl": 0}, errors.InvalidInput),
        ({"ttl": -5}, errors.InvalidInput),
        ({"ttl": 10**12}, errors.InvalidInput),
        ({"expected_version": -1}, errors.InvalidInput),
    ],
)
def test_what_is_over_a_limit_is_refused_and_nothing_is_written(
    team: LocalBus, said: dict[str, Any], error: type[errors.HallwayError]
) -> None:
    with pytest.raises(error):
        remember(team, **said)
    assert team.memory.find() == []


@pytest.mark.promise("R4")
def test_what_is_just_within_the_limits_is_kept(team: LocalBus) -> None:
    tags = [f"{number}" * 32 for number in range(10, 74)]
    entry = remember(team, "k" * 512, "x" * (256 * 1024 - 2), tags=tags, ttl=100 * 365 * 86_400)
    assert team.memory.get_entry("k" * 512) == entry
    assert keys_of(team.memory.get_by_tags(tags, match_all=True)) == ["k" * 512]


@pytest.mark.promise("R4")
def test_values_nested_deeper_than_64_are_refused(team: LocalBus) -> None:
    value: Any = 1
    for _ in range(63):
        value = [value]
    assert remember(team, value=value).value == value
    with pytest.raises(errors.InvalidInput):
        remember(team, value=[[value]])


@pytest.mark.promise("R4")
def test_the_newest_hundred_versions_of_a_key_are_kept(team: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 103):
        remember(team, "k", number)
    assert [entry.version for entry in team.memory.get_all("k", limit=1000)] == list(range(102, 2, -1))
    monkeypatch.setenv("HALLWAY_MEMORY_VERSIONS", "3")
    remember(team, "k", 103)
    assert [entry.version for entry in team.memory.get_all("k")] == [103, 102, 101]


@pytest.mark.promise("R4")
@pytest.mark.parametrize("text", ["0", "many", "-1"])
def test_a_senseless_number_of_versions_is_an_error(team: LocalBus, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HALLWAY_MEMORY_VERSIONS", text)
    with pytest.raises(errors.InvalidInput, match="HALLWAY_MEMORY_VERSIONS"):
        remember(team)


# -- values and keys --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=10), children, max_size=5),
    max_leaves=20,
)
KEYS = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("/ %*?[]🚀'\"\\.#&="), min_size=1, max_size=40
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key=KEYS, value=JSON)
def test_what_is_set_is_what_is_got(team: LocalBus, key: str, value: Any) -> None:
    entry = team.memory.set("alice", key, value)
    got = team.memory.get_entry(key)
    assert got == entry
    assert json.dumps(got.value) == json.dumps(value)  # 1 is not 1.0, and -0.0 not 0
    assert key in keys_of(team.memory.find(limit=1))
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in key)
    assert keys_of(team.memory.search(escaped)) == [key]


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, 10**300, -(2**64), 1e-320, -0.0, "\0\x1b", "null"])
def test_odd_values_are_values(team: LocalBus, value: Any) -> None:
    team.memory.set("alice", "k", value)
    assert json.dumps(team.memory.get("k", "another")) == json.dumps(value)


def test_get_gives_the_default_only_where_there_is_nothing(team: LocalBus) -> None:
    assert team.memory.get("k") is None
    assert team.memory.get("k", "none yet") == "none yet"
    with pytest.raises(errors.EntryNotFound, match="'k'"):
        team.memory.get_entry("k")
    team.memory.set("alice", "k", None)
    assert team.memory.get("k", "none yet") is None


def test_tags_are_kept_once_and_in_order(team: LocalBus) -> None:
    assert remember(team, tags=["b", "a", "b"]).tags == ["b", "a"]


@pytest.mark.parametrize("kind", MEMORY_TYPES)
def test_every_type_can_be_set_and_found(team: LocalBus, kind: str) -> None:
    remember(team, type=kind)
    assert team.memory.get_stats().by_type == {kind: 1}
    assert keys_of(team.memory.find(type=kind)) == ["api/auth.py"]


def test_a_memory_opens_a_bus_of_its_own_in_a_folder(tmp_path: Path) -> None:
    with hallway.SharedMemory(tmp_path) as opened:
        opened.bus.sessions.register("alice", "alice's agent", "claude-code")
        opened.set("alice", "k", 1)
    with hallway.SharedMemory(tmp_path) as opened:
        assert opened.get("k") == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(2026, 1, 1), "a date"),
        (datetime(2026, 1, 1), "a time without a zone"),
        ({"at": [date(2026, 1, 1)]}, "a date"),
        (time(12, 30), "a time without a zone"),
    ],
)
def test_a_value_without_a_json_type_is_an_error_that_says_what_to_pass(team: LocalBus, value: Any, said: str) -> None:
    with pytest.raises(errors.InvalidInput, match=said) as raised:
        team.memory.set("s1", "k", value)
    assert "isoformat" in raised.value.hint
    assert not team.memory.find()


def test_what_is_found_says_whether_its_value_is_here(team: LocalBus) -> None:
    team.memory.set("s1", "k", None)
    (short,) = team.memory.find()
    (whole,) = team.memory.find(include_values=True)
    assert (short.value, short.has_value) == (None, False)
    assert (whole.value, whole.has_value) == (None, True)
