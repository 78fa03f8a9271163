"""The two recipes of CONTRIBUTING.md, followed in a copy of the source: what they list is all that is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

import hallway
import postgres
from hallway.store.migrate import newest_version
from hub.client import Client
from hub.process import HubProcess, environment
from support import open_store

ROOT = Path(__file__).parents[2]
SOURCE = Path(hallway.__file__).parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAX_PLACES = 9
MIGRATION = f"{newest_version('sqlite') + 1:04}_estimates.sql"
FRAGMENT, STATEMENT = "the column in the fragment", "the statement"

# Each place of "Add an operation": what is put before which line of which file; a file with an empty line is new. An
# edit is left out by its name: its file, unless a file has several.
EDITS: dict[str, tuple[str, str, str]] = {
    "services/tasks.py": (
        "services/tasks.py",
        '    @operation("GET /tasks/{task_id}", verb="task show")\n',
        '''\
    @operation("POST /tasks/{task_id}/estimate", verb="task estimate")
    def estimate(self, session_id: str, task_id: str, estimate_s: int) -> Task:
        """Say how long a task that you own will take."""
        before = self.require(task_id)
        now = self._store.now
        row = self._store.one(
            "tasks.estimate", task_id=task_id, session_id=session_id, estimate_s=estimate_s, now=now
        )
        if row is None:
            raise self._not_yours(before)
        return self._changed("task.estimated", task_id, session_id)

''',
    ),
    "core/parameters.py": (
        "core/parameters.py",
        '    "task_id": Identifier(',
        '    "estimate_s": Duration("How many seconds it will take", least=1, most=MAX_AGE_S, metavar="SECONDS"),\n',
    ),
    "core/model.py": (
        "core/model.py",
        "    created_at: datetime\n    updated_at: datetime\n\n\nclass Claim",
        "    estimate_s: int | None\n",
    ),
    "core/record_fields.py": (
        "core/record_fields.py",
        '        "offered_by": "',
        '        "estimate_s": "How long its owner thinks that it will take, in seconds",\n',
    ),
    FRAGMENT: ("store/sql/common/tasks.sql", "created_at, updated_at\n", "estimate_s, "),
    STATEMENT: (
        "store/sql/common/tasks.sql",
        "-- name: tasks.hand_off\n",
        """\
-- name: tasks.estimate
UPDATE tasks SET estimate_s = :estimate_s, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id
RETURNING project;

