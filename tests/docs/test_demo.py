"""`hallway demo`, which the README names, holds what it claims, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.person import Person
from support import until


def person_in(folder: Path) -> Person:
    """A person whose temporary folder, and whose bus, are in a folder."""
    person = Person(folder / "home")
    (folder / "tmp").mkdir()
    person.environ["TMPDIR"] = str(folder / "tmp")
    return person


@pytest.mark.slow
def test_everything_that_the_demo_claims_holds(tmp_path: Path) -> None:
    person = person_in(tmp_path)
    done = subprocess.run(
        person.command("demo"), env=person.environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "Everything held." in done.stdout
    assert "✗" not in done.stdout
    assert not person.home.exists()  # it has a bus of its own
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_scripts_get_the_claims_alone(tmp_path: Path) -> None:
    person = person_in(tmp_path)
    done = person.types("demo", "--json", HALLWAY_URL="http://127.0.0.1:9", HALLWAY_SESSION="s1")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    claims = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(claims) >= 20
    assert all(each["is_true"] for each in claims)


def test_ctrl_c_ends_the_tour_and_its_agents(tmp_path: Path) -> None:
    person = person_in(tmp_path)
    process = person.starts("demo", stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        assert process.stdout is not None
        until(lambda: "codex is on the bus" in str(process.stdout and process.stdout.readline()))
        assert list((tmp_path / "tmp").iterdir()) != []
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_reader_that_has_gone_ends_the_tour_quietly(tmp_path: Path) -> None:
    person = person_in(tmp_path)
    process = person.starts("demo", stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
    finally:
        process.kill()
    assert list((tmp_path / "tmp").iterdir()) == []


INTERRUPTED_WHEN_STARTED = """\
import signal, subprocess, sys
from hallway.cli.main import run

class Interrupted(subprocess.Popen):
    def _execute_child(self, *arguments):
        super()._execute_child(*arguments)
        signal.raise_signal(signal.SIGINT)

subprocess.Popen = Interrupted
sys.exit(run(["demo"]))
"""


def test_ctrl_c_while_an_agent_is_being_started_leaves_no_agent(tmp_path: Path) -> None:
    person = person_in(tmp_path)
    done = person.runs([sys.executable, "-c", INTERRUPTED_WHEN_STARTED])
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    agents = [each for each in Path("/proc").glob("[0-9]*/environ") if str(tmp_path) in content(each)]
    assert agents == []


def content(environ: Path) -> str:
    try:
        return environ.read_bytes().decode(errors="replace")
    except OSError:  # of a process that has ended, or of somebody else
        return ""
