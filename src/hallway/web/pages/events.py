"""The page of the event record, and the page of statistics."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from hallway.services.events import EventLog
from hallway.services.stats import Statistics
from hallway.web.activity import WINDOW_S
from hallway.web.pages.sessions import everybody

if TYPE_CHECKING:
    from hallway.core.model import Event
    from hallway.web.site import Site

READ = EventLog.operations["read"]
STATS = Statistics.operations["read"]

ROWS = 100
AT_ONCE = 1000
MAX_LOOKS = 10  # a filter searches at most this many times AT_ONCE events
STEPS = 120  # points of a plot
KINDS = ("session", "message", "task", "memory")


async def events(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the events page, newest event first."""
    wanted = {name: query.get(name, "") for name in ("project", "kind")}
    text = query.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 18 else site.activity.seq + 1
    page, looked_to = await _backwards(site, before, wanted)
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()) or bool(text),
        "choices": {
            "project": site.projects(wanted["project"]),
            "kind": sorted({*KINDS, *(each.kind for each in site.activity.events), *filter(None, [wanted["kind"]])}),
        },
        "events": page,
        "names": await site.names_of(page),
        "older": looked_to if looked_to > 1 else None,
    }


async def _backwards(site: Site, before: int, wanted: dict[str, str]) -> tuple[list[Event], int]:
    """Return the newest matching events before a seq, newest first, and the lowest seq that was searched."""
    events: list[Event] = []
    upper = before
    for _ in range(MAX_LOOKS):
        lower = max(upper - AT_ONCE, 1)
        page = await site.ask(
            READ,
            after=lower - 1,
            limit=AT_ONCE,
            project=wanted["project"] or None,
            kinds=[wanted["kind"]] if wanted["kind"] else None,
        )
        events += reversed([each for each in page if each.seq < upper])
        upper = lower
        if len(events) >= ROWS or upper <= 1:
            break
    if len(events) > ROWS:
        return events[:ROWS], events[ROWS - 1].seq
    return events, upper


async def stats(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the statistics page: current counts, and their course in the last hours."""
    project = query.get("project") or None
    now_s = time.time()
    step_s = WINDOW_S / STEPS
    instants = [now_s - WINDOW_S + step_s * (number + 1) for number in range(STEPS)]
    activity = site.activity
    return {
        "filters": {"project": project or ""},
        "choices": {"project": site.projects(project)},
        "stats": await site.ask(STATS, project=project),
        "plots": {
            "at_s": [round(each) for each in instants],
            "by_status": activity.by_status(await everybody(site), project, instants),
            "messages": _per_minute(
                [each.at_s for each in activity.marks if project in (None, each.project)], instants, step_s
            ),
            "wait_s": _medians(
                [(each.at_s, each.seconds) for each in activity.waits if project in (None, each.project)],
                instants,
                step_s,
            ),
        },
    }


def _slot(at_s: float, instants: list[float], step_s: float) -> int:
    """Return the index of the step that contains a time; negative if it is before the first step."""
    return min(int((at_s - instants[0] + step_s) // step_s), len(instants) - 1)


def _per_minute(times: list[float], instants: list[float], step_s: float) -> list[float]:
    counts = [0] * len(instants)
    for at_s in times:
        slot = _slot(at_s, instants, step_s)
        if slot >= 0:
            counts[slot] += 1
    return [round(count * 60 / step_s, 2) for count in counts]


def _medians(waits: list[tuple[float, float]], instants: list[float], step_s: float) -> list[float | None]:
    """Return, for each step, the median delay of the messages acknowledged in it; None if there were none."""
    columns: list[list[float]] = [[] for _ in instants]
    for at_s, seconds in waits:
        slot = _slot(at_s, instants, step_s)
        if slot >= 0:
            columns[slot].append(seconds)
    return [round(median(each), 3) if each else None for each in columns]
