"""A notification: an item that needs a person, in the words that leave hallway.

The headline says what kind of thing it is, who it is about and in which project. The text is what a session wrote: its
question, a subject, a command. It leaves the machine only if the rules file allows it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hallway.services.notifications import NotificationLog
from hallway.text.sanitize import sanitize
from hallway.text.style import ATTENTION_LOOKS, short_project, style_of

if TYPE_CHECKING:
    from hallway.core.model import AnswerToken, AttentionItem

MAX_TEXT = 500
ANSWER_PATH = NotificationLog.operations["answer"].path
HEADLINE_FIELDS = ("item_id", "kind", "is_urgent", "project", "name", "since")


class Answer:
    """An answer to an item that came back from afar, with the token that it was given."""

    __slots__ = ("text", "token")

    def __init__(self, token: str, text: str) -> None:
        self.token = token
        self.text = text


class Notification:
    """An item for one channel: its headline and text, the key that repetitions share, and a token to answer it.

    `answer_url` is where the token is accepted, if the rules say where the hub is.
    """

    __slots__ = ("answer_url", "headline", "item", "key", "text", "token")

    def __init__(
        self, item: AttentionItem, key: str, token: AnswerToken | None = None, hub_url: str | None = None
    ) -> None:
        self.item = item
        self.headline = headline_of(item)
        self.text = sanitize(item.what)[:MAX_TEXT]
        self.key = key
        self.token = token
        self.answer_url = f"{hub_url}{ANSWER_PATH}" if token and hub_url else None

    def to_dict(self, *, has_text: bool) -> dict[str, Any]:
        """Return what a program is sent: the whole item, or only what the headline says."""
        item = self.item.to_dict()
        return {"headline": self.headline, **(item if has_text else {name: item[name] for name in HEADLINE_FIELDS})}


def headline_of(item: AttentionItem) -> str:
    """Return what a notification of an item says at least: what kind of thing it is, who it is about, and where."""
    meaning = style_of(item.kind, ATTENTION_LOOKS).meaning
    urgent = "Urgent: " if item.is_urgent else ""
    return sanitize(f"{urgent}{item.name} {meaning} ({short_project(item.project)})")


def sample_notification() -> Notification:
    """Return the notification by which a person tries a sink."""
    from datetime import UTC, datetime

    from hallway.core.model import AttentionItem

    now = datetime.now(UTC)
    what = "If you read this, it works."
    item = AttentionItem(
        item_id="test",
        kind="question",
        is_urgent=False,
        state="open",
        state_since=now,
        project="hallway",
        session_id=None,
        name="hallway notify test",
        client=None,
        branch=None,
        person=None,
        what=what,
        since=now,
        message_id=None,
        task_id=None,
        terminal=None,
        actions=[],
    )
    return Notification(item, sha256(what.encode() + now.isoformat().encode()).hexdigest()[:16])
