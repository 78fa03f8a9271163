"""Time grows with a text's size and no faster: every regular expression, every text field."""

from __future__ import annotations

import ast
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hallway
from hallway.agents.install.jsonc import Document, NotJson
from hallway.core import secret_scan
from hallway.core.parameters import MAX_BODY, NOUNS
from hallway.core.redaction import redact
from hallway.core.schema import Json, Text
from hallway.core.secret_scan import find_secret, replace_secrets, rules
from hallway.store import sqlite_fts, tokenize
from hallway.store.postgres import fts
from hallway.store.postgres.fts import TsQueryWriter
from hallway.store.sqlite_fts import FtsQueryWriter
from hallway.store.tokenize import Excerpts, plain, spread, stems, words_apart
from hallway.text.framing import frame, frame_line
from support import Here

SIZE = 4 * 1024  # characters, and four times as many
SOON_S = 0.02  # what is done in so little time at four times the size is not looked at closer
MAX_RATIO = 9  # times as long for four times the text: linear is 4, quadratic 16
BITS = (
    "a",
    "A",
    "1",
    " ",
    "\t",
    "<",
    ">",
    "[",
    "]",
    "(",
    '"',
    "'",
    "\\",
    "/",
    ":",
    ".",
    "-",
    "_",
    "@",
    "%",
    "=",
    "\0",
    "aA",
    "Aa",
    "a1",
    "1.",
    "a.",
    "a-",
    "a_",
    " a",
    "<a",
    '\\"',
    "\\u12",
    "http://",
    "//",
    "/*",
    "e\u0301",
    "\u6f22",
    "\u6f22a",
    "a\u6f22",
    "\uac00A",
    "\u00e9",
    "\u200d",
    "\n",
    "\r\n",
    ":a",
    "'a",
)


