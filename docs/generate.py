"""Writes docs/reference from the code, all of it but the settings. `make docs`; a test compares."""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hallway
from hallway.bus.base import Bus
from hallway.cli.main import build_parser
from hallway.core import model
from hallway.core.errors import HallwayError
from hallway.core.model import Record
from hallway.core.operation import Operation, Parameter
from hallway.core.record_fields import describe
from hallway.hub.metrics import HubCollector, RequestMetrics
from hallway.local.workspace import NoWorkspace
from hallway.mcp.server import INSTRUCTIONS
from hallway.mcp.tools import DAILY, ENGRAM, READS, SESSION, Tool, full
from hallway.text.style import EVENT_WORDS

REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "<!-- Written by docs/generate.py; change the code, then run: make docs -->\n"


def operations() -> list[Operation]:
    """Every operation of every noun, in the order of the code."""
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


HTTP = """\
A hub (`hallway serve`) takes and returns JSON; times are RFC 3339 in UTC. An error is
`{"error": {"code", "message", "hint"}}` with a fitting status ([errors](errors.md)). Parameters go into the query of
`GET` and `DELETE`, and into the body of the others. A token goes into the header `Authorization: Bearer TOKEN`, and
`Hallway-Session` names the session that calls. `GET /openapi.json` has all of it for programs."""
PYTHON = """\
`import hallway` and `hallway.connect()`; everything is typed. An operation has the same parameters on every face, and
[operations](operations.md) describes each one. Errors are in `hallway.core.errors` ([errors](errors.md))."""
EVENTS = """\
Every change is one event, with a number (`seq`) that rises without gaps. A reader that resumes from its last number
misses nothing and gets nothing twice. Heartbeats that change nothing are no events. Read events with `hallway watch`,
`GET /events`, or `bus.events` in [Python](python.md#busevents); the kind `session` stands for all that begin so. An
event has its `kind`, the session and the project that it is about, the time, and `data`."""
METRICS = """\
`GET /metrics` on a hub, in the text format of Prometheus. Where tokens are needed, it takes one for all projects."""


def http_page() -> str:
    lines = ["# HTTP", "", WRITTEN, HTTP]
    lines += ["", "| route | operation | command |", "|---|---|---|"]
    for operation in operations():
        command = f"`hallway {operation.verb}`" if operation.verb else ""
        link = f"[{operation.name}](operations.md#{_anchor(operation.name)})"
        lines.append(f"| `{operation.method} {operation.path}` | {link} | {command} |".replace("|  |", "| |"))
    lines += ["", "Beside the operations:", "", "| route | what it is |", "|---|---|"]
    lines += [f"| `{route}` | {about} |" for route, about in BESIDE_OPERATIONS.items()]
    return "\n".join(lines) + "\n"


BESIDE_OPERATIONS = {
    "GET /events": "with `Accept: text/event-stream` as they happen; `Last-Event-ID` resumes ([events](events.md))",
    "POST /mcp": "MCP, for agents ([how](../how-to/mcp.md#over-http))",
    "GET /openapi.json": "this API as OpenAPI",
    "GET /metrics": "for Prometheus ([metrics](metrics.md))",
    "GET /health": "200 if the hub works, else 503 with the reason; no token",
    "GET /ready": "the same, and 503 once the hub was told to stop; for proxies; no token",
    "GET /": "the page, for people; each page of it has a twin that ends in `.json`",
}


def _anchor(heading: str) -> str:
    """Return what a heading is linked by, in the repository and on the site."""
    return heading.lower().replace(".", "").replace(" ", "-")


def python_page() -> str:
    lines = ["# Python", "", WRITTEN, PYTHON]
    lines += ["", "## hallway.connect", "", *_described(hallway.connect, "connect")]
    lines += ["", "## Bus", "", inspect.cleandoc(Bus.__doc__ or "")]
    for name, service in Bus(NoWorkspace()).services.items():
        lines += ["", f"## bus.{name}", "", f"`{type(service).__name__}`: {_first_line(type(service))}"]
        lines += ["", "| operation | what it does |", "|---|---|"]
        for operation in service.operations.values():
            link = f"[{operation.name.partition('.')[2]}](operations.md#{_anchor(operation.name)})"
            lines.append(f"| {link} | {_first_line(operation.function)} |")
        for method in PYTHON_ONLY.get(name, ()):
            lines += ["", f"### bus.{name}.{method}", "", *_described(getattr(type(service), method), method)]
    lines += ["", "## Records", "", "What operations return. Records are immutable and compare by content."]
    for record in _records():
        lines += ["", f"### {record.__name__}", "", inspect.cleandoc(record.__doc__ or "")]
        lines += ["", "| field | type | what it says |", "|---|---|---|"]
        for field, kind in _fields(record).items():
            lines.append(f"| `{field}` | `{kind}` | {describe(record, field)} |".replace(" | None`", "`, or none"))
    return "\n".join(lines) + "\n"


# What a program may call beside the operations: it composes them, so it works the same through a hub.
PYTHON_ONLY = {
    "sessions": ("list_sessions", "unregister", "names_in"),
    "messages": ("request", "wait_reply", "register_handler"),
    "events": ("follow", "on"),
    "memory": ("get", "search", "get_by_session", "get_by_tags", "clear"),
    "claims": ("claim_when_free",),
}


def _described(function: Any, name: str) -> list[str]:
    shown = inspect.signature(function)
    parameters = [each for each in shown.parameters.values() if each.name != "self"]
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{name}{shown.replace(parameters=parameters)}")
    return ["```python", signature, "```", "", inspect.cleandoc(function.__doc__ or "")]


def _first_line(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "").partition("\n")[0].replace("|", "\\|")


def _records() -> list[type[Record]]:
    found = [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, Record)]
    return [record for record in found if record is not Record and _fields(record)]


def _fields(record: type[Record]) -> dict[str, str]:
    return {name: kind for name, kind in record.__annotations__.items() if not kind.startswith("ClassVar")}


def events_page() -> str:
    lines = ["# Events", "", WRITTEN, EVENTS]
    lines += ["", "| kind | as `hallway watch` says it |", "|---|---|"]
    lines += [f"| `{kind}` | {words} |" for kind, words in EVENT_WORDS.items()]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    lines = ["# Metrics", "", WRITTEN, METRICS]
    lines += ["", "| metric | kind | labels | what it is |", "|---|---|---|---|"]
    worker = SimpleNamespace(batches=1, jobs=1, waiting=0)
    meter = RequestMetrics()
    meter.observe("sessions.heartbeat", 200, 0.001)
    count = SimpleNamespace(streams=0, waiting=0)
    collector = HubCollector(meter, {"writer": worker}, count, count, {})  # type: ignore[dict-item, arg-type]
    for family in collector.collect():
        labels = sorted({label for sample in family.samples for label in sample.labels if label != "le"})
        names = ", ".join(f"`{label}`" for label in labels)
        suffix = "_total" if family.type == "counter" else ""
        lines.append(
            f"| `{family.name}{suffix}` | {family.type} | {names} | {family.documentation} |".replace("|  |", "| |")
        )
    return "\n".join(lines) + "\n"


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
                operation = command.get_default("operation")
                if operation is None or operation.verb == words:  # else it is another way to say the verb
                    found += [(words, command), *_commands(command, words)]
    return found


PAGES = {
    "operations.md": operations_page,
    "http.md": http_page,
    "python.md": python_page,
    "events.md": events_page,
    "metrics.md": metrics_page,
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
