"""A database behind PgBouncer: session mode works, of the other modes hallway says what is wrong and what to do."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

import postgres
from hallway.core import errors
from hub.process import environment
from postgres import free_port
from support import open_store, until

SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server} user=hallway
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
server_round_robin = {round_robin}
ignore_startup_parameters = {ignored}
"""


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a bus in a database of its own: its schema is the role's, as a pooler passes on no options."""
    url = postgres.server_url()
    name = f"pooled_{os.getpid()}_{free_port()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def start_pooler(tmp_path: Path, database: str) -> Iterator[Callable[..., str]]:
    """Starts PgBouncer before the database, and gives the URL of that; skips where it is not installed."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("pgbouncer is not installed here: apt-get install pgbouncer")
    started: list[subprocess.Popen[bytes]] = []
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # which PgBouncer refuses to run as root

    def start_pooler(mode: str, size: int = 20, round_robin: int = 0, ignored: str = "extra_float_digits") -> str:
        parts, port = urlsplit(database), free_port()
        config = Path(f"/tmp/pgbouncer-{port}.ini")  # a folder that `nobody` may read
        config.write_text(
            SETTINGS.format(
                server=parts.port, port=port, mode=mode, size=size, round_robin=round_robin, ignored=ignored
            )
        )
        user = account.pw_uid if account else None
        with (tmp_path / "pgbouncer.log").open("ab") as log:
            started.append(subprocess.Popen([program, str(config)], user=user, stdout=log, stderr=log))
        until(lambda: started[-1].poll() is not None or listens(port))
        assert started[-1].poll() is None, (tmp_path / "pgbouncer.log").read_text()
        config.unlink()
        return urlunsplit(parts._replace(netloc=f"hallway@127.0.0.1:{port}"))

    yield start_pooler
    for process in started:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def hallway(home: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hallway", *words],
        env={**environment(home), "HALLWAY_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_commands_a_hub_and_doctor_say_that_a_pooler_shares_connections(
    tmp_path: Path, start_pooler: Callable[..., str], mode: str, round_robin: int
) -> None:
    url = start_pooler(mode, round_robin=round_robin)
    others = [psycopg.connect(url, autocommit=True) for _ in range(3)]  # the pool has more than one connection
    for other in others:
        other.execute("SELECT 1")
    for words in (("list",), ("serve", "--port", "0"), ("doctor",)):
        done = hallway(tmp_path / "hallway", url, *words)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        assert "pool_mode = session" in said, words
        assert "Traceback" not in said
    for other in others:
        other.close()


def test_behind_a_pooler_in_session_mode_everything_works(tmp_path: Path, start_pooler: Callable[..., str]) -> None:
    url = start_pooler("session")
    done = hallway(tmp_path / "hallway", url, "doctor")
    assert (done.returncode, "pool_mode" in done.stdout) == (0, False), done.stdout + done.stderr
    heard: list[str] = []
    with open_store(url) as bus:
        for name in ("alice", "bob"):
            bus.sessions.register(name, "agent", "codex")
        bus.messages.register_handler("*", lambda message: heard.append(message.subject), "bob")
        bus.messages.send("alice", "bob", subject="hello")
        until(lambda: heard == ["hello"])


def test_a_pooler_with_a_single_connection_is_used(tmp_path: Path, start_pooler: Callable[..., str]) -> None:
    with open_store(start_pooler("session", size=1)) as bus:
        assert bus.sessions.register("alice", "agent", "codex").is_live
    with pytest.raises(errors.UnsupportedUrl, match="pooler"):
        open_store(start_pooler("transaction", size=1))


def test_options_that_a_pooler_refuses_are_named(start_pooler: Callable[..., str]) -> None:
    with pytest.raises(errors.UnsupportedUrl, match="passes no options on") as caught:
        open_store(f"{start_pooler('session')}?options=-c%20search_path%3Dshop")
    assert "ALTER ROLE" in caught.value.hint
