"""Connections to PostgreSQL: opening them, hiding passwords in their addresses, and translating their errors."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hallway.core import errors
from hallway.core.redaction import reason, redact_url
from hallway.local.paths import require_readable

# Defaults for every connection; its address may override them. The kernel notices a dead peer within about 15 s.
SETTINGS = {
    "application_name": "hallway",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
BACKEND = "SELECT pg_backend_pid()"
POOLER_ANSWERS_WITHIN_S = 3.0
POOLER_TRIES = 3  # other clients may use the shared connection just then
STALE = {"55P03", "40P01", "40001"}  # lock timeout, deadlock, serialization failure
NOT_OWN = {"26000", "42P05"}  # a prepared statement is not there, or is there already: another one's connection
REFUSED = {"42501", "25006"}
CHANGED = {"42P01", "42703", "42883", "3F000", "42P07"}  # no table, column, function or schema, or one too many


def connect(url: str) -> psycopg.Connection:
    """Open a connection in autocommit mode; raises Unavailable, or UnsupportedUrl if the address cannot be read."""
    require_readable(url)
    try:
        wanted: dict[str, Any] = {**SETTINGS, **conninfo_to_dict(url)}
        return psycopg.connect(make_conninfo(**wanted), autocommit=True)
    except psycopg.ProgrammingError as error:
        raise errors.UnsupportedUrl(f"{redact_url(url)} cannot be read: {reason(url, error)}") from None
    except psycopg.OperationalError as error:
        raise translated(redact_url(url), "08001", reason(url, error)) from None


def require_own_connection(connection: psycopg.Connection, url: str) -> None:
    """Refuse a pooler that gives each transaction another connection to the database; raises UnsupportedUrl.

    A pooler is known by the process number that it made up for the connection. It shares the connection if a second one
    reaches the same process of the database, or if the first one reaches another while the second is in a transaction.
    """
    own = ask(connection, BACKEND)
    if own == connection.info.backend_pid:
        return
    second = connect(url)
    limit = threading.Timer(POOLER_ANSWERS_WITHIN_S, cut, (second,))
    limit.start()
    try:
        for _ in range(POOLER_TRIES):
            second.execute("BEGIN")
            if second.execute(BACKEND).fetchall()[0][0] == own or ask(connection, BACKEND) != own:
                raise _pooled(redact_url(url))
            second.execute("ROLLBACK")
    except psycopg.Error as error:
        if "statement pooling" in str(error):
            raise _pooled(redact_url(url)) from None
        # Else the pooler has no second connection to give, and so the first one is not shared.
    finally:
        limit.cancel()
        second.close()


def _pooled(path: str) -> errors.UnsupportedUrl:
    return errors.UnsupportedUrl(
        f"{path} is a pooler, such as PgBouncer, that gives each transaction another connection to the database;"
        " hallway needs connections of its own, to which prepared statements and wake-ups (LISTEN) belong",
        hint="Set pool_mode = session for this database in pgbouncer.ini, or give the address of PostgreSQL itself",
    )


def cut(connection: psycopg.Connection) -> None:
    """End a connection that another thread uses: what it waits for fails at once."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.OperationalError):
        pass  # it is lost already


def ask(connection: psycopg.Connection, query: str) -> Any:
    """Return the first value that a query gives, None if it gives no rows; raises our errors."""
    try:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
    except psycopg.Error as error:
        raise translated(connection.info.dbname, error.sqlstate or "", str(error).strip()) from None
    return row[0] if row else None


def schema_version(connection: psycopg.Connection) -> int:
    """Return the number of the last migration that the bus there has had; 0 where there is none."""
    if ask(connection, "SELECT to_regclass('hallway_migrations')") is None:
        return 0
    return int(ask(connection, "SELECT coalesce(max(number), 0) FROM hallway_migrations"))


def translated(path: str, state: str, text: str) -> errors.HallwayError:
    """Return hallway's error for a PostgreSQL error, chosen by its SQLSTATE."""
    if state == "57014":
        return errors.TookTooLong(f"the database {path} cancelled a statement: {text}")
    if state in NOT_OWN:
        return _pooled(path)
    if "unsupported startup parameter" in text:
        return errors.UnsupportedUrl(
            f"the pooler at {path} passes no options on: {text}",
            hint="Leave `options` out of the address. For a schema: ALTER ROLE name SET search_path = schema",
        )
    if state in STALE:
        return errors.BusBusy(f"the bus {path} was locked by another process: {text}")
    if state == "53100" or "No space left on device" in text:
        return errors.DiskFull(f"the disk under {path} is full: {text}", hint="Make room on the database's disk")
    if state in CHANGED:
        return errors.BusGone(
            f"the tables of the bus {path} are not there, or not as they were: {text}",
            hint="Restore them from a backup: what uses the bus goes on without a restart. See: hallway doctor",
        )
    if state in REFUSED:
        return errors.NotWritable(f"{path} cannot be written: {text}", hint="Give its user the right to write")
    if not state or state[:2] in ("08", "57", "53", "25"):
        return errors.Unavailable(f"the database {path} does not answer: {text}", hint="Check that it runs: pg_isready")
    return errors.StorageError(f"the bus {path} failed: {text} ({state})")