""",
    ),
    "store/sql/sqlite/migrations/": (
        f"store/sql/sqlite/migrations/{MIGRATION}",
        "",
        "ALTER TABLE tasks ADD COLUMN estimate_s INTEGER;\n",
    ),
    "store/sql/postgres/migrations/": (
        f"store/sql/postgres/migrations/{MIGRATION}",
        "",
        "ALTER TABLE tasks ADD COLUMN estimate_s bigint;\n",
    ),
    "cli/render/tasks.py": (
        "cli/render/tasks.py",
        '        "offered": when(screen',
        '        "estimate": f"{each.estimate_s} s" if each.estimate_s else None,\n',
    ),
    "text/style.py": ("text/style.py", '    "task.completed": ', '    "task.estimated": "estimates",\n'),
}

# What is said when a place is left out. Without the method, nothing is asked for.
SENTENCES = {
    "core/parameters.py": r"core/parameters\.py has no word 'estimate_s' for tasks",
    "core/model.py": r"core/model\.py: Task lacks the field 'estimate_s'",
    "core/record_fields.py": r"core/record_fields\.py does not say what 'estimate_s' of Task is",
    FRAGMENT: r"sql/common/tasks\.sql: the fragment task_columns lacks 'estimate_s'",
    STATEMENT: r"sql/common/tasks\.sql has no statement 'tasks\.estimate'",
    "store/sql/sqlite/migrations/": r"sql/sqlite/migrations/ has no migration \d{4}",
    "store/sql/postgres/migrations/": r"sql/postgres/migrations/ has no migration \d{4}",
    "cli/render/tasks.py": r"cli/render/tasks\.py does not show 'estimate_s' of Task",
    "text/style.py": r"text/style\.py: EVENT_WORDS has no word for 'task\.estimated'",
}


def section(title: str) -> str:
    return GUIDE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def places(title: str, **words: str) -> set[str]:
    """The files and folders that a recipe lists in its numbered steps, with its placeholders replaced."""
    steps = "".join(re.findall(r"^(?:\d\.|   ).*\n", section(title), re.MULTILINE))
    listed = set(re.findall(r"`((?:services|core|store|cli|text|local|agents)/[\w/]+(?:\.py|\.sql|/))`", steps))
    for placeholder, word in words.items():
        listed = {place.replace(placeholder, word) for place in listed}
    return listed


def copy_of_source(folder: Path) -> Path:
    shutil.copytree(SOURCE, folder / "src" / "hallway", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "src"


def insert(source: Path, file: str, before: str, text: str) -> None:
    path = source / "hallway" / file
    if before:
        old = path.read_text(encoding="utf-8")
        assert before in old, f"{file} has no {before!r}"
        text = old.replace(before, text + before, 1)
    path.write_text(text, encoding="utf-8")


def with_operation(folder: Path, *left_out: str) -> Path:
    """A copy of the source in which the recipe was followed, but for what is left out."""
    source = copy_of_source(folder)
    for name, edit in EDITS.items():
        if name not in left_out:
            insert(source, *edit)
    return source


class Copy:
    """Programs that run a copy of the source."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.path = {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            env={**environment(self.home), **self.path, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def hallway(self, *words: str, **environ: str) -> Any:
        """What a command prints, which is JSON."""
        done = self.run("-m", "hallway", *words, "--json", **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lacks(self) -> subprocess.CompletedProcess[str]:
        return self.run(str(ROOT / "tests" / "completeness.py"))


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source with the new operation, for tests that leave it as it is."""
    return with_operation(tmp_path_factory.mktemp("followed"))


def test_the_places_are_those_of_the_recipe_and_few() -> None:
    touched = {name if name.endswith("/") else file for name, (file, _, _) in EDITS.items()}
    assert touched == places("Add an operation", NOUN="tasks")
    assert len(touched) <= MAX_PLACES
    assert SENTENCES.keys() == EDITS.keys() - {"services/tasks.py"}


def test_the_recipe_is_complete(followed: Path, tmp_path: Path) -> None:
    done = Copy(followed, tmp_path).lacks()
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


ESTIMATE = """\
import sys
from hallway.bus.connect import connect
with connect(sys.argv[1]) as bus:
    for name in ("alice", "bob"):
        bus.sessions.register(name, f"{name}'s agent", "codex", project="github.com/acme/shop")
    task = bus.tasks.offer("alice", "bob", "mend the login")
    bus.tasks.accept("bob", task.task_id)
    assert task.estimate_s is None
    assert bus.tasks.estimate("bob", task.task_id, 3600).estimate_s == 3600
    assert bus.tasks.get(task.task_id).estimate_s == bus.tasks.list_tasks()[0].estimate_s == 3600
    assert [event.session_id for event in bus.events.read(kinds=["task.estimated"])] == ["bob"]
    print(task.task_id)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "hub"])
