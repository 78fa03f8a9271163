"""HTTP headers that stand for parameters: If-Match, If-None-Match and Idempotency-Key.

A header that an operation cannot apply is refused if ignoring it could overwrite data that the caller wants to keep.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hallway.core.errors import InvalidInput, VersionConflict
from hallway.core.model import MemoryEntry
from hallway.core.schema import quote_value
from hallway.hub.http import header

if TYPE_CHECKING:
    from starlette.types import Scope

    from hallway.core.operation import Operation

IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY = b"if-match", b"if-none-match", b"idempotency-key"
EXPECTED = "expected_version"
KEY = "idempotency_key"


def conditions(scope: Scope, operation: Operation) -> dict[str, Any]:
    """Return the parameters that a write's headers set; raises InvalidInput for a condition that it cannot apply."""
    named: dict[str, Any] = {}
    for name in (IF_MATCH, IF_NONE_MATCH):
        if not (text := _text(scope, name)):
            continue
        if EXPECTED not in operation.parameters:
            raise InvalidInput(
                f"{operation.method} {operation.path} has no version, so {_title(name)} cannot be honoured",
                hint="Leave the header out",
            )
        if EXPECTED in named:
            raise InvalidInput("If-Match and If-None-Match are both there", hint="Leave one of them out")
        named[EXPECTED] = _version(name, text)
    key = _text(scope, IDEMPOTENCY_KEY)
    if key and KEY in operation.parameters:
        named[KEY] = _unquoted(key)
    return named


def status_of_conflict(scope: Scope) -> int:
    """Return the status of a version conflict: 412 if a header has set the condition, else the error's status."""
    is_condition = header(scope, IF_MATCH) or header(scope, IF_NONE_MATCH)
    return HTTPStatus.PRECONDITION_FAILED if is_condition else VersionConflict.status


def version_tag(result: Any) -> tuple[tuple[bytes, bytes], ...]:
    """Return an entry's ETag header: its version, in the form for If-Match."""
    return ((b"etag", b'"%d"' % result.version),) if isinstance(result, MemoryEntry) else ()


def _version(name: bytes, text: str) -> int:
    if name == IF_NONE_MATCH:
        if text == "*":
            return 0
        raise InvalidInput(f"If-None-Match is {quote_value(text)}, but of a write it must be *")
    version = _unquoted(text)
    if not (version.isascii() and version.isdigit() and len(version) < 19):
        raise InvalidInput(
            f"If-Match is {quote_value(text)}, but it must be a version in quotes",
            hint='Send the ETag of the entry as it was read: If-Match: "3"',
        )
    return int(version)


def _text(scope: Scope, name: bytes) -> str:
    return header(scope, name).decode("latin-1").strip()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text


def _title(name: bytes) -> str:
    return name.decode().title()
