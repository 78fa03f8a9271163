"""The baseline of the hub's ratios: an empty POST on the path that a request took through the hub in November 2026.

Ratios stay comparable while the hub gets faster, because this path does not. What is copied here is what a request
passed before it was an operation: uvicorn's own exchange with a `write` for the head and one for the body, the headers
added to each answer, the checks of origin and caller and the router before the hub's own. Do not make it faster.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from starlette.routing import Router
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hallway.hub import serve as server
from hallway.hub.app import Hub
from hallway.hub.auth.limits import Limits
from hallway.hub.http import parse_object, read_body, respond
from hallway.hub.http_protocol import BoundedProtocol
from hallway.hub.router import Route

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send


class FormerProtocol(BoundedProtocol):
    """The protocol with uvicorn's own exchanges."""

    def _begin_exchange(self) -> None:
        HttpToolsProtocol.on_headers_complete(self)


class FormerPath:
    """The application that a request passed: middleware, Starlette's router, a route."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._app = hub, hub.app
        self._headers = [(name.encode(), value.encode()) for name, value in hub.answer_headers]
        self._route = Route("/empty", None)
        self._rest = Router(default=self._find)

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in self._headers if each[0] not in names)]
            await send(message)

        return send_with_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = self._with_headers(send)
        self._app._origin.check(scope)
        scope["grant"] = await self._app._grant(scope)
        await self._rest(scope, receive, send)

    async def _find(self, scope: Scope, receive: Receive, send: Send) -> None:
        words = scope["raw_path"].decode("ascii").split("/")
        if self._route.match(words) is not None:
            scope["path_params"] = {}
            parse_object(await read_body(scope, receive))
            await respond(send, b"{}")


class FormerHub(Hub):
    """A hub whose only answers are the baseline's."""

    def __init__(self) -> None:
        super().__init__(None, limits=Limits(10**9, 10**9, 10**15))
        self.app: Any = FormerPath(self)
        self.answer_headers = ()


if __name__ == "__main__":
    assert os.environ["HALLWAY_HOME"]
    vars(server)["BoundedProtocol"] = FormerProtocol
    server.set_up_logging("text")
    listening = server.listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    server.run(FormerHub(), listening)
