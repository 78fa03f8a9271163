"""What pages tell of the past is what the record says, and unknown where it says nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from hallway.text import style
from hallway.web import activity as module
from hallway.web.activity import ActivityLog
from hallway.web.pages import events
from hallway.web.timeline import Timeline
from support import run_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.local import LocalBus
    from hallway.core.clock import FakeClock
    from hallway.core.operation import Operation

WEB = Path(hallway.__file__).parent / "web"


class Asking:
    """Pages' way to the bus, on a bus of this process."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus

    async def __call__(self, operation: Operation, **named: Any) -> Any:
        service = self._bus.services[operation.noun]
        return self._bus.execute(operation, service, operation.arguments((), named))


@pytest.fixture
def bus(open_bus: Callable[[], LocalBus]) -> LocalBus:
    """No hub's: one whose clock is told."""
    return open_bus()


@pytest.fixture
def activity(bus: LocalBus) -> ActivityLog:
    return ActivityLog(Asking(bus))  # type: ignore[arg-type]


def read_on(activity: ActivityLog) -> None:
    run_apart(activity.read_on())


def life(activity: ActivityLog, bus: LocalBus, session_id: str, begin_s: float, end_s: float) -> list[tuple[Any, ...]]:
    read_on(activity)
    spans = activity.life(bus.sessions.get(session_id), begin_s, end_s)
    return [(round(span.begin_s - begin_s), round(span.end_s - begin_s), span.status) for span in spans]


def test_a_life_is_a_bar_for_each_status(activity: ActivityLog, bus: LocalBus, clock: FakeClock) -> None:
    began_s = clock.now() / 1e6
    clock.advance(10)
    bus.sessions.register("s1", "x", "codex", ttl_s=3600)
    clock.advance(20)
    bus.sessions.heartbeat("s1", status="working")
    read_on(activity)  # what comes in pieces is the same as what comes at once
    clock.advance(5)
    bus.sessions.heartbeat("s1", current_task="something else")  # is no change of status, and no bar
    clock.advance(15)
    bus.sessions.heartbeat("s1", status="waiting")
    clock.advance(10)
    bus.sessions.end("s1")
    clock.advance(40)
    assert life(activity, bus, "s1", began_s, began_s + 100) == [
        (10, 30, "active"),
        (30, 50, "working"),
        (50, 60, "waiting"),
        (60, 100, "offline"),
    ]
    assert life(activity, bus, "s1", began_s + 40, began_s + 55) == [(0, 10, "working"), (10, 15, "waiting")]


def test_an_expiry_and_a_revival_are_in_a_life(activity: ActivityLog, bus: LocalBus, clock: FakeClock) -> None:
    began_s = clock.now() / 1e6
    bus.sessions.register("s1", "x", "codex", ttl_s=10)
    clock.advance(10)
    bus.sweep()
    clock.advance(20)
    bus.sessions.heartbeat("s1", status="working")
    clock.advance(5)
    assert life(activity, bus, "s1", began_s, began_s + 35) == [
        (0, 10, "active"),
        (10, 30, "offline"),
        (30, 35, "working"),
    ]


