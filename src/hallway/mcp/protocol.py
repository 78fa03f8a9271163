"""JSON-RPC and the Model Context Protocol, without any transport, tool or bus.

One handler serves both eras: revision 2026-07-28, where every request carries its version and the client's
capabilities in `_meta`, and the older revisions, where `initialize` negotiates them once. Sources: the specification's
pages of each revision at modelcontextprotocol.io, and JSON-RPC 2.0.

`Protocol.handle` is a generator: it yields each operation that an answer needs, and the caller sends it the result. So
a process without an event loop and a hub with one run the same code.
"""

from __future__ import annotations

from hallway.core.errors import HallwayError
from hallway.core.schema import quote_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any, TypeAlias
    from typing import Protocol as Shape

    from hallway.core.operation import Operation

    Json: TypeAlias = dict[str, Any]
    Work: TypeAlias = Generator[tuple[Operation, dict[str, Any]], Any, Any]

    class McpServer(Shape):
        """The server behind the protocol: its tools and resources, as the specification defines them."""

        name: str
        version: str
        instructions: str

        def tools(self, peer: Peer) -> list[Json]: ...
        def call(self, name: str, arguments: Json, peer: Peer, meta: Json) -> Work | None:
            """Run a tool and return a `CallToolResult`; None if there is no such tool."""

        def resources(self, cursor: str | None, peer: Peer, meta: Json) -> Work: ...
        def gains_from_resources(self, peer: Peer) -> bool:
            """Return whether to announce the resources to this client."""

        def templates(self) -> list[Json]: ...
        def read(self, uri: str, peer: Peer, meta: Json) -> Work | None:
            """Return a resource's contents; None if there is no resource with this URI."""


MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
OLDEST_HTTP = "2025-03-26"  # the revision of an HTTP request that names none

META = "io.modelcontextprotocol/"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
RESOURCE_NOT_FOUND = -32002  # of the older revisions; since 2026-07-28 it is INVALID_PARAMS
NAMED_BY = {"tools/call": "name", "resources/read": "uri", "prompts/get": "name"}  # what the header Mcp-Name repeats
LIST_TTL_MS = 300_000  # how long a client may cache lists that change only with the server's version
READ_TTL_MS = 0
MAX_IN_BATCH = 100  # messages: each may have a long answer
MAX_WATCHED = 1000  # resources that a connection subscribes to


class JsonRpcError(Exception):
    """A request that the protocol refuses, as its JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def status(self) -> int:
        """Return the HTTP status that goes with it in revision 2026-07-28."""
        return {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 500}.get(self.code, 400)


class Peer:
    """The client of a connection, or of one HTTP request.

    `version` is the older revision that `initialize` or a header agreed on, None if there is none yet. `can_push`:
    whether the client can receive notifications outside of an answer.
    """

    def __init__(self, version: str | None = None, *, can_push: bool = False) -> None:
        self.version = version
        self.can_push = can_push
        self.client = ""
        self.watched: set[str] = set()  # resources of an older revision's `resources/subscribe`

    names_session = False  # whether calls need a parameter for the session's id, because nothing else names it

    def session_of(self, arguments: Json, meta: Json, *, is_needed: bool = True) -> str | None:
        """Return the session that makes a call; raises IdentityMissing if `is_needed` and the session is unknown."""
        raise NotImplementedError

    def introduce(self, session_id: str) -> None:
        """Register a session before its first operation, if the transport has to do that; raises the bus's errors."""

    def leave_registration(self, session_id: str) -> None:
        """Record that the caller registers a session itself, so that the transport sends no first heartbeat for it."""

    def offer_former_memory(self, project: str | None) -> str | None:
        """Return a hint for a search that found nothing in a project; None if there is none."""
        return None

    ignores_case = False  # whether names that differ only in case are one file for the caller

    def path_in_repository(self, path: str) -> str:
        """Return a path as the repository's other sessions name it, where the caller's files can be seen."""
        return path


