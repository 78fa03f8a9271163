"""hallway is upgraded again and again while clients run turns: nobody is blocked, and no model sees an error (A1)."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hallway
from agents.conftest import needs
from agents.machine import Machine
from agents.model import Reply

pytestmark = pytest.mark.promise("A1")

NUMBERS = [f"7f3{sign}" for sign in "abcdefgh"]  # what the turns end with
CALLS = 4
ERRORS = (
    "Traceback",
    "ModuleNotFoundError",
    "ImportError",
    "SyntaxError",
    "can't open file",
    "No such file or directory",
    "hook error",
    "blocked",
    "bootstrap.py",
)


def make_wheel(folder: Path, version: str) -> Path:
    """Write a wheel of this package with another version."""
    source, info = Path(hallway.__file__).parent, f"hallway-{version}.dist-info"
    path = folder / f"hallway-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        names = [each for each in sorted(source.rglob("*")) if each.is_file() and each.suffix != ".pyc"]
        for each in names:
            wheel.write(each, f"hallway/{each.relative_to(source)}")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: hallway\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\nhallway = hallway.__main__:main\n")
        files = [*(f"hallway/{each.relative_to(source)}" for each in names), f"{info}/METADATA", f"{info}/WHEEL"]
        wheel.writestr(f"{info}/RECORD", "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"]))
    return path


class Upgrades:
    """A virtual environment in which pip installs one version of hallway after the other, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        place = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        self.python = place / "bin" / "python"
        (libraries,) = place.glob("lib/python*/site-packages")
        (libraries / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")  # apsw and the others
        self._wheels = [make_wheel(folder, version) for version in ("1.0", "1.1")]
        self.count = 0
        self.errors: list[str] = []
        self.upgrade()
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def upgrade(self) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        install = ["install", "--quiet", "--no-index", "--no-deps", "--upgrade", str(self._wheels[self.count % 2])]
        done = subprocess.run([*pip, *install], capture_output=True, text=True, check=False)
        self.errors += [done.stderr] if done.returncode else []
        self.count += 1

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            self.upgrade()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *rest: object) -> None:
        self._is_stopped.set()
        self._thread.join()


@pytest.fixture
def upgrades(tmp_path: Path) -> Iterator[Upgrades]:
    upgrades = Upgrades(tmp_path)
    yield upgrades
    assert upgrades.errors == []


@pytest.mark.parametrize("name", ["claude-code", "codex"])
def test_turns_go_on_while_pip_upgrades_hallway(machine: Machine, upgrades: Upgrades, name: str) -> None:
    program = needs(name)
    turns = [[*(Reply("I look.", program.runs("true")) for _ in range(CALLS)), Reply(f"Done: {n}.")] for n in NUMBERS]
    model = machine.model(*(reply for turn in turns for reply in turn))
    machine.prepare(program, model, with_hallway=False)
    done = subprocess.run(
        [upgrades.python, "-m", "hallway", "install", program.name],
        env=program.environ(machine.home, ""),
        cwd=machine.repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    before = upgrades.count
    with upgrades:
        for number in NUMBERS:
            run = machine.finish(machine.start(program, model, "look around"))
            assert (run.status, number in run.output) == (0, True), f"{run.output}\n{run.errors}"[-3000:]
    assert upgrades.count >= before + 2
    model.check()
    assert len(model.requests) <= len(NUMBERS) * (CALLS + 3)  # a client that a stop hook blocks asks for ever
    for request in model.requests:
        assert [word for word in ERRORS if word in request.context] == []
    hooked = [str(upgrades.python) in path.read_text() for path in machine.home.rglob("*.json") if path.is_file()]
    assert any(hooked)  # it is this hallway that the hooks ran
