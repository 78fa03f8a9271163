"""Messages as a person types and reads them."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from cli.test_plain_path import without_times
from cli.test_terminal import HOSTILE, on_a_terminal
from hallway.cli.render import renderer_of
from hallway.cli.run import operations
from hallway.cli.terminal import cell_width, wrap
from support import until

if TYPE_CHECKING:
    from cli.person import Person


def sends(person: Person, *words: str) -> str:
    """Send, and the message's id."""
    message_id: str = person.gets("send", *words)["message_id"]
    return message_id


def test_every_command_has_a_way_to_show_its_answer():
    for operation in operations().values():
        assert callable(renderer_of(operation))


# -- sending ----------------------------------------------------------------------------------------------------------


def test_a_sender_hears_the_id_and_how_the_recipient_is(team):
    done = team.types("send", "s1", "s2", "the login is broken")
    (message,) = team.gets("inbox", "s2")
    assert done.stdout == f"Sent {message['message_id']} to s2, who is waiting\n"


def test_a_sender_hears_that_an_offline_recipient_finds_it_later(team):
    team.types("end", "s2")
    lines = team.types("send", "s1", "s2", "the login is broken").stdout.splitlines()
    assert lines[1] == "s2 is offline: it waits until s2 is back."
    assert [message["subject"] for message in team.gets("inbox", "s2")] == ["the login is broken"]


def test_a_broadcast_says_how_many_got_it_and_when_nobody_did(team):
    assert team.types("broadcast", "s1", "the database is down").stdout.endswith(" to 1 session\n")
    team.types("end", "s2")
    assert "Nobody else is here" in team.types("broadcast", "s1", "it is up again").stdout


def test_what_was_sent_before_under_the_same_key_is_not_sent_again(team):
    message_id = sends(team, "s1", "s2", "once", "--key", "k1")
    assert message_id in team.types("send", "s1", "s2", "once", "--key", "k1").stdout
    assert "sent before" in team.types("send", "s1", "s2", "once", "--key", "k1").stdout
    assert len(team.gets("inbox", "s2")) == 1


def test_all_that_may_be_said_of_a_message_arrives(team):
    team.types(
        "send",
        "s1",
        "s2",
        "which port?",
        "I see\ntwo",
        "--type",
        "request",
        "--data",
        '{"ports": [1, 2]}',
        "--priority",
        "urgent",
        "--expires-in",
        "2h",
    )
    (message,) = team.gets("inbox", "s2")
    assert (message["type"], message["priority"], message["data"]) == ("request", "urgent", {"ports": [1, 2]})
    text = team.types("inbox", "s2").stdout
    assert text.startswith("? request  s1 → s2  urgent  ")
    assert '\n  which port?\n    I see\n    two\n  data: {"ports":[1,2]}\n  expires: in 1h\n' in text


@pytest.mark.parametrize(
    "words", [("send", "me", "s2", "hello"), ("send", "--type", "notification", "me", "s2", "hello")]
)
def test_me_is_the_person_who_types(team, words):
    team.types(*words)
    team.types("reply", "s2", team.gets("inbox", "s2")[0]["message_id"], "hello yourself")
    assert team.types("inbox", "me").stdout.startswith("↩ response  s2 → user:alice  ")
    assert len(team.gets("messages", "me")) == 1
    team.types("send", "s1", "me", "and I")
    assert [message["from_session"] for message in team.gets("inbox", "me")] == ["s2", "s1"]
    team.types("memory", "set", "me", "plan", "one")
    assert team.gets("memory", "get", "plan")["session_id"] == "user:alice"


