"""What a value may be, declared once: the kinds from which every face validates, documents and reads text.

A kind checks a Python value (`check`), reads one from a query string or an argument (`parse`), and describes itself
as JSON Schema 2020-12 (`json_schema`). Which name has which kind is `core/parameters.py`. Kinds know nothing of
operations. Why this is ours and not a library's: docs/decisions/0003.
"""

from __future__ import annotations

from hallway.core.errors import InvalidInput, TooLarge
from hallway.core.model import EVERYBODY, GROUPS, PERSON, Message, Record
from hallway.core.naming import MAX_NAME, RESERVED, is_name, slug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_DEPTH = 64
MAX_TEXT_SHOWN = 60
# Texts without what `is_control` names, but for lone surrogates, which have no JSON to be shown in. What is forbidden
# is named, and not what is allowed, because a pattern's reader may know only half of Unicode.
LINE = r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f]*$"
LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"


def quote_value(value: object) -> str:
    """Return a value as an error message quotes it: short, with no control characters."""
    if isinstance(value, str):
        text = f"'{value}'" if value.isprintable() else ascii(value)
    else:
        try:
            text = repr(value)
        except RecursionError:
            text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= MAX_TEXT_SHOWN else f"{text[:MAX_TEXT_SHOWN]}…"


def is_control(character: str) -> bool:
    """Return whether a character steers a terminal or cannot be stored: C0, DEL, C1 and lone surrogates."""
    point = ord(character)
    return point < 0x20 or 0x7F <= point < 0xA0 or 0xD800 <= point <= 0xDFFF


class FieldType:
    """What values a name may have.

    `flag` and `metavar` are how the command line calls it, `short` is what a URL's query may call it, too.
    """

    json_type: dict[str, Any] = {}
    is_nullable = False  # whether None is a value; else it means: left out
    is_reference = False  # whether it names a session by its id, its name or the beginning of its id (S10)

    def __init__(
        self, about: str = "", *, flag: str | None = None, metavar: str | None = None, short: str | None = None
    ) -> None:
        self.about = about
        self.flag = flag
        self.metavar = metavar
        self.short = short

    def check(self, name: str, value: Any) -> Any:
        """Return the value, or InvalidInput saying what `name` was and what it may be."""
        return value

    def parse(self, name: str, text: str) -> Any:
        """Read the value from text: a query string's or a command line's. It still wants a `check`."""
        return text

    def json_schema(self) -> dict[str, Any]:
        schema = dict(self.json_type)
        if self.about:
            schema["description"] = self.about
        return schema

    def _wrong(self, name: str, value: object, expected: str) -> InvalidInput:
        return InvalidInput(f"{name} is {quote_value(value)}, but it must be {expected}")


class Text(FieldType):
    """A string of bounded length without control characters; a many-line one may hold tabs and line ends."""

    def __init__(
        self, about: str = "", *, least: int = 1, most: int = 200, many_lines: bool = False, **rest: Any
    ) -> None:
        super().__init__(about, **rest)
        self.least = least
        self.most = most
        self.has_many_lines = many_lines
        self.allowed = "\t\n\r" if many_lines else "\t"

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong(name, value, "a string")
        if len(value) > self.most:
            raise TooLarge(f"{name} has {len(value)} characters, but {self.most} is the most")
        if len(value) < self.least:
            raise self._wrong(name, value, f"at least {self.least} characters long")
        if not value.isprintable() and any(is_control(c) and c not in self.allowed for c in value):
            raise self._wrong(name, value, "free of control characters")
        return value

    def json_schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": self.least,
            "maxLength": self.most,
            "pattern": LINES if "\n" in self.allowed else LINE,
            **super().json_schema(),
        }


class SearchText(Text):
    """Words to look for; what is no letter or digit only separates them, control characters too."""

    def check(self, name: str, value: Any) -> str:
        if isinstance(value, str):
            value = "".join(" " if is_control(c) else c for c in value)
        return super().check(name, value)

    def json_schema(self) -> dict[str, Any]:
        schema = super().json_schema()
        del schema["pattern"]
        return schema


class Identifier(Text):
    """A name for addressing: printable, without spaces or slashes, and no word that means something else."""

    RESERVED = frozenset({EVERYBODY, "active", "me", ".", ".."})
    RESERVED_PREFIXES = (PERSON, *GROUPS)

    def check(self, name: str, value: Any) -> str:
        checked = super().check(name, value)
        if not checked.isprintable() or " " in checked or "/" in checked:
            raise self._wrong(name, checked, "printable, without spaces or slashes")
        if checked in self.RESERVED or checked.startswith(self.RESERVED_PREFIXES):
            raise self._wrong(name, checked, "another name: this one is an address with a meaning of its own")
        return checked

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "pattern": r"^[^\s/\x00-\x20\x7f-\x9f]+$"}


