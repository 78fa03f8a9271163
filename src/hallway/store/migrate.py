"""Numbered migrations: `sql/DIALECT/migrations/0001_*.sql` and so on, run once each, in order.

A new bus is made by running all of them, so a new and a migrated bus have the same schema. The database holds the
number of the last migration. If that is higher than the newest one here, a newer hallway wrote the bus: it is refused
and not changed.
"""

from __future__ import annotations

import os

from hallway.store import SQL


def migrations(dialect: str) -> list[tuple[int, str]]:
    """Return each migration's number and path, in order."""
    folder = os.path.join(SQL, dialect, "migrations")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".sql"))
    return [(int(name[:4]), os.path.join(folder, name)) for name in names]


def read_migration(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def newest_version(dialect: str) -> int:
    """Return the schema version of this hallway: the number of its newest migration."""
    return migrations(dialect)[-1][0]
