"""A session has a name that people and agents call it by, and keeps it (S9), on every store."""

from __future__ import annotations

import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.naming import MAX_NAME, RESERVED, is_name, name_of_branch, name_of_folder, numbered, slug
from support import Here, all_events, answer_of, start_together, store_at

SHOP, OTHER = Here.project, "github.com/acme/other"
WORDS = st.lists(st.sampled_from(["shop", "shop-2", "shop-3", "login", "login-form", "2", "a"]), max_size=30)


def register(bus: LocalBus, session_id: str, agent_type: str = "codex", **said: Any) -> str:
    return bus.sessions.register(session_id, f"{session_id}'s agent", agent_type, **said).name


def name_of(bus: LocalBus, session_id: str) -> str:
    return bus.sessions.get(session_id).name


def names(bus: LocalBus, project: str = SHOP) -> list[str]:
    return sorted(each.name for each in bus.sessions.active(project).sessions)


# -- names as text ----------------------------------------------------------------------------------------------------


@pytest.mark.promise("S9")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Fix the Login!", "fix-the-login"),
        ("login_form", "login-form"),
        ("--Größe--", "grosse"),
        ("Café № 5", "cafe-no-5"),
        ("İstanbul", "istanbul"),
        ("𝐋𝐨𝐠𝐢𝐧", "login"),
        ("Логин", ""),
        ("lоgin", "l-gin"),  # the o is Cyrillic
        ("🔥 hot fix", "hot-fix"),
        ("", ""),
        ("...", ""),
        ("Mend the login form so that people can log in", "mend-the-login-form-so-that"),
        ("x" * 50, "x" * MAX_NAME),
    ],
)
def test_a_title_becomes_what_can_be_typed(text: str, name: str) -> None:
    assert slug(text) == name


@pytest.mark.promise("S9")
@pytest.mark.parametrize(
    ("branch", "name"),
    [
        ("fix/login-form", "login-form"),
        ("alice/feature/Payments_API", "payments-api"),
        ("login", "login"),
        ("release/2.0", "release-2-0"),
        ("issue/19", "issue-19"),
        ("issue-19", "issue-19"),
        ("alice/main", "alice-main"),
        ("main", ""),
        ("master", ""),
        ("trunk", ""),
        ("develop", ""),
        ("Логин", ""),
        ("19", "19"),
    ],
)
def test_a_branch_is_called_by_its_last_part(branch: str, name: str) -> None:
    assert name_of_branch(branch) == name


@pytest.mark.promise("S9")
@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("host:/src/shop", "shop"),
        ("host:/src/shop.git/", "shop"),
        ("host:C:\\src\\My Shop", "my-shop"),
        ("host:/home/alice", ""),
        ("host:/Users/alice", ""),
        ("host:/root", ""),
        ("host:/", ""),
        (None, ""),
    ],
)
def test_a_folder_gives_its_name_but_a_home_folder_gives_none(location: str | None, name: str) -> None:
    assert name_of_folder(location) == name


@pytest.mark.promise("S9")
@given(st.text(max_size=80))
def test_whatever_the_text_a_name_has_the_form_of_a_name(text: str) -> None:
    for name in (slug(text), name_of_branch(text), name_of_folder(f"host:{text}")):
        assert name == "" or (is_name(name) and slug(name) == name)


@pytest.mark.promise("S9")
@given(st.text(string.ascii_lowercase + "-", min_size=1, max_size=MAX_NAME).filter(is_name), st.integers(1, 10**9))
def test_a_number_leaves_a_name_a_name_of_its_own(base: str, number: int) -> None:
    assert is_name(numbered(base, number))
    assert numbered(base, number) != numbered(base, number + 1)


# -- where a name comes from ------------------------------------------------------------------------------------------


@pytest.mark.promise("S9")
def test_a_name_comes_from_the_first_that_says_something(bus: LocalBus) -> None:
    everything = {"branch": "fix/login-form", "location": "host:/src/blog"}
    assert register(bus, "1", name="reviewer", client_name="Mend it", **everything) == "reviewer"
    assert register(bus, "2", client_name="Mend the login", **everything) == "mend-the-login"
    assert register(bus, "3", client_name="Логин", **everything) == "login-form"
    assert register(bus, "4", **{**everything, "branch": "main"}) == "blog"
    assert register(bus, "5", "claude-code", branch="main", location="host:/home/alice") == "claude"
    assert register(bus, "6", "unknown", branch="main", location="host:/") == "session"
    assert register(bus, "7") == "shop"  # the folder where the caller runs, which is on main


@pytest.mark.promise("S9")
def test_the_callers_workspace_suggests_a_name_for_what_runs_there(bus: LocalBus) -> None:
    class Worktree(Here):
        suggested_name = "payments"

    bus.here = Worktree()
    assert register(bus, "1") == "payments"
    assert bus.sessions.heartbeat("2").name == "payments-2"
    assert register(bus, "3", branch="fix/login") == "login"