def test_a_body_may_come_from_standard_input(team):
    text = "first line\n\n    def check(token):\nlast\n"
    for words in (["send", "s1", "s2", "about", "-"], ["broadcast", "s1", "about it all", "-"]):
        done = subprocess.run(team.command(*words), env=team.environ, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert [message["body"] for message in team.gets("inbox", "s2")] == [text.removesuffix("\n")] * 2
    (first, _) = team.types("inbox", "s2").stdout.split("» broadcast")
    assert "    first line\n\n        def check(token):\n    last\n" in first


def test_a_body_that_is_too_long_or_no_text_is_an_error_whatever_it_comes_from(team):
    for text, code in (("x" * 70_000, "too_large"), ("\x00", "invalid_input")):
        done = subprocess.run(
            team.command("send", "s1", "s2", "about", "-", "--json"),
            env=team.environ,
            input=text,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stderr)["error"]["code"] == code
    assert team.gets("inbox", "s2") == []


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("send", "s1", "s3", "hello"), 4, "session_not_found"),
        (("send", "s1", "s2"), 2, "invalid_input"),
        (("send", "s1", "s2", "a", "b", "c"), 2, "invalid_input"),
        (("send", "s1", "s2", "a", "--data", "[1]"), 2, "invalid_input"),
        (("send", "s1", "s2", "a", "--type", "letter"), 2, "invalid_input"),
        (("reply", "s1", "nothing", "yes"), 4, "message_not_found"),
        (("thread", "nothing"), 4, "message_not_found"),
        (("inbox", "nobody"), 4, "session_not_found"),
        (("task", "show", "nothing"), 4, "task_not_found"),
        (("task",), 0, None),
    ],
)
def test_what_is_wrong_is_said_the_same_by_both_parsers(team, words, status, code):
    plain, full = team.types(*words, "--json"), team.types_fully(*words, "--json")
    assert (plain.returncode, plain.stderr, plain.stdout) == (full.returncode, full.stderr, full.stdout)
    assert plain.returncode == status
    assert code is None or json.loads(plain.stderr)["error"]["code"] == code


# -- reading ----------------------------------------------------------------------------------------------------------


def test_an_inbox_is_emptied_of_what_was_shown_once_it_is_out(team):
    for number in range(3):
        sends(team, "s1", "s2", f"number {number}")
    shown = team.types("inbox", "s2", "--limit", "2", "--ack").stdout
    assert "number 1" in shown
    assert "number 2" not in shown
    assert [message["subject"] for message in team.gets("inbox", "s2")] == ["number 2"]
    assert team.gets("inbox", "s2", "--ack")[0]["subject"] == "number 2"
    assert team.types("inbox", "s2", "--ack").stdout == "Nothing is in the inbox of s2.\n"


def test_an_inbox_that_nobody_could_read_keeps_its_messages(team):
    sends(team, "s1", "s2", "hello")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            team.command("inbox", "s2", "--ack"), env=team.environ, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert len(team.gets("inbox", "s2")) == 1


def test_an_inbox_waits_for_a_message_and_for_no_longer_than_told(team):
    with team.starts("inbox", "s2", "--wait", "30", "--json") as waiting:
        sends(team, "s1", "s2", "hello")
        assert [message["subject"] for message in json.loads(waiting.communicate(timeout=60)[0])] == ["hello"]
    assert team.types("inbox", "s1", "--wait", "0.05").stdout == "Nothing is in the inbox of s1.\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing here tells whether a process waits")
def test_ctrl_c_ends_waiting_quietly(team):
    with team.starts("inbox", "s2", "--wait", "60") as waiting:
        folder, state = team.home / "wake", Path(f"/proc/{waiting.pid}/stat")
        until(lambda: folder.exists() and any(folder.iterdir()) and state.read_text().split()[2] == "S")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 130
        assert waiting.stderr.read() == ""


def test_a_message_is_acknowledged_by_its_id(team):
    message_id = sends(team, "s1", "s2", "hello")
    assert team.types("ack", "s2", message_id).stdout == "Acknowledged 1 message.\n"
    assert team.gets("ack", "s2", message_id) == 0
    assert "✓ acknowledged" in team.types("deliveries", message_id).stdout


@pytest.mark.promise("M8")
def test_a_message_that_wakes_nobody_says_so_wherever_its_delivery_is_shown(team):
    team.environ["HALLWAY_WAKE_BUDGET"] = "0"
    message_id = sends(team, "s1", "s2", "hello")
    line = "It does not wake s2: this thread's budget of 0 turns that wake-ups start is used up"
    assert line in team.types("deliveries", message_id).stdout
    assert line in team.types("thread", message_id).stdout
    assert team.gets("thread", message_id)["deliveries"][0]["held_back"].startswith("this thread's budget of 0 turns")
    for verb in ("deliveries", "thread"):
        _, shown = team.on_a_terminal(verb, message_id, COLUMNS="80", NO_COLOR="1")
        lines = [each.strip() for each in shown.splitlines()]
        assert all(len(each) <= 80 for each in lines)
        assert line in " ".join(lines)  # wrapped between words
    team.types("ack", "s2", message_id)
    assert "does not wake" not in team.types("thread", message_id).stdout


