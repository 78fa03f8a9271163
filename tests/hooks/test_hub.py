"""Hooks of a session whose bus is a hub's: the same, with what this machine knows of it in a folder of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hallway
from hallway.agents.hook import log
from hallway.local.hook_gate import EDITS_SUFFIX, SNOOZE_S, file_of, is_snoozed
from hallway.local.paths import bus_folder
from hooks.client import SESSION, Client
from hooks.conftest import SHOP
from hooks.edits import before_edit, denial
from hub.process import HubProcess

StartClient = Callable[..., Client]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path / "elsewhere") as hub:
        yield hub


@pytest.fixture
def client(hub: HubProcess, start_client: StartClient, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client at work, whose hooks use the hub."""
    monkeypatch.setenv("HALLWAY_URL", hub.url)
    client = start_client()
    client.does("start")
    client.does("prompt", prompt="mend the login")
    return client


def test_a_turn_is_known_on_the_hub_and_news_comes_from_there(home: Path, hub: HubProcess, client: Client) -> None:
    gate = file_of(bus_folder(hub.url), SESSION)
    assert is_snoozed(gate)
    assert gate.startswith(str(home))
    with hallway.connect(hub.url, project=SHOP) as bus:
        session = bus.sessions.get(SESSION)
        assert (session.status, session.current_task, session.branch) == ("working", "mend the login", "cart")
        bus.sessions.register("bob", "bob's agent", "codex")
        message_id = bus.messages.send("bob", SESSION, "notification", "The cart").message_id
        assert client.does("tool").out == ""  # nobody can tell this machine's file, so it is seen when it falls due
        os.utime(gate, (0, 0))
        assert message_id in client.does("tool", tool_name="Edit", tool_input={"file_path": "a.py"}).shown
        assert [each.path for each in bus.files.touched(SHOP)] == [str(client.directory / "a.py")]
        client.does("stop")
        assert bus.sessions.get(SESSION).status == "idle"
        client.does("end")
        assert not bus.sessions.get(SESSION).is_live


@pytest.mark.promise("C2")
@pytest.mark.promise("C4")
def test_a_claim_on_a_hub_is_felt_within_half_a_minute_and_a_hub_that_is_gone_stops_no_edit(
    hub: HubProcess, client: Client
) -> None:
    gate = file_of(bus_folder(hub.url), SESSION) + EDITS_SUFFIX
    with hallway.connect(hub.url, project=SHOP) as bus:
        bus.sessions.register("bob", "bob's agent", "codex", name="checkout")
        assert before_edit(client, "src/a.py").out == ""
        assert 0 < os.stat(gate).st_mtime - time.time() <= SNOOZE_S
        bus.claims.claim("bob", ["src/**"], "new handlers")
        assert before_edit(client, "src/a.py").out == ""  # the grant was on another machine
        os.utime(gate, (time.time() - 1,) * 2)  # the half minute is over
        assert '"checkout"' in denial(before_edit(client, "src/a.py"))
    hub.kill()
    assert before_edit(client, "src/a.py", HALLWAY_HOOK_BUDGET_MS="5000").out == ""
    assert log.last(bus_folder(hub.url))
