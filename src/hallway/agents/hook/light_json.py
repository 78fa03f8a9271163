"""A hook's JSON, read and written by the C halves of `json` alone: the module itself costs more than a hook's work."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import Payload


class _JsonReader:
    """What the scanner asks of a decoder."""

    strict = False  # a tool's output may hold control characters
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}


def loads(text: str) -> Payload:
    """Parse a payload; return an empty object for anything but a JSON object."""
    try:
        from _json import make_scanner
    except ImportError:
        from hallway.core.schema import decode as decoded

        value = decoded(text)
    else:
        try:
            value = make_scanner(_JsonReader)(text, len(text) - len(text.lstrip()))[0]  # type: ignore[arg-type]
        except (StopIteration, SystemError):  # the second where `json` is not there to make the error
            raise ValueError("the payload is no JSON") from None
    return value if isinstance(value, dict) else {}


def dumps(value: Any) -> str:
    """Return objects, lists, strings, whole numbers and booleans as ASCII JSON."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(name)}:{dumps(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(dumps, value))}]"
    if isinstance(value, int):
        return str(value).lower()
    from _json import encode_basestring_ascii

    return str(encode_basestring_ascii(value))
