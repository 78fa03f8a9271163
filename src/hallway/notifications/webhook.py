"""Webhooks: a signed POST of JSON for each item, and its answer, which may answer the item.

The signature is HMAC-SHA256, with the section's secret, over the time stamp, a full stop and the body. A repetition has
the same `Idempotency-Key`. Redirects are not followed. The whole exchange has one time limit, however slowly the bytes
come.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import hallway
from hallway.bus.hub_endpoint import shut_down
from hallway.core.errors import NotificationFailed
from hallway.core.schema import decode, encode
from hallway.notifications.address_check import connection_class, resolve
from hallway.notifications.notification import Answer
from hallway.notifications.sinks import Sink

if TYPE_CHECKING:
    from hallway.notifications.notification import Notification

LIMIT_S = 15.0
MAX_REPLY = 64 * 1024
PORTS = {"http": http.client.HTTP_PORT, "https": http.client.HTTPS_PORT}
TRY_AGAIN = (408, 425, 429)  # of the statuses below 500, those that say so


class WebhookSink(Sink):
    """Posts the notification to a URL."""

    type = "webhook"
    is_repeatable = True

    def describe(self) -> str:
        parts = urlsplit(self.options.url)
        return f"{parts.scheme}://{parts.hostname}"  # the path of a webhook is often its secret

    def send(self, notification: Notification) -> Answer | None:
        body = notification.to_dict(has_text=self.has_text)
        if notification.token is not None:
            answer = {"token": notification.token.token, "expires_at": notification.token.to_dict()["expires_at"]}
            where = {"url": notification.answer_url} if notification.answer_url else {}
            body = {**body, "answer": {**answer, **where}}
        reply = self.post(encode(body).encode(), notification.key)
        return _answer(reply) if notification.token is not None else None

    def post(self, body: bytes, key: str) -> bytes:
        """Send a body by POST; return the beginning of what the receiver says. Raises NotificationFailed."""
        parts = urlsplit(self.options.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        addresses = resolve(host, port, allow_private=self.options.allow_private)
        connection = connection_class(parts.scheme)(host, port, addresses, LIMIT_S)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        hurry = Timer(LIMIT_S, lambda: shut_down(connection.sock))
        hurry.daemon = True
        hurry.start()
        try:
            connection.request("POST", path, body, self._headers(body, key))
            response = connection.getresponse()
            reply = response.read(MAX_REPLY)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotificationFailed(f"{self.describe()} does not answer: {_reason(error)}") from None
        finally:
            hurry.cancel()
            connection.close()
        if not 200 <= response.status < 300:
            is_final = response.status < 500 and response.status not in TRY_AGAIN
            raise NotificationFailed(f"{self.describe()} answered with status {response.status}", is_final=is_final)
        return reply

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"hallway/{hallway.__version__}",
            "Idempotency-Key": key,
            "Hallway-Timestamp": str(int(time.time())),
        }
        if self.options.secret:
            headers["Hallway-Signature"] = sign(self.options.secret, headers["Hallway-Timestamp"], body)
        return headers


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body at a time, as the header Hallway-Signature has it."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _answer(reply: bytes) -> Answer | None:
    """Return the answer in a webhook's reply: {"answer": TEXT, "token": TOKEN}; any other reply says nothing."""
    try:
        said = decode(reply.decode())
    except ValueError:
        return None
    text, token = (said.get("answer"), said.get("token")) if isinstance(said, dict) else (None, None)
    return Answer(token, text) if isinstance(text, str) and isinstance(token, str) and text.strip() else None


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