def test_python_has_the_operation(followed: Path, tmp_path: Path, kind: str) -> None:
    copy = Copy(followed, tmp_path)
    if kind == "hub":
        with HubProcess(tmp_path / "hub", **copy.path) as hub:
            done = copy.run("-c", ESTIMATE, hub.url)
    else:
        address = postgres.new_address(kind, tmp_path / "bus")
        done = copy.run("-c", ESTIMATE, address)
        postgres.forget(address)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def accepted(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A bus that the present source made, with a task that bob has accepted."""
    home = tmp_path / "home"
    with open_store(str(home / "bus.db")) as bus:
        bus.sessions.register("alice", "alice's agent", "codex")
        bus.sessions.register("bob", "bob's agent", "codex")
        task = bus.tasks.offer("alice", "bob", "mend the login")
        bus.tasks.accept("bob", task.task_id)
    return home, task.task_id


def test_http_has_the_operation(followed: Path, tmp_path: Path, accepted: tuple[Path, str]) -> None:
    home, task_id = accepted
    with HubProcess(home, **Copy(followed, tmp_path).path) as hub, Client(hub.port) as client:
        answer = client.post(f"/tasks/{task_id}/estimate", {"session_id": "bob", "estimate_s": 60})
        assert answer.json["estimate_s"] == 60, answer.json
        described = client.get("/openapi.json").json
    assert described["paths"]["/tasks/{task_id}/estimate"]["post"]["summary"].startswith("Say how long")
    assert "thinks" in described["components"]["schemas"]["Task"]["properties"]["estimate_s"]["description"]


def test_the_command_line_has_the_operation(followed: Path, tmp_path: Path, accepted: tuple[Path, str]) -> None:
    _, task_id = accepted
    copy = Copy(followed, tmp_path)
    assert copy.hallway("task", "estimate", "bob", task_id, "60")["estimate_s"] == 60
    shown = copy.run("-m", "hallway", "task", "show", task_id)
    assert re.search(r"estimate +60 s", shown.stdout), shown.stderr
    refused = copy.run("-m", "hallway", "task", "estimate", "bob", task_id, "0")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_the_new_column_is_exported_and_imported(followed: Path, tmp_path: Path, accepted: tuple[Path, str]) -> None:
    _, task_id = accepted
    copy, other = Copy(followed, tmp_path), {"HALLWAY_HOME": str(tmp_path / "other")}
    copy.hallway("task", "estimate", "bob", task_id, "60")
    exported = copy.run("-m", "hallway", "export").stdout
    (tmp_path / "bus.jsonl").write_text(exported, encoding="utf-8")
    assert copy.run("-m", "hallway", "import", str(tmp_path / "bus.jsonl"), **other).returncode == 0
    assert copy.hallway("task", "show", task_id, **other)["estimate_s"] == 60


def rows(home: Path) -> list[Any]:
    """What is on a bus, in the columns that the present source knows."""
    with closing(apsw.Connection(str(home / "bus.db"))) as connection:
        return connection.execute(
            "SELECT status, owner, updated_at, (SELECT max(seq) FROM events) FROM tasks"
        ).fetchall()


@pytest.mark.parametrize("place", SENTENCES)
def test_a_place_that_is_left_out_is_named_before_anything_is_written(
    tmp_path: Path, accepted: tuple[Path, str], place: str
) -> None:
    home, task_id = accepted
    before = rows(home)
    copy = Copy(with_operation(tmp_path, place), tmp_path)
    told = copy.lacks()
    assert told.returncode == 1
    assert re.search(SENTENCES[place], told.stdout + told.stderr), told.stdout + told.stderr
    done = copy.run("-m", "hallway", "task", "estimate", "bob", task_id, "60")
    assert "KeyError" not in told.stderr + done.stderr
    assert (done.returncode == 0) == (rows(home) != before), done.stderr


NO_RENDERER = ("cli/render/tasks.py", '    "Task": task_line,\n')
NO_TYPE = ("store/postgres/dialect.py", '    "seq",\n')


def test_an_operation_without_a_renderer_writes_nothing(tmp_path: Path, accepted: tuple[Path, str]) -> None:
    home, task_id = accepted
    before = rows(home)
    source = with_operation(tmp_path)
    remove(source, *NO_RENDERER)
    copy = Copy(source, tmp_path)
    sentence = "src/hallway/cli/render/tasks.py does not say how the result of tasks.estimate looks: add 'Task'"
    assert sentence in copy.lacks().stdout
    done = copy.run("-m", "hallway", "task", "estimate", "bob", task_id, "60")
    assert (done.returncode, sentence in done.stderr) == (1, True)
    assert rows(home) == before


def test_a_column_without_its_type_is_named(tmp_path: Path) -> None:
    source = copy_of_source(tmp_path)
    remove(source, *NO_TYPE)
    assert "src/hallway/store/postgres/dialect.py: the parameter :seq is text" in Copy(source, tmp_path).lacks().stdout


def remove(source: Path, file: str, text: str) -> None:
    path = source / "hallway" / file
    old = path.read_text(encoding="utf-8")
    assert old.count(text) == 1
    path.write_text(old.replace(text, ""), encoding="utf-8")


ROW = '        CatalogRow("acme", "ACME_SESSION_ID"),\n'
HOOK = '''\
"""Acme: its own names for the events."""

from __future__ import annotations

from hallway.agents.hook.event import END, PROMPT, START, STOP, TOOL, ClientAdapter


class AcmeAdapter(ClientAdapter):
    client = "acme"
    title = "Acme"
    kinds = {"begin": START, "prompt": PROMPT, "tool": TOOL, "stop": STOP, "end": END}


ADAPTER = AcmeAdapter()
'''
INSTALL = '''\
"""Acme: server and hooks, both in settings.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.agents.install.client import ClientInstaller, home, place, stdio_server
from hallway.agents.install.configs import NAME, HookEntries, JsonConfig, OwnKey
from hallway.agents.install.hook_entries import grouped, is_hallways

if TYPE_CHECKING:
    from hallway.agents.install.configs import Config


class AcmeInstaller(ClientInstaller):
    name, title, programs = "acme", "Acme", ("acme",)
    hooks = (("begin", None, ""), ("prompt", None, ""), ("stop", None, ""), ("end", None, ""))

    @property
    def folder(self) -> str:
        return home(".acme")

    def configs(self, root: str | None) -> list[Config]:
        return [
            JsonConfig(
                place(root, f"{self.folder}/settings.json", ".acme", "settings.json"),
                OwnKey(("mcpServers", NAME), stdio_server(root)),
                HookEntries(grouped(self, root), is_hallways),
            )
        ]


CLIENT = AcmeInstaller()
'''
CLIENT: dict[str, tuple[str, str, str]] = {
    "local/client_catalog.py": ("local/client_catalog.py", '        CatalogRow("pi"),\n', ROW),
    "agents/clients/acme/": ("agents/clients/acme/__init__.py", "", '"""Acme."""\n'),
    "agents/clients/acme/hook.py": ("agents/clients/acme/hook.py", "", HOOK),
    "agents/clients/acme/install.py": ("agents/clients/acme/install.py", "", INSTALL),
}


def with_client(folder: Path, left_out: str = "") -> Path:
    source = copy_of_source(folder)
    (source / "hallway" / "agents" / "clients" / "acme").mkdir()
    for place, edit in CLIENT.items():
        if place != left_out:
            insert(source, *edit)
    return source


def test_a_client_has_the_places_of_the_recipe() -> None:
    assert CLIENT.keys() == places("Add a client", CLIENT="acme")


def test_a_client_can_be_installed_and_its_hook_registers_a_session(tmp_path: Path) -> None:
    copy = Copy(with_client(tmp_path), tmp_path)
    assert copy.lacks().stdout == "\n"
    done = copy.run("-m", "hallway", "install", "acme", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert ".acme/settings.json" in done.stdout
    assert all(text in done.stdout for text in ('"begin"', '"prompt"', '"stop"', '"end"', '"mcpServers"'))
    assert not (tmp_path / ".acme").exists()
    payload = {"hook_event_name": "begin", "session_id": "a1", "cwd": str(tmp_path)}
    hook = [sys.executable, "-m", "hallway", "hook", "acme"]
    told = {**environment(copy.home), **copy.path}
    subprocess.run(hook, input=json.dumps(payload).encode(), env=told, cwd=tmp_path, check=True)
    (session,) = copy.hallway("list")
    assert (session["session_id"], session["agent_type"]) == ("a1", "acme")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("local/client_catalog.py", r"local/client_catalog\.py: no row of CATALOG is for the client in \S+/acme/"),
        ("agents/clients/acme/hook.py", r"agents/clients/acme/hook\.py has to define ADAPTER"),
        ("agents/clients/acme/install.py", r"agents/clients/acme/install\.py has to define CLIENT"),
    ],
)
def test_a_place_of_a_client_that_is_left_out_is_named(tmp_path: Path, place: str, sentence: str) -> None:
    told = Copy(with_client(tmp_path, place), tmp_path).lacks()
    assert told.returncode == 1
    assert re.search(sentence, told.stdout + told.stderr), told.stdout + told.stderr
