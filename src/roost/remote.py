"""The same services over HTTP: a bus that is a hub somewhere else."""

from __future__ import annotations

from roost.bus import Bus


class RemoteBus(Bus):
    """A bus that a hub serves."""

    def __init__(self, url: str, here: object) -> None:
        raise NotImplementedError
