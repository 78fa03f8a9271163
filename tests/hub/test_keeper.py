"""The hub prunes by itself, as it was told to keep things."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import hallway
from cli.person import Person
from hub.client import Client
from support import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.process import HubProcess

OFTEN = {"hallway.hub.workers.pruner.FIRST_AFTER_S": 0.0, "hallway.hub.workers.pruner.EVERY_S": 0.01}
IN_STEPS = {"hallway.services.retention.AT_ONCE": 2, "hallway.hub.workers.pruner.BETWEEN_STEPS_S": 0.0}


def send(bus: hallway.Bus, count: int, *, are_read: bool) -> None:
    ids = [bus.messages.send("alice", "bob", subject=f"{are_read} {number}").message_id for number in range(count)]
    if are_read:
        bus.messages.acknowledge("bob", ids)


def meet(bus: hallway.Bus) -> None:
    for name in ("alice", "bob"):
        bus.sessions.register(name, f"{name}'s agent", "codex")


@pytest.mark.promise("M7")
@pytest.mark.parametrize(("options", "environ"), [(["--keep", "0s"], {}), ([], {"HALLWAY_KEEP": "0"})])
def test_what_is_old_goes_in_steps_and_what_a_live_session_has_to_read_stays(
    start_hub: Callable[..., HubProcess], options: list[str], environ: dict[str, str]
) -> None:
    hub = start_hub(*options, constants={**OFTEN, **IN_STEPS}, **environ)
    with hallway.connect(hub.url) as bus:
        meet(bus)
        send(bus, 3, are_read=False)
        send(bus, 9, are_read=True)
        until(lambda: bus.messages.get_stats().total == 3)
        until(lambda: bus.stats().events.total < 5)
        assert len(bus.messages.inbox("bob")) == 3


@pytest.mark.promise("M7")
def test_messages_beyond_a_size_go_the_oldest_first(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub("--keep", "forever", "--keep-bytes", "20", constants=OFTEN)
    with hallway.connect(hub.url) as bus:
        meet(bus)
        send(bus, 9, are_read=True)
        until(lambda: bus.messages.get_stats().size_bytes <= 20)
        assert [message.subject for message in bus.messages.get_messages("bob")][-1] == "True 8"


@pytest.mark.promise("M7")
@pytest.mark.parametrize("options", [[], ["--keep", "forever"]])
def test_what_is_young_stays(start_hub: Callable[..., HubProcess], options: list[str]) -> None:
    hub = start_hub(*options, constants=OFTEN)
    with hallway.connect(hub.url) as bus, Client(hub.port) as client:
        meet(bus)
        send(bus, 3, are_read=True)

        def jobs() -> int:
            text = client.get("/metrics").body.decode()
            return int(float(re.findall(r'^hallway_jobs_total\{worker="writer"\} (\S+)$', text, re.MULTILINE)[0]))

        before = jobs()
        until(lambda: jobs() > before + 3)
        assert bus.messages.get_stats().total == 3


@pytest.mark.parametrize(
    "options", [("--keep", "soon"), ("--keep=-1d",), ("--keep", "30days"), ("--keep-bytes", "1 GB")]
)
def test_what_cannot_be_kept_is_said_before_anything_is_served(tmp_path: Path, options: tuple[str, ...]) -> None:
    done: Any = Person(tmp_path / "home").types("serve", "--port", "0", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("hallway: keep")


@pytest.mark.parametrize("name", ["HALLWAY_WAKE_BUDGET", "HALLWAY_MESSAGE_BURST"])
def test_a_setting_that_no_service_takes_is_said_before_anything_is_served(tmp_path: Path, name: str) -> None:
    done: Any = Person(tmp_path / "home").types("serve", "--port", "0", **{name: "many"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"hallway: {name} is 'many'")
