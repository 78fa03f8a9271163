"""The router: finds a request's endpoint by path, then by method.

A path is split before it is decoded, so a path parameter may contain any character, even an encoded slash. A fixed
segment is preferred to a parameter: /sessions/active before /sessions/{session_id}. A text parameter, such as the {key}
of a memory entry, may also contain plain slashes if no other path matches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from hallway.core.errors import HallwayError, InvalidInput, NotFound
from hallway.core.schema import quote_value
from hallway.hub.http import respond, respond_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send


class MethodNotAllowed(HallwayError):
    """The path exists, but not for this method."""

    code, status = "method_not_allowed", 405
    hint = "See what there is: GET /openapi.json"


class Route:
    """A path's endpoints by method; `long_place` is the parameter that may contain slashes."""

    def __init__(self, template: str, long_place: str | None = None) -> None:
        self.words = template.split("/")
        self.long = self.words.index(f"{{{long_place}}}") if long_place else None
        self.methods: dict[str, ASGIApp] = {}

    def match(self, words: list[str]) -> dict[str, str] | None:
        """Return the parameters of a request's encoded path segments; None if the path does not match."""
        if self.long is not None:
            end = self.long + 1 + len(words) - len(self.words)
            words = [*words[: self.long], "/".join(words[self.long : end]), *words[end:]]
        filled = {}
        for own, word in zip(self.words, words, strict=True):
            if own[:1] == "{" and word:
                filled[own[1:-1]] = word
            elif own != word:
                return None
        return filled

    @property
    def allowed(self) -> str:
        """Return the methods of this path, in the format of the Allow header."""
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


class Segment:
    """A node of the tree of paths: the segments that may follow, and the route that ends here."""

    __slots__ = ("fixed", "parameter", "route")

    def __init__(self) -> None:
        self.fixed: dict[str, Segment] = {}
        self.parameter: Segment | None = None
        self.route: Route | None = None

    def add(self, words: list[str], route: Route) -> None:
        if not words:
            self.route = route
        elif words[0][:1] == "{":
            self.parameter = self.parameter or Segment()
            self.parameter.add(words[1:], route)
        else:
            self.fixed.setdefault(words[0], Segment()).add(words[1:], route)

    def find(self, words: list[str], at: int = 0) -> Route | None:
        """Return the route of a path's segments from `at` on, a fixed segment preferred to a parameter."""
        if at == len(words):
            return self.route
        found = self.fixed[words[at]].find(words, at + 1) if words[at] in self.fixed else None
        if found is None and self.parameter is not None and words[at]:
            return self.parameter.find(words, at + 1)
        return found


class PathRouter:
    """All routes of the hub: an ASGI application that passes each request to its endpoint."""

    def __init__(self) -> None:
        self._paths: dict[str, Route] = {}
        self._tree = Segment()
        self._long: list[Route] = []  # those with the most segments first
        self.otherwise: ASGIApp = nothing_there

    def add(self, method: str, template: str, endpoint: ASGIApp, long_place: str | None = None) -> None:
        if template not in self._paths:
            path = self._paths[template] = Route(template, long_place)
            self._tree.add(path.words, path)
            if long_place:
                self._long.append(path)
                self._long.sort(key=lambda each: -len(each.words))
        self._paths[template].methods[method] = endpoint

    def _alike(self, words: list[str]) -> Iterator[Route]:
        """Yield the routes that may match a path, best first."""
        route = self._tree.find(words)
        if route is not None:
            yield route
        yield from (each for each in self._long if len(each.words) < len(words))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        words = scope["raw_path"].decode("ascii").split("/")
        for path in self._alike(words):
            filled = path.match(words)
            if filled is not None:
                try:
                    scope["path_params"] = {name: _decoded(word) for name, word in filled.items()}
                except HallwayError as error:
                    await respond_error(send, error)
                    return
                await path.serve(scope, receive, send)
                return
        await self.otherwise(scope, receive, send)


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for an unknown path."""
    await respond_error(send, not_found(scope))


def not_found(scope: Scope) -> NotFound:
    """Return the error for an unknown path."""
    return NotFound(f"there is nothing at {quote_value(scope['path'])}")


def _decoded(word: str) -> str:
    if "%" not in word:
        return word
    try:
        return unquote(word, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the path is not UTF-8", hint="Percent-encode it as UTF-8") from None
