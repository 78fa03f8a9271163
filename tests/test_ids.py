"""Ids sort in the order in which they were made, also those of one millisecond."""

from __future__ import annotations

import time
import uuid

from hallway.core.clock import new_id

TICK_NS = 1_000  # the coarsest clock of a platform that hallway runs on


def ids_of_different_times(count: int) -> list[str]:
    """Return ids, each made when the clock had moved since the one before."""
    made = []
    for _ in range(count):
        began = time.time_ns()
        while time.time_ns() < began + TICK_NS:
            pass
        made.append(new_id())
    return made


def test_ids_of_one_millisecond_sort_in_the_order_in_which_they_were_made() -> None:
    made = ids_of_different_times(2_000)
    milliseconds = {each[:13] for each in made}
    assert len(milliseconds) < 1_000  # several ids in most of them
    assert made == sorted(made)


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_it_and_62_random_bits() -> None:
    before, made, after = time.time_ns(), uuid.UUID(new_id()), time.time_ns()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    fraction = made.int >> 64 & 0xFFF
    assert before - 1000 <= (made.int >> 80) * 1_000_000 + fraction * 1_000_000 / 4096 <= after
    varying = 0
    for _ in range(500):
        varying |= made.int ^ uuid.UUID(new_id()).int
    assert varying & (1 << 62) - 1 == (1 << 62) - 1
