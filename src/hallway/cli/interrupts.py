"""Holds Ctrl-C back for moments at which it would leave a process running that nobody knows of."""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a Ctrl-C after the block, instead of in it; only for the main thread."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if held:
            signal.raise_signal(signal.SIGINT)
