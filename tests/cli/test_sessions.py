"""The session commands, as a person and as a script sees them."""

from __future__ import annotations

import json

import pytest


def test_a_registered_session_is_in_the_list(team):
    done = team.types("list")
    assert done.returncode == 0
    headings, *rows = done.stdout.splitlines()
    assert headings.split() == ["STATUS", "NAME", "TYPE", "USER", "PROJECT", "SEEN", "ID"] or "BRANCH" in headings
    assert [row.split()[-1] for row in rows] == ["s2", "s1"]  # who waits comes first
    assert rows[0].startswith("◆ waiting")
    assert [row.split()[2] for row in rows] == [team.gets("show", each)["name"] for each in ("s2", "s1")]


def test_an_empty_bus_says_what_to_type(person):
    done = person.types("list")
    command = next(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("hallway install"))
    assert person.runs(["sh", "-c", command.replace("hallway", " ".join(person.command()), 1)]).returncode == 0


def test_a_filter_that_nothing_fits_does_not_claim_that_nobody_is_here(team):
    assert "No session fits" in team.types("list", "--project", "github.com/acme/other").stdout


def test_the_list_of_one_project_does_not_repeat_it(team):
    done = team.types("list", "--project", "github.com/acme/shop")
    assert "s1" in done.stdout
    assert "acme" not in done.stdout


def test_a_full_page_tells_how_to_get_the_next(team):
    done = team.types("list", "--limit", "1")
    words = done.stdout.splitlines()[-1].partition("add ")[2].split()
    assert [each["session_id"] for each in team.gets("list", "--limit", "1", *words)] == ["s1"]


def test_an_ended_session_is_listed_only_when_asked_for(team):
    assert "× offline" in team.types("end", "s1", "--reason", "done").stdout
    assert [each["session_id"] for each in team.gets("list")] == ["s2"]
    assert {each["session_id"]: each["end_reason"] for each in team.gets("list", "--all")} == {"s1": "done", "s2": None}


def test_a_heartbeat_tells_who_else_is_here(team):
    done = team.types("heartbeat", "s1", "--task", "mend the login")
    assert done.stdout.splitlines()[:2] == [
        f"○ active  {team.gets('show', 's1')['name']} (s1) in github.com/acme/shop",
        "1 other here:",
    ]
    assert team.gets("show", "s2")["name"] in done.stdout
    assert team.gets("show", "s1")["current_task"] == "mend the login"


def test_a_heartbeat_of_a_lonely_session_says_so(person):
    assert person.types("heartbeat", "s1").stdout.splitlines()[-1] == "Nobody else is here."


def test_more_others_than_the_limit_are_counted(team):
    team.types("register", "s3", "carol's gemini", "gemini")
    assert team.types("heartbeat", "s1", "--limit", "1").stdout.splitlines()[-1] == "and 1 more"


def test_a_status_is_set_with_its_task(team):
    assert team.types("status", "s1", "working", "--task", "tests").stdout == (
        f"● working  {team.gets('show', 's1')['name']} (s1) in github.com/acme/shop: tests\n"
    )


def test_a_ping_changes_nothing_else(team):
    before = team.gets("show", "s2")
    assert team.types("ping", "s2").returncode == 0
    after = team.gets("show", "s2")
    assert after.pop("last_seen") > before.pop("last_seen")
    assert after == before


def test_one_session_is_shown_with_everything_that_is_known(team):
    text = team.types("show", "s1").stdout
    for fact in ("alice's claude", "claude-code", "go, review", "alice", "offline after 2m of silence"):
        assert fact in text


def test_numbers_are_told_by_status_type_and_user(team):
    text = team.types("stats").stdout
    assert "total 2, live 2, offline 0" in text
    assert "active 1, waiting 1" in text
    assert "alice 1, bob 1" in text


def test_forgetting_says_how_many(team):
    team.types("end", "s1")
    assert team.types("clear-offline").stdout == "Forgot 1 session.\n"
    assert team.gets("clear-offline") == 0


def test_json_is_one_value_with_times_in_rfc_3339(team):
    (second, first) = team.gets("list")
    assert first["capabilities"] == ["go", "review"]
    assert second["last_seen"].endswith("Z")
    assert team.gets("heartbeat", "s1")["others_total"] == 1


def test_the_address_may_be_said_for_one_command(team, tmp_path):
    assert team.types("register", "x1", "x", "x", "--url", str(tmp_path / "other")).returncode == 0
    assert [each["session_id"] for each in team.gets("list", "--url", str(tmp_path / "other"))] == ["x1"]
    assert "x1" not in team.types("list").stdout


@pytest.mark.parametrize(
    ("words", "status", "code", "hint"),
    [
        (("show", "s11"), 4, "session_not_found", "Did you mean"),
        (("ping", "nobody-like-this"), 4, "session_not_found", "hallway list --all"),
        (("status", "s1", "asleep"), 2, "invalid_input", "--help"),
        (("heartbeat", "s1", "--ttl", "1"), 2, "invalid_input", "--help"),
        (("heartbeat", "s1", "--task", "x" * 1001), 2, "too_large", "file"),
        (("list", "--url", "ftp://example.org"), 2, "unsupported_url", "http"),
        (("list", "--url", "http://127.0.0.1:1"), 6, "hub_unreachable", "hallway serve"),
        (("list", "--frob"), 2, "invalid_input", "hallway list --help"),
        (("register", "s1"), 2, "invalid_input", "hallway register --help"),
        (("lst",), 2, "invalid_input", "Did you mean list"),
        (("serve", "--port", "99999"), 2, "invalid_input", ""),
        (("watch", "--after", "x"), 2, "invalid_input", ""),
    ],
)
def test_an_error_is_one_line_with_a_hint_and_a_status_of_its_own(team, words, status, code, hint):
    done = team.types(*words)
    assert done.returncode == status
    assert done.stdout == ""
    message, hinted = done.stderr.splitlines()
    assert message.startswith("hallway: ")
    assert hinted.startswith("hint: ")
    assert hint in hinted
    error = json.loads(team.types(*words, "--json").stderr)["error"]
    assert error["code"] == code
    assert f"hallway: {error['message']}" == message


def test_a_file_that_is_no_bus_is_an_error_of_storage(person):
    person.home.mkdir()
    person.bus_file.write_text("This is no database. " * 100)
    done = person.types("list")
    assert done.returncode == 7
    assert "not a hallway bus" in done.stderr


def test_wrong_input_makes_no_bus(person):
    assert person.types("heartbeat", "s1", "--ttl", "1").returncode == 2
    assert not person.home.exists()


def test_a_group_of_commands_is_answered_with_help(person):
    done = person.types("task")
    assert done.returncode == 0
    assert "handoff" in done.stdout
    assert not person.home.exists()


def test_help_of_a_command_shows_its_whole_description(person):
    text = person.types("heartbeat", "--help").stdout
    assert "Report that a session is alive" in text
    assert "newest first" in text
    assert "--task TEXT" in text


def test_the_version_is_told(person):
    import hallway

    assert person.types("--version").stdout == f"hallway {hallway.__version__}\n"
