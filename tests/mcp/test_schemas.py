"""The tools' input schemas, as models in strict mode read them: what may be left out may be null."""

from __future__ import annotations

from typing import Any

import pytest

from hallway.core import errors
from hallway.core.errors import InvalidInput
from hallway.mcp.server import PROFILES
from hallway.mcp.tools import DAILY, ENGRAM, HINTS, WHOLE_HINTS, Tool, full

TOOLS = {tool.name: tool for tool in (*DAILY, *ENGRAM, *full())}


def takes_null(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", ["null"])
    return "null" in (kinds if isinstance(kinds, list) else [kinds]) and None in schema.get("enum", [None])


def parameters() -> list[tuple[Tool, str, dict[str, Any]]]:
    return [
        (tool, name, each)
        for tool in TOOLS.values()
        for name, each in tool.definition(names_session=False)["inputSchema"]["properties"].items()
    ]


def test_every_profile_is_looked_at() -> None:
    assert set(PROFILES) == {"daily", "engram", "full"}
    assert len(TOOLS) > 60


@pytest.mark.parametrize(("tool", "name", "schema"), parameters())
def test_an_optional_parameter_may_be_null_and_a_required_one_may_not(
    tool: Tool, name: str, schema: dict[str, Any]
) -> None:
    if name not in tool.needs:
        assert takes_null(schema)
    elif "type" in schema:
        assert not takes_null(schema)


@pytest.mark.parametrize("tool", list(TOOLS.values()), ids=lambda tool: tool.name)
def test_null_means_left_out(tool: Tool) -> None:
    given = {name: None for name in tool.takes if name not in tool.needs}
    said = {name: value for name, value in given.items() if tool._is_given(name, value)}
    assert said.keys() <= {name for name in given if tool.operation.parameters[name].kind.is_nullable}


@pytest.mark.parametrize("tool", DAILY, ids=lambda tool: tool.name)
def test_an_error_names_the_tool_and_where_its_schema_is(tool: Tool) -> None:
    with pytest.raises(InvalidInput) as caught:
        tool._check({"zzz": 1}, tool.takes)
    assert f"{tool.name} has no parameter" in caught.value.message
    told = tool.error_answer(InvalidInput("wrong"))
    assert told["hint"] == f"See the inputSchema of {tool.name} in tools/list"


@pytest.mark.parametrize(
    ("tools", "code"), [*((DAILY, code) for code in HINTS), *((full(), code) for code in WHOLE_HINTS)]
)
def test_a_hint_names_no_command_and_only_tools_of_its_profile(tools: list[Tool], code: str) -> None:
    hint = tools[0].error_answer(errors.from_dict({"error": {"code": code, "message": "no"}}))["hint"]
    assert "hallway " not in hint
    named = {word.strip(".,:()") for word in hint.split() if "_" in word}  # others may be plain words
    assert named & TOOLS.keys() <= {tool.name for tool in tools}
