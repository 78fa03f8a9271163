"""Which bus is used: what `hallway login` and `hallway use` select, for people, hooks and MCP servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.person import Person
from hallway.local.credentials import read, store, token_for
from hallway.local.paths import bus_folder, normalise_address
from mcp_server import Server
from trust.conftest import Guarded, guarded  # noqa: F401 - a fixture
from trust.world import SHOP

if TYPE_CHECKING:
    from pathlib import Path

FORMS = [
    ("https://Hub.Example.org", "https://hub.example.org"),
    ("HTTPS://hub.example.org:443/", "https://hub.example.org"),
    ("https://hub.example.org.", "https://hub.example.org"),
    ("https://hub.example.org.:443", "https://hub.example.org"),
    ("http://hub.example.org:80", "http://hub.example.org"),
    ("http://hub.example.org:443", "http://hub.example.org:443"),
    ("https://hub.example.org:8443/Bus/", "https://hub.example.org:8443/Bus"),
    ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
    ("https://[2001:db8::1]:7433", "https://[2001:db8::1]:7433"),
    ("https://A.example.org/ , https://b.example.org:443", "https://a.example.org,https://b.example.org"),
    ("postgresql://Alice@DB/hallway", "postgresql://Alice@DB/hallway"),
    ("/srv/Bus/", "/srv/Bus/"),
]


@pytest.mark.parametrize(("written", "normal"), FORMS)
def test_an_address_has_one_form(written: str, normal: str) -> None:
    assert normalise_address(written) == normal
    assert normalise_address(normal) == normal


def test_the_folder_of_a_hub_is_the_same_however_its_address_is_written(home: Path) -> None:
    assert len({bus_folder(written) for written, _ in FORMS[:4]}) == 1


def test_a_token_is_found_however_the_address_is_written(home: Path) -> None:
    folder = str(home)
    store("https://Hub.example.org.:443/", "one", folder)
    assert {token_for(written, lambda: folder) for written, _ in FORMS[:4]} == {"one"}
    store("https://a.example.org,https://B.example.org", "two", folder)
    for url in ("https://a.example.org", "https://b.example.org:443", "https://b.example.org,https://a.example.org"):
        assert token_for(url, lambda: folder) == "two"
    assert store("https://A.example.org", None, folder)
    assert token_for("https://a.example.org", lambda: folder) is None
    assert token_for("https://b.example.org", lambda: folder) == "two"


def test_what_was_stored_before_addresses_had_one_form_is_still_found(home: Path) -> None:
    (home / "credentials.json").write_text('{"https://A.example.org:443,https://b.example.org/": "one"}')
    assert read(str(home)) == {"https://a.example.org": "one", "https://b.example.org": "one"}


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """A person who logs in to a hub with a token of alice's."""
    return Person(tmp_path / "home")