class SessionName(Text):
    """What people and agents call a session: short, all lower case, easy to type."""

    def __init__(self, about: str = "", **rest: Any) -> None:
        super().__init__(about, most=MAX_NAME, **rest)

    def check(self, name: str, value: Any) -> str:
        checked = super().check(name, value)
        if not is_name(checked) or checked in RESERVED:
            near = slug(checked)
            raise InvalidInput(
                f"{name} is {quote_value(checked)}, but it must be letters a to z, digits and hyphens, no hyphen first,"
                " and no word with a meaning of its own",
                hint=f"Call it {near}" if near and near not in RESERVED else "Such as login-form, or shop-2",
            )
        return checked

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "pattern": "^[a-z0-9][a-z0-9-]*$"}


class MessageReference(Identifier):
    """A message's id or, from Python, the message itself."""

    def check(self, name: str, value: Any) -> str:
        return super().check(name, value.message_id if isinstance(value, Message) else value)


class SessionReference(Identifier):
    """A session: its id, its name with or without an `@`, or the first four characters of its id or more."""

    is_reference = True


class PartyId(SessionReference):
    """Who speaks or is spoken to: a session or `user:NAME`. The id of the last one of a page is no reference."""

    def __init__(self, about: str = "", *, is_reference: bool = True, **rest: Any) -> None:
        super().__init__(about, **rest)
        self.is_reference = is_reference

    PREFIXES: tuple[str, ...] = (PERSON,)
    PATTERN = r"^(?:user:[^/\x00-\x1f\x7f-\x9f]+|[^\s/\x00-\x20\x7f-\x9f]+)$"

    def check(self, name: str, value: Any) -> str:
        text = Text.check(self, name, value)
        prefix = text.partition(":")[0] + ":"
        if prefix not in self.PREFIXES or not text[len(prefix) :].strip():
            return super().check(name, text)
        if not text.isprintable() or (prefix == PERSON and "/" in text):
            raise self._wrong(name, text, "printable, a person's name without slashes")
        return text

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "pattern": self.PATTERN}


class Recipient(PartyId):
    """Whom a message is for: a party, `*` for all, or who fits `capability:NAME`, `type:CLIENT` or `branch:NAME`."""

    PREFIXES = (PERSON, *GROUPS)
    PATTERN = (
        r"^(?:user:[^/\x00-\x1f\x7f-\x9f]+|(?:capability|type|branch):[^\x00-\x1f\x7f-\x9f]+"
        r"|[^\s/\x00-\x20\x7f-\x9f]+)$"
    )
    RESERVED = Identifier.RESERVED - {EVERYBODY}


class Choice(FieldType):
    """One of a few words."""

    def __init__(self, *choices: str, about: str = "", **rest: Any) -> None:
        super().__init__(about, **rest)
        self.choices = choices

    def check(self, name: str, value: Any) -> str:
        if value not in self.choices:
            raise self._wrong(name, value, f"one of: {', '.join(self.choices)}")
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices), **super().json_schema()}


class Integer(FieldType):
    """A whole number in a range."""

    def __init__(self, about: str = "", *, least: int = 0, most: int = 2**63 - 1, **rest: Any) -> None:
        super().__init__(about, **rest)
        self.least = least
        self.most = most

    def check(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise self._wrong(name, value, f"a whole number from {self.least} to {self.most}")
        return value

    def parse(self, name: str, text: str) -> int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise self._wrong(name, text, f"a whole number from {self.least} to {self.most}")
        return int(text)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most, **super().json_schema()}


class Duration(Integer):
    """A whole number of seconds; as text also with a unit: 90s, 15m, 12h, 30d."""

    UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}

    def parse(self, name: str, text: str) -> int:
        unit = self.UNITS.get(text[-1:])
        return super().parse(name, text[:-1] if unit else text) * (unit or 1)


class Number(FieldType):
    """A number in a range, whole or not."""

    def __init__(self, about: str = "", *, least: float, most: float, **rest: Any) -> None:
        super().__init__(about, **rest)
        self.least = least
        self.most = most

    def check(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.least <= value <= self.most:
            raise self._wrong(name, value, f"a number from {self.least} to {self.most}")
        return value

    def parse(self, name: str, text: str) -> float:
        try:
            return int(text) if text.isascii() and text.isdigit() else float(text)
        except ValueError:
            raise self._wrong(name, text, f"a number from {self.least} to {self.most}") from None

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.least, "maximum": self.most, **super().json_schema()}


class Boolean(FieldType):
    """true or false."""

    json_type = {"type": "boolean"}

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return value

    def parse(self, name: str, text: str) -> bool:
        if text not in ("true", "false"):
            raise self._wrong(name, text, "true or false")
        return text == "true"


