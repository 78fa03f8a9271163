"""Holds Ctrl-C back while a process is started or ended: it would otherwise be left running."""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Let Ctrl-C take effect after the block instead of in it; only the main thread may use this."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if held:
            signal.raise_signal(signal.SIGINT)
