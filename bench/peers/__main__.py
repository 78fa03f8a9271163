"""Measure the programs side by side, and write their table into docs/performance.md."""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.__main__ import write
from bench.peers.programs import HOOK, HTTP_WORK, PROGRAMS, Program, Request
from bench.tools import Load, load

ROUNDS = 15
HTTP_ROUNDS = 5
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
WORK = {
    "list": "the command that lists who is here",
    "send": "the command that sends a message",
    "inbox": "the command that shows an inbox of ten",
    "hook": "the hook after a tool",
    "mcp": "an MCP server until it has answered `tools/list`",
}
SCRIPT = """local n = os.time() % 100000 * 1000000  -- no text is sent twice
local headers = {headers}
local body = {body}
function request()
  n = n + 1
  return wrk.format("{method}", "{path}", headers, (string.gsub(body, "{{n}}", string.format("%d", n))))
end
"""


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hallway-peers-")))
        programs = []
        for kind in PROGRAMS:
            home = folder / kind.name
            home.mkdir()
            programs.append(kind(home))
        for program in programs:
            program.install()
            stack.enter_context(program.at_work())
        lines = [*processes(programs), "", *hubs(programs, folder)]
    write({"peers": "\n".join(lines)})
    print("\n".join(lines))


def processes(programs: list[Program]) -> list[str]:
    """Measure whole commands; return the table, in milliseconds and as ratios to hallway's."""
    jobs: dict[tuple[str, str], Callable[[], object]] = {}
    for program in programs:
        for work, command in program.commands.items():
            if work == "mcp":
                jobs[work, program.name] = partial(list_tools, program, command)
            else:
                told = json.dumps({**HOOK, "cwd": str(program.home)}).encode() if work == "hook" else b""
                jobs[work, program.name] = partial(program.run, *command, told=told)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    for _ in range(ROUNDS):
        for key, job in jobs.items():
            before = processor_s()
            job()
            seconds[key].append(processor_s() - before)
    names = [program.name for program in programs]
    lines = [
        "Processor time of a whole command, in milliseconds, median of turns; in brackets the ratio to hallway's.",
        "",
        f"| what | {' | '.join(f'{program.name} {program.version}' for program in programs)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for work, about in WORK.items():
        own = statistics.median(seconds[work, "hallway"])
        cells = []
        for name in names:
            measured = seconds.get((work, name))
            if measured is None:
                cells.append("–")
                continue
            median = statistics.median(measured)
            cells.append(f"{median * 1000:.0f}" + ("" if name == "hallway" else f" ({median / own:.1f} ×)"))
        lines.append(f"| {about} | {' | '.join(cells)} |")
    tools = [list_tools(program, program.commands["mcp"]) if "mcp" in program.commands else "–" for program in programs]
    return [*lines, f"| bytes of `tools/list` | {' | '.join(tools)} |"]


def list_tools(program: Program, command: list[str]) -> str:
    """Start an MCP server, ask for its tools, end it; return how many there are, and in how many bytes."""
    asked: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": INITIALIZE},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **each}) + "\n" for each in asked)
    path = str(program.folder / command[0])
    with subprocess.Popen(
        [path, *command[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=program.environ,
        cwd=program.home,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(lines.encode())
        server.stdin.flush()
        for line in server.stdout:
            answer = json.loads(line)
            if answer.get("id") == 2:
                break
        server.stdin.close()
        server.terminate()
    return f"{len(line):,} ({len(answer['result']['tools'])} tools)"


def hubs(programs: list[Program], folder: Path) -> list[str]:
    """Measure the programs' hubs with 16 connections that ask again at once; return the table."""
    serving = [program for program in programs if program.requests]
    seen: dict[tuple[str, str], list[tuple[Load, float]]] = {}
    for _ in range(HTTP_ROUNDS):
        for work in HTTP_WORK:
            for program in serving:
                script = folder / f"{program.name}-{work}.lua"
                script.write_text(lua(program, program.requests[work]), encoding="utf-8")
                before = cpu_of(program)
                found = load(program, str(script), 16)
                seen.setdefault((work, program.name), []).append((found, (cpu_of(program) - before) / found.requests))
    lines = [
        "Requests a second of one hub, 16 connections; in brackets the hub's processor time for each, in microseconds.",
        "",
        f"| what | {' | '.join(program.name for program in serving)} | ratio |",
        f"|---|{'---|' * len(serving)}---|",
    ]
    for work in HTTP_WORK:
        rates = [statistics.median(each.rate for each, _ in seen[work, program.name]) for program in serving]
        costs = [statistics.median(cost for _, cost in seen[work, program.name]) for program in serving]
        cells = [f"{rate:,.0f} ({cost * 1e6:.0f})" for rate, cost in zip(rates, costs, strict=True)]
        lines.append(f"| {work} | {' | '.join(cells)} | {rates[0] / rates[1]:.1f} × |")
    return lines


def lua(program: Program, request: Request) -> str:
    """Return the load's script for a kind of request."""
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in program.headers.items())
    return SCRIPT.format(
        headers=f"{{ {headers} }}", body=f"[[{request.body}]]", method=request.method, path=request.path
    )


def processor_s() -> float:
    """The processor time of all processes that this one has started and waited for, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of(program: Program) -> float:
    """The processor time of a program's hub so far, in seconds."""
    assert program.process is not None
    stat = Path(f"/proc/{program.process.pid}/stat").read_text(encoding="ascii")
    fields = re.sub(r"^.*\) ", "", stat).split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
