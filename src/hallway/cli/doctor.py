"""Diagnostic checks of `hallway doctor`: the address, the bus file or database, hubs, the disk, and wake-ups.

The checks open existing files only and never create a bus. They do not use the store, which would refuse, migrate or
sweep the bus. Each error becomes a result with the next command to type. The checks write nothing to the bus.
"""

from __future__ import annotations

import http.client
import os
import platform
import shlex
import shutil
import stat
import sys
import tempfile
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import apsw

import hallway
from hallway.agents.hook import log as hook_log
from hallway.bus.hub_endpoint import new_connection
from hallway.cli.mounts import UNSUITABLE, file_system_of
from hallway.cli.render.parts import labelled
from hallway.cli.render.setup import link_lines, next_lines
from hallway.cli.terminal import GAP
from hallway.core.errors import HallwayError, UnsuitableDisk
from hallway.core.redaction import reason, redact, redact_url
from hallway.core.schema import decode, encode
from hallway.local.notify import HAS_DATAGRAMS, DatagramSubscription, notify
from hallway.local.paths import HUBS, address_source, bus_address, bus_file, bus_folder, require_readable
from hallway.store.migrate import newest_version
from hallway.store.sqlite import APPLICATION_ID, NO_LOCKS, NO_SHARED_MEMORY
from hallway.text.sanitize import clean_json, sanitize
from hallway.text.style import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.chain import SetupChain
    from hallway.cli.terminal import Terminal

OK, WARN, FAIL = "ok", "warn", "fail"
GLYPHS = {OK: "✓", WARN: "!", FAIL: "✗"}
COLOURS = {"✓": "green", "!": "yellow", "✗": "red"}
INDENT = " " * 8

MIN_POSTGRES = 140_000  # PostgreSQL 14, as a `server_version_num`
MIN_SQLITE = (3, 51, 3)  # older versions can lose commits that several processes make at the same time
WAL_LARGE_BYTES = 256 * 1024 * 1024
DISK_LOW_BYTES = 200 * 1024 * 1024
DISK_FULL_BYTES = 10 * 1024 * 1024
LOCK_WAIT_S = 2.0
HUB_WAIT_S = 3.0


class CheckResult:
    """The result of one check: its name, its level, a detail, and the next command if there is a problem.

    The result for a client has its `chain`: which links from the installation to the first message are done.
    """

    __slots__ = ("chain", "check", "detail", "level", "next")

    def __init__(
        self, level: str, check: str, detail: str, following: str | None = None, chain: SetupChain | None = None
    ) -> None:
        self.level = level
        self.check = check
        self.detail = redact(detail)
        self.next = following and redact(following)
        self.chain = chain

    def to_dict(self) -> dict[str, object]:
        chain = {"links": self.chain.to_dict()["links"]} if self.chain else {}
        return {"check": self.check, "level": self.level, "detail": self.detail, "next": self.next, **chain}


def examine(url: str | None) -> Iterator[CheckResult]:
    """Yield the results of all checks of the bus that this command line would use."""
    yield CheckResult(OK, "hallway", f"{hallway.__version__}, Python {platform.python_version()} at {sys.executable}")
    yield _sqlite()
    address, source = bus_address(url), address_source(url)
    try:
        for each in (address or "").split(","):
            require_readable(each.strip())
    except HallwayError as error:
        yield CheckResult(FAIL, "address", f"{error.message}; {source}", error.hint)
        return
    yield _hooks(bus_folder(address))
    kind = bus_kind(address)
    if kind is not None:
        bus_name = redact_url(address) if address and kind != "file" else "this machine's own file"
        yield CheckResult(OK, "address", f"{bus_name}; {source}")
    if kind == "hub" and address:
        yield from (_hub(each.strip()) for each in address.split(",") if each.strip())
        return
    if kind == "database" and address:
        yield from _database(address)
        return
    if kind is None:
        yield CheckResult(
            FAIL, "address", f"{address} is no kind of bus that this hallway can open; {source}", _own_file(source)
        )
        return
    path = bus_file(address)
    folder = _folder(os.path.dirname(path))
    yield folder
    if folder.level != FAIL:
        yield from _file(path)
        yield _wakes(path)
    yield _disk(os.path.dirname(path))
    if (file_system := file_system_of(_nearest(os.path.dirname(path)))) is not None:
        yield _file_system(file_system, path)


def _own_file(source: str) -> str:
    """Return the command after which this user's own file is used."""
    return "hallway use local" if source == "selected by hallway use" else "unset HALLWAY_URL"


def bus_kind(address: str | None) -> str | None:
    """Return the kind of bus that an address names: hub, database or file; None for an unknown kind."""
    if address and address.startswith(HUBS):
        return "hub"
    if address and address.startswith(("postgresql://", "postgres://")):
        return "database"
    return None if address and "://" in address and not address.startswith("sqlite:///") else "file"