def logs_in(person: Person, url: str, token: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        person.command("login", url, *words),
        input=f"{token}\n",
        env=person.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_after_a_login_it_says_which_bus_commands_use(guarded: Guarded, person: Person) -> None:  # noqa: F811
    url = f"http://127.0.0.1:{guarded.hub.port}"
    done = logs_in(person, url, guarded.tokens["alice"])
    assert done.returncode == 0
    assert f"Commands use another bus: {person.home}/bus.db (HALLWAY_URL is not set)." in done.stderr
    assert f"To use this hub: hallway use {url}" in done.stderr
    assert person.types("whoami").stdout.endswith(f"Bus: {person.home}/bus.db (HALLWAY_URL is not set)\n")


def test_a_login_to_several_addresses_is_a_login_to_each(guarded: Guarded, person: Person) -> None:  # noqa: F811
    one, two = f"http://LOCALHOST:{guarded.hub.port}/", f"http://127.0.0.1:{guarded.hub.port}"
    assert logs_in(person, f"{one},{two}", guarded.tokens["alice"]).returncode == 0
    for url in (f"{one},{two}", f"{two},{one}", one, two):
        assert "alice: agent" in person.types("whoami", HALLWAY_URL=url).stdout
    assert person.types("logout", f"{two},{one}").returncode == 0
    assert person.types("list", HALLWAY_URL=two).returncode == 3


def test_a_hub_that_is_used_is_used_by_commands_doctor_hooks_and_servers(
    guarded: Guarded,  # noqa: F811
    person: Person,
) -> None:
    url = f"http://127.0.0.1:{guarded.hub.port}"
    done = logs_in(person, url, guarded.tokens["alice"], "--use")
    assert (done.returncode, done.stderr) == (0, "")
    assert person.types("whoami").stdout == f"alice: agent, {SHOP}\nBus: {url} (selected by hallway use)\n"
    assert person.gets("use") == {"address": url, "source": "selected by hallway use"}
    checks = {each["check"]: each for each in person.gets("doctor")["checks"]}
    assert checks["address"]["detail"] == f"{url}; selected by hallway use"
    assert checks["hub"]["level"] == "ok"
    hook = {"session_id": "hooked", "hook_event_name": "SessionStart", "cwd": "/src/shop", "source": "startup"}
    subprocess.run(
        person.command("hook", "claude-code"),
        input=json.dumps(hook),
        env=person.environ,
        text=True,
        timeout=60,
        check=True,
        capture_output=True,
    )
    server = Server(person.home, HALLWAY_SESSION="served")
    try:
        server.initialize()
        assert "hooked" in str(server.call("status", status="working"))  # of the same process: the same session
    finally:
        server.close()
    assert "hooked" in {each["session_id"] for each in person.gets("list", "--all")}
    assert not person.bus_file.exists()  # nothing went to the local file


def test_what_install_writes_belongs_to_the_selected_bus(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hallway.agents.install.all_clients import install, is_installed
    from hallway.agents.install.hook_commands import gate_folder

    (home / ".claude").mkdir()
    [outcome] = install(["claude-code"])
    own = gate_folder()
    (home / "hallway" / "selected-bus").write_text("https://hub.example.org\n")
    assert gate_folder() == os.path.join(bus_folder("https://hub.example.org"), os.path.basename(own))
    assert not is_installed(outcome.client, "hooks")
    install(["claude-code"])
    assert is_installed(outcome.client, "hooks")
    settings = (home / ".claude" / "settings.json").read_text()
    assert (gate_folder() in settings, own in settings) == (True, False)


def test_using_another_bus_says_to_install_again_where_hooks_name_the_old_one(home: Path) -> None:
    def types(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hallway", *words]
        return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False)

    assert "hallway install" not in types("use", str(home / "elsewhere")).stderr
    (home / ".claude").mkdir()
    assert types("install", "claude-code").returncode == 0
    assert "So that the agents' hooks look for news of this bus: hallway install" in types("use", "local").stderr
    assert "hallway install" not in types("use", "local").stderr


def test_local_is_the_own_file_again_and_a_variable_goes_before(person: Person, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert person.types("use", str(other)).stdout == f"Bus: {other} (selected by hallway use)\n"
    assert person.gets("use")["address"] == str(other)
    person.types("register", "s1", "alice's claude", "claude-code")
    assert ((other / "bus.db").exists(), person.bus_file.exists()) == (True, False)
    assert (person.home / "selected-bus").stat().st_mode & 0o777 == 0o600
    third = str(tmp_path / "third")
    assert person.types("whoami", HALLWAY_URL=third).stdout.endswith(f"Bus: {third} (given by HALLWAY_URL)\n")
    said = person.types("use", "https://hub.example.org", HALLWAY_URL=third).stderr
    assert "HALLWAY_URL is set here and goes before the selection: unset HALLWAY_URL" in said
    assert person.types("use", "local").stdout == f"Bus: {person.bus_file} (HALLWAY_URL is not set)\n"
    assert not (person.home / "selected-bus").exists()
    assert person.types("use", "ftp://x").returncode != 0
    assert not (person.home / "selected-bus").exists()


def test_a_hub_that_is_silent_is_selected_with_a_warning_and_is_not_served(person: Person) -> None:
    done = person.types("use", "http://127.0.0.1:9")
    assert (done.returncode, "127.0.0.1:9" in done.stderr) == (0, True)
    assert "hallway use local" in person.types("list").stderr
    hub = person.starts("serve", "--port", "0")
    try:
        assert hub.stderr is not None
        assert "serves a bus of its own" not in hub.stderr.readline()
    finally:
        hub.terminate()
        hub.communicate(timeout=60)
    assert person.bus_file.exists()
