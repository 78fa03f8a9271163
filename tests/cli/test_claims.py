"""Claims as a person types and reads them."""

from __future__ import annotations

import pytest

import hallway
from test_repositories import git


@pytest.fixture
def held(team):
    return team.gets("claim", "src/api/**", "--as", "s1", "--intent", "new handlers")


def test_a_claim_says_what_is_granted_until_when_and_its_number(team):
    said = team.types("claim", "docs/*.md", "resource:staging", "--as", "s1", "--for", "1h").stdout
    (claim,) = team.gets("claims")
    assert said == f"granted docs/*.md, resource:staging for 60 min, number {claim['fence']}  {claim['claim_id']}\n"


def test_a_refusal_says_who_holds_it_and_what_can_be_done(team, held):
    done = team.types("claim", "src/api/users.py", "--as", "s2")
    assert done.returncode == 5
    name = team.gets("show", "s1")["name"]
    assert f"src/api/users.py cannot be claimed: {name} holds src/api/** for 'new handlers' since " in done.stderr
    assert " UTC, for 30 min more\n" in done.stderr
    assert "hint: Send a holder a request to release it, wait for it (--wait SECONDS), or work elsewhere" in done.stderr


def test_the_list(team, held):
    team.types("claim", "docs/**", "--as", "s2", "--shared")
    headings, first, second = team.types("claims").stdout.splitlines()
    assert headings.split() == ["HOLDER", "PATHS", "FOR", "STATE", "ENDS", "IN", "CLAIM"]
    name = team.gets("show", "s1")["name"]
    *facts, short = first.split()
    assert facts == [name, "src/api/**", "new", "handlers", "granted", "30", "min"]
    assert held["claim_id"].startswith(short)
    assert "shared granted" in second
    team.types("release", "--as", "s1")
    team.types("release", "--as", "s2")
    assert team.types("claims").stdout == "Nothing is claimed.\n"
    assert team.types("release", "--as", "s2").stdout == "Nothing to release.\n"


def test_the_tree_of_paths(team, held):
    team.types(
        "claim", "src/web/a.css", "src/web/cart/*.html", "resource:staging", "--as", "s2", "--intent", "currencies"
    )
    team.types("claim", "docs/**", "--shared", "--as", "s1")
    team.types("claim", "docs/**", "--shared", "--as", "s2")
    one, two = (team.gets("show", each)["name"] for each in ("s1", "s2"))
    lines = team.types("claims", "--tree").stdout.splitlines()
    assert lines[0].split() == ["PATH", "HOLDER", "FOR", "STATE", "ENDS", "IN", "CLAIM"]
    at = lines[0].index("HOLDER")
    assert [(line[:at].rstrip(), line[at:].split(" ")[0]) for line in lines[1:]] == [
        ("docs/**", one),
        ("", two),
        ("resource:staging", two),
        ("src/", ""),
        ("  api/**", one),
        ("  web/", ""),
        ("    a.css", two),
        ("    cart/*.html", two),
    ]
    assert team.gets("claims", "--tree") == team.gets("claims")
    team.types("claim", "a.py", "--as", "user:alice", "--project", "github.com/acme/site")
    both = team.types("claims", "--tree").stdout.splitlines()
    assert [line for line in both if line.startswith("github.com/")] == [
        "github.com/acme/shop:",
        "github.com/acme/site:",
    ]


@pytest.mark.parametrize("option", [(), ("--tree",)])
def test_a_list_fits_a_terminal_of_80_columns(team, option):
    intent = "new handlers for the orders API, with all of their tests"
    team.types("claim", "src/components/checkout/pages/**", "--as", "s1", "--intent", intent, "--shared")
    team.types("claim", "src/components/checkout/styles/*.css", "--as", "s1", "--intent", intent)
    status, shown = team.on_a_terminal("claims", *option, COLUMNS="80")
    assert status == 0
    assert max(map(len, shown.splitlines())) <= 80
    assert team.gets("show", "s1")["name"] in shown


def test_a_claim_is_released_by_the_beginning_of_its_id(team, held):
    other = team.gets("claim", "docs/**", "--as", "s1")
    short = team.types("claims", "--tree").stdout.splitlines()[1].split()[-1]
    assert other["claim_id"].startswith(short)
    assert team.types("release", short, "--as", "s1").stdout == "released docs/**\n"
    with hallway.connect(team.home, project="github.com/acme/shop") as bus:
        bus.claims.claim("s1", ["a.md"])
        last = bus.claims.claim("s1", ["b.md"]).claim_id
    done = team.types("release", last[:8], "--as", "s1")
    assert (done.returncode, "is the beginning of " in done.stderr) == (2, True)


def test_a_claim_is_released_by_id_and_by_path(team, held):
    other = team.gets("claim", "docs/**", "--as", "s1")
    assert team.types("release", other["claim_id"], "--as", "s1").stdout == "released docs/**\n"
    assert team.types("release", "src/api/**", "--as", "s1").stdout == "released src/api/**\n"
    done = team.types("release", "src/api/**", "--as", "s1")
    assert (done.returncode, "you have no claim 'src/api/**'" in done.stderr) == (4, True)


def test_a_person_may_force_a_release_and_a_session_may_not(team, held):
    refused = team.types("release", held["claim_id"], "--as", "s2", "--force")
    assert (refused.returncode, "only a person may force a release" in refused.stderr) == (2, True)
    refused = team.types("release", held["claim_id"])
    assert refused.returncode in (3, 4)
    assert team.types("release", held["claim_id"], "--force").stdout == "released src/api/**\n"
    assert team.types("release", "--force").returncode == 2


def test_paths_are_typed_from_the_folder_one_is_in(team, monkeypatch, tmp_path):
    folder = tmp_path / "shop" / "src" / "api"
    folder.mkdir(parents=True)
    git(tmp_path / "shop", "init", "--quiet")
    monkeypatch.chdir(folder)
    claim = team.gets("claim", "users.py", "..", "--as", "s1")
    assert claim["paths"] == ["src/**", "src/api/users.py"]
    outside = team.types("claim", "/etc/passwd", "--as", "s1")
    assert (outside.returncode, "outside of the repository" in outside.stderr) == (2, True)


def test_waiting_gives_up_with_the_refusal(team, held):
    done = team.types("claim", "src/**", "--as", "s2", "--wait", "1")
    assert (done.returncode, " holds" in done.stderr) == (5, True)
    assert [each["session_id"] for each in team.gets("claims")] == ["s1"]