class ArrayOf(FieldType):
    """A list of bounded length of one kind of thing; as text, separated by commas or a JSON array."""

    def __init__(self, item: FieldType, about: str = "", *, most: int = 64, **rest: Any) -> None:
        super().__init__(about, **rest)
        self.item = item
        self.most = most

    def check(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise self._wrong(name, value, "a list")
        if len(value) > self.most:
            raise TooLarge(f"{name} has {len(value)} items, but {self.most} is the most")
        return [self.item.check(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def parse(self, name: str, text: str) -> list[Any]:
        if text.startswith("["):  # items may hold commas
            listed: list[Any] = Json().parse(name, text)
            return listed
        return [self.item.parse(name, part.strip()) for part in text.split(",") if part.strip()]

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": self.most, "items": self.item.json_schema(), **super().json_schema()}


class Json(FieldType):
    """Any JSON value, up to a size and a depth; no NaN or infinity, no lone surrogates."""

    def __init__(self, about: str = "", *, size_bytes: int = 16 * 1024, depth: int = MAX_DEPTH, **rest: Any) -> None:
        super().__init__(about, **rest)
        self.size_bytes = size_bytes
        self.depth = depth

    def check(self, name: str, value: Any) -> Any:
        self._check_depth(name, value, 1)
        try:
            size = len(encode(value).encode())
        except (UnicodeEncodeError, ValueError, TypeError):
            raise InvalidInput(
                f"{name} is not JSON: it holds NaN, an infinity, a lone surrogate or a value of no JSON type"
            ) from None
        if size > self.size_bytes:
            raise TooLarge(f"{name} has {size} bytes as JSON, but {self.size_bytes} is the most")
        return value

    def _check_depth(self, name: str, value: Any, depth: int) -> None:
        if depth > self.depth:
            raise InvalidInput(f"{name} is nested deeper than {self.depth} levels")
        if isinstance(value, dict):
            for key, child in value.items():
                if not isinstance(key, str):
                    raise InvalidInput(f"{name} has the key {quote_value(key)}, but a JSON object's keys are strings")
                self._check_depth(name, child, depth + 1)
        elif isinstance(value, list | tuple):
            for child in value:
                self._check_depth(name, child, depth + 1)
        elif hasattr(value, "isoformat") and getattr(value, "tzinfo", None) is None:
            kind = "a time without a zone" if hasattr(value, "hour") else "a date"
            raise InvalidInput(
                f"{name} holds {quote_value(value.isoformat())}, {kind}, which JSON has no type for",
                hint="Pass it as text, with isoformat(); or pass a datetime with a time zone",
            )

    def parse(self, name: str, text: str) -> Any:
        try:
            return decode(text)
        except ValueError as error:
            raise InvalidInput(f"{name} is {quote_value(text)}, which is not JSON: {error}") from None


class JsonOrText(Json):
    """Any JSON value; typed as text, what is not JSON is a string. null is a value here, not the lack of one."""

    is_nullable = True

    def parse(self, name: str, text: str) -> Any:
        try:
            return decode(text)
        except ValueError:
            return text


class JsonObject(Json):
    """A JSON object."""

    json_type = {"type": "object"}

    def check(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(name, value, "a JSON object")
        checked: dict[str, Any] = super().check(name, value)
        return checked


class Timestamp(FieldType):
    """A time: an aware datetime in Python, RFC 3339 UTC in JSON."""

    json_type = {"type": "string", "format": "date-time"}


try:
    # The C halves of `json`, which itself costs a hook 7 ms, most of it for `re`.
    from _json import encode_basestring, make_encoder, make_scanner
except ImportError:
    make_encoder = make_scanner = None  # type: ignore[assignment,misc]


def encode(value: Any) -> str:
    """Return compact JSON text, times as RFC 3339; raises ValueError for what JSON cannot say."""
    if make_encoder is None:
        import json

        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=to_builtins)
    if isinstance(value, str):
        return encode_basestring(value)
    encoder = make_encoder({}, to_builtins, encode_basestring, None, ":", ",", False, False, False)
    return "".join(encoder(value, 0))


def to_builtins(value: Any) -> Any:
    """Return a record as a dict and a time as RFC 3339 text: the shapes every face sends."""
    if isinstance(value, Record):
        return value.to_dict()
    if hasattr(value, "isoformat"):
        from hallway.core.clock import format_time

        return format_time(value)
    raise TypeError(f"{type(value).__name__} is no JSON type")


class _JsonReader:
    """What the scanner asks of its decoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> None:
        _refuse_constant(name)


_scan = make_scanner(_JsonReader) if make_scanner is not None else None  # type: ignore[arg-type]
_decode: Callable[[str], Any] | None = None


def decode(text: str | bytes) -> Any:
    """Read JSON text; raises ValueError for anything that is not JSON in UTF-8, deep nesting and NaN included."""
    if isinstance(text, bytes):
        text = text.decode()
    try:
        if _scan is not None:
            value, end = _scan(text, 0)
            if end == len(text):
                return value
    except (StopIteration, SystemError):  # the second where it wants to raise an error of `json`, not imported yet
        pass  # blanks stand before it, or it is no JSON and `json` says why
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return _decode_slowly(text)


def _decode_slowly(text: str) -> Any:
    global _decode
    if _decode is None:
        import json

        _decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
