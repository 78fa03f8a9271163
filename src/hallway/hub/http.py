"""HTTP requests and answers: bodies of limited size, JSON, and one format for errors."""

from __future__ import annotations

import json
from functools import cache
from http.cookies import CookieError, SimpleCookie
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from hallway.bus.http_hints import HINTS
from hallway.core.errors import HallwayError, InvalidInput, TooLarge
from hallway.core.model import Record
from hallway.core.schema import ArrayOf, quote_value, to_builtins

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hallway.core.operation import Operation

MAX_BODY_BYTES = 1024 * 1024
MAX_QUERY_FIELDS = 100
JSON_TYPE = (b"content-type", b"application/json")


@cache
def _struct(record: type[Record]) -> type[msgspec.Struct]:
    """Return a struct of a record's fields: msgspec encodes a struct much faster than a dict."""
    return msgspec.defstruct(record.__name__, record._fields, gc=False)


def _encodable(value: Any) -> Any:
    return _struct(type(value))(*value._values) if isinstance(value, Record) else to_builtins(value)


_encoder = msgspec.json.Encoder(enc_hook=_encodable)  # times it writes as RFC 3339 by itself


def encode_json(value: Any) -> bytes:
    """Return compact JSON; records as objects, times as RFC 3339.

    Texts of the caller may contain values that msgspec cannot write: lone surrogates, integers beyond 64 bits.
    """
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return json.dumps(value, default=to_builtins, separators=(",", ":")).encode()


def header(scope: Scope, name: bytes) -> bytes:
    """Return a request header's value, or empty bytes if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            content: bytes = value
            return content
    return b""


def cookie(scope: Scope, name: str) -> str:
    """Return a cookie's value, or an empty text if there is none or the header cannot be read."""
    try:
        morsel = SimpleCookie(header(scope, b"cookie").decode("latin-1")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the whole body; TooLarge as soon as it is more than 1 MiB."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    parts, size, is_whole = [], 0, False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("the request ended before its body did")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        is_whole = not message.get("more_body")
    if grant := scope.get("grant"):
        grant.allowance.take_bytes(size)
    return b"".join(parts)


async def disconnected(receive: Receive) -> None:
    """Return when the caller has disconnected; call this only after reading the request's body."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_large() -> TooLarge:
    return TooLarge(f"the request's body has more than {MAX_BODY_BYTES} bytes")


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the body's JSON object; an empty body is an empty object."""
    if not body:
        return {}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the request's body is not JSON: {error}", hint="Send a JSON object") from None
    if not isinstance(value, dict):
        raise InvalidInput("the request's body is JSON, but no object", hint="Send a JSON object")
    return value


def query_pairs(scope: Scope) -> list[tuple[str, str]]:
    """Return the query's parameters in order, including repeated ones."""
    raw = scope["query_string"]
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise InvalidInput(f"the query cannot be read: {error}", hint="Percent-encode it as UTF-8") from None


def parse_query(scope: Scope) -> dict[str, str]:
    """Return the query's parameters; a repeated parameter is an error."""
    pairs = query_pairs(scope)
    query = dict(pairs)
    if len(query) < len(pairs):
        raise _repeated(pairs)
    return query


def parse_parameters(scope: Scope, operation: Operation) -> dict[str, Any]:
    """Return the operation's parameters in the query, parsed; a list's name may be repeated, as clients do."""
    named: dict[str, Any] = {}
    pairs = query_pairs(scope)
    for key, text in pairs:
        name = operation.short_names.get(key, key)
        parameter = operation.parameters.get(name)
        value = parameter.kind.parse(name, text) if parameter else text
        if name not in named:
            named[name] = value
        elif parameter and isinstance(parameter.kind, ArrayOf):
            named[name] = [*named[name], *value]
        else:
            raise _repeated(pairs)
    return named


def _repeated(pairs: list[tuple[str, str]]) -> InvalidInput:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), names[0])
    return InvalidInput(f"the query has {quote_value(twice)} twice, and it is no list", hint="Leave one of them out")


async def respond(
    send: Send, body: bytes, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = (JSON_TYPE,)
) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_error(
    send: Send, error: HallwayError, *headers: tuple[bytes, bytes], status: int | None = None
) -> None:
    """Send an error: its status unless another is given, and code, message and hint as JSON."""
    if "retry_after_s" in error.details:
        headers = (*headers, (b"retry-after", b"%d" % ceil(error.details["retry_after_s"])))
    body = encode_json(error.hint_for_face(HINTS).to_dict())
    await respond(send, body, status or error.status, (JSON_TYPE, *headers))
