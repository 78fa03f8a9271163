"""Answers from afar: `POST /notifications/answer` needs a one-time token in its body, and no hub token.

A phone that got a notification has only the one-time token. It is valid for one item and one use, with the rights of
whoever made it. Anybody may guess tokens, so tries are limited for each network and in total, and a token is checked by
a read before anything is written. The response says nothing about the item but its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError, Unauthorised
from hallway.hub.auth.caller import Caller, OwnerWorkspace, address_of
from hallway.hub.auth.limits import AddressLimits
from hallway.hub.auth.middleware import CHALLENGE
from hallway.hub.http import encode_json, parse_object, read_body, respond, respond_error
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
        self._owner = Caller(OwnerWorkspace())  # who answers with a token that the bus's owner made

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
