"""`hallway notify` and `hallway watch --exec` as a person types them, and the rules file (H3)."""

from __future__ import annotations

import json
import stat
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.notifications.rules import check_rules, read_rules
from hallway.notifications.rules_file import add_sink
from support import open_store, until

ASKS = ("status", "s1", "waiting", "--reason", "question", "--detail", "Which port?")


@pytest.fixture
def asking(person):
    person.types("register", "s1", "alice's claude", "claude-code", "--name", "login-form")
    assert person.types(*ASKS).returncode == 0
    return person


def rules_of(person) -> Path:
    return Path(person.environ["HOME"]) / ".config" / "hallway" / "notifications.toml"


@pytest.mark.promise("H3")
def test_a_person_adds_a_way_tries_it_and_is_told_once(asking, shown):
    done = asking.types("notify", "add", "desktop", "--kind", "question,request")
    assert done.returncode == 0, done.stderr
    assert "hallway notify test desktop" in done.stdout
    assert stat.S_IMODE(rules_of(asking).stat().st_mode) == 0o600
    assert asking.types("notify", "test").returncode == 0
    with asking.starts("notify", "--json") as process:
        told = json.loads(process.stdout.readline())
        assert (told["sink"], told["error"], told["name"]) == ("desktop", None, "login-form")
        process.terminate()
        assert process.wait(60) == 0
    with asking.starts("notify") as process:
        assert "desktop" in process.stdout.readline() + process.stdout.readline()
        asking.types("status", "s1", "waiting", "--reason", "question", "--detail", "And which host?")
        assert "✓ desktop  login-form asks a question (shop)" in process.stdout.readline()
        process.terminate()
        assert process.wait(60) == 0
    headlines = [arguments[-2] for arguments in shown()]
    assert headlines[1:] == ["login-form asks a question (shop)"] * 2
    assert [arguments[-1] for arguments in shown()[1:]] == ["Which port?", "And which host?"]


def has_text(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


@pytest.mark.promise("H3")
def test_watch_exec_runs_a_command_once_for_each_item(asking, tmp_path):
    found = tmp_path / "found"
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, sys\n"
        "line = json.dumps([json.load(sys.stdin), os.environ['HALLWAY_ITEM_WHAT']])\n"
        f"open({str(found)!r}, 'a').write(line + '\\n')\n"
    )
    for question in ("Which port?", "And which host?"):
        asking.types("status", "s1", "waiting", "--reason", "question", "--detail", question)
        with asking.starts("watch", "--exec", f"{sys.executable} {script}", "--kind", "question") as process:
            until(partial(has_text, found, question))
            process.terminate()
            assert process.wait(60) == 0
    items = [json.loads(line) for line in found.read_text().splitlines()]
    assert [(item["what"], text) for item, text in items] == [("Which port?",) * 2, ("And which host?",) * 2]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("watch", "--exec", ""), "is empty"),
        (("watch", "--exec", "a 'b"), "cannot be read"),
        (("watch", "--exec", "true", "--after", "0"), "--after"),
        (("watch", "--exec", "true", "--kind", "session"), "items have these kinds"),
        (("notify",), "there are no rules"),
        (("notify", "list"), "there are no rules"),
        (("notify", "add", "webhook"), "needs its url"),
        (("notify", "add", "desktop", "more"), "takes nothing more"),
        (("notify", "add", "desktop", "--quiet", "22-7"), "times of day"),
        (("notify", "add", "desktop", "--kind", "questoin"), "questoin"),
        (("notify", "add", "webhook", "ftp://x"), "begins with https://"),
        (("notify", "add", "webhook", "https://a:b@x/"), "holds no login"),
        (("notify", "add", "desktop", "--delay", "soon"), "delay"),
        (("notify", "add", "desktop", "--name", "a b"), "a name has letters"),
        (("notify", "add", "desktop", "--answers"), "only a webhook and ntfy"),
        (("notify", "add", "apprise", "ntfys://ntfy.example.com/topic", "--answers"), "hub_url"),
    ],
)
def test_what_is_typed_wrong_is_said_and_writes_nothing(person, words, why):
    done = person.types(*words)
    assert done.returncode != 0
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not rules_of(person).exists()


