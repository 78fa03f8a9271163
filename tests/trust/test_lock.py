"""requirements.lock is complete and current: every package hallway needs, at a version that fits, with its hash."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[2] / "requirements.lock"
EXTRAS = ("notify", "postgres", "top")


def locked() -> dict[str, str]:
    found = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})", line)
            assert match, line
            found[canonicalize_name(match[1])] = match[2]
    return found


def needed() -> list[Requirement]:
    """Everything that hallway needs, directly or not, as what is installed here says."""
    waiting, seen, found = [("hallway", EXTRAS)], set(), []
    while waiting:
        name, extras = waiting.pop()
        if (name, tuple(extras)) in seen:
            continue
        seen.add((name, tuple(extras)))
        try:
            said = requires(name) or []
        except PackageNotFoundError:
            continue  # an extra that is not installed here; its own line is checked all the same
        for text in said:
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                found.append(each)
                waiting.append((canonicalize_name(each.name), tuple(sorted(each.extras))))
    return found


@pytest.mark.skipif(sys.version_info[:2] != (3, 11) or sys.platform != "linux", reason="the lock is for another Python")
def test_the_lock_is_complete_and_current() -> None:
    pinned, wanted = locked(), needed()
    assert {canonicalize_name(each.name) for each in wanted} == set(pinned), "run: make lock"
    for each in wanted:
        assert each.specifier.contains(pinned[canonicalize_name(each.name)], prereleases=True), f"{each}: make lock"