def cpu_s(function: Callable[[], object]) -> float:
    """The processor time of a call: that of other programs on the machine does not count."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def assert_linear(function: Callable[[str], object], bit: str, what: str) -> None:
    text = bit * (SIZE // len(bit))
    longer = text * 4
    if cpu_s(lambda: function(longer)) < SOON_S:
        return
    once, four_times = (min(cpu_s(lambda: function(each)) for _ in range(3)) for each in (text, longer))  # noqa: B023
    assert four_times < MAX_RATIO * max(once, 0.001), f"{what}, {bit!r} repeated: {once:.3f} s, then {four_times:.3f} s"


def expressions() -> Iterator[tuple[str, str]]:
    """Every regular expression that stands in the source as a constant, and where."""
    for path in sorted(Path(hallway.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and _is_expression(node.func):
                try:
                    yield f"{path.name}:{node.lineno}", _constant(node.args[0])
                except ValueError:
                    assert path.name in ("pattern.py", "secret_scan.py"), f"{path}:{node.lineno} is made of what?"


def _is_expression(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id == "re" and function.attr not in ("escape",)
    return isinstance(function, ast.Name) and function.id == "pattern"


def _constant(node: ast.expr) -> str:
    if isinstance(node, ast.Name) and isinstance(getattr(fts, node.id, None), str):
        return str(getattr(fts, node.id))
    if isinstance(node, ast.JoinedStr):
        known = {"_CJK": tokenize._CJK}
        parts = []
        for part in node.values:
            name = part.value.id if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name) else ""
            if isinstance(part, ast.FormattedValue) and name not in known:
                raise ValueError(name)
            parts.append(known[name] if name else part.value)  # type: ignore[attr-defined]
        return "".join(parts)
    text = ast.literal_eval(node)
    if isinstance(text, bytes):
        return text.decode("latin-1")
    if not isinstance(text, str):
        raise ValueError(ast.dump(node))
    return text


EXPRESSIONS = dict(expressions())


def test_the_expressions_are_found() -> None:
    assert len(EXPRESSIONS) > 10


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_takes_time_in_proportion_to_the_text(where: str) -> None:
    compiled = re.compile(EXPRESSIONS[where])
    look = read_jsonc if where.startswith("jsonc.") else lambda text: sum(1 for _ in compiled.finditer(text))
    for bit in BITS:
        assert_linear(look, bit, where)


def read_jsonc(text: str) -> None:
    """Read a text as its reader does, which ends where no token follows."""
    with contextlib.suppress(NotJson):
        Document(text)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.kind)
def test_a_form_of_a_secret_is_looked_for_in_proportion_to_the_text(rule: Any) -> None:
    for word in rule.words:
        for case in (word, word.upper(), word.capitalize()):
            for tail in ("", "a", "1", "-", "_", ".", " ", "/", "a-", "1-", "a" * 40, "A" * 20 + ".", "A" * 20 + "-"):
                assert_linear(lambda text: sum(1 for _ in rule.spans(text)), case + tail, rule.kind)


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "spread": spread,
    "plain": plain,
    "FtsText.indexed": lambda text: FtsQueryWriter().indexed("key", "", text),
    "TsText.indexed": lambda text: TsQueryWriter().indexed("key", "", text),
    "find_secret": find_secret,
    "replace_secrets": replace_secrets,
    "redact": lambda text: redact(f"postgresql://u:{text}@h password={text}"),
    "excerpt": lambda text: Excerpts("aa a1 userId \u6f22").of(text),
    "excerpt of near forms": lambda text: Excerpts(text[:1000] + " aa a1 userId \u6f22", is_near=True).of(text),
    "words_apart": words_apart,
    "stems": stems,
    "frame": lambda text: frame("bob", text),
    "frame_line": lambda text: frame_line("bob", text),
    "Text.check": lambda text: Text(most=10**9, many_lines=True).check("text", text) if text.isprintable() else None,
    "Json.check": lambda text: Json(size_bytes=10**9).check("json", {"a": [text]}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_sees_whole_texts_takes_time_in_proportion_to_them(name: str) -> None:
    for bit in BITS:
        assert_linear(FUNCTIONS[name], bit, name)


def entry_line(number: int, text: str) -> dict[str, Any]:
    """The line of an export for a memory entry with this text."""
    at = "2026-01-01T00:00:00Z"
    line = {"record": "memory", "entry_id": f"e{number}", "key": f"k{number}", "type": "note", "value": text}
    line |= {"version": 1, "tags": ["a"], "session_id": "alice", "project": Here.project}
    return {**line, "created_at": at, "expires_at": None, "metadata": {}}


def written(bus: Any) -> dict[str, Callable[[str], object]]:
    """Every way of writing a long text, as a function of the text."""
    task = iter(range(10**6))

    def complete(text: str) -> None:
        offered = bus.tasks.offer("bob", "alice", f"work {next(task)}")
        bus.tasks.accept("alice", offered.task_id)
        bus.tasks.complete("alice", offered.task_id, text)

    return {
        "memory.set value": lambda text: bus.memory.set("alice", "k", text),
        "memory.set JSON": lambda text: bus.memory.set("alice", "k", {"a": [{"b": text}]}),
        "memory.set metadata": lambda text: bus.memory.set("alice", "k", 1, metadata={"a": text[:4_000]}),
        "messages.send body": lambda text: bus.messages.send("alice", "bob", "sync", f"x{next(task)}", text),
        "messages.send data": lambda text: bus.messages.send("alice", "bob", "sync", f"x{next(task)}", "", {"a": text}),
        "tasks.offer body": lambda text: bus.tasks.offer("alice", "bob", f"y{next(task)}", text),
        "tasks.complete result": complete,
        "sessions.set_status_detail": lambda text: bus.sessions.set_status_detail("alice", {"a": text[:4_000]}),
        "imports.add_records": lambda text: bus.imports.add_records([entry_line(next(task), text)]),
    }


@pytest.mark.promise("R4")
@pytest.mark.parametrize("bit", ["a", "1", "aA", "\u6f22a", "-", "sk-"])
def test_a_write_takes_time_in_proportion_to_its_text(bus: Any, bit: str) -> None:
    bus.messages.burst = 0
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, "a", "b")
    size = MAX_BODY // 4 // len(bit.encode()) - 8
    for name, write in written(bus).items():
        took = []
        for count in (1, 2, 4):
            begin = time.process_time()
            write(bit * size * count)
            took.append(time.process_time() - begin)
        assert took[2] < max(MAX_RATIO * took[0], 1.0), f"{name} of {bit!r}: {took}"


def test_texts_are_looked_at_before_the_transaction_that_stores_them(bus: Any, monkeypatch: Any) -> None:
    looked: list[str] = []

    def watch(module: Any, name: str) -> None:
        before = getattr(module, name)

        def call(*arguments: Any) -> Any:
            assert not bus.store.is_in_transaction, f"{name} in a transaction"
            looked.append(name)
            return before(*arguments)

        monkeypatch.setattr(module, name, call)

    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, "a", "b")
    watch(secret_scan, "find_secret")
    watch(secret_scan, "_replaced")
    watch(tokenize, "spread")
    watch(sqlite_fts, "spread")
    watch(fts, "spread")
    bus.memory.set("alice", "k", {"some": "text"}, tags=["a"])
    task = bus.tasks.offer("alice", "bob", "work", "some text")
    bus.tasks.accept("bob", task.task_id)
    bus.tasks.handoff("bob", task.task_id, "alice", "some text")
    bus.sessions.heartbeat("alice", current_task="some text")
    bus.sessions.set_status_detail("alice", {"a": "some text"})
    assert bus.imports.add_records([entry_line(1, "some text")]).added == {"memory": 1}
    assert {"find_secret", "_replaced", "spread"} <= set(looked)


def test_every_text_field_has_a_limit() -> None:
    for noun, kinds in NOUNS.items():
        for name, kind in kinds.items():
            if isinstance(kind, Text):
                assert kind.most <= MAX_BODY, f"{noun}.{name}"
