"""Doctor tells what keeps a person from being told: the rules file, what a way lacks, what failed lately (H3)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import postgres
from hub.process import HubProcess
from notifications.receiver import Receiver
from notifications.test_commands import asking, rules_of
from support import open_store, until

__all__ = ["asking"]


def findings(person, **environ: str) -> list[dict[str, str]]:
    """What doctor finds about notifications."""
    done = person.types("doctor", "--json", **environ)
    assert done.stderr == ""
    return [each for each in json.loads(done.stdout)["checks"] if each["check"] == "notify"]


def one(person, **environ: str) -> tuple[str, str, str | None]:
    (found,) = findings(person, **environ)
    return found["level"], found["detail"], found["next"]


def runs_until(person, condition, *words: str, **environ: str) -> None:
    """Run `hallway notify` until something has happened."""
    person.environ |= environ
    with person.starts("notify", *words) as process:
        try:
            until(condition)
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.promise("H3")
def test_doctor_says_whether_the_rules_can_be_used(asking):
    assert one(asking)[:2] == ("ok", "no rules: nobody is told elsewhere of what needs attention")
    asking.types("notify", "add", "desktop")
    path = rules_of(asking)
    assert one(asking) == ("ok", "desktop: this desktop, by notify-send; 0 sent within a day", None)
    path.chmod(0o644)
    level, detail, following = one(asking)
    assert (level, following) == ("fail", f"chmod 600 {path}")
    assert "others may get at its secrets" in detail
    path.chmod(0o600)
    text = path.read_text()
    path.write_text("[sinks")
    level, detail, _ = one(asking)
    assert level == "fail"
    assert f"{path} cannot be read" in detail
    path.write_text(text.partition("[[rules]]")[0])
    assert one(asking)[0] == "warn"
    assert one(asking)[2] == "hallway notify add desktop"


@pytest.mark.promise("H3")
def test_doctor_says_what_a_way_lacks(asking, tmp_path):
    asking.types("notify", "add", "desktop")
    bare = tmp_path / "bare"
    bare.mkdir()
    level, detail, following = one(asking, PATH=str(bare))
    assert (level, detail) == ("warn", "desktop: notify-send is not installed")
    assert "libnotify" in following


@pytest.mark.promise("H3")
def test_doctor_says_that_apprise_is_not_installed_where_the_rules_name_it(asking):
    asking.types("notify", "add", "apprise", "ntfys://ntfy.example.com/secret-topic", "--name", "phone")
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'apprise' else find(name, *more)\n"
        "from hallway.cli.main import run\n"
        "sys.exit(run(['doctor', '--json']))\n"
    )
    done = asking.runs([sys.executable, "-c", code])
    (found,) = [each for each in json.loads(done.stdout)["checks"] if each["check"] == "notify"]
    assert (found["level"], found["detail"]) == ("warn", "phone: Apprise is not installed")
    assert "pip install" in found["next"]
    assert "secret-topic" not in done.stdout


@pytest.mark.promise("H3")
@pytest.mark.parametrize("bus", ["file", "database", "hub"])
def test_doctor_says_what_failed_lately_until_it_works_again(asking, tmp_path, bus):
    environ, address = {}, ""
    hub = HubProcess(tmp_path / "hub", "--no-notifications") if bus == "hub" else None
    if bus != "file":
        address = hub.url if hub else postgres.new_address("postgres", tmp_path / "x")
        environ = {"HALLWAY_URL": address}
        for words in (
            ("register", "s1", "alice's claude", "claude-code", "--name", "login-form"),
            ("status", "s1", "waiting", "--reason", "question", "--detail", "Which port?"),
        ):
            assert asking.types(*words, **environ).returncode == 0
    statuses = [404]
    try:
        with Receiver(lambda _: (statuses.pop() if statuses else 200, {})) as bad:
            asking.types("notify", "add", "webhook", f"{bad.url}/secret-path", "--name", "pager", "--allow-private")
            runs_until(asking, lambda: "404" in one(asking)[1], **environ)
            level, detail, following = one(asking)
            assert (level, following) == ("warn", "hallway notify test pager")
            assert "pager failed" in detail
            assert "answered with status 404" in detail
            assert "secret-path" not in detail
            more = ("status", "s1", "waiting", "--reason", "question", "--detail", "And which host?")
            assert asking.types(*more).returncode == 0
            runs_until(asking, lambda: one(asking)[0] == "ok")
            assert "1 sent within a day" in one(asking)[1]
    finally:
        if hub:
            hub.kill()
        elif address:
            postgres.forget(address)


@pytest.mark.promise("H3")
def test_doctor_counts_what_nobody_knows_to_have_been_sent(asking):
    asking.types("notify", "add", "desktop")
    with open_store(str(asking.bus_file)) as bus:
        from hallway.notifications.rules import read_rules
        from hallway.notifications.sink_types import sink_for

        sink = sink_for(read_rules(str(rules_of(asking))).sinks["desktop"])
        (item,) = bus.attention.read().items
        assert bus.notifications.take(sink.channel, item.item_id, "killed").may_send
        # Its lease ends, as after two minutes.
        with bus.transaction():
            bus.store._connection.execute("UPDATE notifications SET due_at = 0")
        assert bus.notifications.take(sink.channel, item.item_id, "next").is_settled
    level, detail, following = one(asking)
    assert level == "warn"
    assert "desktop: 1 item may not have been sent" in detail
    assert "hallway attention" in following


def test_looking_at_notifications_changes_nothing(asking):
    asking.types("notify", "add", "desktop")

    def state() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(asking.home).iterdir() if path.is_file()}

    before = state()
    one(asking)
    assert state() == before
