"""The workflows of a public CI: their steps exist, their actions are pinned, and no job may do more than it needs to.

actionlint judges their form (`make conformance`, tests/workflow.py).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import hallway
from release.distributions import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = RELEASE["jobs"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_target_that_a_step_makes_exists(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    made = re.findall(r"\bmake ((?:[a-z-]+ ?)+)", workflow.read_text(encoding="utf-8"))
    named = {target for words in made for target in words.split()}
    assert named
    assert named <= targets


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    used = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = {use for path in WORKFLOWS for use in re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))}
    assert len({use.partition("@")[0] for use in used}) == len(used)


def test_only_a_tag_releases() -> None:
    assert RELEASE[True] == {"push": {"tags": ["v*"]}}  # YAML reads the key `on` as a truth value


def test_a_job_may_do_what_it_needs_to_and_no_more() -> None:
    assert RELEASE["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "build": {"contents": "read"},
        "attest": {"attestations": "write", "id-token": "write"},
        "publish": {"id-token": "write"},
        "announce": {"contents": "write"},
    }
    assert JOBS["publish"]["environment"] == "pypi"
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    for name, job in JOBS.items():
        checks_out = any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"])
        assert checks_out == (name == "build"), "code of the repository runs only where nothing can be published"


def test_what_is_published_was_tested_built_and_attested_in_this_run() -> None:
    assert [step["run"] for step in JOBS["build"]["steps"] if step.get("run", "").startswith("make")] == [
        "make test-all",
        "make dist",
    ]
    assert JOBS["attest"]["needs"] == "build"
    assert set(JOBS["publish"]["needs"]) == {"build", "attest"}
    attested = [step["with"] for step in JOBS["attest"]["steps"] if step.get("uses", "").startswith("actions/attest@")]
    assert [each.get("sbom-path") for each in attested] == [None, "dist/hallway.cdx.json"]
    assert all(each["subject-path"].split() == ["dist/*.whl", "dist/*.tar.gz"] for each in attested)


@pytest.mark.parametrize(
    ("tag", "heading", "is_released"),
    [
        (f"v{hallway.__version__}", f"## {hallway.__version__}, 2026-12-01", True),
        (f"v{hallway.__version__}", f"## {hallway.__version__}, unreleased", False),
        ("v9.9.9", f"## {hallway.__version__}, 2026-12-01", False),
    ],
)
def test_a_tag_that_is_not_the_version_or_has_no_changes_stops_the_release(
    tmp_path: Path, tag: str, heading: str, is_released: bool
) -> None:
    (step,) = [step["run"] for step in JOBS["build"]["steps"] if "GITHUB_REF_NAME" in step.get("run", "")]
    package = tmp_path / "src" / "hallway"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text((ROOT / "src" / "hallway" / "__init__.py").read_text(encoding="utf-8"))
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n")
    command = ["bash", "-e", "-c", step]
    environ = {"PATH": "/usr/bin:/bin", "GITHUB_REF_NAME": tag}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode == 0) == is_released