def local_file(url: str | None) -> str | None:
    """Return the file of the bus that this command line would use; None for a hub or a database."""
    address = bus_address(url)
    return bus_file(address) if bus_kind(address) == "file" else None


def show_findings(screen: Terminal, findings: Iterator[CheckResult], *, is_json: bool) -> int:
    """Write the results; return the exit status, 1 if a check failed."""
    listed = list(findings)
    is_healthy = all(each.level != FAIL for each in listed)
    if is_json:
        answer: dict[str, Any] = {"is_healthy": is_healthy, "checks": [each.to_dict() for each in listed]}
        screen.write(clean_json(encode(answer)))
        return int(not is_healthy)
    longest = max(len(each.check) for each in listed)
    for each in listed:
        glyph = screen.paint(f"{GLYPHS[each.level]} {each.level.ljust(4)}", COLOURS[GLYPHS[each.level]])
        label = f"{glyph}{GAP}{sanitize(each.check.ljust(longest))}"
        screen.write(*labelled(screen, label, len("✓ warn") + len(GAP) + longest, each.detail))
        screen.write(*(link_lines(screen, each.chain, indent=INDENT) if each.chain else []))
        screen.write(*(next_lines(screen, each.next, indent=INDENT) if each.next else []))
    return int(not is_healthy)


def _sqlite() -> CheckResult:
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < MIN_SQLITE:
        wanted = ".".join(map(str, MIN_SQLITE))
        return CheckResult(FAIL, "sqlite", f"{version}, but {wanted} is needed", "pip install --upgrade apsw")
    return CheckResult(OK, "sqlite", version)


def _hooks(folder: str) -> CheckResult:
    """Return the newest error of the agents' hooks; hooks report errors only in their log (A1)."""
    lines = hook_log.last(folder)
    if not lines:
        return CheckResult(OK, "hooks", "no trouble")
    path = os.path.join(folder, hook_log.NAME)
    return CheckResult(
        WARN, "hooks", f"the last trouble: {lines[-1]}", f"less {shlex.quote(path)}; once it is over: rm it"
    )


# -- a database -------------------------------------------------------------------------------------------------------


def _database(url: str) -> Iterator[CheckResult]:
    """Check that a database answers, is new enough, and holds a bus that this version can use."""
    try:
        from hallway.store.postgres.connection import connect as connect_to
        from hallway.store.postgres.connection import require_own_connection, schema_version
    except ModuleNotFoundError:
        yield CheckResult(FAIL, "database", "what PostgreSQL needs is not installed", "pip install 'hallway[postgres]'")
        return
    try:
        connection = connect_to(url)
    except HallwayError as error:
        yield CheckResult(FAIL, "database", str(error), error.hint)
        return
    with closing(connection):
        try:
            require_own_connection(connection, url)
        except HallwayError as error:
            yield CheckResult(FAIL, "database", str(error), error.hint)
            return
        server = connection.info.server_version
        sentence = f"{redact_url(url)}, PostgreSQL {server // 10_000}.{server % 10_000}"
        if server < MIN_POSTGRES:
            yield CheckResult(
                FAIL, "database", f"{sentence}, but {MIN_POSTGRES // 10_000} is needed", "upgrade the server"
            )
        else:
            yield CheckResult(OK, "database", sentence)
        yield _database_schema(schema_version(connection))


def _database_schema(version: int) -> CheckResult:
    newest = newest_version("postgres")
    if version > newest:
        return CheckResult(
            FAIL, "schema", f"{version}, but this hallway knows up to {newest}", "pip install --upgrade hallway"
        )
    if version < newest:
        sentence = f"{version} of {newest}: the next command brings it up to date" if version else "there is no bus yet"
        return CheckResult(OK, "schema", sentence)
    return CheckResult(OK, "schema", f"{version}, up to date")


# -- a hub ------------------------------------------------------------------------------------------------------------


