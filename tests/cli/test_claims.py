"""Claims as a person types and reads them."""

from __future__ import annotations

import pytest

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
    assert headings.split() == ["PATHS", "HOLDER", "FOR", "STATE", "ENDS", "IN", "CLAIM"]
    assert first.split()[:5] == ["src/api/**", "s1", "new", "handlers", "granted"]
    assert "shared granted" in second
    team.types("release", "--as", "s1")
    team.types("release", "--as", "s2")
    assert team.types("claims").stdout == "Nothing is claimed.\n"
    assert team.types("release", "--as", "s2").stdout == "Nothing to release.\n"


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