def test_the_history_has_a_line_for_each_message_read_or_not(team):
    asked = sends(team, "s1", "s2", "which port?", "--type", "request", "--priority", "high")
    team.types("broadcast", "s1", "all hear")
    team.types("ack", "s2", asked)
    headings, first, second, _ = team.types("messages", "s2").stdout.splitlines()
    assert headings.split() == ["TYPE", "FROM", "TO", "PRIORITY", "SUBJECT", "AGE", "MESSAGE"]
    assert first.split()[:7] == ["?", "request", "s1", "s2", "high", "which", "port?"]
    assert first.endswith(asked)
    assert second.split()[:5] == ["»", "broadcast", "s1", "everybody", "all"]

    def subjects(*words: str) -> list[str]:
        return [message["subject"] for message in team.gets("messages", "s2", *words)]

    assert subjects("--unread") == ["all hear"]
    assert subjects("--type", "request") == subjects("--no-broadcasts") == ["which port?"]
    assert "No message" in team.types("messages", "s2", "--type", "sync").stdout


def test_a_full_page_tells_how_to_get_the_next(team):
    for number in range(3):
        sends(team, "s1", "s2", f"number {number}")
    for command in ("inbox", "messages"):
        told = team.types(command, "s2", "--limit", "2", *(["--after", "0"] if command == "messages" else [])).stdout
        words = told.partition("add ")[2].split()[:2]
        assert [message["subject"] for message in team.gets(command, "s2", *words)] == ["number 2"]


def test_a_thread_is_a_tree_with_how_far_each_message_has_come(team):
    asked = sends(team, "s1", "s2", "which port?", "--type", "request")
    first = team.gets("reply", "s2", asked, "7433")["message_id"]
    team.gets("reply", "s1", first, "thanks")
    team.gets("reply", "s2", asked, "or 7434")
    for message_id in (asked, first):
        assert [
            line
            for line in without_times(team.types("thread", message_id).stdout).splitlines()
            if "→" in line or ":" in line.lstrip(" ")[:16]
        ] == [
            f"? request  s1 → s2  AGE ago  {asked}",
            "  ✓ acknowledged: s2",
            f"  ↳ ↩ response  s2 → s1  AGE ago  {first}",
            "      Re: which port?",
            "      ✓ acknowledged: s1",
            *[line for line in without_times(team.types("thread", asked).stdout).splitlines() if "s1 → s2" in line][1:],
            "          Re: which port?",
            "          ○ stored: s2",
            *[line for line in without_times(team.types("thread", asked).stdout).splitlines() if "s2 → s1" in line][1:],
            "      Re: which port?",
            "      ○ stored: s1",
        ]


def test_an_inbox_speaks_of_the_session_as_it_was_typed(team):
    team.types("rename", "s2", "checkout")
    assert team.types("inbox", "checkout").stdout == "Nothing is in the inbox of checkout.\n"
    sends(team, "s1", "s2", "which port?")
    assert "Dealt with? hallway inbox checkout --ack" in team.types("inbox", "checkout").stdout
    assert team.types("inbox", "checkout", "--ack").returncode == 0
    assert team.types("inbox", "checkout").stdout == "Nothing is in the inbox of checkout.\n"


def test_a_reply_to_what_is_gone_says_so(team):
    asked = sends(team, "s1", "s2", "which port?")
    team.gets("reply", "s2", asked, "7433")
    connection = apsw.Connection(str(team.bus_file))
    connection.execute("PRAGMA foreign_keys = ON; DELETE FROM messages WHERE message_id = ?", (asked,))
    connection.close()
    text = team.types("thread", asked).stdout
    assert f"answers {asked}, which is not here" in text
    assert "7433" in text


def test_a_thread_names_a_few_recipients_and_counts_the_rest(team):
    for number in range(8):
        team.types("register", f"a{number}", "x", "x", "--name", f"a{number}")
    message_id = team.gets("broadcast", "s1", "all hear")["message_id"]
    assert "○ stored: a0, a1, a2, a3, a4 and 4 more" in team.types("thread", message_id).stdout


def test_a_long_talk_is_no_staircase(team):
    message_id = sends(team, "s1", "s2", "0")
    for number in range(14):
        message_id = team.gets("reply", ("s2", "s1")[number % 2], message_id, str(number))["message_id"]
    text = on_a_terminal(team, "thread", message_id, columns=100, NO_COLOR="1")
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 50


# -- the terminal -----------------------------------------------------------------------------------------------------


