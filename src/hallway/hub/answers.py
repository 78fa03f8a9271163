"""Answers from afar: `POST /notifications/answer`, which a one-time token opens without a hub token.

A phone that got a notification has the one-time token and nothing else. The token is for one item and one use, and has
the rights of whoever made it. Anybody may try one, so tries are limited by the network that they come from and all
together, and a wrong token is found out by a read. What is answered so says nothing about the item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.bus.remote import RemoteWorkspace
from hallway.core.errors import HallwayError, Unauthorised
from hallway.hub.auth.caller import Caller, address_of
from hallway.hub.auth.limits import AddressLimits
from hallway.hub.auth.middleware import CHALLENGE
from hallway.hub.http import encode_json, parse_object, read_body, respond, respond_error
from hallway.local.workspace import current_user
from hallway.services.notifications import NOT_VALID, NotificationLog

if TYPE_CHECKING:
    from typing import Any

    from starlette.types import ASGIApp, Receive, Scope, Send

    from hallway.core.model import AttentionReply
    from hallway.hub.auth.audit import Audit
    from hallway.hub.auth.token_cache import TokenCache
    from hallway.hub.workers.writer import Writer

ANSWER = NotificationLog.operations["answer"]
HINT = "Answer the item where the list of what needs attention is"


class AnswerEndpoint:
    """Answers an item; a caller with the rights to call operations gets the operation's own result."""

    def __init__(self, operation: ASGIApp, writer: Writer, token_cache: TokenCache, audit: Audit) -> None:
        self._operation = operation
        self._writer = writer
        self._token_cache = token_cache
        self._audit = audit
        self._limits = AddressLimits()
        # The caller of operations for a token that the bus's owner made: the person who runs the hub.
        self._owner = Caller(RemoteWorkspace({"user": user} if (user := current_user()) else {}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "grant" in scope:
            await self._operation(scope, receive, send)
            return
        try:
            self._limits.take(address_of(scope))
            state = await self._answer(parse_object(await read_body(scope, receive)))
        except HallwayError as error:
            self._audit.note(None, ANSWER.name, error.code, address_of(scope))
            await respond_error(send, error, *([CHALLENGE] if isinstance(error, Unauthorised) else []))
        else:
            await respond(send, encode_json({"state": state}))

    async def _answer(self, named: dict[str, Any]) -> str:
        """Answer the item of the token; return the state that the item has then."""
        if "token" not in named:
            raise Unauthorised("this hub wants a token")
        arguments = ANSWER.arguments((), named)
        if not await self._token_cache.is_answer_token(arguments["token"]):
            raise Unauthorised(NOT_VALID, hint=HINT)
        reply: AttentionReply = await self._writer.run(ANSWER, arguments, self._owner)
        return reply.item.state
