"""`hallway top` when the hub or the database is gone, and back: it says so, keeps what was typed, and goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import hallway
import postgres
from hallway.bus.local import LocalBus
from hub.process import HubProcess
from support import Here, store_at
from top.driver import Seat, at_the_screen
from top.test_list import PROJECT, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path / "home") as hub:
        with hallway.connect(hub.url, project=PROJECT) as bus:
            bus.sessions.register("cart", "cart", "codex", name="cart", project=PROJECT, ttl_s=3600)
            ask(bus, "cart", "Which port?")
        yield hub


def test_through_a_hub_everything_is_shown_and_done_as_on_a_file(hub: HubProcess) -> None:
    with hallway.connect(hub.url, project=PROJECT) as bus, hallway.connect(hub.home, project=PROJECT) as file:

        async def do(seat: Seat) -> None:
            await seat.until(lambda: "Which port?" in seat.text("detail"))
            file.memory.set("cart", "db/port", 5432)
            ask(file, "cart", "Which host?")
            await seat.until(lambda: "Which host?" in seat.text())
            await seat.press("r")
            await seat.type("80")
            await seat.press("enter")
            await seat.until(lambda: "(answered" in seat.text())
            await seat.press("5")
            await seat.until(lambda: "db/port" in seat.text())

        at_the_screen(bus, do)
        assert [each.body for each in file.messages.inbox("cart")] == ["80"]


def test_a_lost_hub_is_said_at_once_and_the_program_goes_on_when_it_is_back(hub: HubProcess) -> None:
    with hallway.connect(hub.url, project=PROJECT) as bus:

        async def do(seat: Seat) -> None:
            await seat.press("r")
            await seat.type("Port 4")
            hub.kill()
            killed_s = time.monotonic()
            await seat.until(lambda: "No contact since" in seat.text("state"))
            assert time.monotonic() - killed_s < 30  # within a second, but for other load
            ages = seat.lines()
            await seat.type("4")
            await seat.press("enter")
            await seat.until(lambda: "no hub" in seat.note() or "hub" in seat.note())
            assert seat.form is not None
            assert seat.form.texts() == {"body": "Port 44"}
            assert seat.lines() == ages
            with HubProcess(hub.home, port=hub.port):
                await seat.until(lambda: "No contact" not in seat.text("state"))
                await seat.type("3")
                await seat.press("enter")
                await seat.until(lambda: "(answered" in seat.text())
                with hallway.connect(hub.home) as file:
                    assert [each.body for each in file.messages.inbox("cart")] == ["Port 443"]
                    ask(file, "cart", "And the host?")
                await seat.until(lambda: "And the host?" in seat.text())  # events are followed again

        at_the_screen(bus, do)


def test_a_database_that_is_stopped_and_started_is_said_and_outlived() -> None:
    server = postgres.PostgresServer()
    try:
        with LocalBus(store_at(postgres.new_bus(server.url)), Here()) as bus:
            bus.sessions.register("cart", "cart", "codex", name="cart", project=PROJECT, ttl_s=3600)
            ask(bus, "cart", "Which port?")

            async def do(seat: Seat) -> None:
                server.stop("immediate")
                await seat.until(lambda: "No contact since" in seat.text("state"))
                assert "Which port?" in seat.text()
                server.start()
                await seat.until(lambda: "No contact" not in seat.text("state"))
                ask(bus, "cart", "Which host?")
                await seat.until(lambda: "Which host?" in seat.text())

            at_the_screen(bus, do)
    finally:
        server.close()


def test_what_is_wrong_with_one_record_does_not_hide_the_others(hub: HubProcess) -> None:
    with hallway.connect(hub.url, project=PROJECT) as bus:
        bus.memory.set("user:alice", "deploy/day", "Monday", project=PROJECT)

        async def do(seat: Seat) -> None:
            await seat.press("6")
            await seat.until(lambda: "user:alice remembers deploy/day" in seat.selected)
            await seat.until(lambda: "memory.set" in seat.text("detail"))
            assert "No contact" not in seat.text("state")

        at_the_screen(bus, do)
