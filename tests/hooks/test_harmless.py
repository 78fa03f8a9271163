"""Whatever happens to the bus, the agent does not notice, and `hallway doctor` tells (A1)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from hallway.agents.hook import log
from hallway.bus import LocalBus
from hooks.client import KINDS, SESSION, Client

pytestmark = pytest.mark.promise("A1")

StartClient = Callable[..., Client]


@pytest.fixture(params=["claude-code", "copilot"])
def client(request: pytest.FixtureRequest, directory: Path) -> Client:
    """Two that differ the most: all run the same commands."""
    return Client(request.param, directory)


def doctor(client: Client, **environ: str) -> dict[str, dict[str, str]]:
    """What doctor finds, by check."""
    done = subprocess.run([sys.executable, "-m", "hallway", "doctor", "--json"], env={**client.environ, **environ},
                          capture_output=True, text=True, check=False)  # fmt: skip
    return {each["check"]: each for each in json.loads(done.stdout)["checks"]}


def assert_unfelt(client: Client, **environ: str) -> None:
    """All of a session's moments: each exits with 0 and writes nothing."""
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
    command = f"exec env -i /bin/sh -c '{client.command('prompt')}'"
    if "'" in client.command("prompt"):
        pytest.skip("the command quotes")
    ran = client.runs(command.replace("'exec ", "'HOME=/proc/nowhere exec "), json.dumps(client.payload("prompt")))
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
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(disk)],
                             capture_output=True, check=False)  # fmt: skip
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
    with subprocess.Popen(["/bin/sh", "-c", client.command("prompt")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**client.environ, "HALLWAY_HOOK_BUDGET_MS": "300"}) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b'{"session_id":')
        process.stdin.flush()
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""


PAYLOADS = {
    "nothing": b"", "no JSON": b"hello", "half": b'{"session_id": "0c7f", "hook_ev', "a list": b"[]", "null": b"null",
    "no session": b'{"hook_event_name": "PostToolUse"}', "a number for an id": b'{"session_id": 7}',
    "bytes": bytes(range(256)), "deep": b"[" * 100_000, "an unknown event":
    b'{"session_id": "0c7f", "hook_event_name": "Elsewhere"}', "an id with controls":
    b'{"session_id": "a\\u0000b\\u001b", "hook_event_name": "Stop"}', "an id with a lone surrogate":
    b'{"session_id": "\\ud800", "hook_event_name": "UserPromptSubmit", "prompt": "\\udfff"}',
    "an id too long": b'{"session_id": "' + b"x" * 100_000 + b'", "hook_event_name": "UserPromptSubmit"}',
}  # fmt: skip


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
        client.runs(f"{client.command('prompt')} {closed}", json.dumps(client.payload("prompt", prompt="x"))).status
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
    from hallway.agents.hook.commands import LAUNCH

    return LAUNCH


def test_a_hallway_that_is_broken(tmp_path: Path, start_client: StartClient) -> None:
    """Half of an upgrade: the launcher is there, what it imports is not."""
    launch = tmp_path / "hallway" / "agents" / "hook" / "launch.py"
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
    assert os.path.getsize(tmp_path / log.NAME) <= log.SIZE_MOST + 1024
    assert "trouble 1999" in log.last(folder)[-1]
    assert len(log.last(folder)[-1]) < 600


def test_hallway_hook_is_the_same_from_the_command_line(shop: LocalBus, start_client: StartClient) -> None:
    client = start_client()
    told = json.dumps(client.payload("prompt", prompt="mend the login"))
    assert client.runs(f"{sys.executable} -m hallway hook claude-code", told) == ("", "", 0)
    assert shop.sessions.get(SESSION).status == "working"
    assert client.runs(f"{sys.executable} -m hallway hook emacs", told) == ("", "", 0)
    assert "standard input" in client.runs(f"{sys.executable} -m hallway hook --help", "").out
