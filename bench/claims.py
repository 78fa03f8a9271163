"""What claims cost: a grant with its release, and a refusal, beside 10,000 and 100,000 claims of one project."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import hallway
from bench.tools import Result, folder, interleaved
from hallway.core.clock import SECOND
from hallway.core.errors import ClaimRefused
from hallway.core.globs import glob_of

PROJECT = "github.com/acme/shop"
FEW, MANY = 10_000, 100_000


def all_results() -> Iterator[Result]:
    with folder() as few_home, folder() as many_home:
        few, many = _with_claims(few_home, FEW), _with_claims(many_home, MANY)
        number = itertools.count()

        def grants(bus: Any) -> None:
            claim = bus.claims.claim("bob", [f"new/{next(number)}/**", "src/*.md"])
            bus.claims.release("bob", claim.claim_id)

        def is_refused(bus: Any) -> None:
            try:
                bus.claims.claim("bob", [f"src/part-{next(number) % FEW}/*.py"])
            except ClaimRefused:
                return
            raise AssertionError("the claim was granted")

        seconds = interleaved(
            {
                "grant few": lambda: grants(few),
                "grant many": lambda: grants(many),
                "refuse few": lambda: is_refused(few),
                "refuse many": lambda: is_refused(many),
            },
            rounds=60,
            calls=3,
        )
        for what, name in (("a grant with its release", "grant"), ("a refusal", "refuse")):
            ms = seconds[f"{name} few"] * 1e3
            yield Result(f"{what} beside {FEW:,} claims, in ms", ms, 2.0, at_least=False)
            yield Result(
                f"{what} beside {MANY:,} claims against {FEW:,}",
                seconds[f"{name} many"] / seconds[f"{name} few"],
                1.5,
                at_least=False,
                note=f"{seconds[f'{name} many'] * 1e3:.2f} against {ms:.2f} ms",
            )
        few.close()
        many.close()


def _with_claims(home: str, count: int) -> Any:
    """Open a bus on which other sessions hold so many globs of one project."""
    bus = hallway.connect(home)
    for name in ("bob", *(f"s{each}" for each in range(count // 1000))):
        bus.sessions.register(name, name, "codex", project=PROJECT, ttl_s=24 * 3600)
    with bus.transaction():  # type: ignore[attr-defined]
        store = bus.store
        for each in range(count):
            glob = f"src/part-{each}/**/*.py"
            claim = {"claim_id": f"claim-{each}", "project": PROJECT, "session_id": f"s{each // 1000}"}
            times = {"now": store.now, "granted_at": store.now, "expires_at": store.now + 24 * 3600 * SECOND}
            more = {"paths": f'["{glob}"]', "mode": "exclusive", "intent": "", "task_id": None, "state": "granted"}
            numbers = {"number": each, "fence": each, "ttl_s": 24 * 3600, "ignores_case": False}
            store.rows("claims.insert", **claim, **times, **more, **numbers)
            store.rows(
                "claims.insert_path",
                project=PROJECT,
                prefix=glob_of(glob).prefix,
                claim_id=f"claim-{each}",
                glob=glob,
            )
    return bus
