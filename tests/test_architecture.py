"""Imports point one way, broad excepts live at the edges, and a hook's path stays light."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hallway

SOURCE = Path(hallway.__file__).parent

# From top to bottom: a module may import what is on a line below its own, and its neighbours on it.
LAYERS = (
    ("__main__",),
    ("cli", "hub", "web"),
    ("mcp",),
    ("agents", "beacon", "older_layout", "transfer"),
    ("frame", "view"),
    ("hallway",),  # the public names
    ("bus", "credentials", "remote"),
    ("presence",),
    ("services", "listener"),
    ("here", "store"),
    ("authority", "operation"),
    ("identity", "leaks", "quiet", "wake", "vocabulary"),
    ("schema",),
    ("model",),
    ("files",),
    ("clock", "errors", "near_names", "place"),
)
RANKS = {name: rank for rank, names in enumerate(reversed(LAYERS)) for name in names}

# Arrows that point up on purpose.
EXCEPTIONS = {
    ("services/__init__.py", "bus"): "SessionRegistry(path) alone opens a bus; imported when it is called",
}

# Where a process meets what it does not control, and so may catch anything.
EDGES = {
    "agents/hook/entry.py", "agents/hook/launch.py", "agents/hook/serving.py", "listener.py", "mcp/stdio.py",
    "hub/worker.py", "hub/http.py", "__main__.py",
}  # fmt: skip


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def part_of(module: str) -> str:
    """The part of hallway a module belongs to: `services` of `services/sessions.py`, `hallway` of `__init__.py`."""
    name = module.partition("/")[0].removesuffix(".py")
    return "hallway" if name == "__init__" else name


def run_code(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but those only a type checker reads."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def imports(tree: ast.Module) -> set[str]:
    """The parts of hallway that a module imports when it runs, at whatever time."""
    names: set[str] = set()
    for node in run_code(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    own = {name.split(".")[1] if "." in name else "hallway" for name in names if name.partition(".")[0] == "hallway"}
    return {name if name in RANKS else "hallway" for name in own}


def test_imports_point_one_way() -> None:
    pointing_up = {
        (module, imported)
        for module, tree in sources()
        for imported in imports(tree)
        if RANKS[imported] > RANKS[part_of(module)]
    }
    assert pointing_up == set(EXCEPTIONS)


def test_only_the_edges_catch_everything() -> None:
    broad = {
        module
        for module, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & set(ast.unparse(node.type).split()))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)  # cleaning up is not catching
    }
    assert broad <= EDGES


def test_the_public_names_are_few() -> None:
    assert sorted(hallway.__all__) == hallway.__all__
    assert set(hallway.__all__) >= {"Bus", "EventLog", "HallwayError", "SessionRegistry", "connect", "resolve_project"}
    assert len(hallway.__all__) <= 12
    assert all(hasattr(hallway, name) for name in hallway.__all__)


def test_hallway_is_imported_the_same_from_any_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, SOURCE, Path("/")):
        done = subprocess.run(
            [sys.executable, "-I", "-c", "import hallway; print(hallway.__file__)"],
            cwd=folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert Path(done.stdout.strip()) == SOURCE / "__init__.py"


# -- the light path ---------------------------------------------------------------------------------------------------

HOOK = """
import sys
sys.path.insert(0, sys.argv[2])
before = set(sys.modules)
import hallway.bus
with hallway.bus.connect(sys.argv[1], project="github.com/acme/shop") as bus:
    {what}
print(*sys.modules)
print(*set(sys.modules) - before)
"""
HEAVY = {
    "argparse", "asyncio", "contextlib", "dataclasses", "http", "inspect", "json", "logging", "msgspec", "pathlib",
    "re", "socket", "subprocess", "threading", "typing",
}  # fmt: skip


def modules_of(what: str, folder: Path) -> tuple[set[str], set[str]]:
    """What a fresh interpreter has loaded after a hook's work: all modules, and the top-level ones it added."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", HOOK.format(what=what), str(folder), str(SOURCE.parent)],
        check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )  # fmt: skip
    everything, added = done.stdout.splitlines()
    return set(everything.split()), {name.partition(".")[0] for name in added.split()}


@pytest.fixture
def bus_folder(tmp_path: Path) -> Path:
    """A bus that has seen the hook's session before, as nearly every hook finds it."""
    with hallway.connect(tmp_path) as bus:
        bus.sessions.register("alice", "agent", "codex", project="github.com/acme/shop")
    return tmp_path


def test_a_heartbeat_loads_nothing_but_hallway_and_apsw(bus_folder: Path) -> None:
    everything, added = modules_of('bus.sessions.heartbeat("alice")', bus_folder)
    assert added - sys.stdlib_module_names == {"hallway", "apsw"}
    assert everything & HEAVY == set()


def test_a_first_heartbeat_brings_in_no_other_package(tmp_path: Path) -> None:
    _, added = modules_of('bus.sessions.heartbeat("alice", current_task="read")', tmp_path)
    assert added - sys.stdlib_module_names == {"hallway", "apsw"}


def test_framing_a_text_stays_light(bus_folder: Path) -> None:
    everything, _ = modules_of('import hallway.frame; hallway.frame.frame("bob", "<b>" + chr(9))', bus_folder)
    assert everything & HEAVY == set()


def test_the_server_in_every_session_loads_the_light_path_and_json(bus_folder: Path) -> None:
    """`hallway mcp` answers `tools/list` and a call with no asyncio, no SDK and no other package than apsw (A4)."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": {"_meta": meta, **params}})
        for method, params in (("tools/list", {}), ("tools/call", {"name": "sessions"}))
    ]
    code = f"""
import os, sys
reader, writer = os.pipe()
os.write(writer, {chr(10).join([*lines, ""]).encode()!r})
os.close(writer)
os.dup2(reader, 0)
before = set(sys.modules)
import hallway.mcp.stdio
hallway.mcp.stdio.serve(url={str(bus_folder)!r})
print(*set(sys.modules) - before, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert len(done.stdout.splitlines()) == 2
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded - sys.stdlib_module_names == {"hallway", "apsw"}
    assert loaded & HEAVY <= {"json", "re"}
