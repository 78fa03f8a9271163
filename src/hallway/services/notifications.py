"""Notifications: which item was sent to a person through which channel, so that each is sent once (H3).

Any number of programs may send one person's notifications: `hallway notify`, hubs, `hallway watch --exec`. Before it
sends, a sender takes the item for the channel: one sender gets it, with a lease. A sender that ends in the middle
leaves a lease that expires. Whether the item was sent is unknown then: it is sent again only through a channel that is
declared repeatable, whose receiver recognises a repetition.

This service decides neither what needs a person (`attention.py`) nor who wants to be told of what: the rules are the
sender's.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.errors import Refused, Unauthorised
from hallway.core.model import ADMIN, AnswerToken, AttentionItem, AttentionReply, NotificationChannel, NotificationTurn
from hallway.core.operation import KEEP, operation
from hallway.services.base import Service
from hallway.services.tokens import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.principal import Principal

LEASE_S = 120  # how long a sender may take for one attempt; every sink's time limit is shorter
TOKEN_WITHIN_S = 3600
SENDING, WAITING, SENT, FAILED, UNKNOWN = "sending", "waiting", "sent", "failed", "unknown"
INTERRUPTED = "the sender ended in the middle"
NOT_VALID = "this token to answer was used already, is too old, or is not valid"


class NotificationLog(Service, noun="notifications"):
    """What was sent to persons, and who may send it now."""

    @operation("GET /notifications")
    def list_channels(self) -> list[NotificationChannel]:
        """Return the caller's channels with how many notifications each has sent and failed to send.

        An admin, and the bus's owner, see those of every person.
        """
        principal = self.bus.principal
        person = None if principal is None or principal.role == ADMIN else principal.person
        channels: dict[tuple[str, str], NotificationChannel] = {}
        for name, channel, state, count, at, error in self._store.rows("notifications.channels", person=person):
            before = channels.get((name, channel)) or NotificationChannel.of((name, channel, {}, None, None, None))
            changes: dict[str, Any] = {"by_state": {**before.by_state, state: count}}
            if state == SENT:
                changes["last_sent_at"] = to_datetime(at)
            elif error and (before.last_error_at is None or before.last_error_at < to_datetime(at)):
                changes |= {"last_error": error, "last_error_at": to_datetime(at)}
            channels[name, channel] = before.replace(**changes)
        return list(channels.values())

    @operation("POST /notifications/take", secrets=KEEP, is_persons=True)
    def take(
        self, channel: str, item_id: str, holder: str, *, is_repeatable: bool = False, unless_seen: bool = False
    ) -> NotificationTurn:
        """Begin to send an item through a channel of the caller's person; one of several senders may.

        It may not be sent once it was sent, while another sender has the lease, before its next attempt, when it no
        longer needs a person and, with `unless_seen`, when the person has looked at the list since it appeared.
        """
        key = digest_of(f"{self._person}\n{channel}\n{item_id}")[:16]
        row = self._store.one("notifications.open_item", item_id=item_id)
        if row is None or not self.bus.attention.may_see(row[0]) or (unless_seen and self._has_seen(row[1])):
            return NotificationTurn.of((False, True, 0, key, None))
        now, place = self._store.now, {"person": self._person, "channel": channel, "item_id": item_id}
        after_crash = WAITING if is_repeatable else UNKNOWN
        self._store.rows("notifications.expire", **place, state=after_crash, error=INTERRUPTED, now=now)
        taken = self._store.one("notifications.take", **place, holder=holder, now=now, due_at=now + LEASE_S * SECOND)
        if taken is not None:
            return NotificationTurn.of((True, False, taken[0], key, None))
        state, due_at = self._store.one("notifications.state", **place) or (SENT, now)
        if state not in (SENDING, WAITING):
            return NotificationTurn.of((False, True, 0, key, None))
        return NotificationTurn.of((False, False, 0, key, max((due_at - now) / SECOND, 0.001)))

    @operation("POST /notifications/settle", is_persons=True)
    def settle(
        self, channel: str, item_id: str, holder: str, *, error: str | None = None, retry_in_s: float | None = None
    ) -> bool:
        """Record how an attempt ended: sent, failed, or to be made again after some seconds.

        Returns whether the caller still had the lease; if not, nothing is recorded.
        """
        state = SENT if error is None else FAILED if retry_in_s is None else WAITING
        rows = self._store.rows(
            "notifications.settle",
            person=self._person,
            channel=channel,
            item_id=item_id,
            holder=holder,
            state=state,
            error=error,
            now=self._store.now,
            due_at=self._store.now + round((retry_in_s or 0) * SECOND),
        )
        return bool(rows)

    @operation("POST /notifications/look", is_durable=False, is_persons=True)
    def look(self) -> bool:
        """Record that the caller's person looks at the list of what needs attention now."""
        return bool(self._store.rows("notifications.look", person=self._person, now=self._store.now))

    @operation("POST /notifications/tokens", is_persons=True)
    def make_token(self, item_id: str, *, expires_in_s: int = TOKEN_WITHIN_S) -> AnswerToken:
        """Make a token with which one item can be answered once, from wherever the token is carried.

        Only its hash is stored. Raises AttentionNotFound for what is not on the list, and Refused for an item that
        cannot be answered.
        """
        from secrets import token_urlsafe

        item: AttentionItem = self.bus.attention.require_answerable(item_id)
        token, until = token_urlsafe(32), self._store.now + expires_in_s * SECOND
        self._store.rows(
            "notifications.add_token",
            token_digest=digest_of(token),
            item_id=item.item_id,
            bearer=self.bus.principal and self.bus.principal.name,
            expires_at=until,
        )
        return AnswerToken.of((token, item.item_id, to_datetime(until)))

    @operation("POST /notifications/answer", secrets=KEEP, is_persons=True)
    def answer(self, token: str, body: str) -> AttentionReply:
        """Answer the item of a token, with the rights of whoever made the token.

        The token is used up, unless the answer is refused. Raises Unauthorised for a token that was used, has expired,
        or was never made, and AttentionNotFound if the item is resolved by now.
        """
        row = self._store.one("notifications.use_token", token_digest=digest_of(token), now=self._store.now)
        if row is None:
            raise Unauthorised(NOT_VALID, hint="Answer the item where the list of what needs attention is")
        caller, self.bus.principal = self.bus.principal, self._bearer(row[1])
        try:
            reply: AttentionReply = self.bus.attention.answer(row[0], body)
        finally:
            self.bus.principal = caller
        return reply

    # -- called by other services and by hubs -------------------------------------------------------------------------

    def is_token(self, token: str) -> bool:
        """Return whether a token can be used now: anybody may try one, which must not wait for the write lock."""
        return (
            self._store.one("notifications.has_token", token_digest=digest_of(token), now=self._store.now) is not None
        )

    def prune_old(self, before: int, limit: int) -> int:
        tokens = self._store.rows("notifications.prune_tokens", now=self._store.now, limit=limit)
        return len(tokens) + len(self._store.rows("notifications.prune", before=before, limit=limit))

    def _has_seen(self, appeared_at: int) -> bool:
        row = self._store.one("notifications.looked_at", person=self._person)
        return row is not None and row[0] >= appeared_at

    def _bearer(self, name: str | None) -> Principal | None:
        """Return the principal whose rights an answer has; raise Refused if its hub token is no longer valid."""
        if name is None:
            return None
        for principal in self.bus.tokens.valid().values():
            if principal.name == name:
                return principal  # type: ignore[no-any-return]
        raise Refused(f"the hub token {name!r}, which made this token, is no longer valid", hint="Log in again")
