"""docs/promises.md and the tests name the same promises."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PROMISES = TESTS.parent / "docs" / "promises.md"


def promised() -> list[str]:
    return re.findall(r"^\| ([A-Z]\d+) \| \S", PROMISES.read_text(encoding="utf-8"), re.MULTILINE)


def guarded() -> set[str]:
    """The ids in every `pytest.mark.promise(…)` of the tests."""
    calls = (
        node
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise"
    )
    return {ast.literal_eval(argument) for call in calls for argument in call.args}


def test_every_promise_has_a_test_that_guards_it() -> None:
    assert set(promised()) - guarded() == set()


def test_every_guarded_promise_is_in_the_list() -> None:
    assert guarded() - set(promised()) == set()


def test_no_promise_is_listed_twice() -> None:
    assert len(promised()) == len(set(promised())) >= 11
