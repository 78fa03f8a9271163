"""The check of `hallway doctor` for notifications: the rules file, what the ways need, and what went wrong in them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import apsw

from hallway.bus.connect import connect
from hallway.cli.doctor import FAIL, HUB_WAIT_S, OK, WARN, CheckResult, bus_kind
from hallway.cli.render.parts import how_many
from hallway.core.clock import SECOND
from hallway.core.errors import HallwayError
from hallway.core.model import PERSON
from hallway.core.parameters import DAY_S
from hallway.local.paths import bus_file, rules_path
from hallway.local.workspace import current_user
from hallway.services.notifications import FAILED, SENT, UNKNOWN, WAITING
from hallway.text.style import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.notifications.rules import Rules
    from hallway.notifications.sinks import Sink

LATELY_S = DAY_S
CHECK = "notify"

# What was sent to a person since a time: of each channel and state how many, the newest time, and its error.
STATES = """
SELECT n.channel, n.state, count(*), max(n.updated_at),
       (SELECT e.error FROM notifications AS e WHERE e.person = $1 AND e.channel = n.channel AND e.state = n.state
        ORDER BY e.updated_at DESC LIMIT 1)
FROM notifications AS n WHERE n.person = $1 AND n.updated_at >= $2 GROUP BY n.channel, n.state
"""


class ChannelState:
    """What went on in a channel lately: counts by state, and the newest error unless something was sent since."""

    def __init__(self) -> None:
        self.by_state: dict[str, int] = {}
        self.sent_at_s = self.failed_at_s = 0.0
        self.error = ""

    def add(self, state: str, count: int, at_s: float, error: str | None) -> None:
        self.by_state[state] = self.by_state.get(state, 0) + count
        if state == SENT:
            self.sent_at_s = max(self.sent_at_s, at_s)
        elif state in (WAITING, FAILED) and error and at_s > self.failed_at_s:
            self.failed_at_s, self.error = at_s, error

    @property
    def is_failing(self) -> bool:
        return self.failed_at_s > self.sent_at_s


def examine_notifications(address: str | None) -> Iterator[CheckResult]:
    """Yield whether the rules can be used and, for each way that they name, what it lacks and how it failed lately."""
    from hallway.notifications.rules import read_rules
    from hallway.notifications.sink_types import sink_for

    path = rules_path()
    if not os.path.lexists(path):
        yield CheckResult(OK, CHECK, "no rules: nobody is told elsewhere of what needs attention")
        return
    try:
        rules = read_rules(path)
        states = _states(address, time.time() - LATELY_S)
    except HallwayError as error:
        yield CheckResult(FAIL, CHECK, error.message, error.hint)
        return
    used = [sink_for(rules.sinks[name]) for name in _used(rules)]
    if not used:
        yield CheckResult(
            WARN, CHECK, f"{path} has no rules, so nobody is told of anything", "hallway notify add desktop"
        )
    for sink in used:
        yield from _sink(sink, states.get(sink.channel, ChannelState()))


def _used(rules: Rules) -> list[str]:
    """Return the names of the sinks that a rule sends something to."""
    return list(dict.fromkeys(name for rule in rules.rules for name in rule.sinks))


def _sink(sink: Sink, state: ChannelState) -> Iterator[CheckResult]:
    """Yield what a way lacks and what went wrong in it lately, else that it is ready."""
    is_ready = True
    # Whether there is a terminal says nothing of the terminal in which a dispatcher runs.
    if sink.type != "terminal" and (lack := sink.missing()):
        is_ready = False
        yield CheckResult(WARN, CHECK, f"{sink.name}: {lack[0]}", lack[1])
    if state.is_failing:
        is_ready = False
        age = duration(time.time() - state.failed_at_s)
        yield CheckResult(
            WARN, CHECK, f"{sink.name} failed {age} ago: {state.error}", f"hallway notify test {sink.name}"
        )
    if unknown := state.by_state.get(UNKNOWN):
        is_ready = False
        detail = f"{sink.name}: {how_many(unknown, 'item')} may not have been sent: a program was ended while it sent"
        yield CheckResult(WARN, CHECK, detail, "see the list: hallway attention")
    if is_ready:
        sent = state.by_state.get(SENT, 0)
        yield CheckResult(OK, CHECK, f"{sink.name}: {sink.describe()}; {sent} sent within a day")


def _states(address: str | None, since_s: float) -> dict[str, ChannelState]:
    """Return what went on in this person's channels; empty if the bus cannot be read, which its own checks report.

    A file or a database is read directly, because opening it as a bus might change it.
    """
    kind = bus_kind(address)
    if kind == "hub":
        return _of_hub(str(address), since_s)
    person, since = f"{PERSON}{current_user() or 'owner'}", round(since_s * SECOND)
    rows = _of_database(str(address), person, since) if kind == "database" else _of_file(address, person, since)
    found: dict[str, ChannelState] = {}
    for channel, state, count, at, error in rows:
        found.setdefault(channel, ChannelState()).add(state, count, at / SECOND, error)
    return found


def _of_hub(address: str, since_s: float) -> dict[str, ChannelState]:
    found: dict[str, ChannelState] = {}
    try:
        with connect(address) as bus:
            bus.timeout_s = HUB_WAIT_S
            channels = bus.notifications.list_channels()
    except HallwayError:
        return {}
    for each in channels:
        state = found.setdefault(each.channel, ChannelState())
        sent_at_s = each.last_sent_at.timestamp() if each.last_sent_at else 0.0
        failed_at_s = each.last_error_at.timestamp() if each.last_error_at else 0.0
        state.add(SENT, each.by_state.get(SENT, 0), sent_at_s, None)
        if failed_at_s >= since_s:
            state.add(FAILED, each.by_state.get(FAILED, 0), failed_at_s, each.last_error)
            state.add(UNKNOWN, each.by_state.get(UNKNOWN, 0), failed_at_s, None)
    return found


def _of_file(address: str | None, person: str, since: int) -> list[tuple[str, str, int, int, str | None]]:
    path = bus_file(address)
    if not os.path.isfile(path):
        return []
    try:
        # A read-only connection would leave its journal files behind.
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            query = STATES.replace("$1", "?1").replace("$2", "?2")
            return connection.execute(query, (person, since)).fetchall()  # type: ignore[return-value]
        finally:
            connection.close()
    except apsw.Error:
        return []


def _of_database(url: str, person: str, since: int) -> list[tuple[str, str, int, int, str | None]]:
    try:
        import psycopg

        from hallway.store.postgres.connection import connect as connect_to
    except ModuleNotFoundError:
        return []
    query = STATES.replace("$1", "%(person)s").replace("$2", "%(since)s")
    try:
        with connect_to(url) as connection:
            return connection.execute(query, {"person": person, "since": since}).fetchall()
    except (HallwayError, psycopg.Error):
        return []
