"""What hallway adds to a client's request to its model when nothing is new, in the client's own form (A2, A4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.machine import Machine
from agents.model import Reply, Request
from agents.programs import Program

MAX_BYTES = 8000
# Gemini CLI adds a parameter of 264 bytes to each tool.
MORE_BYTES = {"gemini": 2928}


def definitions(request: Request) -> dict[str, int]:
    """The bytes of each tool's definition by its name; of a namespace's, all together."""
    found: dict[str, int] = {}
    for entry in request.body.get("tools") or []:
        for each in entry.get("functionDeclarations") or [entry.get("function", entry)]:
            name = each.get("name") or each["type"]
            found[name] = len(json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode())
    return found


@pytest.mark.promise("A2")
def test_hallway_adds_little_to_a_request(machine: Machine, program: Program, tmp_path_factory: Any) -> None:
    other = Machine(tmp_path_factory.mktemp("plain"))
    try:
        tools, sizes = [], []
        for each, with_hallway in ((other, False), (machine, True)):
            model = each.model(Reply("Done."))
            each.prepare(program, model, with_hallway=with_hallway)
            each.run(program, model, "look around")
            request = model.requests[0]
            tools.append(definitions(request))
            sizes.append(len(json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode()))
        added = {name: size for name, size in tools[1].items() if name not in tools[0]}
        print(f"{program.name}: {sizes[1] - sizes[0]} bytes more, of which tools {sum(added.values())}: {added}")
        assert program.name == "codex" or all("hallway" in name for name in added), "the client adds tools of its own"
        assert sum(added.values()) > 0
        assert sizes[1] - sizes[0] <= MAX_BYTES + MORE_BYTES.get(program.name, 0)
    finally:
        other.close()