class ListenStream:
    """The answer to `subscriptions/listen`: the transport keeps it open and sends the requested notifications."""

    def __init__(self, request_id: Any, wanted: Json) -> None:
        self.request_id = request_id
        self.has_resources_changed = wanted.get("resourcesListChanged") is True
        uris = wanted.get("resourceSubscriptions")
        self.uris = {uri for uri in uris if isinstance(uri, str)} if isinstance(uris, list) else set()

    def acknowledged(self) -> Json:
        """Return the stream's first message: which of the requested notifications are granted."""
        granted: Json = {"resourcesListChanged": True} if self.has_resources_changed else {}
        if self.uris:
            granted["resourceSubscriptions"] = sorted(self.uris)
        return self.tagged("notifications/subscriptions/acknowledged", {"notifications": granted})

    def about(self, uri: str | None) -> Json | None:
        """Return the notification that a resource changed (None: the list changed), if it was requested."""
        if uri is None:
            return self.tagged("notifications/resources/list_changed", {}) if self.has_resources_changed else None
        return self.tagged("notifications/resources/updated", {"uri": uri}) if uri in self.uris else None

    def tagged(self, method: str, params: Json) -> Json:
        return {"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": self._tag()}}

    def ended(self) -> Json:
        """Return the response that ends the stream in good order."""
        return {"jsonrpc": "2.0", "id": self.request_id, "result": {"resultType": "complete", "_meta": self._tag()}}

    def _tag(self) -> Json:
        return {f"{META}subscriptionId": self.request_id}