@pytest.mark.promise("S9")
def test_a_taken_name_gets_the_next_number(bus: LocalBus) -> None:
    assert [register(bus, str(number)) for number in range(4)] == ["shop", "shop-2", "shop-3", "shop-4"]
    assert register(bus, "other", project=OTHER) == "shop"
    bus.sessions.end("1")
    assert register(bus, "5") == "shop-2"
    assert register(bus, "6", name="shop-4") == "shop-4-2"


@pytest.mark.promise("S9")
def test_a_project_of_very_many_sessions_of_one_name_still_names_each_quickly(tmp_path: Path) -> None:
    with LocalBus(store_at(str(tmp_path / "bus")), Here()) as bus:
        with bus.transaction():
            for number in range(700):
                register(bus, f"{number}")
        assert len(set(names(bus))) == len(names(bus))
        asked: list[str] = []
        rows = bus.store.rows
        bus.store.rows = lambda statement, **values: (asked.append(statement), rows(statement, **values))[1]  # type: ignore[method-assign]
        assert register(bus, "one-more").startswith("shop-")
        assert asked.count("sessions.taken_names") < 8


@pytest.mark.promise("S9")
@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_word_with_a_meaning_of_its_own_is_no_name(bus: LocalBus, word: str) -> None:
    assert register(bus, "1", branch=f"fix/{word}") == f"{word}-2"
    with pytest.raises(errors.InvalidInput, match="a meaning of its own"):
        bus.sessions.heartbeat("1", name=word)


