"""The actions of a person on the page, under the name `user:NAME`: on messages, sessions, claims, and attention items.

Those on tasks and memory entries are in their own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hallway.core.errors import InvalidInput
from hallway.core.model import EVERYBODY, is_session
from hallway.services.attention import AttentionList
from hallway.services.claims import ClaimRegistry
from hallway.services.conflicts import ConflictRegistry
from hallway.services.messages import CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.text.sanitize import sanitize
from hallway.web.render import address, party

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hallway.core.errors import HallwayError
    from hallway.core.model import AttentionReply, Claim, Receipt
    from hallway.web.site import Site

    Run = Callable[[Site, dict[str, str]], Awaitable[tuple[str, str]]]
    Again = Callable[[Site, dict[str, str], HallwayError], Awaitable[dict[str, Any]]]

SEND = CollaborationHub.operations["send"]
REPLY = CollaborationHub.operations["reply"]
GET = CollaborationHub.operations["get"]
ACKNOWLEDGE = CollaborationHub.operations["acknowledge"]
RENAME = SessionRegistry.operations["rename"]
ANSWER = AttentionList.operations["answer"]
SETTLE = ConflictRegistry.operations["settle"]
GET_CLAIM, RELEASE = ClaimRegistry.operations["get"], ClaimRegistry.operations["release"]
DISMISS = AttentionList.operations["dismiss"]
RESTORE = AttentionList.operations["restore"]
NUDGE = AttentionList.operations["nudge"]

INBOX_PAGE = "/page/inbox"
FIELD_WORDS = {"body": "message", "subject": "title"}  # what the page calls a field


class Action(NamedTuple):
    """A form: its path, and the function it runs, which returns a line to show and the address of the next page.

    `undo` is the path of the form that takes it back, with the same fields. A form with a `page` shows that page again
    after an error, with the data that `again` makes of what was entered.
    """

    path: str
    run: Run
    undo: str = ""
    page: str = ""
    again: Again | None = None


async def send(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Send a message to a session, to a group of sessions, or to everybody in a project."""
    to_session = fields.get("to_session", "").strip()
    kind, within = fields.get("type", "notification"), fields.get("reply_within_s", "")
    sent: Receipt = await site.ask(
        SEND,
        from_session=site.person,
        to_session=to_session,
        subject=fields.get("subject", "").strip(),
        body=written_text(fields),
        project=fields.get("project") or None,
        type="broadcast" if to_session == EVERYBODY and kind == "notification" else kind,
        priority=fields.get("priority", "normal"),
        reply_within_s=int(within) if kind == "request" and within.isascii() and within.isdigit() else None,
    )
    where = address("/page/session", id=to_session) if is_session(to_session) else _thread(sent)
    return _came_to(sent, await _name(site, to_session)), where


async def reply(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Reply to a message in its thread, which acknowledges it if it was sent to this person."""
    parent = await site.ask(GET, message_id=fields.get("to_message", ""))
    sent: Receipt = await site.ask(
        REPLY,
        from_session=site.person,
        to_message=parent.message_id,
        body=written_text(fields),
        priority=fields.get("priority", "normal"),
    )
    to_session = parent.to_session if parent.from_session == site.person else parent.from_session
    where = INBOX_PAGE if fields.get("from_page") == "inbox" else _thread(sent)
    return _came_to(sent, await _name(site, to_session)), where


async def rename(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Give a session another name."""
    session = await site.ask(RENAME, session_id=fields.get("session_id", ""), name=fields.get("name", "").strip())
    return f"It is called {sanitize(session.name)} now.", address("/page/session", id=session.session_id)


async def acknowledge(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Acknowledge a message to this person."""
    count = await site.ask(ACKNOWLEDGE, session_id=site.person, message_ids=[fields.get("message_id", "")])
    return ("Done." if count else "It was done before."), INBOX_PAGE


async def answer_item(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Answer something that needs attention."""
    sent = await site.ask(ANSWER, item_id=fields.get("item_id", ""), body=written_text(fields))
    return _sent_about(sent), "/"


async def nudge_item(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Remind whoever an item waits for."""
    return _sent_about(await site.ask(NUDGE, item_id=fields.get("item_id", ""))), "/"


async def dismiss_item(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Take an item off the list."""
    await site.ask(DISMISS, item_id=fields.get("item_id", ""))
    return "Dismissed.", "/"


async def restore_item(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Put a dismissed item back on the list."""
    await site.ask(RESTORE, item_id=fields.get("item_id", ""))
    return "It is back on the list.", "/"


async def release_claim(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """End the claim of a session or person."""
    claim_id = fields.get("claim_id", "")
    claim: Claim = await site.ask(GET_CLAIM, claim_id=claim_id)
    names = await site.names_of([claim.session_id])
    await site.ask(RELEASE, session_id=site.person, claim_id=claim_id, force=True)
    holder = party(names.get(claim.session_id, claim.session_id))
    return f"{holder} no longer {'holds' if claim.state == 'granted' else 'waits for'} {', '.join(claim.paths)}.", (
        "/page/claims"
    )


async def settle_conflict(site: Site, fields: dict[str, str]) -> tuple[str, str]:
    """Settle a conflict, because its two sessions know of each other."""
    was_open = await site.ask(SETTLE, session_id=site.person, conflict_id=fields.get("conflict_id", ""))
    return ("Settled: it is no conflict for an hour." if was_open else "It was over before."), "/page/claims"


def _sent_about(sent: AttentionReply) -> str:
    name = sanitize(sent.item.name)
    if sent.recipient_status == "offline":
        return f"Stored: {name} is offline and finds it when it is back."
    where = f", who is {sanitize(sent.recipient_status)}" if sent.recipient_status else ""
    return f"Sent to {name}{where}."


def written_text(fields: dict[str, str], name: str = "body") -> str:
    """Return the text of a form's field, with plain line ends; raises InvalidInput if it is empty."""
    text = fields.get(name, "").replace("\r\n", "\n").strip()
    if not text:
        raise InvalidInput(f"the {FIELD_WORDS.get(name, name)} is empty", hint="Write something first")
    return text


async def _name(site: Site, to_session: str) -> str:
    """Return what to call an address in a sentence."""
    return (await site.names_of([to_session])).get(to_session) or party(to_session)


def _thread(sent: Receipt) -> str:
    return address("/page/thread", id=sent.thread_id)


def _came_to(sent: Receipt, to_session: str) -> str:
    """Return a sentence about a sent message's delivery, without promising more than is known."""
    if not sent.recipients:
        return "Sent; nobody is there to get it. Who joins later reads it in the history."
    if sent.recipient_status == "offline":
        return f"Stored: {to_session} is offline and finds it when it is back."
    if sent.recipient_status:
        return f"In the inbox of {to_session}, who is {sanitize(sent.recipient_status)}."
    return f"In {sent.recipients} inboxes." if sent.recipients > 1 else f"In the inbox of {to_session}."


WRITES = (
    Action("/page/say", send),
    Action("/page/answer", reply),
    Action("/page/put-aside", acknowledge),
    Action("/page/rename", rename),
    Action("/page/attention/answer", answer_item),
    Action("/page/attention/nudge", nudge_item),
    Action("/page/attention/dismiss", dismiss_item, undo="/page/attention/restore"),
    Action("/page/attention/restore", restore_item),
    Action("/page/claims/release", release_claim),
    Action("/page/conflicts/settle", settle_conflict),
)
