"""Editing JSON in place: the edit and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallway.agents.install.jsonc import Document, NotJson, WrongKind

SERVER = {"command": "/opt/python", "args": ["-m", "hallway", "mcp"]}
SPACES = st.sampled_from(["", " ", "\n  ", "\r\n\t", ' // a } comment, "quoted"\n', "/* [ */"])
NAMES = st.sampled_from(["a", "b", "hooks", "mcpServers", "hallway", "Stop", "é\\n"])
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "null", '"a // b"', '"x,}]"', '"\\""'])


@st.composite
def texts(draw: st.DrawFn, depth: int = 0) -> str:
    """JSON as people write it: comments, odd spaces, commas at the end."""
    kind = draw(st.sampled_from(["object", "list", "scalar"])) if depth else "object"
    if kind == "scalar" or depth > 3:
        return draw(SCALARS)
    space = lambda: draw(SPACES)  # noqa: E731
    if kind == "object":
        names = draw(st.lists(NAMES, unique=True, max_size=3))
        parts = [f'{space()}"{name}"{space()}:{space()}{draw(texts(depth + 1))}{space()}' for name in names]
    else:
        parts = [f"{space()}{draw(texts(depth + 1))}{space()}" for _ in range(draw(st.integers(0, 3)))]
    comma = f",{space()}" if parts and draw(st.booleans()) else ""
    inside = ",".join(parts) + comma if parts else space()
    return f"{{{inside}}}" if kind == "object" else f"[{inside}]"


def value_of(text: str) -> Any:
    return Document(text).get(())


def comments(text: str) -> int:
    return text.count("// a } comment") + text.count("/* [ */")


@given(texts(), st.sampled_from([("mcpServers", "hallway"), ("hooks", "hallway"), ("a",)]))
def test_setting_a_member_sets_it_and_nothing_else(text: str, path: tuple[str, ...]) -> None:
    document = Document(text)
    wanted = document.get(())
    holder = wanted
    for name in path[:-1]:
        holder = holder.setdefault(name, {})
        if not isinstance(holder, dict):
            with pytest.raises(WrongKind):
                document.set(path, SERVER)
            assert document.text == text
            return
    was_there = path[-1] in holder
    holder[path[-1]] = SERVER
    document.set(path, SERVER)
    assert value_of(document.text) == wanted
    if not was_there:
        assert comments(document.text) == comments(text)


@given(texts())
def test_what_is_put_in_and_taken_out_leaves_the_values_and_the_comments(text: str) -> None:
    before = Document(text)
    try:
        had = len(before.items(("hooks", "Stop")))
    except WrongKind:
        return
    document = Document(text)
    document.put_item(("hooks", "Stop"), SERVER, None)
    assert document.items(("hooks", "Stop"))[had:] == [SERVER]
    document.remove_items(("hooks", "Stop"), [had])
    if before.get(("hooks",)) is None:
        document.remove(("hooks",))
    elif "Stop" not in before.get(("hooks",)):
        document.remove(("hooks", "Stop"))
    assert value_of(document.text) == value_of(text)
    assert comments(document.text) == comments(text)


@given(texts(), st.data())
def test_removing_a_member_leaves_the_others(text: str, data: st.DataObject) -> None:
    wanted = value_of(text)
    if not wanted:
        return
    name = data.draw(st.sampled_from(sorted(wanted)))
    document = Document(text)
    document.remove((name,))
    del wanted[name]
    assert value_of(document.text) == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "m": {\n    "r": 1\n  }\n}\n'),
        ("{}", '{\n  "m": {\n    "r": 1\n  }\n}'),
        ('{"a": 1}', '{"a": 1, "m": {\n    "r": 1\n  }}'),
        ('{\n\t"a": 1, // why\n}\n', '{\n\t"a": 1,\n\t"m": {\n\t\t"r": 1\n\t}, // why\n}\n'),
        ('{\r\n    "m": {\r\n    }\r\n}', '{\r\n    "m": {\r\n        "r": 1\r\n    }\r\n}'),
        ('{\n  "m": {\n    "q": 0\n  }\n}', '{\n  "m": {\n    "q": 0,\n    "r": 1\n  }\n}'),
        ("\ufeff{}", '\ufeff{\n  "m": {\n    "r": 1\n  }\n}'),
        ("{\n  // nothing yet\n}", '{\n  // nothing yet\n  "m": {\n    "r": 1\n  }\n}'),
    ],
)
def test_what_is_added_looks_like_its_neighbours(before: str, after: str) -> None:
    document = Document(before)
    document.set(("m", "r"), 1)
    assert document.text == after


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": }', 1),
        ('{\n"a": 1\n"b": 2}', 3),
        ('{"a": 1', 1),
        ('{"a": 1}\n}', 2),
        ('{"a": 1, "a": 2}', 1),
        ("{'a': 1}", 1),
        ('{"a": tru}', 1),
        ('{"a": 01}', 1),
        ('{"a": "\\x"}', 1),
        ('{"a": /* no end', 1),
        ('{"a":' * 300 + "1" + "}" * 300, 1),
        ("plain text", 1),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(NotJson, match=f"line {line}: "):
        Document(text)


def test_a_list_is_no_configuration() -> None:
    with pytest.raises(WrongKind):
        Document("[]")


def test_plain_json_reads_as_the_json_module_reads_it() -> None:
    value = {"a": [1, 2.5, None, True, {"b": "ü\n\\"}], "c": {}}
    assert value_of(json.dumps(value)) == value