def test_what_lies_before_the_record_is_unknown(
    activity: ActivityLog, bus: LocalBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_s = clock.now() / 1e6
    for name in ("changes", "stays", "ended"):
        bus.sessions.register(name, "x", "codex", ttl_s=3600)
    clock.advance(10)
    bus.sessions.end("ended")
    clock.advance(10)
    bus.sessions.heartbeat("new", ttl_s=3600)
    clock.advance(10)
    bus.sessions.heartbeat("changes", status="working")
    clock.advance(10)
    monkeypatch.setattr(module, "LOOK_BACK", 2)  # as on a bus with a long record
    assert life(activity, bus, "changes", began_s, began_s + 40) == [(0, 30, "unknown"), (30, 40, "working")]
    assert life(activity, bus, "stays", began_s, began_s + 40) == [(0, 20, "unknown"), (20, 40, "active")]
    assert life(activity, bus, "ended", began_s, began_s + 40)[-1] == (10, 40, "offline")
    assert all(status != "active" for *_, status in life(activity, bus, "ended", began_s, began_s + 40))


def test_sessions_are_counted_by_status_over_time_those_that_have_gone_too(
    activity: ActivityLog, bus: LocalBus, clock: FakeClock
) -> None:
    began_s = clock.now() / 1e6
    bus.sessions.register("a", "x", "codex", ttl_s=3600)
    bus.sessions.register("b", "x", "codex", ttl_s=3600, project="github.com/acme/infra")
    clock.advance(15)
    bus.sessions.heartbeat("a", status="working")
    clock.advance(10)
    bus.sessions.end("b")
    clock.advance(15)
    read_on(activity)
    instants = [began_s + 10, began_s + 20, began_s + 30, began_s + 40]
    live = bus.sessions.list_sessions()
    assert activity.by_status(live, None, instants) == {"active": [2, 1, 0, 0], "working": [0, 1, 1, 1]}
    assert activity.by_status(live, "github.com/acme/infra", instants) == {"active": [1, 1, 0, 0]}


def test_messages_are_marks_and_their_acknowledgements_waits(
    activity: ActivityLog, bus: LocalBus, clock: FakeClock
) -> None:
    bus.sessions.register("a", "x", "codex", ttl_s=3600)
    bus.sessions.register("b", "x", "codex", ttl_s=3600)
    began_s = clock.now() / 1e6
    sent = [bus.messages.send("a", "b", subject=f"m{number}").message_id for number in range(3)]
    bus.messages.send("b", "user:alice", subject="and you?")
    clock.advance(30)
    bus.messages.acknowledge("b", sent[:2])
    clock.advance(60)
    bus.messages.acknowledge("b", sent[2:])
    read_on(activity)
    assert [(mark.from_session, mark.to_session) for mark in activity.marks] == [("a", "b")] * 3 + [("b", "user:alice")]
    assert [round(wait.seconds) for wait in activity.waits] == [30, 30, 90]
    instants = [began_s + 60, began_s + 120]
    assert events._medians([(each.at_s, each.seconds) for each in activity.waits], instants, 60) == [30, 90]
    assert events._per_minute([each.at_s for each in activity.marks], instants, 60) == [4, 0]
    picture = Timeline(activity, bus.sessions.list_sessions(), began_s - 10, began_s + 90).to_dict()
    assert [(mark["x"], mark["top"], mark["bottom"]) for mark in picture["marks"]] == [(100, 0, 0)] + [(100, 0, 1)] * 3


def test_what_it_keeps_is_bounded(activity: ActivityLog, bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LIVES", 3)
    monkeypatch.setattr(module, "MAX_CHANGES", 4)
    for number in range(6):
        bus.sessions.register(f"s{number}", "x", "codex")
    for number in range(20):
        bus.sessions.heartbeat("s5", status=("working", "idle")[number % 2])
    bus.sessions.end("s4")
    read_on(activity)
    assert {name: len(found.changes) for name, found in activity._lives.items()} == {"s3": 1, "s5": 4, "s4": 2}
    assert activity.gone_since(0) == ["s4"]


def test_every_colour_and_every_status_has_its_style() -> None:
    sheet = (WEB / "static" / "hallway.css").read_text()
    colours = {
        look.colour
        for looks in (style.STYLES, style.MESSAGE_LOOKS, style.DELIVERY_LOOKS, style.TASK_LOOKS)
        for look in looks.values()
    }
    colours |= {style.UNKNOWN.colour, *filter(None, style.PRIORITY_COLOURS.values())}
    assert {colour for colour in colours if f".c-{colour} {{ color: var(--{colour}); }}" not in sheet} == set()
    live = style.STYLES.keys() - {"offline"}
    assert {status for status in (*live, "unknown") if f".bar.s-{status} {{" not in sheet} == set()
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    in_every_theme = {"--mono", "--sans", "--small", "--large", "--title"}
    for theme in sheet.split("color-scheme: dark;")[0].split("color-scheme: light;"):
        declared = set(re.findall(r"(--[\w-]+):", theme))
        assert {name for name in used if name not in declared} - in_every_theme == set()