def _hub(address: str) -> CheckResult:
    """Check that a hub answers at an address."""
    began = time.monotonic()
    try:
        body = decode(_get(address, "/health"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        start = f"hallway serve, there; or to use the local file: {_own_file(address_source())}"
        sentence = f"{redact_url(address)} does not answer as a hub: {reason(address, error)}"
        return CheckResult(FAIL, "hub", sentence, start)
    took_ms = (time.monotonic() - began) * 1000
    version = body.get("version", "of an unknown version") if isinstance(body, dict) else "of an unknown version"
    return CheckResult(OK, "hub", f"{redact_url(address)} answers in {took_ms:.0f} ms; hallway {version}")


def _get(address: str, path: str) -> bytes:
    parts = urlsplit(address)
    connection = new_connection(parts, HUB_WAIT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise ValueError(f"{path} gave status {response.status}")
        return response.read(100_000)
    finally:
        connection.close()


# -- a file -----------------------------------------------------------------------------------------------------------


def _folder(folder: str) -> CheckResult:
    if not os.path.isdir(folder):
        if os.path.lexists(folder):
            return CheckResult(FAIL, "folder", f"{folder} is not a folder", "HALLWAY_HOME=/other/folder hallway doctor")
        parent = _nearest(folder)
        if not os.access(parent, os.W_OK | os.X_OK):
            detail = f"{folder} is not there, and it cannot be made: {parent} is not yours to write"
            return CheckResult(FAIL, "folder", detail, "HALLWAY_HOME=/other/folder hallway doctor")
        return CheckResult(OK, "folder", f"{folder} is not there yet")
    if not os.access(folder, os.W_OK | os.X_OK):
        following = f"chmod u+rwx {shlex.quote(folder)}"
        return CheckResult(FAIL, "folder", f"{folder} may not be written by this user", following)
    return _mode("folder", folder, 0o700)


def _mode(check: str, path: str, wanted: int) -> CheckResult:
    """Check that other users have no access to a file or folder."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & ~wanted:
        following = f"chmod {wanted:o} {shlex.quote(path)}"
        return CheckResult(WARN, check, f"{path} has mode {mode:04o}: others may get at it", following)
    return CheckResult(OK, check, f"{path} has mode {mode:04o}")


def _nearest(folder: str) -> str:
    """Return the folder itself, or its nearest parent folder that exists."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder


def _file(path: str) -> Iterator[CheckResult]:
    away = f"mv {shlex.quote(path)} {shlex.quote(path)}.old"
    try:
        if not os.path.exists(path):
            yield CheckResult(OK, "bus", f"{path} is not there yet; the first session makes it", "hallway install")
            return
        if not os.path.isfile(path):
            yield CheckResult(FAIL, "bus", f"{path} is not a file", away)
            return
        yield _mode("bus", path, 0o600)
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(int(LOCK_WAIT_S * 1000))
            yield from _contents(connection, path)
        finally:
            connection.close()
    except (apsw.NotADBError, apsw.CorruptError) as error:
        yield CheckResult(FAIL, "bus", f"{path} is not a hallway bus: {error}", away)
    except (apsw.Error, OSError) as error:
        is_unsuitable = getattr(error, "extendedresult", 0) in NO_SHARED_MEMORY | NO_LOCKS
        following = UnsuitableDisk.hint if is_unsuitable else f"ls -l {shlex.quote(path)}"
        yield CheckResult(FAIL, "bus", f"{path} cannot be read: {error}", following)


def _contents(connection: apsw.Connection, path: str) -> Iterator[CheckResult]:
    """Check the contents of an open bus: schema, integrity, write lock, journal and sessions."""
    if (missing := _missing_journal(connection, path)) is not None:
        yield missing
        if missing.level == FAIL:
            return
    newest, version = newest_version("sqlite"), _number(connection, "PRAGMA user_version")
    if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        if os.path.getsize(path) == 0:
            yield CheckResult(OK, "schema", "empty; the first session fills it")
            return
        following = f"mv {shlex.quote(path)} {shlex.quote(path)}.old"
        yield CheckResult(FAIL, "schema", f"{path} is another program's database, not a hallway bus", following)
        return
    if version > newest:
        detail = f"version {version} is newer than this hallway knows ({newest})"
        yield CheckResult(FAIL, "schema", detail, "pip install --upgrade hallway")
        return
    older = "" if version == newest else f"; the next command brings it to {newest}"
    yield CheckResult(OK, "schema", f"version {version}{older}")
    yield _integrity(connection, path)
    yield _write_lock(connection, path)
    yield _journal(path)
    yield _sessions(connection)


def _missing_journal(connection: apsw.Connection, path: str) -> CheckResult | None:
    """Return a result if a file looks like a copy of a running bus without its write-ahead log; else None.

    Data written since the last checkpoint is in that log only. A bus that its last program closed properly holds at
    least one event, that of its first session. A file without a log that has no table or no event is therefore
    probably an incomplete copy; but where a lock file is beside it, hallway was here, and nobody has registered yet.
    """
    with open(path, "rb") as file:
        head = file.read(20)
    # Opening the file creates an empty log, so an empty log counts as missing.
    has_journal = os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
    if has_journal or head[18:20] != b"\x02\x02":  # these header bytes mean: this database uses a write-ahead log
        return None
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    following = f"copy {shlex.quote(path)}-wal from where it was, or take a whole copy there: hallway backup FILE"
    if not tables:
        detail = f"{path} is empty, and {os.path.basename(path)}-wal, its write-ahead log, is missing: half a copy"
        return CheckResult(FAIL, "copy", detail, following)
    was_opened = os.path.exists(f"{path}.lock")
    if "events" in tables and not was_opened and not connection.execute("SELECT 1 FROM events LIMIT 1").fetchall():
        detail = f"nothing was ever written to {path}; if it is a copy, {os.path.basename(path)}-wal is missing"
        return CheckResult(WARN, "copy", detail, following)
    return None


def _number(connection: apsw.Connection, query: str) -> int:
    return int(str(connection.execute(query).fetchall()[0][0]))


def _integrity(connection: apsw.Connection, path: str) -> CheckResult:
    faults = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    if faults != ["ok"]:
        following = f"mv {shlex.quote(path)} {shlex.quote(path)}.damaged"
        return CheckResult(FAIL, "contents", f"damaged: {'; '.join(faults)}", following)
    return CheckResult(OK, "contents", f"sound; {size(os.path.getsize(path))}")


def _write_lock(connection: apsw.Connection, path: str) -> CheckResult:
    """Check that this user may write and that no other process holds the write lock."""
    if connection.readonly(
        "main"
    ):  # SQLite opens an unwritable file for reading, and then BEGIN IMMEDIATE reports no error
        following = f"chmod u+rw {shlex.quote(path)}"
        return CheckResult(FAIL, "writing", f"{path} may not be written by this user", following)
    try:
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except (apsw.BusyError, apsw.LockedError):
        detail = f"another process has held the write lock for {LOCK_WAIT_S:g} s"
        return CheckResult(FAIL, "writing", detail, f"fuser -v {shlex.quote(path)}")
    except apsw.Error as error:
        return CheckResult(FAIL, "writing", f"{path} may not be written: {error}", f"ls -l {shlex.quote(path)}*")
    return CheckResult(OK, "writing", "allowed, and the lock is free")


def _journal(path: str) -> CheckResult:
    try:
        size_bytes = os.path.getsize(f"{path}-wal")
    except FileNotFoundError:
        size_bytes = 0
    if size_bytes > WAL_LARGE_BYTES:
        detail = f"{size(size_bytes)}: a process has kept an old snapshot open for long"
        return CheckResult(WARN, "journal", detail, f"fuser -v {shlex.quote(path)}")
    return CheckResult(OK, "journal", size(size_bytes))


def _sessions(connection: apsw.Connection) -> CheckResult:
    now = time.time_ns() // 1000
    live, overdue = connection.execute(
        "SELECT count(*) FILTER (WHERE expires_at > ?1), count(*) FILTER (WHERE expires_at <= ?1)"
        " FROM sessions WHERE ended_at IS NULL",
        (now,),
    ).fetchall()[0]
    overdue_too = f", {overdue} overdue: the next command marks them offline" if overdue else ""
    return CheckResult(OK, "sessions", f"{live} live{overdue_too}")


def _disk(folder: str) -> CheckResult:
    free_bytes = shutil.disk_usage(_nearest(folder)).free
    level = FAIL if free_bytes < DISK_FULL_BYTES else WARN if free_bytes < DISK_LOW_BYTES else OK
    following = None if level == OK else "make room, or move the bus: HALLWAY_HOME=/other/folder"
    return CheckResult(level, "disk", f"{size(free_bytes)} free", following)


def _file_system(file_system: str, path: str) -> CheckResult:
    if file_system not in UNSUITABLE:
        return CheckResult(OK, "file system", file_system)
    kind = f"{file_system}, {UNSUITABLE[file_system]}"
    detail = f"{os.path.dirname(path)} is on {kind}: a bus may fail or be damaged there"
    return CheckResult(WARN, "file system", detail, UnsuitableDisk.hint)


def _wakes(path: str) -> CheckResult:
    """Check that a wake-up datagram arrives in the bus's folder; in a temporary folder if there is no bus yet."""
    slow = "not possible here: whoever waits looks every 0.25 s instead"
    if not HAS_DATAGRAMS:
        return CheckResult(WARN, "wake-ups", slow)
    try:
        if os.path.isfile(path):
            is_heard = _receives_own_wake_up(os.path.join(os.path.dirname(path), "wake"))
        else:
            with tempfile.TemporaryDirectory() as folder:
                is_heard = _receives_own_wake_up(folder)
    except OSError as error:
        return CheckResult(WARN, "wake-ups", f"{slow} ({error})")
    return CheckResult(OK, "wake-ups", "arrive at once") if is_heard else CheckResult(WARN, "wake-ups", slow)


def _receives_own_wake_up(folder: str) -> bool:
    waiter = DatagramSubscription(folder, "doctor")
    try:
        if waiter.socket is None:
            return False
        notify(folder, {"doctor"})
        waiter.socket.settimeout(1)
        return bool(waiter.socket.recv(1))
    except TimeoutError:
        return False
    finally:
        waiter.close()
