"""What claims cost: a grant, a refusal and a check of a commit, beside 10,000 and 100,000 claims of one project."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import hallway
from bench.tools import Result, folder, interleaved
from hallway.core.clock import SECOND
from hallway.core.errors import ClaimRefused
from hallway.services.claims import _index_of

PROJECT = "github.com/acme/shop"
FEW, MANY = 10_000, 100_000
FILES = 100  # of a commit
# Each beside claims of src/part-N/**/*.py and src/part-N/notes.md. The wide ones have a beginning in common with all.
GRANTED = {
    "a file": "src/new-{}/a.py",
    "a folder": "new-{}/**",
    "a wide glob": "src/*-{}.md",
    "a glob of any folder": "**/*-{}.toml",
}
REFUSED = {"a file": "src/part-{}/api/a.py", "a glob": "src/part-{}/*.py"}


def all_results() -> Iterator[Result]:
    with folder() as few_home, folder() as many_home:
        buses = {"few": _with_claims(few_home, FEW), "many": _with_claims(many_home, MANY)}
        number = itertools.count()
        calls: dict[str, Callable[[], object]] = {"commit": partial(_commits, buses["few"])}
        guard: dict[str, Callable[[], object]] = {}
        for size, bus in buses.items():
            calls |= {f"grant {what} {size}": partial(_grants, bus, glob, number) for what, glob in GRANTED.items()}
            calls |= {
                f"refusal of {what} {size}": partial(_is_refused, bus, glob, number) for what, glob in REFUSED.items()
            }
            guard[f"guard {size}"] = partial(_find_holders, bus)
        seconds = interleaved(calls, rounds=40, clock=time.process_time) | interleaved(guard, rounds=3)
        commit_ms = seconds["commit"] * 1e3
        for what in (*(f"grant {each}" for each in GRANTED), *(f"refusal of {each}" for each in REFUSED)):
            few_s, many_s = seconds[f"{what} few"], seconds[f"{what} many"]
            title = f"{what} and its release" if what.startswith("grant") else what
            note = f"processor time; a bare event and its commit take {commit_ms:.2f} ms"
            yield Result(f"{title}, beside {FEW:,} claims", few_s * 1e3, 2.0, at_least=False, unit="ms", note=note)
            yield Result(f"the same beside {MANY:,} claims", many_s / few_s, 1.5, at_least=False)
        yield Result(
            f"{FILES} files of a commit checked against {FEW:,} claims",
            seconds["guard few"],
            5.0,
            at_least=False,
            unit="s",
            note=f"{seconds['guard many']:.1f} s against {MANY:,}",
        )
        for bus in buses.values():
            bus.close()


def _commits(bus: Any) -> None:
    """Write one row and its event durably, which is the least that a claim has to do."""
    with bus.transaction():
        bus.events.append("bench.commit", PROJECT, "bob")


def _grants(bus: Any, glob: str, number: Iterator[int]) -> None:
    claim = bus.claims.claim("bob", [glob.format(next(number))])
    bus.claims.release("bob", claim.claim_id)


def _is_refused(bus: Any, glob: str, number: Iterator[int]) -> None:
    try:
        bus.claims.claim("bob", [glob.format(next(number) % (FEW // 2))])
    except ClaimRefused:
        return
    raise AssertionError("the claim was granted")


def _find_holders(bus: Any) -> None:
    files = [f"src/other/{each}.py" for each in range(FILES)]
    assert bus.claims.find_holders(files, {"bob"}, project=PROJECT) == {}


def _with_claims(home: str, count: int) -> Any:
    """Open a bus on which other sessions hold so many globs of one project."""
    bus = hallway.connect(home)
    for name in ("bob", *(f"s{each}" for each in range(count // 1000))):
        bus.sessions.register(name, name, "codex", project=PROJECT, ttl_s=24 * 3600)
    with bus.transaction():  # type: ignore[attr-defined]
        store = bus.store
        for each in range(count):
            glob = f"src/part-{each // 2}/{'notes.md' if each % 2 else '**/*.py'}"
            claim = {"claim_id": f"claim-{each}", "project": PROJECT, "session_id": f"s{each // 1000}"}
            times = {"now": store.now, "granted_at": store.now, "expires_at": store.now + 24 * 3600 * SECOND}
            more = {"paths": f'["{glob}"]', "mode": "exclusive", "intent": "", "task_id": None, "state": "granted"}
            numbers = {"number": each, "fence": each, "ttl_s": 24 * 3600, "ignores_case": False, "notify": False}
            store.rows("claims.insert", **claim, **times, **more, **numbers)
            store.rows("claims.insert_path", project=PROJECT, claim_id=f"claim-{each}", glob=glob, **_index_of(glob))
    return bus