def test_a_long_line_is_wrapped_to_the_terminal(team):
    sends(team, "s1", "s2", "about", "mend the login of the shop " * 10 + "\n    def check(token): " + "x" * 150)
    text = on_a_terminal(team, "inbox", "s2", columns=60, NO_COLOR="1")
    body = [line for line in text.splitlines() if line.startswith("    ")]
    assert max(map(len, body)) <= 60
    assert "".join("".join(body).split()) == ("mendtheloginoftheshop" * 10) + "defcheck(token):" + "x" * 150
    assert "shop mend the login of the shop mend" in team.types("inbox", "s2").stdout  # but whole where nobody looks


@pytest.mark.parametrize(
    "text", ["", "a b " * 30, "語" * 50, "x" * 100, "  " * 40 + "y", "e\u0301" * 100, "\ta\r\n\n b"]
)
def test_wrapping_loses_nothing_and_exceeds_nothing(text):
    lines = wrap(text, 30)
    assert all(cell_width(line) <= 30 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_colours_tell_types_and_priorities_apart(team):
    sends(team, "s1", "s2", "which port?", "--type", "request", "--priority", "urgent")
    text = on_a_terminal(team, "inbox", "s2")
    assert "\x1b[33m? request\x1b[0m" in text
    assert "\x1b[31murgent\x1b[0m" in text


def make_hostile(person: Person) -> str:
    """What a faulty or hostile program may have written past hallway's own checks; the id to look at it by."""
    message_id = sends(person, "s1", "s2", "hello", "there", "--data", '{"a": "b"}', "--type", "task_offer")
    connection = apsw.Connection(str(person.bus_file))
    connection.execute(
        "UPDATE messages SET subject = ?1, body = ?1, from_session = ?1, to_session = ?1,"
        " data = json_object('a', ?1), thread_id = message_id, project = ?1",
        (HOSTILE,),
    )
    connection.execute(
        "UPDATE tasks SET status = 'accepted', subject = ?1, body = ?1, offered_by = ?1, offered_to = ?1, owner = ?1,"
        " result = ?1, project = ?1, data = json_object('a', ?1)",
        (HOSTILE,),
    )
    connection.close()
    return message_id


@pytest.mark.parametrize("flags", [(), ("--json",)])
@pytest.mark.parametrize(
    "words", [("inbox", "s2"), ("messages", "s2"), ("thread", "ID"), ("task", "list"), ("task", "show", "ID")]
)
def test_hostile_text_never_reaches_the_terminal(team, words, flags):
    message_id = make_hostile(team)
    done = team.types(*(message_id if word == "ID" else word for word in words), *flags)
    assert done.returncode == 0, done.stderr
    shown: Any = set(done.stdout)
    assert "mend" in done.stdout
    assert not shown & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\r", "\x08", "\x7f", "\u2028"}
    assert not any(line.startswith("STATUS forged") for line in done.stdout.splitlines())


def test_a_hostile_word_never_comes_back_raw(team):
    for words in (("send", "s1", HOSTILE, "a"), ("send", "s1", "s2", "a", HOSTILE), ("thread", HOSTILE)):
        done = team.types(*words)
        assert not set(done.stdout + done.stderr) & {"\x1b", "\u202e", "\x07"}


# -- keeping ----------------------------------------------------------------------------------------------------------


def test_pruning_says_what_it_removed(team):
    for number in range(3):
        sends(team, "s1", "s2", f"number {number}")
    assert team.types("prune").stdout == "Nothing to remove.\n"
    team.types("inbox", "s2", "--limit", "2", "--ack")
    assert "messages 2" in team.types("prune", "--older-than", "0s").stdout
    assert [message["subject"] for message in team.gets("inbox", "s2")] == ["number 2"]
    assert team.gets("prune", "--keep-bytes", "0")["is_complete"]
    for words in (("--older-than", "30 days"), ("--older-than", str(2**62)), ("--older-than", "d")):
        assert team.types("prune", *words).returncode == 2


def test_a_search_of_messages_shows_a_line_of_each(team: Person) -> None:
    team.types("send", "s1", "s2", "May I run the migration?", "--type", "request")
    shown = team.types("search", "migrations").stdout
    assert "s1 → s2" in shown
    assert "May I run the **migration**?" in shown
    assert "hallway thread MESSAGE" in shown
    assert team.types("search", "nowhere").stdout == "No matching messages.\n"
    (hit,) = team.gets("search", "migration", "--from-session", "s1")
    assert hit["subject"] == "May I run the migration?"
