"""Imports point one way, broad excepts live at the edges, and a hook's path stays light."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.code import circles, first_word, functions, imports, modules, repeated

import hallway
from hallway.agents.client_parts import adapter_of, installer_of
from hallway.local.client_catalog import CATALOG
from hallway.services import SERVICES
from words import REPLACED, VERBS

SOURCE = Path(hallway.__file__).parent
ROOT = Path(__file__).parents[1]

# From bottom to top: the folders of the package. A module may import what is in its own folder or in one before it, at
# whatever time and for type checkers too; `hallway` is the public names, `__main__` the command.
LAYERS = (
    "core",
    "text",
    "local",
    "store",
    "services",
    "bus",
    "hallway",
    "notifications",
    "transfer",
    "agents",
    "mcp",
    "hub",
    "web",
    "cli",
    "__main__",
)

# Where a process meets what it does not control, and so may catch anything.
EDGES = {
    "agents/hook/main.py",
    "agents/hook/bootstrap.py",
    "agents/hook/server.py",
    "cli/guard.py",
    "cli/top/feed.py",
    "bus/subscriptions.py",
    "mcp/stdio.py",
    "notifications/dispatcher.py",
    "hub/workers/worker_thread.py",
    "hub/workers/writer.py",
    "hub/http.py",
    "__main__.py",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def layer_of(module: str) -> str:
    """Return the folder of a module's file: `services` of `services/sessions.py`, `hallway` of `__init__.py`."""
    name = module.partition("/")[0].removesuffix(".py")
    return "hallway" if name == "__init__" else name


MODULES = modules()
GRAPH = {name: imports(tree, MODULES) - {name} for name, tree in MODULES.items()}


def layer(name: str) -> str:
    """Return the layer of a module by its dotted name."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "hallway"


def test_every_folder_is_a_layer() -> None:
    assert {layer(name) for name in MODULES} == set(LAYERS)


def test_no_arrow_points_up() -> None:
    """Of any kind: lazy imports and those for type checkers count."""
    ranks = {name: rank for rank, name in enumerate(LAYERS)}
    pointing_up = {
        (name, other) for name, others in GRAPH.items() for other in others if ranks[layer(other)] > ranks[layer(name)]
    }
    assert pointing_up == set()


def test_no_modules_import_each_other() -> None:
    assert circles(GRAPH) == []


def test_imports_are_absolute() -> None:
    relative = [
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


# Modules of one name are those of one noun, or of one client, seen from different layers.
NOUNS = {
    "attention",
    "events",
    "files",
    "logins",
    "memory",
    "messages",
    "notifications",
    "projects",
    "requests",
    "retention",
    "sessions",
    "stats",
    "claims",
    "conflicts",
    "tasks",
    "tokens",
    "wakes",
}
BY_LAYER = {
    "base",
    "catalog",
    "fts",
    "hook",
    "install",
    "local",
    "login",
    "main",
    "mcp",
    "render",
    "server",
    "transfer",
}


def test_one_name_is_one_thing() -> None:
    classes = [
        node.name
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert repeated(classes) == {}
    files = repeated([name.rpartition(".")[2] for name in MODULES])
    assert set(files) <= NOUNS | BY_LAYER | {"title", "turn", "wake", "store"}


def test_bounds_begin_with_max_or_min() -> None:
    wrong = {
        f"{name}: {node.id}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id.isupper() and {"MOST", "LEAST"} & set(node.id.split("_"))
    }
    assert wrong == set()


def test_no_name_is_a_metaphor_that_was_replaced() -> None:
    wrong = {
        f"{module}: {name}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if (name := getattr(node, "name", None) or getattr(node, "arg", None) or getattr(node, "id", None))
        and isinstance(name, str)
        and REPLACED & set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
    }
    assert wrong == set()


def test_the_formatter_lays_out_all_code() -> None:
    marks = ["# fmt: " + word for word in ("skip", "off")]
    wrong = [
        path
        for folder in ("src", "tests", "bench", "docs")
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and any(mark in path.read_text(encoding="utf-8") for mark in marks)
    ]
    assert wrong == []


def test_docstrings_begin_with_a_verb() -> None:
    wrong = {
        f"{name}: {function.name}: {first_word(function)}"
        for name, tree in MODULES.items()
        for function in functions(tree)
        if (word := first_word(function)) and word not in VERBS
    }
    assert wrong == set()


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
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        assert Path(done.stdout.strip()) == SOURCE / "__init__.py"


# -- the light path ---------------------------------------------------------------------------------------------------

HOOK = """
import sys
sys.path.insert(0, sys.argv[2])
before = set(sys.modules)
import hallway.bus.connect
with hallway.bus.connect.connect(sys.argv[1], project="github.com/acme/shop") as bus:
    {what}
print(*sys.modules)
print(*set(sys.modules) - before)
"""
HEAVY = {
    "argparse",
    "asyncio",
    "contextlib",
    "dataclasses",
    "hashlib",
    "http",
    "inspect",
    "json",
    "logging",
    "msgspec",
    "pathlib",
    "re",
    "socket",
    "subprocess",
    "threading",
    "typing",
}


def modules_of(what: str, folder: Path) -> tuple[set[str], set[str]]:
    """What a fresh interpreter has loaded after a hook's work: all modules, and the top-level ones it added."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", HOOK.format(what=what), str(folder), str(SOURCE.parent)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
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
    assert everything & {*HEAVY, "_socket", "collections", "hallway.store.sqlite_fts"} == set()