@pytest.mark.promise("S9")
@pytest.mark.parametrize(
    "name", ["Login", "lоgin", "-login", "log in", "log.in", "", "x" * 33, "größe", "*", "user:alice"]
)
def test_what_cannot_be_a_name_is_refused_with_one_that_can(bus: LocalBus, name: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        register(bus, "1", name=name)
    if slug(name) and len(name) <= MAX_NAME:
        assert caught.value.hint == f"Call it {slug(name)}"
    assert bus.sessions.list_sessions(True) == []


@pytest.mark.promise("S9")
def test_no_name_could_be_taken_for_another_sessions_id(bus: LocalBus) -> None:
    register(bus, "shop")  # whose id is the name that its folder gives
    assert register(bus, "payments-of-bob") == "shop-2"
    assert register(bus, "2") == "shop-3"
    assert register(bus, "3", name="payments") == "payments-2"
    assert register(bus, "4", name="pay") == "pay"  # fewer characters than a prefix of an id has
    assert name_of(bus, "shop") == "shop"  # its own id is no other's


# -- how long it keeps it ---------------------------------------------------------------------------------------------


@pytest.mark.promise("S9")
def test_a_name_is_kept_over_what_a_session_goes_through(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "1", branch="fix/login")
    for happens in (
        lambda: bus.sessions.heartbeat("1", branch="fix/other"),
        lambda: register(bus, "1", branch="main", location="host:/src/blog"),
        lambda: clock.advance(3600) or bus.sessions.ping("1"),
        lambda: bus.sessions.end("1") and register(bus, "1"),
        lambda: bus.sessions.heartbeat("1", project=OTHER, move=True),
        lambda: bus.sessions.end("1") and bus.sessions.heartbeat("1"),
    ):
        happens()
        assert name_of(bus, "1") == "login"


@pytest.mark.promise("S9")
def test_a_session_that_comes_back_to_a_taken_name_gets_a_number(bus: LocalBus, clock: FakeClock) -> None:
    register(bus, "1")
    register(bus, "2")
    clock.advance(3600)
    assert register(bus, "3") == "shop"
    assert register(bus, "4") == "shop-2"
    bus.sessions.heartbeat("2")
    bus.sessions.ping("1")
    assert (name_of(bus, "1"), name_of(bus, "2")) == ("shop-4", "shop-3")
    resumed = {each.session_id: each.data for each in all_events(bus) if each.kind == "session.resumed"}
    assert resumed["1"]["name"] == "shop-4"


@pytest.mark.promise("S9")
def test_a_session_that_moves_to_a_project_with_its_name_gets_a_number(bus: LocalBus) -> None:
    register(bus, "1")
    register(bus, "2", project=OTHER)
    assert bus.sessions.heartbeat("1", project=OTHER, move=True).name == "shop-2"
    assert names(bus, OTHER) == ["shop", "shop-2"]


@pytest.mark.promise("S9")
def test_a_project_that_moves_into_another_leaves_every_name_unique(bus: LocalBus) -> None:
    for number in range(3):
        register(bus, f"here-{number}")
        register(bus, f"there-{number}", project=OTHER)
    bus.projects.move(OTHER, SHOP)
    assert len(set(names(bus))) == 6
    assert {name_of(bus, f"here-{number}") for number in range(3)} == {"shop", "shop-2", "shop-3"}
    bus.projects.undo(OTHER, SHOP)
    assert (len(set(names(bus))), len(set(names(bus, OTHER)))) == (3, 3)


@pytest.mark.promise("S9")
def test_what_the_client_calls_a_session_replaces_what_hallway_chose_but_no_persons_name(bus: LocalBus) -> None:
    register(bus, "1")
    assert bus.sessions.heartbeat("1", client_name="Mend the login").name == "mend-the-login"
    assert bus.sessions.heartbeat("1", client_name="Mend the form").name == "mend-the-form"
    assert bus.sessions.heartbeat("1", client_name="").name == "mend-the-form"
    assert bus.sessions.heartbeat("1", name="login").name == "login"
    assert bus.sessions.heartbeat("1", client_name="Another title").name == "login"
    assert register(bus, "1", client_name="Another title") == "login"
    renamed = [each.data for each in all_events(bus) if each.kind == "session.renamed"]
    assert renamed == [
        {"name": "mend-the-login", "was": "shop"},
        {"name": "mend-the-form", "was": "mend-the-login"},
        {"name": "login", "was": "mend-the-form"},
    ]


@pytest.mark.promise("S9")
def test_saying_the_same_title_again_changes_nothing(bus: LocalBus) -> None:
    register(bus, "1", client_name="login")
    register(bus, "2", client_name="login")
    bus.sessions.end("1")
    before = all_events(bus)
    assert bus.sessions.heartbeat("2", client_name="login").name == "login-2"  # though `login` is free by now
    assert all_events(bus) == before


@pytest.mark.promise("S14")
@pytest.mark.promise("S9")
def test_a_session_that_goes_on_under_a_new_id_gets_the_name(bus: LocalBus) -> None:
    register(bus, "1", name="login")
    register(bus, "2")
    bus.sessions.succeed("2", "1")
    assert (name_of(bus, "2"), name_of(bus, "1")) == ("login", "login")
    assert bus.sessions.heartbeat("2", client_name="A title").name == "login"  # which a person chose
    register(bus, "3", name="mine")
    bus.sessions.succeed("3", "2")
    assert name_of(bus, "3") == "mine"


# -- the names in a result --------------------------------------------------------------------------------------------


@pytest.mark.promise("S9")
def test_a_result_comes_with_the_names_of_its_sessions(bus: LocalBus) -> None:
    register(bus, "1", name="login")
    register(bus, "2", name="cart")
    bus.messages.send("1", "2", "request", "hello")
    bus.messages.send("user:alice", "2", "request", "hello")
    inbox = bus.messages.inbox("2")
    assert bus.sessions.names_in(inbox) == {"1": "login", "2": "cart"}
    assert bus.sessions.names_in(bus.messages.get_conversation(inbox[0].message_id)) == {"1": "login", "2": "cart"}
    assert bus.sessions.names_in(all_events(bus)[-1]) == {"2": "cart"}
    assert bus.sessions.names_in(["user:alice", "*", "type:codex", "nobody", None, "bad\nid"]) == {}
    assert bus.sessions.names_in(bus.sessions.list_sessions()) == {}  # which have their names
    for session_id in ("1", "2"):
        bus.files.touch(session_id, ["/src/shop/cart.py"], worktree="host:/src/shop")
    assert bus.sessions.names_in(all_events(bus)[-1]) == {"1": "login", "2": "cart"}  # of a conflict, in a list


@pytest.mark.promise("S10")
def test_a_name_that_another_session_has_now_comes_with_the_beginning_of_the_id(bus: LocalBus) -> None:
    former, other, elsewhere = f"{'a' * 30}1", f"{'a' * 30}2", f"{'b' * 30}3"
    register(bus, former, name="login")
    bus.sessions.end(former)
    assert bus.sessions.names_in(former) == {former: "login"}
    register(bus, other, name="login")
    register(bus, elsewhere, name="login", project=OTHER)
    assert bus.sessions.names_in(former) == {former: "login (aaaaaaaa)"}
    assert bus.sessions.names_in(other) == {other: "login"}
    assert bus.sessions.names_in([former, other, elsewhere]) == {
        former: f"login ({former})",
        other: f"login ({other})",
        elsewhere: f"login ({elsewhere})",
    }


# -- races ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S9")
def test_processes_that_register_at_once_never_share_a_name(
    bus: LocalBus, address: str, start: Callable[..., Popen[str]]
) -> None:
    workers = [start("register_many", address, f"worker{number}", 15) for number in range(4)]
    start_together(workers)
    for worker in workers:
        answer_of(worker)
    sessions = bus.sessions.list_sessions(True)
    assert len({each.name for each in sessions}) == len(sessions) == 60


@pytest.mark.promise("S9")
@given(WORDS)
def test_whatever_is_asked_for_no_two_live_sessions_of_a_project_have_one_name(asked: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, LocalBus(store_at(f"{folder}/bus"), Here()) as bus:
        for number, name in enumerate(asked):
            register(bus, f"{number}", name=name)
            bus.sessions.heartbeat(f"{number // 2}", name=name)
        assert len(set(names(bus))) == len(names(bus)) == bus.sessions.active(SHOP).total
