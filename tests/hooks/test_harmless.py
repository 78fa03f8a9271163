"""Whatever happens to the bus, the agent does not notice, and `hallway doctor` tells (A1)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

import hallway
from hallway.agents.hook import log
from hallway.agents.install import hook_commands
from hallway.agents.install.all_clients import CLIENTS
from hallway.agents.install.hook_commands import hooks_of
from hallway.bus.local import LocalBus
from hooks.client import KINDS, SESSION, Client

pytestmark = pytest.mark.promise("A1")

StartClient = Callable[..., Client]


@pytest.fixture(params=["claude-code", "copilot"])
def client(request: pytest.FixtureRequest, directory: Path) -> Client:
    """Two that differ the most: all run the same commands."""
    return Client(request.param, directory)


def doctor(client: Client, **environ: str) -> dict[str, dict[str, str]]:
    """What doctor finds, by check."""
    done = subprocess.run(
        [sys.executable, "-m", "hallway", "doctor", "--json"],
        env={**client.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return {each["check"]: each for each in json.loads(done.stdout)["checks"]}


def assert_unfelt(client: Client, **environ: str) -> None:
    """All of a session's hook events: each exits with 0 and writes nothing."""
    for kind in KINDS:
        if client.names[kind] != "-":
            ran = client.runs(client.command(kind), json.dumps(client.payload(kind, prompt="go on")), **environ)
            assert ran == ("", "", 0), kind


def test_a_bus_that_is_no_database(home: Path, client: Client) -> None:
    folder = home / "hallway"
    folder.mkdir()
    (folder / "bus.db").write_text("This is no database. " * 1000)
    assert_unfelt(client)
    assert "NotABus" in doctor(client)["hooks"]["detail"]