class Protocol:
    """The handler of JSON-RPC messages for one server's tools and resources."""

    def __init__(self, offer: McpServer) -> None:
        self._offer = offer
        self._info = {"name": offer.name, "version": offer.version}

    def handle(self, message: Any, peer: Peer) -> Work:
        """Return the answer to a message: a response, a list of responses, a `ListenStream`, or None for no answer.

        Any input has an answer: an invalid message gets an error response, and no exception is raised for it.
        """
        if isinstance(message, list):
            return (yield from self._batch(message, peer))
        request_id = message.get("id") if isinstance(message, dict) else None
        try:
            check_message(message)
            if "id" not in message or "method" not in message:
                return None  # a notification, or a response to a request that was never sent
            result = yield from self._answer(message["method"], message.get("params", {}), request_id, peer)
        except JsonRpcError as fault:
            return failed(request_id, fault)
        except HallwayError as error:
            code = INVALID_PARAMS if error.status < 500 else INTERNAL_ERROR
            return failed(request_id, JsonRpcError(code, error.message, error.to_dict()["error"]))
        return result if isinstance(result, ListenStream) else {"jsonrpc": "2.0", "id": request_id, "result": result}

    def _batch(self, messages: list[Any], peer: Peer) -> Work:
        """Return the responses to a batch of messages; only revision 2025-03-26 has batches."""
        if peer.version != "2025-03-26" or not messages:
            return failed(None, JsonRpcError(INVALID_REQUEST, "one message at a time: this revision has no batches"))
        if len(messages) > MAX_IN_BATCH:
            return failed(None, JsonRpcError(INVALID_REQUEST, f"a batch has at most {MAX_IN_BATCH} messages"))
        answers = []
        for message in messages:
            is_nested = isinstance(message, list)
            fault = JsonRpcError(INVALID_REQUEST, "a batch in a batch")
            answer = failed(None, fault) if is_nested else (yield from self.handle(message, peer))
            if isinstance(answer, ListenStream):
                answer = failed(
                    answer.request_id, JsonRpcError(INVALID_REQUEST, "a subscription stands alone, in no batch")
                )
            if answer is not None:
                answers.append(answer)
        return answers or None

    # -- methods ------------------------------------------------------------------------------------------------------

    def _answer(self, method: str, params: Json, request_id: Any, peer: Peer) -> Work:
        meta = params.get("_meta", {})
        if not isinstance(meta, dict):
            raise JsonRpcError(INVALID_PARAMS, f"_meta is {quote_value(meta)}, but it must be an object")
        if f"{META}protocolVersion" in meta or (peer.version is None and method not in ("initialize", "ping")):
            return (yield from self._answer_modern(method, params, meta, request_id, peer))
        if method == "initialize":
            return self._initialize(params, peer)
        if method == "ping":
            return {}
        if method in ("resources/subscribe", "resources/unsubscribe") and peer.can_push:
            return self._subscribe(method, _text(params, "uri"), peer)
        return (yield from self._common(method, params, meta, peer, RESOURCE_NOT_FOUND))

    def _answer_modern(self, method: str, params: Json, meta: Json, request_id: Any, peer: Peer) -> Work:
        self._check_meta(meta)
        if client := meta.get(f"{META}clientInfo"):
            peer.client = _client_name(client)
        if method == "subscriptions/listen":
            wanted = params.get("notifications")
            if not isinstance(wanted, dict):
                raise JsonRpcError(
                    INVALID_PARAMS, "subscriptions/listen needs notifications, an object that says what to send"
                )
            return ListenStream(request_id, wanted)
        if method == "server/discover":
            result: Json = {
                "supportedVersions": [MODERN],
                "capabilities": self._capabilities(peer, {"subscribe": True, "listChanged": True}),
                "instructions": self._offer.instructions,
            }
        else:
            result = yield from self._common(method, params, meta, peer, INVALID_PARAMS)
        result = {"resultType": "complete", **result, "_meta": {f"{META}serverInfo": self._info}}
        if method != "tools/call":
            is_same_for_all = method in ("server/discover", "tools/list", "resources/templates/list")
            result["ttlMs"] = LIST_TTL_MS if is_same_for_all else READ_TTL_MS
            result["cacheScope"] = "public" if is_same_for_all else "private"
        return result

    def _common(self, method: str, params: Json, meta: Json, peer: Peer, not_found: int) -> Work:
        """Handle the methods that both protocol eras have."""
        offer = self._offer
        if method == "tools/list":
            return {"tools": offer.tools(peer)}
        if method == "tools/call":
            name, arguments = _text(params, "name"), params.get("arguments", {})
            if not isinstance(arguments, dict):
                raise JsonRpcError(INVALID_PARAMS, f"arguments is {quote_value(arguments)}, but it must be an object")
            work = offer.call(name, arguments, peer, meta)
            if work is None:
                raise JsonRpcError(INVALID_PARAMS, f"there is no tool {quote_value(name)}", {"name": name[:200]})
            return (yield from work)
        if method == "resources/list":
            cursor = _text(params, "cursor") if "cursor" in params else None
            return (yield from offer.resources(cursor, peer, meta))
        if method == "resources/templates/list":
            return {"resourceTemplates": offer.templates()}
        if method == "resources/read":
            uri = _text(params, "uri")
            resource = offer.read(uri, peer, meta)
            contents = None if resource is None else (yield from resource)
            if contents is None:
                raise JsonRpcError(not_found, f"there is no resource {quote_value(uri)}", {"uri": uri[:1000]})
            return {"contents": contents}
        raise JsonRpcError(METHOD_NOT_FOUND, f"there is no method {quote_value(method)}")

    def _initialize(self, params: Json, peer: Peer) -> Json:
        asked = _text(params, "protocolVersion")
        peer.version = asked if asked in LEGACY else LEGACY[0]
        peer.client = _client_name(params.get("clientInfo"))
        push = {"subscribe": True, "listChanged": True} if peer.can_push else {}
        return {
            "protocolVersion": peer.version,
            "capabilities": self._capabilities(peer, push),
            "serverInfo": self._info,
            "instructions": self._offer.instructions,
        }

    def _capabilities(self, peer: Peer, resources: Json) -> Json:
        return {"tools": {}, **({"resources": resources} if self._offer.gains_from_resources(peer) else {})}

    def _subscribe(self, method: str, uri: str, peer: Peer) -> Json:
        if method == "resources/subscribe":
            if len(peer.watched) >= MAX_WATCHED:
                raise JsonRpcError(INVALID_REQUEST, f"{MAX_WATCHED} resources are subscribed to, the most")
            peer.watched.add(uri)
        else:
            peer.watched.discard(uri)
        return {}

    @staticmethod
    def _check_meta(meta: Json) -> None:
        version = meta.get(f"{META}protocolVersion")
        if not isinstance(version, str):
            raise JsonRpcError(
                INVALID_PARAMS,
                f"_meta has no {META}protocolVersion: send it with every request, or `initialize` first",
            )
        if version != MODERN:
            raise unsupported(version)
        if not isinstance(meta.get(f"{META}clientCapabilities"), dict):
            raise JsonRpcError(INVALID_PARAMS, f"_meta has no {META}clientCapabilities, an object")


