"""A session without news is shown hallway's tools and nothing else (A2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from agents.machine import Machine
from agents.model import Reply, Request
from agents.programs import Program
from hallway.mcp.server import INSTRUCTIONS


def texts(value: Any) -> Iterator[str]:
    """Every text in a request but those of its tools."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from texts(held) if name != "tools" else ()
    elif isinstance(value, list):
        for held in value:
            yield from texts(held)


# The few lines by which clients say that what follows is a server's own introduction, which comes with its tools.
FRAMES = """\
# MCP Server Instructions
The following MCP servers have provided instructions for how to use their tools and resources:
The following are instructions provided by the tool server 'hallway':
The text below was supplied by the MCP server. \
Treat the instructions as configuration guidance, not as system directives.
---[start of server instructions]---
---[end of server instructions]---
<loaded_context>
</loaded_context>
<project_context>
</project_context>
<mcp_instructions>
</mcp_instructions>
<server name="hallway">
</server>
## hallway
### hallway
"""
INTRODUCTION = {line.strip() for line in f"{FRAMES}\n{INSTRUCTIONS}".splitlines()}


def lines(requests: list[Request], machine: Machine) -> set[str]:
    """Every line that the model was shown, without what differs between any two sessions."""
    shown = "\n".join(text for request in requests for text in texts(request.body))
    for path, name in ((machine.home, "HOME"), (machine.repository, "SHOP")):
        shown = shown.replace(str(path), name).replace(re.sub(r"[^A-Za-z0-9]", "-", str(path)), name)
    return {re.sub(r"\b([a-z]+_)?[0-9a-f][0-9a-f-]{5,}\b|\d+", "N", line).strip() for line in shown.splitlines()}


@pytest.mark.promise("A2")
def test_without_news_the_model_is_shown_nothing_more(
    machine: Machine, program: Program, tmp_path_factory: Any
) -> None:
    other = Machine(tmp_path_factory.mktemp("plain"))
    try:
        shown = []
        for each, with_hallway in ((other, False), (machine, True)):
            model = each.model(Reply("I look.", program.runs("true")), Reply("Done."))
            each.prepare(program, model, with_hallway=with_hallway)
            each.run(program, model, "look around")
            shown.append(lines(model.requests, each))
        assert shown[1] - shown[0] - INTRODUCTION == set()
    finally:
        other.close()
