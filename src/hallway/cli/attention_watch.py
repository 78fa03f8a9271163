"""`hallway attention --watch`: show the list of what needs a person again whenever it changes, until Ctrl-C."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hallway.cli.render import renderer_of
from hallway.cli.terminal import out
from hallway.core.backoff import Backoff
from hallway.core.errors import HallwayError
from hallway.services.attention import AttentionList

if TYPE_CHECKING:
    from hallway.bus.base import Bus
    from hallway.core.model import Attention

READ = AttentionList.operations["read"]
AGES_S = 10  # how often a terminal shows the list again, so that the ages on it are right
WAIT_S = 50
CLEAR = "\x1b[H\x1b[2J"
MAX_PAUSE_S = 5.0  # between attempts to reach a bus that is away


def watch_attention(bus: Bus, attention: Attention, arguments: dict[str, Any], *, is_json: bool) -> None:
    """Show the list after every change of it; on a terminal, in place of the one before."""
    render = renderer_of(READ, is_json=is_json)
    backoff = Backoff(most_s=MAX_PAUSE_S)
    while True:
        has_screen = out().width is not None and not is_json
        wait = {"wait_s": AGES_S if has_screen else WAIT_S, "version": attention.version}
        try:
            latest: Attention = bus.execute(READ, bus.attention, {**arguments, **wait})
        except HallwayError as error:
            if not error.is_passing or bus.is_closed:
                raise
            time.sleep(backoff.next_s())
            continue
        backoff = Backoff(most_s=MAX_PAUSE_S)
        if has_screen or latest.version != attention.version:
            screen = out()
            screen.stream.write(CLEAR if has_screen else "")
            screen.write(*render(screen, latest, arguments))
        attention = latest
