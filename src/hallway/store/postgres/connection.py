"""Connections to PostgreSQL: opening them, hiding passwords in their addresses, and translating their errors."""

from __future__ import annotations

import os
import socket
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
STALE = {"55P03", "40P01", "40001"}  # lock timeout, deadlock, serialization failure
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


def translated(path: str, state: str, said: str) -> errors.HallwayError:
    """Return hallway's error for a PostgreSQL error, chosen by its SQLSTATE."""
    if state == "57014":
        return errors.TookTooLong(f"the database {path} cancelled a statement: {said}")
    if state in STALE:
        return errors.BusBusy(f"the bus {path} was locked by another process: {said}")
    if state == "53100" or "No space left on device" in said:
        return errors.DiskFull(f"the disk under {path} is full: {said}", hint="Make room on the database's disk")
    if state in CHANGED:
        return errors.BusGone(
            f"the tables of the bus {path} are not there, or not as they were: {said}",
            hint="Restore them from a backup: what uses the bus goes on without a restart. See: hallway doctor",
        )
    if state in REFUSED:
        return errors.NotWritable(f"{path} cannot be written: {said}", hint="Give its user the right to write")
    if not state or state[:2] in ("08", "57", "53", "25"):
        return errors.Unavailable(f"the database {path} does not answer: {said}", hint="Check that it runs: pg_isready")
    return errors.StorageError(f"the bus {path} failed: {said} ({state})")