# -- messages ---------------------------------------------------------------------------------------------------------


def check_message(message: Any) -> None:
    """Raise JsonRpcError unless a message is a JSON-RPC request, notification or response."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise JsonRpcError(INVALID_REQUEST, "a message is a JSON object with jsonrpc: '2.0'")
    if "id" in message and not _is_id(message["id"]):
        raise JsonRpcError(INVALID_REQUEST, "id is a string or an integer")
    if "method" not in message and ("result" in message or "error" in message):
        return
    if not isinstance(message.get("method"), str) or not isinstance(message.get("params", {}), dict):
        raise JsonRpcError(INVALID_REQUEST, "method is a string, and params, if any, an object")


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def failed(request_id: Any, fault: JsonRpcError) -> Json:
    """Return an error response."""
    error: Json = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        error["data"] = fault.data
    return {"jsonrpc": "2.0", "id": request_id if _is_id(request_id) else None, "error": error}


def unsupported(version: str) -> JsonRpcError:
    return JsonRpcError(
        UNSUPPORTED_VERSION,
        "this revision of the protocol is not supported here",
        {"supported": [MODERN], "requested": version[:100]},
    )


def check_headers(message: Any, headers: Mapping[str, str]) -> str | None:
    """Compare a request's headers with its body; return its revision if that is an older one, None for 2026-07-28.

    `headers` are keyed by lower-case names. Raises JsonRpcError if a header is missing, unknown or differs from the
    body.
    """
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    declared = meta.get(f"{META}protocolVersion") if isinstance(meta, dict) else None
    version = headers.get("mcp-protocol-version")
    if version != MODERN and declared is None:
        if version is not None and version not in LEGACY:
            raise unsupported(version)
        return version or OLDEST_HTTP
    if not isinstance(message, dict) or declared is None or not isinstance(message.get("method"), str):
        return None  # the handler answers with the error
    if version != declared:
        raise _mismatch("MCP-Protocol-Version", version, declared)
    if declared == MODERN:
        _check_repeated(message, headers)
    return None


def _check_repeated(message: Json, headers: Mapping[str, str]) -> None:
    method = message["method"]
    if headers.get("mcp-method") != method:
        raise _mismatch("Mcp-Method", headers.get("mcp-method"), method)
    if method in NAMED_BY:
        name = message["params"].get(NAMED_BY[method])
        named = headers.get("mcp-name")
        if isinstance(name, str) and (named is None or _decoded(named) != name):
            raise _mismatch("Mcp-Name", named, name)


def _decoded(value: str) -> str | None:
    """Return a header's value, decoded if it is base64; None if it cannot be read."""
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    from binascii import Error, a2b_base64

    try:
        return a2b_base64(value[9:-2], strict_mode=True).decode()
    except (Error, ValueError):
        return None


def _mismatch(header: str, value: str | None, body: object) -> JsonRpcError:
    stated = "is missing" if value is None else f"is {quote_value(value)}"
    return JsonRpcError(HEADER_MISMATCH, f"the header {header} {stated}, but the body says {quote_value(body)}")


def _client_name(info: Any) -> str:
    name = info.get("name") if isinstance(info, dict) else None
    return name[:100] if isinstance(name, str) else ""


def _text(params: Json, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise JsonRpcError(INVALID_PARAMS, f"{name} is {quote_value(value)}, but it must be a string")
    return value
