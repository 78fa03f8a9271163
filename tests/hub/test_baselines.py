"""The benchmarks' own parts on PostgreSQL work on today's tables: else a benchmark fails long after a migration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.postgres import CROWD
from bench.scale import FULL
from bench.tools import HubProcess, fill

from hallway.store.postgres.store import PostgresStore
from support import open_store


def heartbeat(hub: HubProcess) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(hub.request("POST", "/sessions/s3/heartbeat", "{}"))
    return {**answer, "others": sorted(peer["session_id"] for peer in answer["others"])}


def test_the_hub_with_one_transaction_per_heartbeat_answers_as_the_hub_does(database: str, tmp_path: Path) -> None:
    fill(database, 12)
    with (
        HubProcess(str(tmp_path / "a"), store=database) as hub,
        HubProcess(str(tmp_path / "b"), store=database, script="pool_hub.py") as pool,
    ):
        assert heartbeat(pool) == heartbeat(hub)
        assert len(heartbeat(pool)["others"]) == 9


def test_a_bus_that_is_filled_at_once_is_as_one_that_was_used(database: str) -> None:
    store = PostgresStore(database)
    store._execute(FULL.format(million=1000, crowd=CROWD.replace("99999", "99")))
    store.close()
    with open_store(database) as bus:
        assert bus.sessions.active("github.com/acme/p3").total == 10
        assert bus.sessions.get("s42").name == "login-42"
        assert bus.stats().messages.total == 1000
        sent = bus.messages.send("s41", "s42", subject="hello")
        assert [message.seq for message in bus.messages.inbox("s42")] == [sent.seq]
        assert sent.seq > 1000