@pytest.mark.promise("H3")
def test_adding_keeps_comments_and_list_shows_no_secret(asking):
    asking.types("notify", "add", "desktop")
    path = rules_of(asking)
    path.write_text(path.read_text() + "\n# my own words\n")
    url = "https://hooks.example.com/services/TOPSECRET?key=TOPSECRET"
    done = asking.types("notify", "add", "webhook", "-", "--name", "pager", "--quiet", "22:00-07:00", "--delay", "30s")
    assert done.returncode != 0, "nothing came from standard input"
    import subprocess

    command = asking.command(
        "notify", "add", "webhook", "-", "--name", "pager", "--quiet", "22:00-07:00", "--delay", "30s"
    )
    done = subprocess.run(
        command, env=asking.environ, input=url + "\n", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    document = tomllib.loads(path.read_text())
    assert "# my own words" in path.read_text()
    assert document["sinks"]["pager"]["url"] == url
    secret = document["sinks"]["pager"]["secret"]
    assert len(secret) >= 32
    assert document["rules"][1] == {"sinks": ["pager"], "quiet": ["22:00-07:00"], "delay": "30s"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for words in (("notify", "list"), ("notify", "list", "--json")):
        listed = asking.types(*words)
        assert listed.returncode == 0, listed.stderr
        for text in (listed.stdout, listed.stderr, done.stdout, done.stderr):
            assert "TOPSECRET" not in text
            assert secret not in text
        assert "https://hooks.example.com" in listed.stdout
    again = asking.types("notify", "add", "desktop")
    assert "already" in again.stderr
    words = ("apprise", "ntfys://ntfy.example.com/topic", "--answers", "--hub-url", "https://hub.example.com/")
    done = asking.types("notify", "add", *words)
    assert done.returncode == 0, done.stderr
    assert "# my own words" in path.read_text()
    assert read_rules(str(path)).hub_url == "https://hub.example.com"


@pytest.mark.promise("H3")
def test_a_file_that_others_may_read_is_not_used(asking):
    asking.types("notify", "add", "desktop")
    rules_of(asking).chmod(0o644)
    done = asking.types("notify")
    assert done.returncode != 0
    assert f"chmod 600 {rules_of(asking)}" in done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sinks = 1", "must be a section"),
        ("[sinks]\nx = 1", "must be a section"),
        ("[sinks.x]\ntype = 'desktop'\nurll = ''", "Did you mean url"),
        ("[sinks.x]\ntype = 'mail'", "may be"),
        ("[sinks.x]\ntype = 'webhook'", "has no url"),
        ("[sinks.x]\ntype = 'desktop'\nsend_text = 'yes'", "true or false"),
        ("[[rules]]\nsinks = ['x']", "may be"),
        ("[[rules]]\n", "has no sinks"),
        ("[sinks.x]\ntype = 'desktop'\n[[rules]]\nsinks = 'x'\nquiet = ['7-8']", "times of day"),
        ("timezone = 'Nowhere/Else'", "does not know"),
        ("person = 3", "must be a text"),
        ("[[rule]]\n", "Did you mean rules"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(text, why):
    with pytest.raises(FileUnusable) as refused:
        check_rules("/rules.toml", tomllib.loads(text))
    assert why in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.message.startswith("/rules.toml: ")


def test_a_rules_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_bytes(b"[[")
    path.chmod(0o600)
    with pytest.raises(FileUnusable, match=r"rules\.toml cannot be read"):
        read_rules(str(path))


def test_a_symbolic_link_to_the_rules_stays_one(tmp_path):
    target, link = tmp_path / "dotfiles.toml", tmp_path / "rules.toml"
    link.symlink_to(target)
    add_sink(str(link), "desktop", {"type": "desktop"}, {})
    add_sink(str(link), "bell", {"type": "terminal"}, {"kinds": ["question"]})
    assert link.is_symlink()
    assert set(read_rules(str(target)).sinks) == {"desktop", "bell"}
    with pytest.raises(InvalidInput, match="already"):
        add_sink(str(link), "bell", {"type": "terminal"}, {})


@pytest.mark.promise("H3")
@pytest.mark.parametrize("words", [(), ("attention",)])
def test_a_person_who_reads_the_list_on_a_terminal_has_looked(asking, words):
    def looked() -> object:
        with open_store(str(asking.bus_file)) as bus:
            return bus.store.one("notifications.looked_at", person="user:alice")

    assert asking.types(*words).returncode == 0
    assert looked() is None, "a program has read it"
    status, shown = asking.on_a_terminal(*words, HALLWAY_SESSION="s1")
    assert (status, "login-form" in shown) == (0, True)
    assert looked() is None, "an agent has read it"
    assert asking.on_a_terminal(*words)[0] == 0
    assert looked() is not None


def test_the_help_loads_nothing_of_notifications_but_their_words(person):
    code = "import sys; from hallway.cli.main import run; run(['--help']); print(*sys.modules)"
    done = person.runs([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    own = {each for each in loaded if each.startswith("hallway.notifications.")}
    assert own == {"hallway.notifications.sink_words"}
    assert not loaded & {"tomllib", "hashlib", "zoneinfo", "hmac", "http.server"}