@pytest.mark.parametrize(
    ("what", "services"),
    {
        'bus.sessions.active("github.com/acme/shop")': "sessions",
        'bus.sessions.heartbeat("alice")': "sessions",
        'bus.sessions.heartbeat("alice", status="idle")': "events requests sessions",
        'bus.messages.inbox("alice")': "messages sessions",
        'bus.memory.set("alice", "api", "text")': "events memory sessions",
    }.items(),
)
def test_a_call_loads_only_the_services_that_it_needs(bus_folder: Path, what: str, services: str) -> None:
    everything, _ = modules_of(what, bus_folder)
    assert {noun for noun in SERVICES if f"hallway.services.{noun}" in everything} == set(services.split())


@pytest.mark.parametrize("words", ["list", "session show alice"])
def test_a_command_loads_only_the_services_that_it_needs(bus_folder: Path, words: str) -> None:
    what = f"""
from unittest.mock import patch
sys.argv = ["hallway", *{words.split()}]
with patch("os._exit"):
    from hallway.__main__ import main
    with patch("hallway.cli.run.out"):
        main()
"""
    everything, _ = modules_of(what.replace("\n", "\n    "), bus_folder)
    assert {noun for noun in SERVICES if f"hallway.services.{noun}" in everything} == {"sessions"}


@pytest.mark.parametrize("url", ["sys.argv[1]", "'http://127.0.0.1:9'"])
def test_a_process_that_outlives_an_upgrade_has_all_services_of_one_version(bus_folder: Path, url: str) -> None:
    """They are loaded when a bus is a few seconds old, and again if the upgrade hides some at that moment."""
    code = f"""
import sys, time
import builtins
import hallway
from hallway.bus import base, remote
from hallway.core.errors import HallwayError
base.LOAD_ALL_AFTER_S, remote.PAUSES_S = 1.5, ()

def ask():
    try:
        bus.sessions.active("github.com/acme/shop")
    except HallwayError:
        pass  # no hub is there

def hide(name, *rest, **named):
    if hidden and name.startswith("hallway.services.stats"):
        raise ImportError(name)
    return load(name, *rest, **named)

load, hidden = builtins.__import__, True
builtins.__import__ = hide
with hallway.connect({url}, project="github.com/acme/shop") as bus:
    ask()
    print("hallway.services.stats" in sys.modules, "hallway.services.tokens" in sys.modules)
    time.sleep(1.6)
    bus._end_gone_at = 0
    ask()
    print("hallway.services.stats" in sys.modules, "hallway.services.tokens" in sys.modules)
    hidden = False
    time.sleep(1.6)
    bus._end_gone_at = 0
    ask()
    print("hallway.services.stats" in sys.modules, "hallway.services.notifications" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, str(bus_folder)], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["False False", "False True", "True True"]


def test_a_command_does_not_search_for_garbage(bus_folder: Path) -> None:
    code = """
import gc, os
from unittest.mock import patch
from hallway.__main__ import main
before = [each["collections"] for each in gc.get_stats()]
with patch("os._exit"):
    main()
assert [each["collections"] for each in gc.get_stats()] == before
"""
    environ = {"PATH": os.environ["PATH"], "HOME": str(bus_folder), "HALLWAY_HOME": str(bus_folder)}
    subprocess.run([sys.executable, "-c", code, "list"], check=True, env=environ)


def test_a_first_heartbeat_brings_in_no_other_package(tmp_path: Path) -> None:
    _, added = modules_of('bus.sessions.heartbeat("alice", current_task="read")', tmp_path)
    assert added - sys.stdlib_module_names == {"hallway", "apsw"}


def test_framing_a_text_stays_light(bus_folder: Path) -> None:
    everything, _ = modules_of(
        'import hallway.text.framing; hallway.text.framing.frame("bob", "<b>" + chr(9))', bus_folder
    )
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
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 2
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded - sys.stdlib_module_names == {"hallway", "apsw"}
    assert loaded & HEAVY <= {"json", "re"}


def test_the_picture_shows_the_layers_as_they_are() -> None:
    """Every arrow drawn is an import, and every import goes along arrows."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^  (\w+) --> (\w+)$", text, re.MULTILINE))
    real = {(layer(name), layer(other)) for name, others in GRAPH.items() for other in others}
    assert drawn <= real
    reached = {name: {name} for name in LAYERS}
    for _ in LAYERS:
        for above, below in drawn:
            reached[above] |= reached[below]
    quiet = {"hallway", "__main__", "text"}  # the names, the command, and what all faces use
    assert {(a, b) for a, b in real if b not in reached[a] and not {a, b} & quiet} == set()


def test_every_file_that_the_page_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = {path for path in re.findall(r"`((?:\w+/)+\w+\.py)`", text) if "CLIENT" not in path}
    assert {path for path in paths if not list(SOURCE.rglob(f"*{path}")) and not (ROOT / path).exists()} == set()


def test_each_client_is_a_catalogue_row_and_a_folder() -> None:
    folders = {path.parent.name.replace("_", "-") for path in (SOURCE / "agents" / "clients").glob("*/hook.py")}
    assert set(CATALOG) == folders, "local/client_catalog.py has a row for each folder of agents/clients/"
    for name in CATALOG:
        assert (adapter_of(name).client, installer_of(name).name) == (name, name)
        assert adapter_of(name).title == installer_of(name).title


def test_no_tracked_file_has_marks_of_a_merge() -> None:
    """Templates, styles and pages with them would still be served."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    marks = (b"<<<<<<< ", b">>>>>>> ")
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    wrong = [each for each in files if any(line.startswith(marks) for line in each.read_bytes().split(b"\n"))]
    assert wrong == []
