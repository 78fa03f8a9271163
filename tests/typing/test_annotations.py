"""What tools that read annotations find: type hints, signatures, and calls that pydantic checks."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

import hallway
import hallway.bus.connect
from hallway.core.operation import Operation
from hallway.services import service_classes

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKERS = {
    "mypy": ("mypy", "--strict", "--cache-dir=.mypy", "--config-file="),
    "pyrefly": ("pyrefly", "check", "--preset=strict", f"--python-interpreter-path={sys.executable}"),
}
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def public_methods() -> list[tuple[str, Callable[..., Any]]]:
    internal = ("append", "sent", "apply_message", "notify_task_change", "held_back", "stats", "prune_old", "restore")
    return [
        (f"{service.__name__}.{name}", method)
        for service in service_classes()
        for name, method in vars(service).items()
        if inspect.isfunction(method) and name[0] != "_" and (hasattr(method, "operation") or name not in internal)
    ]


def operations() -> list[tuple[str, Callable[..., Any], Operation]]:
    return [(name, method, method.operation) for name, method in public_methods() if hasattr(method, "operation")]


@pytest.mark.parametrize(("name", "method"), public_methods())
def test_the_type_hints_of_every_public_method_can_be_read(name: str, method: Callable[..., Any]) -> None:
    hints = typing.get_type_hints(method)
    assert "return" in hints
    assert set(hints) - {"return"} <= set(inspect.signature(method).parameters)


@pytest.mark.parametrize(("name", "method", "operation"), operations())
def test_the_signature_of_an_operation_is_that_of_its_parameters(
    name: str, method: Callable[..., Any], operation: Operation
) -> None:
    assert list(inspect.signature(method).parameters)[1:] == list(operation.parameters)


@pytest.mark.parametrize(("name", "method", "operation"), operations())
def test_a_tool_can_be_made_of_every_operation(name: str, method: Callable[..., Any], operation: Operation) -> None:
    """As frameworks for agents do it: a model of the signature's parameters, and its JSON Schema."""
    hints = typing.get_type_hints(method)
    fields: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is inspect.Parameter.empty else each.default)
        for each in list(inspect.signature(method).parameters.values())[1:]
    }
    schema = pydantic.create_model("Tool", **fields).model_json_schema()
    assert set(schema.get("properties", {})) == set(operation.parameters)
    assert set(schema.get("required", ())) == {each.name for each in operation.parameters.values() if each.is_required}


def test_pydantic_checks_calls_of_a_bus(tmp_path: Path) -> None:
    with hallway.connect(tmp_path) as bus:
        register = pydantic.validate_call(bus.sessions.register)
        assert register("s1", "alice's claude", "claude-code").session_id == "s1"
        remember = pydantic.validate_call(bus.memory.set)
        assert remember("s1", "k", {"a": [1]}, tags=["x"]).value == {"a": [1]}
        with pytest.raises(pydantic.ValidationError):
            remember("s1", "k", 1, tags="x")


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_strict_type_checker_takes_a_program_of_ours(program: Path, checker: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", *CHECKERS[checker], str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_strict_type_checker_refuses_a_program_that_is_wrong(checker: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import hallway\n\nwith hallway.connect() as bus:\n    bus.sessions.register('s1', 1, no_such=2)\n"
    )
    command = [sys.executable, "-m", *CHECKERS[checker], str(wrong)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1
    assert "no_such" in done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_of_ours_runs(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
