"""Every face gives the same answer to the same call: the cases are in `cases.py`."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from faces.cases import ANY, CASES, Call, Case, Earlier
from faces.faces import OPERATIONS, CommandLine, Http, McpHttp, McpStdio, Normaliser, Outcome, Python
from hub.process import HubProcess, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACES = ("local", "remote", "http", "command line", "command line through a hub", "mcp over stdio", "mcp over http")


class Bench:
    """Every face, each on a bus of its own that is made empty again for each case."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.faces: dict[str, Any] = {}
        self._files: list[Path] = []
        for name in FACES:
            home = folder / name
            face = self._face(name, home, folder, stack)
            self.faces[name] = stack.enter_context(closing(face))
            self._files.append(home / "bus.db")
        with closing(Python(folder / "empty")) as empty:
            empty.call(OPERATIONS["events.last_seq"], {})
        self._empty = folder / "empty" / "bus.db"

    @staticmethod
    def _face(name: str, home: Path, folder: Path, stack: ExitStack) -> Any:
        if name == "local":
            return Python(home)
        if name == "command line":
            return CommandLine(environment(home), folder, Python(home))
        if name == "mcp over stdio":
            return McpStdio(environment(home), folder, Python(home))
        hub = stack.enter_context(HubProcess(home))
        if name == "mcp over http":
            return McpHttp(hub.port, Python(hub.url))
        if name == "http":
            return Http(hub.port)
        if name == "remote":
            return Python(hub.url)
        return CommandLine({**environment(home), "HALLWAY_URL": hub.url}, folder, Python(hub.url))

    def make_empty(self) -> None:
        for face in self.faces.values():
            if isinstance(face, McpStdio):
                face.renew()
        for file in self._files:
            with closing(apsw.Connection(str(self._empty))) as empty, closing(apsw.Connection(str(file))) as full:
                full.set_busy_timeout(5000)
                with full.backup("main", empty, "main") as backup:
                    backup.step(-1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faces")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in os.environ:
            if name.startswith("HALLWAY_"):
                patch.delenv(name)
        patch.setenv("HALLWAY_PROJECT", "github.com/acme/shop")
        patch.setenv("HALLWAY_USER", "alice")
        patch.chdir(folder)
        yield Bench(folder, stack)


def run(face: Any, calls: tuple[Call, ...]) -> Outcome:
    """What came of the last call, made alike; the others must succeed."""
    outcomes: list[Outcome] = []
    normaliser = Normaliser()
    for name, arguments in calls:
        assert all(outcome.error is None for outcome in outcomes), outcomes[-1]
        outcomes.append(
            face.call(OPERATIONS[name], {key: resolved(value, outcomes) for key, value in arguments.items()})
        )
        normaliser.see([outcomes[-1].result, outcomes[-1].error])
    return Outcome(*map(normaliser.normal, outcomes[-1]))


def resolved(value: Any, outcomes: list[Outcome]) -> Any:
    if isinstance(value, list):
        return [resolved(each, outcomes) for each in value]
    if not isinstance(value, Earlier):
        return value
    found = outcomes[value.call].result
    for part in value.field.split("."):
        found = found[int(part) if part.isdigit() else part]
    return found


def fits(value: Any, wanted: Any) -> bool:
    """Whether a value is what is wanted, as far as that says."""
    if wanted is ANY:
        return True
    if wanted and isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], each) for name, each in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(fits, value, wanted))
    return bool(value == wanted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_every_face_answers_alike(bench: Bench, case: Case) -> None:
    bench.make_empty()
    outcomes = {name: run(face, case.calls) for name, face in bench.faces.items()}
    first = outcomes["local"]
    assert (first.error or {}).get("code") == case.fails, first
    assert case.fails or fits(first.result, case.gives), first.result
    for name, outcome in outcomes.items():
        assert outcome == first, name


def test_every_operation_is_in_a_case() -> None:
    used = {name for case in CASES for name, _ in case.calls}
    assert set(OPERATIONS) - used == set()
