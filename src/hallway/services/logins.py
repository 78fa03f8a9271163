"""Logins to a hub's page: a browser gets a random secret, never the token.

A login is valid at one hub, under the host name that the browser uses and, if the kernel reports it, for one user of
the machine. It ends with its token, after thirty days, at a logout, or when an admin ends it. A link is a login that
was not used yet: it works once and for two minutes.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, new_id, to_datetime
from hallway.core.errors import LoginNotFound, Unauthorised
from hallway.core.model import Login
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services.base import Service
from hallway.services.tokens import NEWS, digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.store import Row

LOGIN_WITHIN_S = 30 * DAY_S
LINK_WITHIN_S = 120
LINK_HINT = "Get another: hallway open"
MAX_OF_A_TOKEN = 20
MAX_BROWSER = 200


class Opened:
    """A valid login: its token, host, and user of the machine (None: any)."""

    __slots__ = ("expires_in_s", "host", "login_id", "peer_user", "token_digest")

    def __init__(self, login_id: str, token_digest: str, host: str, peer_user: int | None, expires_in_s: float) -> None:
        self.login_id = login_id
        self.token_digest = token_digest
        self.host = host
        self.peer_user = peer_user
        self.expires_in_s = expires_in_s


class LoginRegistry(Service, noun="logins"):
    """Logins of browsers to the page."""

    @operation("GET /logins", verb="token logins", is_admins=True)
    def list_logins(self, *, limit: int = 200) -> list[Login]:
        """Return the logins to the page, newest first, each with its token, time and last address."""
        return [_login(row) for row in self._store.rows("logins.find", now=self._store.now, limit=limit)]

    @operation("DELETE /logins/{login_id}", verb="token logout")
    def end(self, login_id: str) -> Login:
        """End a browser's login to the page: within seconds no hub accepts it, and its streams end."""
        row = self._store.one("logins.end", login_id=login_id)
        if row is None:
            near = near_matches(login_id, [each for (each,) in self._store.rows("logins.ids", now=self._store.now)])
            hint = did_you_mean(near)
            raise LoginNotFound(f"no login has the id {login_id!r}", hint=hint, near=near)
        self.bus.changed_topics.add(NEWS)
        self.bus.events.append(
            "login.ended",
            "",
            None,
            by=self.bus.principal.name if self.bus.principal else None,
            login_id=login_id,
            name=row[1],
        )
        return _login(row)

    # -- called by hubs -----------------------------------------------------------------------------------------------

    def begin(self, token_digest: str, name: str, host: str, peer_user: int | None, browser: str) -> str:
        """Log a browser in with a token; returns the secret of its cookie."""
        return self._insert(token_digest, name, host, peer_user, browser, is_link=False)

    def make_link(self, token_digest: str, name: str) -> str:
        """Make a link that logs a browser in once, with the same token; returns its secret."""
        return self._insert(token_digest, name, "", None, "", is_link=True)

    def _insert(
        self, token_digest: str, name: str, host: str, peer_user: int | None, browser: str, *, is_link: bool
    ) -> str:
        secret = _new_secret()
        with self.bus.transaction():  # type: ignore[attr-defined]
            now = self._store.now
            until = now + (LINK_WITHIN_S if is_link else LOGIN_WITHIN_S) * SECOND
            self._store.rows(
                "logins.insert",
                login_id=new_id(),
                login_digest=digest_of(secret),
                token_digest=token_digest,
                name=name,
                host=host,
                peer_user=peer_user,
                browser=browser[:MAX_BROWSER],
                created_at=now,
                now=now,
                expires_at=until,
                is_link="1" if is_link else "0",
            )
            self._store.rows("logins.trim", name=name, limit=MAX_OF_A_TOKEN)
            self.bus.changed_topics.add(NEWS)
        return secret

    def follow_link(self, link: str, host: str, peer_user: int | None, browser: str) -> str:
        """Log a browser in with a link; return the secret of its cookie. Raises Unauthorised for a used link."""
        secret = _new_secret()
        # Anybody may try a link, so an invalid one must not wait for the write lock.
        if self._store.one("logins.has_link", link_digest=digest_of(link), now=self._store.now) is None:
            raise Unauthorised("this link was used already, or is too old", hint=LINK_HINT)
        with self.bus.transaction():  # type: ignore[attr-defined]
            now = self._store.now
            row = self._store.one(
                "logins.follow",
                link_digest=digest_of(link),
                login_digest=digest_of(secret),
                now=now,
                expires_at=now + LOGIN_WITHIN_S * SECOND,
                host=host,
                peer_user=peer_user,
                browser=browser[:MAX_BROWSER],
            )
            if row is None:
                raise Unauthorised("this link was used already, or is too old", hint=LINK_HINT)
            self.bus.changed_topics.add(NEWS)
        return secret

    def valid(self) -> dict[str, Opened]:
        """Return all valid logins: {digest of the secret: login}."""
        now = self._store.now
        return {
            digest: Opened(login_id, token_digest, host, peer_user, (until - now) / SECOND)
            for digest, login_id, token_digest, host, peer_user, until in self._store.rows("logins.valid", now=now)
        }

    def note_use(self, used: dict[str, str]) -> None:
        """Record the last use of logins: {login id: address}."""
        with self.bus.store.write(is_durable=False):
            for login_id, address in used.items():
                self._store.rows("logins.used", login_id=login_id, address=address, now=self._store.now)

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("logins.prune", now=self._store.now, limit=limit))


def _new_secret() -> str:
    from secrets import token_urlsafe

    return token_urlsafe(32)


def _login(row: Row) -> Login:
    login_id, name, host, browser, began_at, expires_at, last_used_at, last_used_from = row
    return Login.of(
        (
            login_id,
            name,
            host,
            browser or None,
            to_datetime(began_at),
            to_datetime(expires_at),
            to_datetime(last_used_at) if last_used_at else None,
            last_used_from,
        )
    )
