"""Checks of `hallway doctor` for each client: the installation, the last heartbeat, and the newest hook error."""

from __future__ import annotations

import os
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import apsw

from hallway.agents.hook import log as hook_log
from hallway.agents.install.all_clients import CLIENTS, foreign_files, is_installed, repository
from hallway.agents.install.causes import find_causes
from hallway.agents.install.chain import chain_of
from hallway.agents.install.configs import HOOKS, SERVER
from hallway.cli.doctor import FAIL, OK, WARN, CheckResult
from hallway.core.errors import HallwayError
from hallway.local.paths import bus_address, bus_folder
from hallway.local.setup_marks import HOOK, has_mark
from hallway.text.style import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.client import ClientInstaller

LINES_LOOKED_AT = 200


def examine_agents(bus_path: str | None) -> Iterator[CheckResult]:
    """Yield one result for each client on this machine, and one more for each problem with it.

    `bus_path` is the file of a local bus, from which the last heartbeats are read; None for a hub.
    """
    here = [client for client in CLIENTS.values() if client.is_here]
    heartbeats = last_heartbeats(bus_path)
    with ThreadPoolExecutor(max(1, len(here))) as threads:  # in parallel: `PROGRAM --version` is slow
        for findings in threads.map(lambda client: list(_client(client, heartbeats.get(client.name))), here):
            yield from findings


def _client(client: ClientInstaller, seen_s: float | None) -> Iterator[CheckResult]:
    install = f"hallway install {client.name}"
    try:
        has = {what: _where(client, what) for what in (SERVER, HOOKS)}
    except HallwayError as error:
        yield CheckResult(FAIL, client.name, error.message, error.hint)
        return
    version = client.version() or ("no program on the PATH" if client.program is None else "version unknown")
    if not any(has.values()) and (files := foreign_files(client)):
        sentence = f"{client.title}, {version}: {', '.join(files)} has entries of another hallway, which may be gone"
        yield CheckResult(WARN, client.name, sentence, install)
        return
    if not any(has.values()):
        sentence = f"{client.title}, {version}: does not know hallway"
        yield CheckResult(OK, client.name, sentence, install, chain_of(client))
        return
    sentence = ", ".join(
        f"{what} {place}" if (place := has[what]) else f"{what} missing or out of date" for what in has
    )
    heard = "no heartbeat yet" if seen_s is None else f"last heartbeat {duration(seen_s)} ago"
    level = OK if all(has.values()) else WARN
    troubles = [*client.troubles()]
    chain = chain_of(client, troubles if client.program else None)
    following = chain.broken.following if chain.broken else None
    yield CheckResult(level, client.name, f"{client.title}, {version}: {sentence}; {heard}", following, chain)
    if has_mark(client.name, HOOK):  # then the client does run them, whether it says so or not
        troubles = [each for each in troubles if each.is_certain]
    for trouble in (*find_causes(client, repository()), *(each for each in troubles if has[each.what])):
        yield CheckResult(WARN, client.name, trouble.detail, trouble.following)
    if wrong := last_error(client.name):
        log = shlex.quote(os.path.join(_log_folder(), hook_log.NAME))
        yield CheckResult(
            WARN, client.name, f"a hook had trouble: {wrong}", f"All of them: cat {log}; seen to: rm {log}"
        )


def _where(client: ClientInstaller, what: str) -> str:
    """Return where the server or the hooks are installed; empty if they are missing or out of date."""
    if is_installed(client, what):
        return "installed"
    return "installed in this repository" if is_installed(client, what, repository()) else ""


def last_error(client: str) -> str | None:
    """Return the newest error that a client's hooks wrote to the log, with its time; None if there is none."""
    lines = [line.split(" ", 2) for line in hook_log.last(_log_folder(), LINES_LOOKED_AT)]
    own = [(parts[0], parts[2]) for parts in lines if len(parts) == 3 and parts[1] == client]
    return f"{own[-1][1]} ({own[-1][0]})" if own else None


def _log_folder() -> str:
    return bus_folder(bus_address())


def last_heartbeats(bus_path: str | None) -> dict[str, float]:
    """Return, for each agent type, how many seconds ago one of its sessions was last seen."""
    if bus_path is None or not os.path.isfile(bus_path):
        return {}
    try:
        # A read-only connection would leave its journal files behind.
        connection = apsw.Connection(bus_path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            rows = connection.execute("SELECT agent_type, max(last_seen) FROM sessions GROUP BY agent_type").fetchall()
        finally:
            connection.close()
    except apsw.Error:
        return {}  # the checks of the bus in doctor.py report what is wrong with the file
    return {str(kind): time.time() - int(str(seen)) / 1e6 for kind, seen in rows}
