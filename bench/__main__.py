"""Run the benchmarks, all or those of the named modules, and write their table."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time

from bench.tools import HERE

MODULES = (
    "sessions",
    "hub_requests",
    "attention",
    "messages",
    "memory",
    "claims",
    "flat",
    "mcp",
    "hooks",
    "agents",
    "night",
    "page",
    "top",
    "postgres",
    "scale",
    "order_of_events",
    "restarts",
    "trust",
)
PAGE = HERE.parent / "docs" / "performance.md"
HEAD = "| what | bar | measured | reached | note |\n|---|---|---|---|---|\n"


def main(wanted: list[str]) -> int:
    modules = wanted or list(MODULES)
    if unknown := [each for each in modules if each not in MODULES]:
        raise SystemExit(f"there is no benchmark {unknown[0]!r}; there are {', '.join(MODULES)}")
    sections = {}
    missed = 0
    for module in modules:
        rows = []
        for result in importlib.import_module(f"bench.{module}").all_results():
            print(result.row(), flush=True)
            rows.append(result.row())
            missed += not result.is_reached
        if rows:
            sections[module] = HEAD + "\n".join(rows)
    write(sections)
    return 1 if missed else 0


def write(sections: dict[str, str]) -> None:
    """Replace each module's table in docs/performance.md, between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    for module, table in sections.items():
        begin, end = f"<!-- {module} -->", f"<!-- end of {module} -->"
        before, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"{PAGE} has no place for a table: it needs the lines {begin} and {end}")
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\nMeasured {time.strftime('%Y-%m-%d')}, {machine}.\n\n{table}\n{end}{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
