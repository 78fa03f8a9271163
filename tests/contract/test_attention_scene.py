"""The two-second test: of 24 sessions, what needs a person first, and the same on every face (H1)."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

import attention_scene
import hallway
from attention_scene import APP, BEGAN_MIN, EXPECTED, INFRA, SESSIONS, SHOP, needed
from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from hallway.core.schema import encode
from hallway.store.sqlite import SQLiteStore
from hub.client import Client
from hub.process import HubProcess, environment
from support import Here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def as_json(record: Any) -> Any:
    return json.loads(encode(record))


@pytest.mark.promise("H1")
def test_of_24_sessions_the_list_says_what_needs_a_person_first(bus: LocalBus, clock: FakeClock) -> None:
    attention_scene.play(bus, clock)
    assert sum(map(len, SESSIONS.values())) == 24
    found = bus.attention.read()
    assert needed(as_json(found.items), clock.now() / SECOND) == EXPECTED
    assert found.total == len(EXPECTED)
    for project in (SHOP, INFRA, APP):
        wanted = [each for each in EXPECTED if each.name in SESSIONS[project]]
        assert needed(as_json(bus.attention.read(project).items), clock.now() / SECOND) == wanted


@pytest.mark.promise("H1")
def test_a_page_of_any_length_is_the_beginning_of_the_list(bus: LocalBus, clock: FakeClock) -> None:
    attention_scene.play(bus, clock)
    whole = bus.attention.read().items
    for length in range(1, len(whole) + 1):
        pages, last = [], None
        while page := bus.attention.read(limit=length, after_id=last).items:
            pages += page
            last = page[-1].item_id
        assert pages == whole


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub whose bus has the scene, as it would be now."""
    home = tmp_path_factory.mktemp("scene") / "hallway"
    home.mkdir()
    clock = FakeClock(time.time_ns() // 1000 - BEGAN_MIN * 60 * SECOND)
    with LocalBus(SQLiteStore(str(home / "bus.db"), clock=clock), Here()) as bus:
        attention_scene.play(bus, clock)
    with HubProcess(home) as hub:
        yield hub


def run(hub: HubProcess, home: Path, *words: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hallway", *words],
        env={**environment(home), "HALLWAY_USER": "alice", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def page(hub: HubProcess, path: str) -> str:
    with urlopen(hub.url + path, timeout=60) as answer:  # noqa: S310 (the hub of this test)
        text: str = answer.read().decode()
    return text


def names_in(text: str) -> list[str]:
    """What a text says of the expected items, in its order: each is found by what it is about."""
    places = {each.what: text.find(each.what) for each in EXPECTED}
    return [what for what, place in sorted(places.items(), key=lambda pair: pair[1]) if place >= 0]


@pytest.mark.promise("H1")
def test_the_list_is_the_same_on_every_face(hub: HubProcess) -> None:
    home = hub.bus_file.parent
    with hallway.connect(home) as near, hallway.connect(hub.url) as far:
        lists = {"python": as_json(near.attention.read()), "remote": as_json(far.attention.read())}
    client = Client(hub.port)
    lists["http"] = client.call("GET", "/attention").json
    lists["command line"] = json.loads(run(hub, home, "attention", "--json"))
    lists["command line through a hub"] = json.loads(run(hub, home, "attention", "--json", HALLWAY_URL=hub.url))
    lists["overview"] = json.loads(run(hub, home, "--json"))["attention"]
    client.close()
    lists["page"] = json.loads(page(hub, "/page/attention.json"))
    for face, found in lists.items():
        open_items = [each for each in found["items"] if each["state"] != "dismissed"]
        assert needed(open_items, time.time()) == EXPECTED, face
        assert [each["item_id"] for each in open_items] == [each["item_id"] for each in lists["python"]["items"]], face


@pytest.mark.promise("H1")
def test_people_read_the_list_in_the_same_order_on_the_command_line_and_on_the_page(hub: HubProcess) -> None:
    wanted = [each.what for each in EXPECTED]
    assert names_in(run(hub, hub.bus_file.parent, "attention")) == wanted
    assert names_in(page(hub, "/page/attention")) == wanted
    home = page(hub, "/")
    on_top = home[home.index('id="needs"') : home.index('id="people"')]
    assert names_in(on_top[: on_top.index('id="fold-dismissed"')]) == wanted
    listed = re.findall(r'id="need-(\w+)"', on_top)
    client = Client(hub.port)
    items = client.call("GET", "/attention?include_dismissed=true").json["items"]
    client.close()
    assert listed == [each["item_id"] for each in items]


@pytest.mark.promise("H1")
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (60, 16)])
def test_the_overview_fits_one_screen_and_cuts_the_least_important_rows(
    hub: HubProcess, columns: int, lines: int
) -> None:
    text = screen(hub, columns, lines)
    shown = text.rstrip("\n").splitlines()
    assert len(shown) < lines
    assert max(map(len, shown)) <= columns
    headings = [line.partition(" (")[0] for line in shown if re.match(r"[A-Z][a-z ]+ \(\d+\)", line)]
    assert headings == ["Needs attention", "Stuck", "Working", "Finished"]
    first = shown[2]
    assert "‼ request" in first
    assert "release" in first
    if lines == 40:
        assert sum(each.what[:12] in text for each in EXPECTED) >= 14


def screen(hub: HubProcess, columns: int, lines: int) -> str:
    """What `hallway` alone prints on a terminal of a size, without its colours."""
    ours, theirs = pty.openpty()
    environ = {**environment(hub.bus_file.parent), "COLUMNS": str(columns), "LINES": str(lines), "TERM": "dumb"}
    process = subprocess.Popen([sys.executable, "-m", "hallway"], env=environ, stdout=theirs, stderr=theirs)
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert process.wait(60) == 0
    return b"".join(parts).decode().replace("\r\n", "\n")
