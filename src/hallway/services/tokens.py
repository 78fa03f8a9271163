"""Access tokens for a bus that other machines reach, created and revoked by an admin.

A token is 256 random bits after a prefix by which scanners for leaked secrets recognise it. Only its SHA-256 is stored:
a slow hash would protect guessable secrets only, and 256 random bits cannot be guessed. Every change is an event and
wakes the hubs, which keep the valid tokens in memory.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.errors import AlreadyTaken, InvalidInput, TokenNotFound
from hallway.core.model import ADMIN, AGENT, Identity, NewToken, Token
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.principal import Principal
from hallway.core.schema import decode, encode
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.store import Row

PREFIX = "hallway_"
RANDOM_BYTES = 32
NEWS = "tokens"  # the topic that wakes the hubs


class TokenRegistry(Service, noun="tokens"):
    """Access tokens, with their roles and projects."""

    @operation("POST /tokens", verb="token create")
    def create(
        self, name: str, role: str = AGENT, projects: list[str] | None = None, expires_in_s: int | None = None
    ) -> NewToken:
        """Create a token for a person, a machine or a program; its secret is shown only once.

        Its bearer writes as `user:NAME` and as the sessions it registers. An observer can only read, an admin can do
        everything. With projects, the token gives access only to them. Raises AlreadyTaken if a valid token has the
        name.
        """
        if role == ADMIN and projects is not None:
            raise InvalidInput("an admin's token is for all projects", hint="Leave the projects out")
        token, until = _new_token(), self._until(expires_in_s)
        seen = None if projects is None else sorted(set(projects))
        row = self._store.one(
            "tokens.insert",
            name=name,
            token_digest=digest_of(token),
            role=role,
            now=self._store.now,
            expires_at=until,
            projects=None if seen is None else encode(seen),
        )
        if row is None:
            raise AlreadyTaken(
                f"there is a token with the name {name!r}",
                hint="For a new secret, rotate it. To begin anew, revoke it first",
            )
        self._tell("token.created", name=name, role=role, projects=seen)
        return NewToken.of((name, role, seen, to_datetime(until) if until else None, token))

    @operation("GET /tokens", verb="token list", is_admins=True)
    def list_tokens(self, *, include_revoked: bool = False, limit: int = 200) -> list[Token]:
        """Return the valid tokens by name, with role, projects, and time and address of the last use."""
        rows = self._store.rows("tokens.find", include_revoked=include_revoked, now=self._store.now, limit=limit)
        return [_token(row) for row in rows]

    @operation("DELETE /tokens/{name}", verb="token revoke")
    def revoke(self, name: str) -> Token:
        """Revoke a token: within seconds no hub accepts it, and its streams end."""
        row = self._store.one("tokens.revoke", name=name, now=self._store.now)
        if row is None:
            raise self._no_token(name)
        self._tell("token.revoked", name=name)
        return _token(row)

    @operation("POST /tokens/{name}/rotate", verb="token rotate")
    def rotate(self, name: str, expires_in_s: int | None = None) -> NewToken:
        """Give a token a new secret; the old one is no longer accepted. Its name, role, projects and sessions stay.

        The expiry also stays, unless a new one is given.
        """
        token = _new_token()
        row = self._store.one(
            "tokens.rotate", name=name, token_digest=digest_of(token), expires_at=self._until(expires_in_s)
        )
        if row is None:
            raise self._no_token(name)
        self._tell("token.rotated", name=name)
        name, role, projects, until = row
        return NewToken.of((name, role, _projects(projects), to_datetime(until) if until else None, token))

    @operation("GET /me", verb="whoami")
    def whoami(self) -> Identity:
        """Return the caller's identity on the bus, with its role and projects."""
        who = self.bus.principal
        if who is None:
            return Identity.of((None, ADMIN, None))
        return Identity.of((who.name, who.role, None if who.projects is None else sorted(who.projects)))

    # -- called by hubs -----------------------------------------------------------------------------------------------

    def valid(self) -> dict[str, Principal]:
        """Return the principals of all valid tokens: {digest of the token: principal}."""
        now = self._store.now
        return {
            digest: Principal(name, role, _projects(projects), (until - now) / SECOND if until else None)
            for digest, name, role, projects, until in self._store.rows("tokens.valid", now=now)
        }

    def restore(
        self, name: str, token_sha256: str, role: str, projects: str | None, created_at: int, expires_at: int | None
    ) -> str:
        """Take over a token of another bus; return what came of it.

        `taken`; `there`: this bus has it; `revoked`: this bus has revoked it; `different`: another has its name.
        """
        row = self._store.one("tokens.revocation", token_digest=token_sha256)
        if row is not None:
            return "existing" if row[0] is None else "revoked"
        added = self._store.rows(
            "tokens.restore",
            name=name,
            token_digest=token_sha256,
            role=role,
            projects=projects,
            created_at=created_at,
            expires_at=expires_at,
        )
        if not added:
            return "different"
        self._tell("token.imported", name=name, role=role, projects=_projects(projects))
        return "added"

    def note_use(self, used: dict[str, str]) -> None:
        """Record the last use of tokens: {token name: address}."""
        with self.bus.store.write(is_durable=False):
            for name, address in used.items():
                self._store.rows("tokens.used", name=name, address=address, now=self._store.now)

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("tokens.prune", before=before, limit=limit))

    def _until(self, expires_in_s: int | None) -> int | None:
        return None if expires_in_s is None else self._store.now + expires_in_s * SECOND

    def _tell(self, kind: str, **data: object) -> None:
        self.bus.events.append(kind, "", None, by=self.bus.principal.name if self.bus.principal else None, **data)
        self.bus.changed_topics.add(NEWS)

    def _no_token(self, name: str) -> TokenNotFound:
        near = near_matches(name, [each for (each,) in self._store.rows("tokens.names")])
        hint = did_you_mean(near)
        return TokenNotFound(f"no valid token has the name {name!r}", hint=hint, near=near)


def digest_of(token: str) -> str:
    """Return the digest that is stored of a token."""
    from hashlib import sha256

    return sha256(token.encode()).hexdigest()


def _new_token() -> str:
    from secrets import token_urlsafe

    return PREFIX + token_urlsafe(RANDOM_BYTES)


def _projects(text: str | None) -> list[str] | None:
    projects: list[str] | None = None if text is None else decode(text)
    return projects


def _token(row: Row) -> Token:
    """Return a token from the columns of `tokens.get`."""
    name, role, projects, created_at, *moments, last_used_at, last_used_from = row
    expires_at, revoked_at, last_used_at = (to_datetime(at) if at else None for at in (*moments, last_used_at))
    return Token.of(
        (
            name,
            role,
            _projects(projects),
            to_datetime(created_at),
            expires_at,
            revoked_at,
            last_used_at,
            last_used_from,
        )
    )
