"""Real programs between a client and its server: the server still knows whose it is, as far as it can see (S7)."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hallway
from hallway.core.topics import topic
from hallway.local import presence
from hallway.local.notify import notify
from mcp_server import Server
from support import kinds, until

if TYPE_CHECKING:
    from hallway.bus.base import Bus

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="ancestors are read from /proc")

CLAUDE = {"CLAUDE_CODE_SESSION_ID": "c1"}
CLIENT = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc"]  # what `docker exec` does with process ids


def needs(*programs: str) -> str:
    """Return the path of the last program; skip the test where one is not installed."""
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")
    return str(shutil.which(programs[-1]))


def plain(*words: str) -> Callable[[Path], list[str]]:
    return lambda folder: [needs(words[0]), *words[1:]]


def uvx(folder: Path) -> list[str]:
    """Have uvx run a tool that becomes the command it is given."""
    wheel = make_wheel(folder, "become", "import os, sys\n\ndef main():\n    os.execv(sys.argv[1], sys.argv[1:])\n")
    return [needs("uv", "uvx"), *UV, "--python", sys.executable, "--from", str(wheel), "become"]


def sudo(folder: Path) -> list[str]:
    """Have sudo run it: without the client's environment, which is its default."""
    if subprocess.run([needs("sudo"), "-n", "true"], capture_output=True).returncode:
        pytest.skip("sudo asks for a password")
    settings = {"HALLWAY_HOME": str(folder / "home" / "hallway"), "HALLWAY_PROJECT": "github.com/acme/shop"}
    return ["sudo", "-n", *(f"{name}={value}" for name, value in settings.items())]


def direnv(folder: Path) -> list[str]:
    """Have direnv load a folder's environment, which it approves first."""
    (folder / ".envrc").write_text("export SHOP=open\n")
    subprocess.run([needs("direnv"), "allow", str(folder)], check=True, capture_output=True)
    return ["direnv", "exec", str(folder), "sh", "-c", 'test "$SHOP" = open && "$@"', "sh"]


UV = ("--offline", "--no-config", "--quiet")
LAUNCHERS: dict[str, Callable[[Path], list[str]]] = {
    "env": plain("env", "SHOP=open"),
    "timeout": plain("timeout", "300"),
    "setsid": plain("setsid", "--wait"),
    "nice": plain("nice"),
    "sh": plain("sh", "-c", '"$@"; exit $?', "sh"),
    "uv run": plain("uv", "run", *UV, "--no-project", "--python", sys.executable, "--"),
    "uvx": uvx,
    "sudo": sudo,
    "direnv": direnv,
    "several": lambda folder: [*direnv(folder), "timeout", "300", *sudo(folder), "env", "SHOP=open"],
}


