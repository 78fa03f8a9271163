"""Kinds accept what they say and nothing else; the vocabulary agrees with the code that uses it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from jsonschema_rs import Draft202012Validator, meta

from hallway.core.errors import HallwayError, InvalidInput, TooLarge
from hallway.core.operation import Operation, Parameter
from hallway.core.parameters import COMMON, NOUNS, PROJECT_OR_ALL, type_of
from hallway.core.schema import (
    MAX_DEPTH,
    ArrayOf,
    Boolean,
    Choice,
    FieldType,
    Identifier,
    Integer,
    Json,
    JsonObject,
    JsonOrText,
    Number,
    Text,
    decode,
    encode,
    quote_value,
)
from hallway.services import service_classes

CONTROLS = "\x00\x07\x1b\x7f\x80\x9b\ud800\udfff"
LINE = Text(most=5)
LINES = Text(most=5, many_lines=True)
NAME = Identifier(most=12)
COUNT = Integer(least=-3, most=10)
SECONDS = Number(least=0, most=1.5)
WORDS = ArrayOf(Text(most=3), most=2)
ANYTHING = Json(size_bytes=20)
OBJECT = JsonObject(size_bytes=20)
FLAG = Boolean()
FRUIT = Choice("apple", "pear")


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def accepts(kind: FieldType, value: Any) -> bool:
    try:
        kind.check("it", value)
    except InvalidInput:
        return False
    return True


# -- checking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LINE, "a"),
        (LINE, "größe"),
        (LINE, "\tab"),
        (LINE, "🐓" * 5),
        (Text(least=0), ""),
        (LINES, "a\r\nb"),
        (NAME, "s-1.2_3:é@"),
        (NAME, "username"),
        (FRUIT, "pear"),
        (COUNT, -3),
        (COUNT, 10),
        (SECONDS, 0),
        (SECONDS, 1.5),
        (FLAG, False),
        (WORDS, []),
        (WORDS, ["abc", "d"]),
        (ANYTHING, None),
        (ANYTHING, {"a": [1, 2.5, True]}),
        (ANYTHING, "x" * 18),
        (ANYTHING, "\x1b[31m"),  # JSON escapes it; who shows it has to see to it
        (Json(), nested(MAX_DEPTH)),
        (OBJECT, {}),
        (OBJECT, {"": 1}),
    ],
)
def test_what_fits_is_returned_as_it_is(kind: FieldType, value: Any) -> None:
    assert kind.check("it", value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LINE, ""),
        (LINE, None),
        (LINE, 7),
        (LINE, b"abc"),
        (LINE, "a\n"),
        *((kind, f"a{c}") for kind in (LINE, LINES, NAME) for c in CONTROLS),
        *((NAME, name) for name in ("a b", "a/b", "\ta", "*", "me", "active", ".", "..", "user:a", "a\u200bb", "\xa0")),
        (FRUIT, "plum"),
        (FRUIT, ["pear"]),
        (FRUIT, None),
        (COUNT, -4),
        (COUNT, 11),
        (COUNT, True),
        (COUNT, 1.0),
        (COUNT, "1"),
        (COUNT, 10**400),
        (SECONDS, math.nan),
        (SECONDS, math.inf),
        (SECONDS, -0.1),
        (SECONDS, 10**400),
        (SECONDS, False),
        (SECONDS, "1"),
        (FLAG, 1),
        (FLAG, "true"),
        (WORDS, "ab"),
        (WORDS, ["a", 1]),
        (WORDS, {"a": 1}),
        *((ANYTHING, value) for value in (math.nan, [math.inf], {"a": -math.inf}, "\ud800", {"\udfff": 1}, {1: 2})),
        *((ANYTHING, value) for value in (b"", {1}, object(), nested)),
        (Json(), nested(MAX_DEPTH + 1)),
        (Json(), nested(100_000)),
        (OBJECT, []),
        (OBJECT, "{}"),
        (OBJECT, None),
        *((kind, nested(100_000)) for kind in (LINE, NAME, FRUIT, COUNT, SECONDS, FLAG, OBJECT)),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name_and_in_few_words(kind: FieldType, value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^it") as caught:
        kind.check("it", value)
    assert not isinstance(caught.value, TooLarge)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LINE, "abcdef"),
        (LINE, "x" * 2**20),
        (WORDS, ["a", "b", "c"]),
        (WORDS, ["abcd"]),
        (ANYTHING, "x" * 19),
        (ANYTHING, "é" * 10),  # bytes count, not characters
        (OBJECT, {"key": "x" * 2**20}),
    ],
)
def test_too_much_of_the_right_kind_is_too_large(kind: FieldType, value: Any) -> None:
    with pytest.raises(TooLarge, match="is the most"):
        kind.check("it", value)


def test_what_an_error_shows_is_short_and_harmless() -> None:
    for value in ("x" * 1000, "\x1b[31m\x07", ["\x1b"] * 1000, nested(100_000), {"a": b"\x00"}):
        assert len(quote_value(value)) <= 61
        assert quote_value(value).isprintable()


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (LINE, "a,b", "a,b"),
        (COUNT, "-3", -3),
        (SECONDS, "1.5", 1.5),
        (FLAG, "true", True),
        (FLAG, "false", False),
        (WORDS, "a, b,", ["a", "b"]),
        (WORDS, "", []),
        (WORDS, '["a,b"]', ["a,b"]),
        (ANYTHING, '{"a": null}', {"a": None}),
        (JsonOrText(), "no json", "no json"),
        (JsonOrText(), "12", 12),
    ],
)
def test_text_is_read_as_the_value_it_means(kind: FieldType, text: str, value: Any) -> None:
    assert kind.parse("it", text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((COUNT, text) for text in ("", "-", "+1", "1.0", "0x1", "١", "1" * 5000, " 1", "1_0")),
        *((SECONDS, text) for text in ("", "soon", "nan", "inf", "-inf", "1e999")),
        *((FLAG, text) for text in ("", "True", "yes", "1")),
        *((ANYTHING, text) for text in ("", "{", "NaN", "[Infinity]", "1e999", '"\\ud800"', "[" * 100_000)),
        (WORDS, "[1]"),
        (WORDS, "["),
    ],
)
def test_text_that_means_nothing_is_refused(kind: FieldType, text: str) -> None:
    with pytest.raises(InvalidInput):
        kind.check("it", kind.parse("it", text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_survives_being_stored(value: Any) -> None:
    assert decode(encode(value)) == value


# -- documents --------------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=8) | st.text("ab\t\n\r\x00\x1f\x7f\x80\x9f\xa0 /*", max_size=8)
ANY_VALUE = (
    st.none() | st.booleans() | st.integers() | st.integers(-5, 12) | st.floats() | ANY_TEXT | st.lists(ANY_TEXT)
)


def fits_schema(kind: FieldType, value: Any) -> bool:
    return Draft202012Validator(kind.json_schema()).is_valid(value)


@given(value=ANY_VALUE)
@pytest.mark.parametrize("kind", [LINE, LINES, FRUIT, FLAG], ids=["line", "lines", "choice", "boolean"])
def test_a_kind_accepts_exactly_what_its_schema_does(kind: FieldType, value: Any) -> None:
    assert accepts(kind, value) == fits_schema(kind, value)


@given(value=ANY_VALUE.filter(lambda value: not (isinstance(value, float) and value.is_integer())))
@pytest.mark.parametrize("kind", [COUNT, Integer(), SECONDS], ids=["count", "integer", "seconds"])
def test_a_number_is_accepted_exactly_when_its_schema_does(kind: FieldType, value: Any) -> None:
    # Whole floats are left out: 1.0 is an integer to JSON Schema, but what reads JSON for us gives a float.
    assert accepts(kind, value) == fits_schema(kind, value)


@given(value=ANY_TEXT)
def test_an_identifier_fits_its_schema(value: str) -> None:
    if accepts(NAME, value):
        assert fits_schema(NAME, value)


def every_kind() -> Iterator[tuple[str, FieldType]]:
    yield from ((f"common.{name}", kind) for name, kind in COMMON.items())
    yield from ((f"{noun}.{name}", kind) for noun, kinds in NOUNS.items() for name, kind in kinds.items())


@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in every_kind()])
def test_every_word_is_explained_and_has_a_valid_schema(kind: FieldType) -> None:
    assert meta.is_valid(kind.json_schema())
    assert kind.json_schema()["description"]


# -- the vocabulary and the code --------------------------------------------------------------------------------------

OPERATIONS = {declared.name: declared for service in service_classes() for declared in service.operations.values()}
ANNOTATIONS: dict[type[FieldType], str] = {
    JsonObject: "dict[str, Json]",
    Json: "Json",
    Boolean: "bool",
    Integer: "int",
    Number: "float",
    Choice: "str",
    Text: "str",
}
PARAMETERS = [
    pytest.param(declared, parameter, id=f"{declared.name}.{parameter.name}")
    for declared in OPERATIONS.values()
    for parameter in declared.parameters.values()
]


def annotation_of(kind: FieldType) -> str:
    if isinstance(kind, ArrayOf):
        return f"list[{annotation_of(kind.item)}]"
    return next(annotation for of, annotation in ANNOTATIONS.items() if isinstance(kind, of))


@pytest.mark.parametrize(("declared", "parameter"), PARAMETERS)
def test_every_parameter_is_annotated_as_its_kind(declared: Operation, parameter: Parameter) -> None:
    is_wide = declared.is_of_all and parameter.name == "project"
    assert parameter.kind is (PROJECT_OR_ALL if is_wide else type_of(declared.noun, parameter.name))
    expected = annotation_of(parameter.kind)
    if not parameter.is_required and parameter.default is None and expected != "Json":
        expected += " | None"
    assert declared.function.__annotations__[parameter.name] == expected


@pytest.mark.parametrize(("declared", "parameter"), PARAMETERS)
def test_every_default_is_a_value_the_parameter_may_have(declared: Operation, parameter: Parameter) -> None:
    if parameter.default is not None:
        assert parameter.kind.check(parameter.name, parameter.default) == parameter.default


@pytest.mark.parametrize("declared", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_says_what_it_does_and_gives(declared: Operation) -> None:
    assert declared.about.endswith((".", "?", ":")) or declared.about
    kind, _ = declared.returns
    assert isinstance(kind, type)
    for name in declared.path.split("/"):
        if name.startswith("{"):
            assert declared.parameters[name.strip("{}")].is_required


def test_no_two_operations_share_a_route_or_a_command() -> None:
    routes = [(declared.method, declared.path) for declared in OPERATIONS.values()]
    verbs = [declared.verb for declared in OPERATIONS.values() if declared.verb]
    assert len(routes) == len(set(routes))
    assert len(verbs) == len(set(verbs))


def test_arguments_are_bound_by_name_and_unknown_ones_refused_with_a_hint() -> None:
    heartbeat = OPERATIONS["sessions.heartbeat"]
    assert heartbeat.arguments(("alice",), {"status": None})["session_id"] == "alice"
    with pytest.raises(InvalidInput, match="curent_task") as caught:
        heartbeat.arguments(("alice",), {"curent_task": "read"})
    assert caught.value.hint == "Did you mean current_task?"
    for positional, named in ((("alice", "bob"), {}), ((), {"session_id": 1}), ((1,), {}), (("a",), {"\x1b": 1})):
        with pytest.raises(InvalidInput):
            heartbeat.arguments(positional, named)


@pytest.mark.parametrize("declared", OPERATIONS.values(), ids=OPERATIONS)
@given(value=ANY_VALUE, data=st.data())
def test_no_argument_breaks_a_check(declared: Operation, value: Any, data: st.DataObject) -> None:
    if declared.parameters:
        name = data.draw(st.sampled_from(sorted(declared.parameters)))
        try:
            declared.arguments((), {name: value})
        except HallwayError:
            pass  # any other error is one too many
