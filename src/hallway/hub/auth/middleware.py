"""The one middleware of the hub: it checks a request's origin, finds its caller, and passes it to the routes.

On a hub that only this machine can reach, a request without a token counts as the owner's if the kernel says that the
connection belongs to the hub's user (`peers.py`). Every other request needs a token, except for paths without secrets,
and for an answer from afar, whose body has a token of another kind (`answers.py`). A token that is sent must be valid.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError, Unauthorised
from hallway.hub.auth.caller import address_of
from hallway.hub.auth.origin import PROBES
from hallway.hub.auth.page_login import LOGIN, host_of, is_page, login_redirect, secret_of
from hallway.hub.http import header, respond, respond_error
from hallway.hub.options import LOCAL_USERS, OWN_USER
from hallway.services.notifications import NotificationLog

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hallway.hub.auth.audit import Audit
    from hallway.hub.auth.origin import OriginCheck
    from hallway.hub.auth.token_cache import Grant, TokenCache

OPEN = frozenset({*PROBES, "/openapi.json", LOGIN})  # paths whose answers reveal nothing about the bus
OPEN_FOLDER = "/page/static/"
BEARER = b"bearer "
ANSWER = NotificationLog.operations["answer"]
CHALLENGE = (b"www-authenticate", b'Bearer realm="hallway"')


class AuthMiddleware:
    """Passes on requests with the grant of their token in `scope["grant"]`: None for the bus's owner.

    On open paths, and for an answer from afar, the scope has no grant at all, so that no code there can treat the
    request as the owner's.
    """

    def __init__(self, app: ASGIApp, lifespan: ASGIApp, origin: OriginCheck, audit: Audit, owner_is: str) -> None:
        self._app = app
        self._lifespan = lifespan
        self._origin = origin
        self._audit = audit
        self._owner_is = owner_is
        self._own_user = os.geteuid() if hasattr(os, "geteuid") else -1  # -1 is nobody's
        self.token_cache: TokenCache | None = None  # set when the hub has opened its bus

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        try:
            self._origin.check(scope)
        except HallwayError as error:
            await respond_error(send, error)
            return
        if _is_open(scope):
            scope["log_in"] = partial(self._log_in, scope)
        else:
            try:
                scope["grant"] = grant = await self._grant(scope)
                if grant is not None:
                    grant.allowance.take_request()
            except HallwayError as error:
                if _may_answer(scope) and isinstance(error, Unauthorised):
                    await self._app(scope, receive, send)
                    return
                if is_page(scope) and isinstance(error, Unauthorised):
                    await respond(send, b"", 303, ((b"location", login_redirect(scope)),))
                    return
                self._audit.note(None, f"{scope['method']} {scope['path']}"[:200], error.code, address_of(scope))
                await respond_error(send, error, *([CHALLENGE] if isinstance(error, Unauthorised) else []))
                return
        await self._app(scope, receive, send)

    async def _grant(self, scope: Scope) -> Grant | None:
        credentials = header(scope, b"authorization")
        if credentials:
            if credentials[: len(BEARER)].lower() != BEARER or self.token_cache is None:
                raise Unauthorised("the header Authorization holds no bearer token", hint="Send: Bearer TOKEN")
            return await self.token_cache.grant_of(credentials[len(BEARER) :].strip(), address_of(scope))
        if self._owner_is == LOCAL_USERS or (self._owner_is == OWN_USER and scope["peer_user"]() == self._own_user):
            return None
        if self.token_cache is not None and (secret := secret_of(scope)):
            return await self.token_cache.login_of(secret, host_of(scope), scope["peer_user"](), address_of(scope))
        if self._owner_is == OWN_USER:
            raise Unauthorised("this hub answers its own user without a token, and this request is not that user's")
        raise Unauthorised("this hub wants a token")

    async def _log_in(self, scope: Scope, token: str, link: str) -> str:
        """Log in with a token or a link, and return the login's secret; raises Unauthorised, LimitReached."""
        if self.token_cache is None or not (token or link):
            raise Unauthorised("there is no token in the form")
        who = host_of(scope), scope["peer_user"](), header(scope, b"user-agent").decode("latin-1")
        try:
            if link:
                return await self.token_cache.follow_link(link, *who)
            grant = await self.token_cache.grant_of(token.encode(), address_of(scope))
            return await self.token_cache.begin_login(grant, *who)
        except HallwayError as error:
            self._audit.note(None, "login", error.code, address_of(scope))
            raise


def _may_answer(scope: Scope) -> bool:
    """Return whether a request answers an item without a hub token: its body has to hold a one-time token."""
    is_answer = scope["method"] == ANSWER.method and scope["raw_path"] == ANSWER.path.encode()
    return is_answer and not header(scope, b"authorization")


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    return path in OPEN or path.startswith(OPEN_FOLDER)
