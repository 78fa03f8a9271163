"""Automatic pruning: a minute after the hub's start and every hour, on the writer, in steps between other batches."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError
from hallway.core.parameters import MAX_AGE_S
from hallway.hub.auth.caller import HUB
from hallway.services.retention import Retention

if TYPE_CHECKING:
    from typing import Any

    from hallway.hub.workers.writer import Writer

FIRST_AFTER_S = 60.0
EVERY_S = 3600.0
BETWEEN_STEPS_S = 0.05
PRUNE = Retention.operations["prune"]
AGE = PRUNE.parameters["older_than_s"].kind
SIZE = PRUNE.parameters["keep_bytes"].kind
FOREVER = "forever"  # expired data is removed nevertheless

log = logging.getLogger("hallway.hub")


def read_keep(age: str, size: str | None) -> dict[str, Any]:
    """Return the parameters of `Retention.prune` for `--keep 30d --keep-bytes N`; raises InvalidInput."""
    older_than_s = MAX_AGE_S if age == FOREVER else AGE.check("keep", AGE.parse("keep", age))
    keep_bytes = None if size is None else SIZE.check("keep-bytes", SIZE.parse("keep-bytes", size))
    return {"older_than_s": older_than_s, "keep_bytes": keep_bytes}


class Pruner:
    """Prunes the bus regularly for as long as the hub runs."""

    def __init__(self, writer: Writer, keep: dict[str, Any]) -> None:
        self._writer = writer
        self._keep = PRUNE.arguments((), keep)
        self._keeping = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            try:
                await self._prune()
            except HallwayError as error:
                log.warning("cannot prune: %s", error)
            await asyncio.sleep(EVERY_S)

    async def _prune(self) -> None:
        while not (await self._writer.run(PRUNE, self._keep, HUB)).is_complete:
            await asyncio.sleep(BETWEEN_STEPS_S)

    def close(self) -> None:
        self._keeping.cancel()
