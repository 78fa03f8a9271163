"""The protocol's own judges: its conformance suite and its Inspector, both run by node. `make conformance` runs this.

They are not among the tests that `make test` finds, because they need npm and 300 MB of what it installs here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hub.process import HubProcess, environment
from node import MODULES, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SUITE = MODULES / "@modelcontextprotocol/conformance/dist/index.js"
INSPECTOR = MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
ERAS = ("legacy", "modern")
HALLWAY = [sys.executable, "-m", "hallway", "mcp"]


def node(script: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), str(script), *arguments]
    return subprocess.run(
        command, env=environment(home), cwd=home, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that offers the suite's own tools and resources beside the bus's."""
    home = tmp_path_factory.mktemp("conformance") / "hallway"
    with HubProcess(home, program=(str(HERE / "fixtures.py"),)) as hub:
        yield hub


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_suite_finds_nothing_but_what_is_expected(hub: HubProcess, revision: str, tmp_path: Path) -> None:
    expected = str(HERE / "expected-failures.yml")
    ran = node(
        SUITE,
        "server",
        "--url",
        f"{hub.url}/mcp",
        "--requirements",
        revision,
        "--expected-failures",
        expected,
        "--output-dir",
        str(tmp_path / "results"),
        home=hub.home,
    )
    print(ran.stdout[ran.stdout.find("=== SUMMARY") :])
    assert ran.returncode == 0, ran.stdout[ran.stdout.rfind("Total:") :] + ran.stderr
    assert {"tools-list", "resources-list"} <= passed(ran.stdout)  # it ran, and spoke to this hub


def passed(summary: str) -> set[str]:
    return {line[2:].partition(":")[0] for line in summary.splitlines() if line.startswith("✓ ")}


def test_every_expected_failure_has_its_reason() -> None:
    lines = [line for line in (HERE / "expected-failures.yml").read_text().splitlines() if line.startswith("  - ")]
    assert len(lines) > 20
    assert all(line.partition("#")[2].strip() for line in lines)


# -- the Inspector ----------------------------------------------------------------------------------------------------


class Inspector:
    """The Inspector's command line, against one way to reach hallway in one era."""

    def __init__(self, era: str, home: Path, target: list[str], *options: str) -> None:
        self._begins = ["--cli", *target, *options, "--protocol-era", era, "--format", "json", "--quiet"]
        self._home = home
        self.is_http = bool(options)

    def __call__(self, method: str, *options: str) -> Any:
        ran = node(INSPECTOR, *self._begins, "--method", method, *options, home=self._home)
        assert ran.returncode == 0, ran.stdout + ran.stderr  # --strict: 6 where a schema is at fault
        return json.loads(ran.stdout)["result"]


@pytest.fixture(params=[(transport, era) for transport in ("stdio", "http") for era in ERAS], ids="-".join)
def inspect(request: pytest.FixtureRequest, hub: HubProcess) -> Inspector:
    transport, era = request.param
    if transport == "http":
        return Inspector(era, hub.home, [f"{hub.url}/mcp"], "--header", "Hallway-Session: judged-1")
    return Inspector(era, hub.home, HALLWAY)


def test_the_inspector_finds_no_fault_with_the_tools(inspect: Inspector) -> None:
    listed = inspect("tools/list", "--strict")
    assert {"sessions", "send", "inbox", "remember"} <= {tool["name"] for tool in listed["tools"]}


def test_the_inspector_calls_tools_and_reads_resources(inspect: Inspector) -> None:
    # A hub does not know in which repository its caller is.
    where = ("--tool-arg", "project=github.com/acme/shop") if inspect.is_http else ()
    inspect("tools/call", "--tool-name", "status", "--tool-arg", "current_task=judged", *where)
    kept = inspect("tools/call", "--tool-name", "remember", "--tool-arg", "key=by/inspector", "--tool-arg", "value=7")
    assert kept["structuredContent"]["key"] == "by/inspector"
    assert json.loads(kept["content"][0]["text"]) == kept["structuredContent"]
    listed = [each["uri"] for each in inspect("resources/list")["resources"]]
    assert {"hallway://sessions", "hallway://inbox"} < set(listed)
    [memory] = [uri for uri in listed if uri.startswith("hallway://memory/")]
    [contents] = inspect("resources/read", "--uri", memory)["contents"]
    assert json.loads(contents["text"])["value"] in (7, "7")
