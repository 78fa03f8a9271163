"""A cache of the hub's valid tokens, so that no request has to read the store.

The tokens are read again after a token is created or revoked (a wake-up), every two seconds, and once for all waiting
requests with an unknown token. So a new token works on every hub at once, a revoked token stops within seconds, and
guessing tokens delays only the guesser. A token ends when it expires, even if the bus cannot be read. Refusals and uses
of tokens are written on a separate connection, so that checking a token never waits for a write.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError, LoginNotFound, Unauthorised
from hallway.hub.auth.limits import Allowance
from hallway.services.tokens import NEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from hallway.bus.local import LocalBus
    from hallway.core.principal import Principal
    from hallway.hub.auth.audit import Audit, Counts
    from hallway.hub.auth.limits import Limits
    from hallway.hub.workers.notifier import Notifier
    from hallway.services.logins import Opened

REREAD_S = 2.0
MISS_WAIT_S = 0.25  # between two reads for unknown tokens
RECORD_S = 1.0  # between two checks for refusals and uses to write
USED_EVERY_S = 60.0  # how exact `last_used_at` is

log = logging.getLogger("hallway.hub")


class Grant:
    """The rights of a valid token; `ended` is done when the token becomes invalid.

    A login has a separate grant that shares its token's allowance; `opened` describes the login.
    """

    def __init__(
        self, digest: str, principal: Principal, audit: Audit, allowance: Allowance, opened: Opened | None = None
    ) -> None:
        self.digest = digest
        self.principal = principal
        self.audit = audit
        self.allowance = allowance
        self.opened = opened
        self.token_digest = opened.token_digest if opened else digest
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.used_from: str | None = None  # since it was last written down
        self.noted_at = -USED_EVERY_S
        self.good_until = math.inf  # on the monotonic clock

    @property
    def is_over(self) -> bool:
        return self.ended.done()


class TokenCache:
    """The grants of all valid tokens, by their digests."""

    def __init__(self, bus: LocalBus, records: LocalBus, wakes: Notifier, audit: Audit, limits: Limits) -> None:
        self._bus = bus  # reads on a separate connection; writes have another one
        self._records = records
        self._writing = asyncio.Lock()
        self._wakes = wakes
        self._audit = audit
        self._limits = limits
        self._grants: dict[str, Grant] = {}
        self._logins: dict[str, Grant] = {}  # by the digest of what their cookies hold
        self._put(bus.tokens.valid(), bus.logins.valid())
        self._miss: asyncio.Future[None] | None = None  # requests with an unknown token wait for this read
        self._is_due = asyncio.Event()
        wakes.listen(NEWS, self._is_due.set)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep()), loop.create_task(self._keep_records())]

    async def grant_of(self, token: bytes, address: str) -> Grant:
        """Return the grant of a token; raises Unauthorised if it is unknown even after reading the tokens again."""
        grant = await self._found(self._grants, token)
        if grant is None:
            raise Unauthorised("this token was never made, was revoked, or has expired")
        grant.used_from = address
        return grant

    async def login_of(self, secret: bytes, host: str, peer_user: int | None, address: str) -> Grant:
        """Return the grant of a login; raises Unauthorised at another host or, if known, for another local user."""
        grant = await self._found(self._logins, secret)
        opened = grant.opened if grant else None
        if grant is None or opened is None or opened.host != host or opened.peer_user not in (None, peer_user):
            raise Unauthorised("this login has ended, or is another hub's")
        grant.used_from = address
        return grant

    async def _found(self, grants: dict[str, Grant], secret: bytes) -> Grant | None:
        digest = sha256(secret).hexdigest()
        if (grant := self._find(grants, digest)) is None:
            await self._next_reading()
            grant = self._find(grants, digest)
        return grant

    @staticmethod
    def _find(grants: dict[str, Grant], digest: str) -> Grant | None:
        """Return the grant of a digest; its lookup time reveals nothing about the token."""
        grant = grants.get(digest)
        if grant is None or not hmac.compare_digest(grant.digest, digest) or grant.good_until <= time.monotonic():
            return None
        return grant

    async def is_answer_token(self, token: str) -> bool:
        """Return whether a one-time token to answer an item with can be used now."""
        return await asyncio.to_thread(self._bus.notifications.is_token, token)

    # -- logins -------------------------------------------------------------------------------------------------------

    async def begin_login(self, grant: Grant, host: str, peer_user: int | None, browser: str) -> str:
        """Log a browser in with a token; returns the secret of its cookie, which is good at once."""
        grant.allowance.take_request()
        name, digest = grant.principal.name, grant.token_digest
        secret: str = await self._call(self._records.logins.begin, digest, name, host, peer_user, browser)
        await self._next_reading()
        return secret

    async def make_link(self, grant: Grant) -> str:
        """Make a link that logs a browser in once; returns its secret."""
        secret: str = await self._call(self._records.logins.make_link, grant.token_digest, grant.principal.name)
        return secret

    async def follow_link(self, link: str, host: str, peer_user: int | None, browser: str) -> str:
        """Log a browser in by a link; returns the secret of its cookie. Raises Unauthorised for one that is used up."""
        secret: str = await self._call(self._records.logins.follow_link, link, host, peer_user, browser)
        await self._next_reading()
        return secret

    async def end_login(self, grant: Grant) -> None:
        """End a login permanently."""
        if grant.opened is not None:
            try:
                await self._call(self._records.logins.end, grant.opened.login_id)
            except LoginNotFound:
                pass  # the login has ended already
            await self._next_reading()

    async def _next_reading(self) -> None:
        if self._wakes.is_closed:
            return
        if self._miss is None:
            self._miss = asyncio.get_running_loop().create_future()
            self._is_due.set()
        await asyncio.shield(self._miss)

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function that writes on a thread; such calls share a connection and run one after the other."""
        async with self._writing:
            return await asyncio.to_thread(function, *arguments)

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
                self._put(*await asyncio.to_thread(self._read))
            except HallwayError as error:  # the bus does not answer: the known tokens stay valid
                log.warning("cannot read the tokens: %s", error)
            self._end_expired()
            if waiting is not None:
                waiting.set_result(None)
                await asyncio.sleep(MISS_WAIT_S)
        self._end_miss()

    def _read(self) -> tuple[dict[str, Principal], dict[str, Opened]]:
        return self._bus.tokens.valid(), self._bus.logins.valid()

    def _used(self, grants: dict[str, Grant]) -> dict[str, str]:
        """Return the uses of tokens and logins that are not written yet: {token name or login id: address}."""
        now, used = time.monotonic(), {}
        for grant in grants.values():
            if grant.used_from is not None and now - grant.noted_at >= USED_EVERY_S:
                used[grant.opened.login_id if grant.opened else grant.principal.name] = grant.used_from
                grant.used_from, grant.noted_at = None, now
        return used

    def _put(self, valid: dict[str, Principal], opened: dict[str, Opened]) -> None:
        """Keep the grants that are still good, end the others, and make new ones."""
        logins = {digest: each for digest, each in opened.items() if each.token_digest in valid}
        self._end(self._grants, self._grants.keys() - valid.keys())
        self._end(self._logins, self._logins.keys() - logins.keys())
        now = time.monotonic()
        for digest, principal in valid.items():
            if digest not in self._grants:
                allowance = Allowance(principal.name, self._limits)
                self._grants[digest] = Grant(digest, principal, self._audit, allowance)
            left_s = principal.expires_in_s
            self._grants[digest].good_until = math.inf if left_s is None else now + left_s
        for digest, each in logins.items():
            own = self._grants[each.token_digest]
            if digest not in self._logins:
                self._logins[digest] = Grant(digest, own.principal, self._audit, own.allowance, each)
            self._logins[digest].good_until = min(own.good_until, now + each.expires_in_s)

    @staticmethod
    def _end(grants: dict[str, Grant], digests: Iterable[str]) -> None:
        for digest in digests:
            grants.pop(digest).ended.set_result(None)

    def _end_expired(self) -> None:
        now = time.monotonic()
        for grants in (self._grants, self._logins):
            self._end(grants, [digest for digest, grant in grants.items() if grant.good_until <= now])

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _keep_records(self) -> None:
        while not self._wakes.is_closed:
            await asyncio.sleep(RECORD_S)
            await self._record(self._audit.take())

    async def _record(self, refusals: Counts) -> None:
        """Write the refusals and uses; those that cannot be written now are kept for the next attempt."""
        tokens, logins = self._used(self._grants), self._used(self._logins)
        try:
            await self._call(self._write, refusals, tokens, logins)
        except HallwayError as error:
            log.warning("cannot write down who was refused: %s", error)
            self._audit.put_back(refusals)

    def _write(self, refusals: Counts, tokens: dict[str, str], logins: dict[str, str]) -> None:
        if refusals:
            self._audit.write(self._records, refusals)
        if tokens:
            self._records.tokens.note_use(tokens)
        if logins:
            self._records.logins.note_use(logins)

    async def close(self) -> None:
        """Write the remaining refusals and uses, and stop."""
        for task in self._tasks:
            task.cancel()
        self._end_miss()
        await self._record(self._audit.take(is_last=True))
        self._bus.close()
        self._records.close()

    def _end_miss(self) -> None:
        if self._miss is not None and not self._miss.done():
            self._miss.set_result(None)
