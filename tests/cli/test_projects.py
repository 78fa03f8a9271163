"""`hallway project move`: what it shows, asks and leaves to be typed next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.person import Person

SHOP, STORE = "github.com/acme/shop", "github.com/acme/store"


@pytest.fixture
def shop(team: Person) -> Person:
    team.types("memory", "set", "s1", "database", "postgres")
    return team


def sessions_in(person: Person, project: str) -> set[str]:
    return {each["session_id"] for each in person.gets("list", "--all", "--project", project)}


def test_a_move_says_what_it_moved_and_how_to_take_it_back(shop: Person) -> None:
    here = sessions_in(shop, SHOP)
    told = shop.types("project", "move", SHOP, STORE).stdout
    assert told == (
        f"Moved from {SHOP} to {STORE}: sessions {len(here)}, memory 1.\n"
        f"To take this back: hallway project move --undo {SHOP} {STORE}\n"
    )
    assert sessions_in(shop, STORE) == here
    assert shop.types("project", "move", "--undo", SHOP, STORE).stdout == (
        f"Moved back from {STORE} to {SHOP}: sessions {len(here)}, memory 1.\n"
    )
    assert sessions_in(shop, SHOP) == here


def test_a_dry_run_moves_nothing(shop: Person) -> None:
    here = sessions_in(shop, SHOP)
    told = shop.types("project", "move", SHOP, STORE, "--dry-run").stdout
    assert told == f"Would move from {SHOP} to {STORE}: sessions {len(here)}, memory 1.\n"
    assert shop.gets("project", "move", SHOP, STORE, "--dry-run")["is_dry_run"]
    assert sessions_in(shop, SHOP) == here


def test_keys_that_both_have_are_named(shop: Person) -> None:
    shop.types("register", "s9", "dave's codex", "codex", "--project", STORE)
    shop.types("memory", "set", "s9", "database", "sqlite")
    told = shop.types("project", "move", SHOP, STORE).stdout
    assert f"Memory keys that both projects have stay in {SHOP} (1): database" in told
    assert f"hallway memory get KEY --project {SHOP}" in told


def test_a_move_asks_on_a_terminal_with_the_numbers(shop: Person) -> None:
    here = sessions_in(shop, SHOP)
    question = f"Move sessions {len(here)}, memory 1 from {SHOP} to {STORE}? [y/N]"
    status, told = shop.on_a_terminal("project", "move", SHOP, STORE, typed="n\n")
    assert (status, question in told, "nothing was moved" in told) == (1, True, True)
    assert sessions_in(shop, SHOP) == here
    status, told = shop.on_a_terminal("project", "move", SHOP, STORE, typed="y\n")
    assert (status, question in told) == (0, True)
    status, told = shop.on_a_terminal("project", "move", "--undo", SHOP, STORE, typed="n\n")
    assert (status, f"from {STORE} to {SHOP}? [y/N]" in told) == (1, True)
    status, told = shop.on_a_terminal("project", "move", "--undo", SHOP, STORE, "--yes", typed="never read\n")
    assert (status, "[y/N]" in told) == (0, False)
    assert sessions_in(shop, SHOP) == here


def test_a_name_with_a_typing_error_is_not_found(shop: Person) -> None:
    done = shop.types("project", "move", "github.com/acme/shopp", STORE)
    assert done.returncode == 4
    assert f"Did you mean {SHOP}?" in done.stderr