def make_wheel(folder: Path, name: str, code: str) -> Path:
    """Write a wheel with one module and a command that calls its `main`."""
    path = folder / f"{name}-1-py3-none-any.whl"
    info = f"{name}-1.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = ""
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{each},sha256={digest},{len(text)}\n"
            wheel.writestr(each, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


@pytest.fixture
def shop(home: Path) -> Iterator[Bus]:
    with hallway.connect(home / "hallway", project="github.com/acme/shop") as bus:
        yield bus


@pytest.fixture
def launch(home: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server behind programs, as the child of a client's process."""
    servers: list[Server] = []

    def launch(*programs: str, **environ: str) -> Server:
        servers.append(Server(home / "hallway", program=[*CLIENT, *programs], **environ))
        return servers[-1]

    yield launch
    for server in servers:
        if server.process.returncode is None:
            server.close()


def is_live(bus: Bus, session_id: str) -> bool:
    return session_id in {each.session_id for each in bus.sessions.list_sessions()}


@pytest.mark.promise("S7")
@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_server_behind_a_real_launcher_follows_its_client_to_the_next_session(
    launch: Callable[..., Server], shop: Bus, home: Path, name: str
) -> None:
    server = launch(*LAUNCHERS[name](home.parent), **CLAUDE)
    server.initialize("claude-code")
    client = server.process.pid
    presence.bind(shop.folder, "c1", client, client="claude-code")
    assert server.call("status")["session_id"] == "c1"
    shop.sessions.end("c1", "clear")
    presence.bind(shop.folder, "c2", client, client="claude-code")
    notify(os.path.join(shop.folder, "wake"), {topic("processes", str(client))})
    until(lambda: is_live(shop, "c2"))  # without a call: the hook's word is enough
    assert server.call("status")["session_id"] == "c2"
    assert not is_live(shop, "c1")
    assert server.close() == 0
    until(lambda: not is_live(shop, "c2"))


# -- a container, whose processes cannot see the client's -------------------------------------------------------------


@pytest.fixture
def contain(launch: Callable[..., Server]) -> Callable[..., Server]:
    """Starts a server in a process namespace of its own."""
    if subprocess.run([needs("unshare"), *CONTAINER[1:], "true"], capture_output=True).returncode:
        pytest.skip("process namespaces cannot be made here")
    return lambda **environ: launch(*CONTAINER, **environ)


@pytest.mark.promise("S7")
@pytest.mark.parametrize(
    ("client", "environ", "meta", "session_id"),
    [
        ("claude-code", CLAUDE, {}, "c1"),
        ("claude-code", {"HALLWAY_SESSION": "mine"}, {}, "mine"),
        ("codex-mcp-client", {}, {"threadId": "t1"}, "t1"),
    ],
)
def test_a_server_in_a_container_is_the_session_that_environment_or_call_names(
    contain: Callable[..., Server],
    shop: Bus,
    client: str,
    environ: dict[str, str],
    meta: dict[str, str],
    session_id: str,
) -> None:
    server = contain(**environ)
    server.initialize(client)
    assert server.call("status", meta)["session_id"] == session_id
    assert is_live(shop, session_id)
    for _ in range(2):
        shop.end_gone()  # what this side cannot see is not gone
    assert is_live(shop, session_id)
    assert server.close() == 0
    until(lambda: not is_live(shop, session_id))
    assert shop.sessions.get(session_id).end_reason == "client closed"


@pytest.mark.promise("S7")
def test_servers_in_containers_that_nothing_names_are_sessions_of_their_own(
    contain: Callable[..., Server], shop: Bus
) -> None:
    presence.bind(shop.folder, "outside", os.getpid(), client="claude-code")  # which they cannot see
    shop.sessions.register("outside", "alice's agent", "claude-code")
    servers = [contain() for _ in range(2)]
    for server in servers:
        server.initialize("claude-code")
    ids = [server.call("status")["session_id"] for server in servers]
    assert len({*ids, "outside"}) == 3
    assert servers[0].close() == 0
    until(lambda: not is_live(shop, ids[0]))
    assert is_live(shop, ids[1])
    assert servers[1].close() == 0
    until(lambda: not is_live(shop, ids[1]))
    assert is_live(shop, "outside")
    assert "session.ended" not in kinds(shop, "outside")  # type: ignore[arg-type]


@pytest.mark.promise("S14")
def test_a_server_in_a_container_does_not_revive_the_session_that_its_client_left(
    contain: Callable[..., Server], shop: Bus
) -> None:
    server = contain(**CLAUDE)
    server.initialize("claude-code")
    assert server.call("status")["session_id"] == "c1"
    shop.sessions.register("c2", "alice's agent", "claude-code")
    shop.sessions.succeed("c2", "c1")  # by a hook after /clear, outside
    shop.messages.send("user:alice", "c2", subject="hello")
    assert server.call("status")["session_id"] == "c2"
    assert [each["subject"] for each in server.call("inbox")["messages"]] == ["hello"]
    assert not is_live(shop, "c1")
    shop.sessions.heartbeat("c1")
    shop.sessions.succeed("c1", "c2")  # and back, by /resume
    assert server.call("status")["session_id"] == "c1"
    assert server.close() == 0
    until(lambda: not is_live(shop, "c1"))


@pytest.mark.promise("S14")
def test_a_server_serves_a_session_that_is_resumed_after_another_went_on_from_it(
    contain: Callable[..., Server], shop: Bus
) -> None:
    for name in ("c1", "c2"):
        shop.sessions.register(name, "alice's agent", "claude-code")
    shop.sessions.succeed("c2", "c1")
    server = contain(**CLAUDE)
    server.initialize("claude-code")
    for _ in range(2):
        assert server.call("status")["session_id"] == "c1"
    assert is_live(shop, "c1")
