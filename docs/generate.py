"""Writes docs/reference from the code: operations, tools, commands, errors. `make docs`; a test compares."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

from hallway.cli.main import build_parser
from hallway.core.errors import HallwayError
from hallway.core.operation import Operation, Parameter
from hallway.mcp.server import INSTRUCTIONS
from hallway.mcp.tools import DAILY, ENGRAM, READS, SESSION, Tool, full

REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "<!-- Written by docs/generate.py; change the code, then run: make docs -->\n"


def operations() -> list[Operation]:
    """Every operation of every noun, in the order of the code."""
    from hallway.bus.base import Bus
    from hallway.local.workspace import NoWorkspace

    return [found for service in Bus(NoWorkspace()).services.values() for found in service.operations.values()]


def operations_page() -> str:
    lines = ["# Operations", "", WRITTEN]
    lines.append("Each one is a method of the Python API, an HTTP route and, mostly, a command.")
    for operation in operations():
        lines += ["", f"## {operation.name}", "", inspect.cleandoc(operation.function.__doc__ or ""), ""]
        lines.append(f"- HTTP: `{operation.method} {operation.path}`")
        if operation.verb:
            lines.append(f"- command: `hallway {operation.verb}`")
        lines.append(f"- returns: `{operation.function.__annotations__['return']}`")
        if operation.parameters:
            lines += ["", "| parameter | may be | means |", "|---|---|---|"]
            lines += [_parameter(parameter) for parameter in operation.parameters.values()]
    return "\n".join(lines) + "\n"


def _parameter(parameter: Parameter, is_needed: bool | None = None) -> str:
    is_needed = parameter.is_required if is_needed is None else is_needed
    name = f"`{parameter.name}`" + (", required" if is_needed else "")
    return f"| {name} | {_may_be(parameter.kind.json_schema())} | {parameter.kind.about} |".replace("| |", "| |")


def _may_be(schema: dict[str, object]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])  # type: ignore[attr-defined]
    kind = str(schema.get("type", "any JSON"))
    if "maxLength" in schema:
        return f"{kind}, {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    if "maximum" in schema:
        least, most = schema["minimum"], schema["maximum"]
        is_open = isinstance(most, int) and most >= 2**63 - 1
        return f"{kind}, from {least}" + ("" if is_open else f" to {most}")
    if "maxItems" in schema:
        return f"list of at most {schema['maxItems']}"
    return kind


def errors_page() -> str:
    lines = ["# Errors", "", WRITTEN]
    lines += ["Codes are API, wording is not. Every error has a hint: the next thing to type.", ""]
    lines += ["| code | class | HTTP | exit | means |", "|---|---|---|---|---|"]
    for error in _tree(HallwayError):
        about = (error.__doc__ or "").partition("\n")[0]
        lines.append(f"| `{error.code}` | `{error.__name__}` | {error.status} | {error.exit_status} | {about} |")
    return "\n".join(lines) + "\n"


def _tree(error: type[HallwayError]) -> list[type[HallwayError]]:
    ours = [below for below in error.__subclasses__() if below.__module__ == error.__module__]
    return [error, *(found for below in ours for found in _tree(below))]


def tools_page() -> str:
    lines = ["# MCP tools", "", WRITTEN]
    lines += [
        "What agents have, by profile; [how to connect one](../how-to/mcp.md). Which session calls is never asked"
    ]
    lines += [f"over standard input and output; over HTTP it is `{SESSION}` or the header `Hallway-Session`."]
    lines += ["", "## Daily", "", "The profile unless another is named. Its instructions to the agent:", ""]
    lines += ["```text", INSTRUCTIONS, "```"]
    lines += [line for tool in DAILY for line in _tool(tool)]
    lines += ["", "## Engram", "", "The daily tools, and these, for agents that are configured for that contract."]
    lines += [line for tool in ENGRAM for line in _tool(tool)]
    lines += [
        "",
        "## Full",
        "",
        "Each of the [operations](operations.md), with all its parameters and its whole result:",
    ]
    lines += [", ".join(f"`{tool.name}`" for tool in full()) + "."]
    return "\n".join(lines) + "\n"


def _tool(tool: Tool) -> list[str]:
    kind = "reads" if tool.annotations is READS else "writes; destroys nothing, and reaches nothing but the bus"
    lines = [
        "",
        f"### {tool.name}",
        "",
        tool.about.rstrip(".") + ".",
        "",
        f"- operation: `{tool.operation.name}`",
        f"- {kind}",
    ]
    lines += [f"- gives: {', '.join(f'`{name}`' for name in tool.gives)}"]
    if tool.takes:
        lines += ["", "| parameter | may be | means |", "|---|---|---|"]
        lines += [_parameter(tool.operation.parameters[name], name in tool.needs) for name in tool.takes]
    return lines


def commands_page() -> str:
    os.environ["COLUMNS"] = "100"  # what argparse wraps at
    parser = build_parser()
    lines = ["# Commands", "", WRITTEN, "```console", "$ hallway --help", parser.format_help().rstrip(), "```"]
    for words, command in _commands(parser):
        lines += ["", f"## hallway {words}", "", "```", command.format_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(parser: object, before: str = "") -> list[tuple[str, object]]:
    found = []
    for action in parser._actions:  # type: ignore[attr-defined]  # argparse has no public way to its subcommands
        if type(action).__name__ == "_SubParsersAction":
            for word, command in action.choices.items():
                words = f"{before} {word}".strip()
                below = _commands(command, words)
                found += below or [(words, command)]
    return found


PAGES = {
    "operations.md": operations_page,
    "errors.md": errors_page,
    "tools.md": tools_page,
    "commands.md": commands_page,
}


def main() -> int:
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
