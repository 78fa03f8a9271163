"""hallway is removed, moved or broken after it was installed: the client's own work goes on (A1)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

import hallway
from agents.machine import Machine
from agents.model import Reply, Request
from agents.programs import Program

pytestmark = pytest.mark.promise("A1")


class Installation:
    """A hallway of its own: a copy of the package, and an interpreter that is a link."""

    def __init__(self, place: Path) -> None:
        self.place = place
        shutil.copytree(
            Path(hallway.__file__).parent, place / "lib" / "hallway", ignore=shutil.ignore_patterns("*.pyc")
        )
        (place / "bin").mkdir()
        self.python = place / "bin" / "python"
        self.python.symlink_to(os.path.realpath(sys.executable))

    def install(self, machine: Machine, program: Program) -> None:
        path = os.pathsep.join([str(self.place / "lib"), sysconfig.get_paths()["purelib"]])
        environ = {**program.environ(machine.home, ""), "PYTHONPATH": path}
        done = subprocess.run(
            [self.python, "-m", "hallway", "install", program.name],
            env=environ,
            cwd=machine.repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def remove_package(self) -> None:
        shutil.rmtree(self.place / "lib")

    def remove_interpreter(self) -> None:
        self.python.unlink()

    def rename_folder(self) -> None:
        self.place.rename(self.place.with_name("moved"))

    def break_modules(self) -> None:
        for path in (self.place / "lib" / "hallway").rglob("*.py"):
            path.write_text("def (")

    def replace_interpreter(self) -> None:
        """Put something in its place that says "block" in every way there is."""
        self.python.unlink()
        self.python.write_text("#!/bin/sh\necho no >&2\nexit 2\n")
        self.python.chmod(0o755)


WAYS: list[Callable[[Installation], None]] = [
    Installation.remove_package,
    Installation.remove_interpreter,
    Installation.rename_folder,
    Installation.break_modules,
    Installation.replace_interpreter,
]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "venv")


@pytest.mark.parametrize("break_it", WAYS, ids=lambda each: each.__name__)
def test_a_client_works_on_as_if_hallway_had_never_been_there(
    machine: Machine, program: Program, installation: Installation, break_it: Callable[[Installation], None]
) -> None:
    model = machine.model(Reply("I look.", program.runs("true")), Reply("Done: 7f3a."))
    machine.prepare(program, model, with_hallway=False)
    installation.install(machine, program)
    break_it(installation)
    run = machine.run(program, model, "look around")
    assert "7f3a" in run.output


def test_a_client_whose_hallway_is_removed_in_the_middle_of_a_turn_ends_it(
    machine: Machine, program: Program, installation: Installation
) -> None:
    def remove(_: Request) -> Reply:
        installation.remove_package()
        return Reply("I look.", program.runs("true"))

    model = machine.model(remove, Reply("Done: 7f3a."))
    machine.prepare(program, model, with_hallway=False)
    installation.install(machine, program)
    run = machine.run(program, model, "look around")
    assert "7f3a" in run.output
    assert len(model.requests) <= 4  # a client that is told to go on at every stop asks for ever
