"""What is released: the files in the wheel and in the source archive, their metadata, and the bill of materials."""

from __future__ import annotations

import email
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import hallway
from release.distributions import ROOT, Distributions, run

VENDOR = "src/hallway/web/static/vendor"
LICENCES = {"LICENSE", f"{VENDOR}/htmx-LICENSE", f"{VENDOR}/uplot-LICENSE"}


def tracked(*below: str) -> set[str]:
    listed = subprocess.check_output(["git", "ls-files", *below], cwd=ROOT, text=True, timeout=60)
    return {name for name in listed.splitlines() if (ROOT / name).exists()}


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


@pytest.mark.slow
def test_the_wheel_has_the_package_its_licences_and_nothing_else(distributions: Distributions) -> None:
    info = f"hallway-{hallway.__version__}.dist-info"
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    package = {name.removeprefix("src/") for name in tracked("src/hallway")}
    described = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert names == package | described | {f"{info}/licenses/{name}" for name in LICENCES}
    for needed in ("py.typed", "web/static/hallway.css", "web/templates/", "store/sql/sqlite/migrations/"):
        assert any(name.startswith(f"hallway/{needed}") for name in names), needed


@pytest.mark.slow
def test_the_source_archive_has_what_builds_the_wheel_and_nothing_else(distributions: Distributions) -> None:
    top = f"hallway-{hallway.__version__}/"
    with tarfile.open(distributions.sdist) as archive:
        names = {member.name.removeprefix(top) for member in archive.getmembers() if member.isfile()}
    beside = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".gitignore", "PKG-INFO"}
    assert names == tracked("src") | beside


@pytest.mark.slow
def test_an_index_would_take_them(distributions: Distributions) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", distributions.wheel, distributions.sdist)


@pytest.mark.slow
def test_the_metadata_says_the_version_and_both_licences(distributions: Distributions) -> None:
    told = metadata(distributions.wheel)
    assert told["Version"] == hallway.__version__
    assert told["License-Expression"] == "MIT AND 0BSD"
    assert set(told.get_all("License-File") or ()) == LICENCES


def test_the_version_is_written_once() -> None:
    """The plugin's manifest, which Claude Code reads where nothing is built, has a test of its own (tests/install)."""
    assert '\ndynamic = ["version"]\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^path = "src/hallway/__init__.py"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    claims = (ROOT / "docs" / "how-to" / "claims.md").read_text(encoding="utf-8")
    assert re.findall(r"^ +rev: v(.+)$", claims, re.MULTILINE) == [hallway.__version__]
    assert re.search(rf"^## {re.escape(hallway.__version__)}, ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_bill_of_materials_names_what_is_pinned_and_what_the_page_brings() -> None:
    written = run(sys.executable, ROOT / "tools" / "sbom.py")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    bill = json.loads(written)
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"]) == ("hallway", hallway.__version__)
    assert bill["serialNumber"].startswith("urn:uuid:")  # without it actions/attest knows no CycloneDX
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^(\S+?)==\S+ --hash=sha256:(\w+)$", lock, re.MULTILINE))
    assert len(pins) > 10
    assert {each["name"]: each["hashes"][0]["content"] for each in bill["components"]} == pins
    brought = {path.name for path in (ROOT / VENDOR).iterdir() if ".min." in path.name}
    assert {each["name"] for each in root["components"]} == brought
    needed = {name.partition("@")[0] for name in bill["dependencies"][0]["dependsOn"]}
    assert {"pkg:pypi/apsw", "pkg:pypi/prometheus-client", "pkg:pypi/psycopg"} <= needed
    assert "pkg:pypi/anyio" not in needed


def test_the_same_source_has_the_same_bill() -> None:
    assert run(sys.executable, ROOT / "tools" / "sbom.py") == run(sys.executable, ROOT / "tools" / "sbom.py")
