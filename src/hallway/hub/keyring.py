"""The tokens that open this hub, in memory: no request costs a read of the store.

They are read again when a token is made or taken back (a wake-up), every two seconds in any case, and for a token
that is not known, once for all that came with one: so a new token is good on every hub at once, a revoked one is dead
within seconds, and guessing tokens is slow for the guesser and for nobody else. A token ends when it expires, whether
or not the bus can be read. What is written down, refusals and uses of tokens, has a connection of its own: reading who
may never waits for a write.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from hallway.errors import HallwayError, Unauthorised
from hallway.hub.limits import Allowance
from hallway.services.tokens import NEWS

if TYPE_CHECKING:
    from hallway.authority import Principal
    from hallway.bus import LocalBus
    from hallway.hub.audit import Audit, Counts
    from hallway.hub.limits import Limits
    from hallway.hub.wakes import Wakes

REREAD_S = 2.0
MISS_WAIT_S = 0.25  # between two readings for tokens that are not known
RECORD_S = 1.0  # between two looks for what is to be written down
USED_EVERY_S = 60.0  # how exact `last_used_at` is

log = logging.getLogger("hallway.hub")


class Grant:
    """What a valid token opens, for as long as it is valid; `ended` is done when it no longer is."""

    def __init__(self, digest: str, principal: Principal, audit: Audit, limits: Limits) -> None:
        self.digest = digest
        self.principal = principal
        self.audit = audit
        self.allowance = Allowance(principal.name, limits)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.used_from: str | None = None  # since it was last written down
        self.noted_at = -USED_EVERY_S
        self.good_until = math.inf  # on the monotonic clock

    @property
    def is_over(self) -> bool:
        return self.ended.done()


class Keyring:
    """The grants of all valid tokens, by their digests."""

    def __init__(self, bus: LocalBus, records: LocalBus, wakes: Wakes, audit: Audit, limits: Limits) -> None:
        self._bus = bus  # a connection of its own, and another one to write with
        self._records = records
        self._wakes = wakes
        self._audit = audit
        self._limits = limits
        self._grants: dict[str, Grant] = {}
        self._put(bus.tokens.valid())
        self._miss: asyncio.Future[None] | None = None  # what tokens that are not known wait for
        self._is_due = asyncio.Event()
        wakes.listen(NEWS, self._is_due.set)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep()), loop.create_task(self._keep_records())]

    async def grant_of(self, token: bytes, address: str) -> Grant:
        """What a token opens; raises Unauthorised, after the next reading of tokens, for one that opens nothing."""
        digest = sha256(token).hexdigest()
        grant = self._find(digest)
        if grant is None:
            await self._next_reading()
            grant = self._find(digest)
        if grant is None:
            raise Unauthorised("this token was never made, was revoked, or has expired")
        grant.used_from = address
        return grant

    def _find(self, digest: str) -> Grant | None:
        """A digest says nothing of its token, so that how long the search takes says nothing either."""
        grant = self._grants.get(digest)
        if grant is None or not hmac.compare_digest(grant.digest, digest) or grant.good_until <= time.monotonic():
            return None
        return grant

    async def _next_reading(self) -> None:
        if self._wakes.is_closed:
            return
        if self._miss is None:
            self._miss = asyncio.get_running_loop().create_future()
            self._is_due.set()
        await asyncio.shield(self._miss)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while not self._wakes.is_closed:
            try:
                await asyncio.wait_for(self._is_due.wait(), REREAD_S)
            except TimeoutError:
                pass
            self._is_due.clear()
            waiting, self._miss = self._miss, None
            try:
                self._put(await asyncio.to_thread(self._bus.tokens.valid))
            except HallwayError as error:  # a bus that does not answer opens to those it knew, and to nobody else
                log.warning("cannot read the tokens: %s", error)
            self._end_expired()
            if waiting is not None:
                waiting.set_result(None)
                await asyncio.sleep(MISS_WAIT_S)
        self._end_miss()

    def _used(self) -> dict[str, str]:
        now, used = time.monotonic(), {}
        for grant in self._grants.values():
            if grant.used_from is not None and now - grant.noted_at >= USED_EVERY_S:
                used[grant.principal.name] = grant.used_from
                grant.used_from, grant.noted_at = None, now
        return used

    def _put(self, valid: dict[str, Principal]) -> None:
        """Keep the grants that are still good, end the others, and make new ones."""
        for digest in self._grants.keys() - valid.keys():
            self._grants.pop(digest).ended.set_result(None)
        for digest in valid.keys() - self._grants.keys():
            self._grants[digest] = Grant(digest, valid[digest], self._audit, self._limits)
        now = time.monotonic()
        for digest, principal in valid.items():
            left_s = principal.expires_in_s
            self._grants[digest].good_until = math.inf if left_s is None else now + left_s

    def _end_expired(self) -> None:
        now = time.monotonic()
        for digest in [digest for digest, grant in self._grants.items() if grant.good_until <= now]:
            self._grants.pop(digest).ended.set_result(None)

    # -- writing down -------------------------------------------------------------------------------------------------

    async def _keep_records(self) -> None:
        while not self._wakes.is_closed:
            await asyncio.sleep(RECORD_S)
            await self._record(self._audit.take())

    async def _record(self, refusals: Counts) -> None:
        """Write down who was refused and who came; what cannot be written now is kept for later."""
        used = self._used()
        try:
            await asyncio.to_thread(self._write, refusals, used)
        except HallwayError as error:
            log.warning("cannot write down who was refused: %s", error)
            self._audit.put_back(refusals)

    def _write(self, refusals: Counts, used: dict[str, str]) -> None:
        if refusals:
            self._audit.write(self._records, refusals)
        if used:
            self._records.tokens.note_use(used)

    async def close(self) -> None:
        """Write down what is not yet, and end."""
        for task in self._tasks:
            task.cancel()
        self._end_miss()
        await self._record(self._audit.take(is_last=True))
        self._bus.close()
        self._records.close()

    def _end_miss(self) -> None:
        if self._miss is not None and not self._miss.done():
            self._miss.set_result(None)
