"""The baseline of bench/postgres.py: the same hub, but each heartbeat is a transaction of its own on a pool.

Server, routes, statements and answers are the real ones; only what runs a heartbeat is what a plain service would do:
take one of eight connections of psycopg's pool, begin, three statements, commit.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from psycopg_pool import ConnectionPool

from hallway.core.model import Heartbeat, PeerSession
from hallway.hub.app import HEARTBEAT, Hub
from hallway.hub.endpoint import OperationEndpoint
from hallway.hub.serve import listen, run, set_up_logging
from hallway.store import load_statements
from hallway.store.postgres.dialect import PARAMETER, type_of
from hallway.store.postgres.store import CLOCK

if TYPE_CHECKING:
    from hallway.core.operation import Operation
    from hallway.hub.auth.caller import Caller

CONNECTIONS = 8


def for_psycopg(text: str) -> str:
    """A named statement with psycopg's own placeholders."""
    return PARAMETER.sub(lambda found: f"%({found[1]})s{found[2] or '::' + type_of(found[1])}", text.rstrip(";"))


class PoolWorker:
    """Runs each heartbeat in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)
        self._pool.wait()
        self._threads = ThreadPoolExecutor(CONNECTIONS)
        known, plain = load_statements("postgres"), load_statements("sqlite")
        beat = plain["sessions.heartbeat"].replace("max(", "greatest(")
        self._beat = for_psycopg(beat)  # one plain UPDATE, which waits for others
        self._peers, self._heartbeat_counts = (
            for_psycopg(known["sessions.peers"]),
            for_psycopg(known["sessions.heartbeat_counts"]),
        )

    def run(self, operation: Operation, arguments: dict[str, Any], caller: Caller) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, self._heartbeat, arguments)

    def _heartbeat(self, said: dict[str, Any]) -> Heartbeat:
        with self._pool.connection() as connection:
            now = connection.execute(CLOCK.encode()).fetchall()[0][0]
            beaten = connection.execute(self._beat.encode(), {**said, "now": now}, prepare=True).fetchall()
            own_id, project, status, name = beaten[0]
            around = {"project": project, "now": now, "except_id": own_id, "limit": said["limit"]}
            peers = connection.execute(self._peers.encode(), around, prepare=True).fetchall()
            asked = {**around, "session_id": said["session_id"]}
            live, unread, _ = connection.execute(self._heartbeat_counts.encode(), asked, prepare=True).fetchall()[0]
        others = [PeerSession.of(peer) for peer in peers]
        return Heartbeat.of((said["session_id"], name, project, status, others, live - 1, unread, []))


class PoolHub(Hub):
    def _operation_endpoint(self, operation: Operation) -> OperationEndpoint:
        if operation is HEARTBEAT:
            return OperationEndpoint(operation, PoolWorker(os.environ["HALLWAY_URL"]), self._wakes, self._meter)
        return super()._operation_endpoint(operation)


if __name__ == "__main__":
    set_up_logging("text")
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    run(PoolHub(os.environ["HALLWAY_URL"]), listening)
