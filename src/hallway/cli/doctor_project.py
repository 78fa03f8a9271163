"""The check of `hallway doctor` for the project: its name here, and records under a former name of the repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import apsw

from hallway.agents.install.configs import HOOKS
from hallway.agents.install.git_hooks import GuardInstaller
from hallway.agents.install.plan import current
from hallway.bus.connect import connect
from hallway.bus.former_memory import move_command
from hallway.cli.doctor import OK, WARN, CheckResult, bus_kind
from hallway.cli.doctor_agents import last_error
from hallway.cli.render.parts import how_many
from hallway.core.errors import HallwayError, InvalidInput
from hallway.local.paths import bus_file
from hallway.local.workspace import LocalWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many memory entries and sessions a project has.
COUNT = """
SELECT (SELECT count(*) FROM memory_keys WHERE project = $1 AND entry IS NOT NULL),
       (SELECT count(*) FROM sessions WHERE project = $1)
"""


def examine_project(address: str | None) -> Iterator[CheckResult]:
    """Yield the project of this folder, and one result for each former project that has records on the bus."""
    here = LocalWorkspace(is_recorded=False)
    project = here.project
    source = " (HALLWAY_PROJECT)" if os.environ.get("HALLWAY_PROJECT", "").strip() else ""
    yield CheckResult(OK, "project", f"{project}{source}")
    yield from _guard()
    former = here.former_projects
    if not former:
        return
    counts = _counts(address, [project, *former])
    for name in former:
        entries, sessions = counts.get(name, (0, 0))
        if entries or sessions:
            has = f"{how_many(entries, 'memory key')} and {how_many(sessions, 'session')}"
            detail = f"this repository's project was {name} before, which has {has}"
            level = OK if counts[project][0] else WARN
            yield CheckResult(level, "project", detail, move_command(name, project))


def _guard() -> Iterator[CheckResult]:
    """Yield whether this repository's git hooks check claims, if they do, and why the last check was left out."""
    try:
        hooks = GuardInstaller().configs(None)
        lines = [text for hook in hooks if (text := current(hook)) is not None and hook.take(text) != text]
        if not lines:
            return
        is_current = all(hook.has(HOOKS, current(hook) or "") for hook in hooks)
    except HallwayError as error:  # no repository, or a hook that cannot be read
        if not isinstance(error, InvalidInput):
            yield CheckResult(WARN, "guard", error.message, error.hint)
        return
    detail = "the git hooks here refuse what others have claimed"
    if is_current:
        yield CheckResult(OK, "guard", detail)
    else:
        yield CheckResult(WARN, "guard", f"{detail}, but one is missing or out of date", "hallway install --guard")
    if wrong := last_error(GuardInstaller.name):
        yield CheckResult(WARN, "guard", f"claims were not checked: {wrong}")


def _counts(address: str | None, projects: list[str]) -> dict[str, tuple[int, int]]:
    """Return the memory entries and sessions of projects; empty if the bus cannot be read, which its checks report.

    A file or a database is read directly, because opening it as a bus might change it.
    """
    kind = bus_kind(address)
    try:
        if kind == "hub":
            with connect(address) as bus:
                stats = {name: bus.stats(name) for name in projects}
            return {name: (each.memory.total, each.sessions.total) for name, each in stats.items()}
        if kind == "database":
            return _counts_of_database(str(address), projects)
        path = bus_file(address)
        if kind != "file" or not os.path.isfile(path):
            return {}
        # A read-only connection would leave its journal files behind.
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            rows = {name: connection.execute(COUNT.replace("$1", "?1"), (name,)).fetchall()[0] for name in projects}
        finally:
            connection.close()
        return {name: (int(str(entries)), int(str(sessions))) for name, (entries, sessions) in rows.items()}
    except (HallwayError, apsw.Error, OSError):
        return {}


def _counts_of_database(url: str, projects: list[str]) -> dict[str, tuple[int, int]]:
    import psycopg

    from hallway.store.postgres.connection import connect as connect_to

    try:
        with connect_to(url) as connection:
            return {
                name: connection.execute(COUNT.replace("$1", "%(project)s"), {"project": name}).fetchall()[0]
                for name in projects
            }
    except psycopg.Error:
        return {}
