"""A crowd works through two hubs while its bus is lost, migrated, slow or restarted: no history of it is impossible."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from faults.crowd import Crowd
from faults.test_bus_gone import LOSSES
from faults.test_newer_schema import change_schema
from hallway.bus.local import LocalBus
from hub.client import Client
from hub.process import HubProcess
from postgres import ON_A_FILE
from support import open_store, until

pytestmark = [pytest.mark.slow, pytest.mark.promise("M1", "R1", "T1")]

SETTINGS = {"HALLWAY_MEMORY_VERSIONS": "1000000", "HALLWAY_MESSAGE_BURST": "0"}
Start = Callable[..., HubProcess]


@pytest.fixture
def start_hub(tmp_path: Path, address: str) -> Iterator[Start]:
    started: list[HubProcess] = []

    def start_hub(name: str, port: int = 0) -> HubProcess:
        started.append(HubProcess(tmp_path / name, "--store", address, port=port, **SETTINGS))
        return started[-1]

    yield start_hub
    for hub in started:
        hub.__exit__(None)


@pytest.fixture
def hubs(start_hub: Start) -> list[HubProcess]:
    return [start_hub("a"), start_hub("b")]


@pytest.fixture
def crowd(address: str, hubs: list[HubProcess]) -> Iterator[Crowd]:
    with Crowd([hub.url for hub in hubs], address) as crowd:
        crowd.goes_on()
        yield crowd


def health(hub: HubProcess) -> int:
    with Client(hub.port) as client:
        return client.get("/health").status


@ON_A_FILE
@pytest.mark.parametrize(
    "loss", ["the file is moved", "the folder is moved", "the file is replaced", "the log is moved"]
)
def test_the_file_is_lost_and_put_back(address: str, hubs: list[HubProcess], crowd: Crowd, loss: str) -> None:
    for _ in range(2):
        put_back = LOSSES[loss](Path(address))
        until(lambda: all(health(hub) == 503 for hub in hubs))
        time.sleep(1)  # for answers that were on their way: `check` looks at those, too
        before = crowd.progress()
        time.sleep(1)
        assert crowd.progress() == before
        put_back()
        crowd.goes_on()
    crowd.check()


def test_the_schema_is_migrated(address: str, hubs: list[HubProcess], crowd: Crowd) -> None:
    def written(bus: LocalBus) -> tuple[int, object]:
        return bus.events.last_seq(), max(each.last_seen for each in bus.sessions.list_sessions(True))

    with open_store(address) as newer:
        newer.store._newest_version = 1000
        change_schema(newer, 1)
        until(lambda: all(health(hub) == 503 for hub in hubs))
        before = written(newer)
        time.sleep(1)
        assert written(newer) == before
        change_schema(newer, -1)
    crowd.goes_on()
    crowd.check()


LATE = """\
CREATE OR REPLACE FUNCTION seen(moment bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.5); END IF;
    RETURN moment;
END $$;
"""  # every write of a moment asks this function, which keeps the clock: some come late now


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_commits_come_late(address: str, crowd: Crowd) -> None:
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(LATE)
        ends_at = time.monotonic() + 10
        until(lambda: time.monotonic() > ends_at)
    crowd.check()


@pytest.mark.promise("E1", "E2")
def test_handlers_outlive_the_hubs(hubs: list[HubProcess], crowd: Crowd, start_hub: Start) -> None:
    for number, name in enumerate(("a", "b", "a")):
        hub = hubs[number % 2]
        heard = len(crowd.heard)
        hub.kill()
        crowd.goes_on()
        hubs[number % 2] = start_hub(name, hub.port)
        until(lambda heard=heard: len(crowd.heard) > heard, within_s=60)
    crowd.check()
