"""Which endpoint a request is for: by path, then by method.

A path is split before it is decoded, so what fills one place of it may hold anything, an encoded slash too. A fixed
word goes before a place to be filled: /sessions/active before /sessions/{session_id}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from hallway.core.errors import HallwayError, InvalidInput, NotFound
from hallway.core.schema import quote_value
from hallway.hub.http import respond, respond_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class MethodNotAllowed(HallwayError):
    """The path is there, but not for this method."""

    code, status = "method_not_allowed", 405
    hint = "See what there is: GET /openapi.json"


class Route:
    """A path's endpoints by method."""

    def __init__(self, template: str) -> None:
        self.words = template.split("/")
        self.methods: dict[str, ASGIApp] = {}

    def match(self, words: list[str]) -> dict[str, str] | None:
        """Return what fills the places of this path in another one's still encoded words; None when it is not this
        path.
        """
        filled = {}
        for own, word in zip(self.words, words, strict=True):
            if own[:1] == "{" and word:
                filled[own[1:-1]] = word
            elif own != word:
                return None
        return filled

    @property
    def allowed(self) -> str:
        """Return the methods of this path, as the header Allow wants them."""
        return ", ".join(sorted({*self.methods, "OPTIONS", *(("HEAD",) if "GET" in self.methods else ())}))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        # The server leaves out the body of an answer to HEAD.
        endpoint = self.methods.get("GET" if method == "HEAD" else method)
        if endpoint is not None:
            await endpoint(scope, receive, send)
        elif method == "OPTIONS":
            await respond(send, b"", 200, ((b"allow", self.allowed.encode()),))
        else:
            error = MethodNotAllowed(f"{scope['path'][:200]} takes {self.allowed}, not {quote_value(method)}")
            await respond_error(send, error, (b"allow", self.allowed.encode()))


class PathRouter:
    """Every path of the hub; an ASGI application that passes a request on."""

    def __init__(self) -> None:
        self._paths: dict[str, Route] = {}
        self._by_length: dict[int, list[Route]] = {}

    def add(self, method: str, template: str, endpoint: ASGIApp) -> None:
        if template not in self._paths:
            path = self._paths[template] = Route(template)
            alike = self._by_length.setdefault(len(path.words), [])
            alike.append(path)
            alike.sort(key=lambda each: [word[:1] == "{" for word in each.words])
        self._paths[template].methods[method] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        words = scope["raw_path"].decode("ascii").split("/")
        for path in self._by_length.get(len(words), ()):
            filled = path.match(words)
            if filled is not None:
                try:
                    scope["path_params"] = {name: _decoded(word) for name, word in filled.items()}
                except HallwayError as error:
                    await respond_error(send, error)
                    return
                await path.serve(scope, receive, send)
                return
        await respond_error(send, NotFound(f"there is nothing at {quote_value(scope['path'])}"))


def _decoded(word: str) -> str:
    if "%" not in word:
        return word
    try:
        return unquote(word, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the path is not UTF-8", hint="Percent-encode it as UTF-8") from None
