"""The real Apprise sends to a server as ntfy's and to one for mail, in a process of its own (H3)."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from hallway.core.errors import NotificationFailed
from hallway.notifications.apprise_sink import AppriseSink
from hallway.notifications.notification import Notification
from hallway.notifications.rules import NotificationRule, SinkOptions
from notifications.receiver import Receiver, ask
from notifications.test_sinks import notification
from postgres import free_port
from support import until

HEADLINE = "login-form asks a question (shop)"
__all__ = ["notification"]


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self._server = Controller(self, hostname="127.0.0.1", port=free_port())
        self.port = self._server.port

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    mailbox._server.start()
    yield mailbox
    mailbox._server.stop()


def ntfy(receiver: Receiver, **more: Any) -> SinkOptions:
    return SinkOptions("phone", "apprise", url=f"ntfy://127.0.0.1:{receiver.port}/secret-topic", **more)


@pytest.mark.promise("H3")
def test_ntfy_gets_the_headline_only_unless_the_rules_allow_more(receiver, notification):
    AppriseSink(ntfy(receiver)).send(notification)
    AppriseSink(ntfy(receiver, send_text=True)).send(notification)
    short, whole = receiver.requests
    assert (short.json["topic"], short.json["message"]) == ("secret-topic", HEADLINE)
    assert b"Which port?" not in short.body
    assert (whole.json["title"], whole.json["message"]) == (HEADLINE, "Which port?")
    assert "x-actions" not in whole.headers


@pytest.mark.promise("H3")
def test_mail_has_the_headline_and_not_the_question(mailbox, shop, dispatch):
    url = f"mailto://127.0.0.1:{mailbox.port}?from=hallway@example.com&to=alice@example.com&mode=insecure"
    reports = dispatch([NotificationRule(["mail"])], SinkOptions("mail", "apprise", url=url))
    ask(shop)
    until(lambda: mailbox.mails or (reports and reports[0][2] and pytest.fail(str(reports[0][2]))))
    (mail,) = mailbox.mails
    assert mail["To"] == "alice@example.com"
    assert HEADLINE in mail.as_string()
    assert "Which port?" not in mail.as_string()
    until(lambda: shop.notifications.list_channels()[0].by_state == {"sent": 1})


@pytest.mark.promise("H3")
def test_what_the_service_did_not_take_is_tried_again_and_the_error_holds_no_secret(shop, dispatch, monkeypatch):
    monkeypatch.setattr("hallway.notifications.dispatcher.FIRST_RETRY_S", 0.01)
    statuses = [500, 200]
    with Receiver(lambda _: (statuses.pop(0), {})) as bad:
        reports = dispatch([NotificationRule(["phone"])], ntfy(bad))
        ask(shop)
        until(lambda: len(reports) == 2)
    assert [error is None for _, _, error in reports] == [False, True]
    assert "secret-topic" not in str(reports[0][2])
    assert "did not take it" in str(reports[0][2])


@pytest.mark.promise("H3")
@pytest.mark.parametrize("url", ["nothing://x", "no url"])
def test_a_url_that_apprise_cannot_read_is_given_up_at_once(notification, url):
    with pytest.raises(NotificationFailed, match="cannot read the URL of the sink phone") as failed:
        AppriseSink(SinkOptions("phone", "apprise", url=url)).send(notification)
    assert failed.value.is_final


@pytest.mark.promise("H3")
def test_a_service_that_hangs_is_given_up_within_the_time_limit(notification, monkeypatch):
    import socket

    monkeypatch.setattr("hallway.notifications.apprise_sink.LIMIT_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = SinkOptions("phone", "apprise", url=f"ntfy://127.0.0.1:{silent.getsockname()[1]}/x")
        with pytest.raises(NotificationFailed, match="did not end within 3 s"):
            AppriseSink(options).send(notification)


def test_hostile_text_stays_text(receiver, notification):
    item = notification.item.replace(name="-x", what="<b>$(id)</b> \x1b]0;owned\x07", is_urgent=True)
    AppriseSink(ntfy(receiver, send_text=True)).send(Notification(item, "0" * 16))
    assert receiver.requests[0].json["title"].startswith("Urgent: -x asks")
    assert receiver.requests[0].json["message"].startswith("<b>$(id)</b>")
    assert "\x1b" not in receiver.requests[0].json["message"]