def test_a_bus_that_was_destroyed_while_sessions_use_it(home: Path, shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.does("start")
    client.does("prompt", prompt="go on")
    for name in ("bus.db", "bus.db-wal", "bus.db-shm"):
        (home / "hallway" / name).write_bytes(os.urandom(8192))
    assert_unfelt(client)
    assert doctor(client)["hooks"]["level"] == "warn"


def test_a_folder_that_is_a_file(home: Path, client: Client) -> None:
    (home / "hallway").write_text("")
    assert_unfelt(client)
    assert doctor(client)["folder"]["level"] == "fail"


def test_a_home_that_is_not_there(client: Client) -> None:
    nowhere = {"HOME": "/dev/null/nowhere", "HALLWAY_HOME": "", "XDG_DATA_HOME": ""}
    assert_unfelt(client, **nowhere)
    assert doctor(client, **nowhere)["folder"]["level"] == "fail"


def test_no_environment_at_all(client: Client) -> None:
    command = f"exec env -i HOME=/proc/nowhere /bin/sh -c {shlex.quote(client.command('prompt'))}"
    ran = client.runs(command, json.dumps(client.payload("prompt")))
    assert ran == ("", "", 0)


def test_a_bus_of_a_newer_hallway(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.does("start")
    connection = apsw.Connection(shop.store.path)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    client.does("prompt", prompt="go on")
    assert_unfelt(client)
    assert "BusIsNewer" in doctor(client)["hooks"]["detail"]


def test_a_hub_that_does_not_answer(client: Client) -> None:
    assert_unfelt(client, HALLWAY_URL="http://127.0.0.1:9")
    assert "HubUnreachable" in doctor(client, HALLWAY_URL="http://127.0.0.1:9")["hooks"]["detail"]


def test_an_address_that_is_none(client: Client) -> None:
    assert_unfelt(client, HALLWAY_URL="gopher://bus")


@pytest.fixture
def small_disk(home: Path) -> Iterator[Path]:
    disk = home / "hallway"
    disk.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk(small_disk: Path, client: Client) -> None:
    client.does("start")
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 512)
        except OSError:
            pass
    for _ in range(3):
        assert_unfelt(client)
    assert doctor(client)["disk"]["level"] == "fail"
    (small_disk / "filler").unlink()
    client.does("prompt", prompt="go on")


def test_a_bus_that_somebody_keeps_locked(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.does("start")
    client.environ["HALLWAY_HOOK_BUDGET_MS"] = "300"
    with shop.transaction():
        began = time.monotonic()
        ran = client.does("prompt", prompt="go on")
        took_s = time.monotonic() - began
    assert ran == ("", "", 0)
    assert 0.3 <= took_s < 3  # the interpreter's own start, on a busy machine
    assert "gave up after 300 ms" in doctor(client)["hooks"]["detail"]


def test_a_client_that_never_ends_its_payload(start_client: StartClient, shop: LocalBus) -> None:
    client = start_client()
    with subprocess.Popen(
        ["/bin/sh", "-c", client.command("prompt")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**client.environ, "HALLWAY_HOOK_BUDGET_MS": "300"},
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"session_id":')
        process.stdin.flush()
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_payload_that_is_whole_needs_no_end(start_client: StartClient, shop: LocalBus, end: str, size: int) -> None:
    """As Qwen Code leaves its hooks' standard input open behind a notification; the pieces may end with a brace."""
    client = start_client()
    payload = client.payload("prompt", prompt="mend the {form}", more=["}" * size])
    with subprocess.Popen(
        ["/bin/sh", "-c", client.command("prompt")], stdin=subprocess.PIPE, env=client.environ
    ) as process:
        assert process.stdin is not None
        process.stdin.write((json.dumps(payload) + end).encode())
        process.stdin.flush()
        assert process.wait(timeout=60) == 0
    assert shop.sessions.get(client.session_id).current_task == "mend the {form}"
    assert not os.path.exists(os.path.join(shop.folder, "hooks.log"))


PAYLOADS = {
    "nothing": b"",
    "no JSON": b"hello",
    "half": b'{"session_id": "0c7f", "hook_ev',
    "a list": b"[]",
    "null": b"null",
    "no session": b'{"hook_event_name": "PostToolUse"}',
    "a number for an id": b'{"session_id": 7}',
    "bytes": bytes(range(256)),
    "deep": b"[" * 100_000,
    "an unknown event": b'{"session_id": "0c7f", "hook_event_name": "Elsewhere"}',
    "an id with controls": b'{"session_id": "a\\u0000b\\u001b", "hook_event_name": "Stop"}',
    "an id with a lone surrogate": b'{"session_id": "\\ud800", "hook_event_name": "UserPromptSubmit",'
    b' "prompt": "\\udfff"}',
    "an id too long": b'{"session_id": "' + b"x" * 100_000 + b'", "hook_event_name": "UserPromptSubmit"}',
}


@pytest.mark.parametrize("told", PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_that_is_none(shop: LocalBus, start_client: StartClient, told: bytes) -> None:
    client = start_client()
    del client.environ["CLAUDE_CODE_SESSION_ID"]
    assert client.runs(client.command("prompt"), told) == ("", "", 0)


def test_a_payload_with_a_very_large_result(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    client.does("start")
    assert client.does("tool", tool_response={"stdout": "x" * 20_000_000}).status == 0
    assert shop.sessions.get(SESSION).status == "working"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_files_that_the_client_has_closed(shop: LocalBus, start_client: StartClient, closed: str) -> None:
    client = start_client()
    client.does("start")
    shop.messages.send("user:alice", SESSION, "notification", "The cart")
    assert (
        client.runs(
            f"{{ {client.command('prompt')}; }} {closed}", json.dumps(client.payload("prompt", prompt="x"))
        ).status
        == 0
    )
    assert shop.store.one("sessions.exists", session_id=SESSION)
    assert apsw.Connection(shop.store.path).pragma("integrity_check") == "ok"


@pytest.mark.parametrize("words", ["", "emacs", "claude-code\x1b", "--help me"])
def test_a_command_that_is_wrong(home: Path, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", commands_launch(), words], input=b"{}", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def commands_launch() -> str:
    from hallway.agents.install.hook_commands import LAUNCH

    return LAUNCH


def test_a_hallway_that_is_broken(tmp_path: Path, start_client: StartClient) -> None:
    """Half of an upgrade: the launcher is there, what it imports is not."""
    launch = tmp_path / "hallway" / "agents" / "hook" / "bootstrap.py"
    launch.parent.mkdir(parents=True)
    shutil.copy(commands_launch(), launch)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(launch), "claude-code"], input=b"{}", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_hooks_log_is_bounded(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for number in range(2000):
        log.note(folder, "codex", f"trouble {number} {'x' * 1000}\nand\x1b more")
    assert os.path.getsize(tmp_path / log.NAME) <= log.MAX_SIZE + 1024
    assert "trouble 1999" in log.last(folder)[-1]
    assert len(log.last(folder)[-1]) < 600


def test_hallway_hook_is_the_same_from_the_command_line(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    told = json.dumps(client.payload("prompt", prompt="mend the login"))
    assert client.runs(f"{sys.executable} -m hallway hook claude-code", told) == ("", "", 0)
    assert shop.sessions.get(SESSION).status == "working"
    assert client.runs(f"{sys.executable} -m hallway hook emacs", told) == ("", "", 0)
    assert "standard input" in client.runs(f"{sys.executable} -m hallway hook --help", "").out


# -- hallway itself is gone, or half there ----------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own: a copy of the package beside a link to the interpreter."""
    place = tmp_path / "opt" / "venv"
    shutil.copytree(Path(hallway.__file__).parent, place / "hallway", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setattr(hook_commands, "LAUNCH", str(place / "hallway" / "agents" / "hook" / "bootstrap.py"))
    monkeypatch.setattr(sys, "executable", str(place / "bin" / "python"))
    return place


def every_command(client: Client) -> list[str]:
    """Return the command of each hook that the client is configured with."""
    return [str(hook.entry.get("command") or hook.entry["bash"]) for hook in hooks_of(CLIENTS[client.kind])]


def remove_package(place: Path) -> None:
    shutil.rmtree(place / "hallway")


def remove_interpreter(place: Path) -> None:
    (place / "bin" / "python").unlink()


def rename_folder(place: Path) -> None:
    place.rename(place.with_name("moved"))


def remove_everything(place: Path) -> None:
    shutil.rmtree(place.parent)


def empty_modules(place: Path) -> None:
    for path in (place / "hallway").rglob("*.py"):
        path.write_text("")


def cut_modules(place: Path) -> None:
    for path in (place / "hallway").rglob("*.py"):
        path.write_text(path.read_text()[:-40] + "def (")


def kill_interpreter(place: Path) -> None:
    """Put a program in the interpreter's place that a signal ends, as the kernel does when memory is short."""
    remove_interpreter(place)
    (place / "bin" / "python").write_text("#!/bin/sh\nkill -9 $$\n")
    (place / "bin" / "python").chmod(0o755)


def block_interpreter(place: Path) -> None:
    remove_interpreter(place)
    (place / "bin" / "python").write_text("#!/bin/sh\necho blocked; echo no >&2; exit 2\n")
    (place / "bin" / "python").chmod(0o755)


WAYS_TO_BREAK = [
    remove_package,
    remove_interpreter,
    rename_folder,
    remove_everything,
    empty_modules,
    cut_modules,
    kill_interpreter,
    block_interpreter,
]


@pytest.mark.parametrize("kind", [each.name for each in CLIENTS.values() if each.hooks])
@pytest.mark.parametrize("break_it", WAYS_TO_BREAK, ids=lambda each: each.__name__)
def test_the_client_sees_status_0_whatever_became_of_hallway(
    installed: Path, directory: Path, kind: str, break_it: Callable[[Path], None]
) -> None:
    client = Client(kind, directory)
    client.environ["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    typed = every_command(client)
    break_it(installed)
    for command in typed:
        ran = client.runs(command, json.dumps(client.payload("prompt", prompt="go on")))
        assert ran.status == 0, command
        assert ran.err == "" or "idle" in command, command
        assert "blocked" not in ran.out or break_it is block_interpreter


def test_memory_that_is_short_is_not_felt(installed: Path, directory: Path) -> None:
    client = Client("claude-code", directory)
    for command in every_command(client):
        for size_kb in (2_000, 20_000, 60_000):
            ran = client.runs(f"ulimit -v {size_kb} 2>/dev/null; {command}", json.dumps(client.payload("prompt")))
            assert ran.status == 0, (size_kb, command)


def test_two_hundred_hooks_run_while_the_package_is_replaced(installed: Path, directory: Path) -> None:
    """As in the middle of `pip install --upgrade`: files go one by one, and come one by one."""
    client, kept = Client("claude-code", directory), installed.with_name("kept")
    client.environ["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    shutil.copytree(installed / "hallway", kept)
    typed = [command for command in every_command(client) if not command.endswith("exit 2; exit 0")]
    stopping = threading.Event()

    def replace() -> None:
        while not stopping.is_set():
            for path in sorted((installed / "hallway").rglob("*.py")):
                path.unlink()
            shutil.copytree(kept, installed / "hallway", dirs_exist_ok=True)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            told = json.dumps(client.payload("prompt", prompt="go on"))
            jobs = [threads.submit(client.runs, typed[number % len(typed)], told) for number in range(200)]
            ran = [job.result() for job in jobs]
    finally:
        stopping.set()
        replacing.join()
    assert {(each.status, each.err) for each in ran} == {(0, "")}
