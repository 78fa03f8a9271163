"""The nouns, one service each. A service decides; it never renders, and it keeps its rows through the store."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import ClassVar, Self

    from hallway.bus import Bus
    from hallway.operation import Operation
    from hallway.store import Store


class Service:
    """One noun of a bus. Opened with a bus, with another service of it, or with a folder or URL of its own.

    A service works the same on a local bus and through a hub: its operations go through `bus.execute`.
    """

    noun: ClassVar[str] = ""
    operations: ClassVar[dict[str, Operation]] = {}

    def __init__(self, bus: Bus | Service | str | PathLike[str] | None = None) -> None:
        self.bus: Bus = self._bus_of(bus)

    @staticmethod
    def _bus_of(bus: Bus | Service | str | PathLike[str] | None) -> Bus:
        if isinstance(bus, Service):
            return bus.bus
        if bus is None or isinstance(bus, str) or hasattr(bus, "__fspath__"):
            from hallway.bus import connect

            return connect(bus)
        return bus

    def __init_subclass__(cls, noun: str) -> None:
        cls.noun = noun
        cls.operations = {name: member.operation for name, member in vars(cls).items() if hasattr(member, "operation")}
        for declared in cls.operations.values():
            declared.join(noun)

    @property
    def _store(self) -> Store:
        store: Store = self.bus.store
        return store  # only a local bus has one, and only there do a service's own methods run

    def session_gone(self, session_id: str, project: str) -> None:
        """A session has ended or expired: let go of what it held, in the same transaction."""

    def prune_old(self, before: int, limit: int) -> int:
        """Remove at most `limit` of what is older than an instant and done with; returns how many."""
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bus.close()


MAX_NEAR = 3
MAX_CANDIDATES = 200  # looked at, and
MAX_COMPARED = 6  # compared letter by letter, which costs a hundred times as much
MAX_COMPARED_LENGTH = 64


def near_matches(wanted: str, known: list[str]) -> list[str]:
    """The known names that look most like the wanted one; bounded work, however many and however long they are.

    A refusal must not cost much more than a success, or refusals alone stop a hub.
    """
    from difflib import get_close_matches
    from heapq import nlargest

    pairs = _pairs_of(wanted)
    likest = nlargest(MAX_COMPARED, known[:MAX_CANDIDATES], key=lambda name: len(pairs & _pairs_of(name)))
    whole = {name[:MAX_COMPARED_LENGTH]: name for name in reversed(likest)}
    return [whole[name] for name in get_close_matches(wanted[:MAX_COMPARED_LENGTH], list(whole), MAX_NEAR)]


def _pairs_of(name: str) -> set[str]:
    """The pairs of letters that stand beside each other, and the letters, which a swap leaves as they are."""
    name = name[:MAX_COMPARED_LENGTH]
    return {name[at : at + 2] for at in range(len(name))} | set(name)
