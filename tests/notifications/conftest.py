"""A bus that the notifications of a person are about, and a dispatcher in a thread of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli.person import Person
from hallway.bus.local import LocalBus
from hallway.notifications.dispatcher import Dispatcher
from hallway.notifications.rules import NotificationRule, Rules, SinkOptions
from notifications.receiver import Receiver
from support import PATIENCE_S, open_store


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "bus.db")


@pytest.fixture
def shop(place: str) -> Iterator[LocalBus]:
    """A bus with a session that may ask."""
    with open_store(place) as bus:
        bus.sessions.register("bob", "bob's agent", "claude-code", name="login-form", ttl_s=86_400)
        yield bus


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def dispatch(place: str) -> Iterator[Callable[..., list[Any]]]:
    """Starts a dispatcher with some rules and sinks; gives the list of what it reports."""
    started: list[tuple[Dispatcher, Thread]] = []

    def dispatch(rules: list[NotificationRule], *sinks: SinkOptions, **more: Any) -> list[Any]:
        reports: list[Any] = []
        dispatcher = Dispatcher(
            lambda: open_store(place),
            lambda *report: reports.append(report),
            rules=Rules(rules, {each.name: each for each in sinks}),
            **more,
        )
        thread = Thread(target=dispatcher.run, daemon=True)
        thread.start()
        started.append((dispatcher, thread))
        return reports

    yield dispatch
    for dispatcher, _ in started:
        dispatcher.stop()
    for _, thread in started:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """A person with a home of her own, whose `notify-send` writes down what it was given."""
    person = Person(tmp_path / "home" / "hallway")
    programs = tmp_path / "programs"
    programs.mkdir()
    shown = tmp_path / "shown"
    script = programs / "notify-send"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" END >> {shown}\n')
    script.chmod(0o755)
    person.environ["PATH"] = f"{programs}:{person.environ['PATH']}"
    person.environ["XDG_RUNTIME_DIR"] = str(tmp_path)  # as in a desktop session
    return person


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[], list[list[str]]]:
    """The arguments of each call of `notify-send`."""

    def shown() -> list[list[str]]:
        path = tmp_path / "shown"
        text = path.read_text() if path.exists() else ""
        return [each.strip("\n").split("\n") for each in text.split("END\n") if each]

    return shown
