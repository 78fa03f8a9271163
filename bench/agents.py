"""What hallway costs a whole run of a real client: the same script with hallway installed and without.

The clients are those of `make agents`; where they are not installed, this says how to get them and measures nothing.
Each run has a home of its own, a scripted model on loopback, and no network besides.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.tools import HERE, Result

TESTS = HERE.parent / "tests"
CLIENTS = ("claude-code", "codex")
ROUNDS = 7
TOOLS = 20  # commands that the agent runs: a short piece of work
BAR = 1.10


def all_results() -> Iterator[Result]:
    sys.path[:0] = [str(TESTS)]
    from agents.npm import is_installed
    from agents.programs import ALL

    missing = [name for name in CLIENTS if not is_installed(name, ALL[name].package)]
    if missing:
        print(f"not measured, for they are not installed: {', '.join(missing)}. To install them: make agents")
        return
    for name in CLIENTS:
        seconds = {case: statistics.median(taken) for case, taken in measured(name).items()}
        plain, with_hallway = seconds["plain"], seconds["hallway"]
        yield Result(
            f"a scripted run of {name} with hallway installed, wall time against one without",
            with_hallway / plain,
            BAR,
            at_least=False,
            note=f"{with_hallway:.2f} against {plain:.2f} s; processor time {seconds['hallway cpu']:.2f} against"
            f" {seconds['plain cpu']:.2f} s; {TOOLS} commands, a model that answers at once",
        )


def measured(name: str) -> dict[str, list[float]]:
    """The seconds of each run and its processor time, measured in turns, in a process that reaches nobody."""
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.call([*alone, "true"], stderr=subprocess.DEVNULL):
        alone = []
    done = subprocess.run(
        [*alone, sys.executable, "-m", "bench.agents", name, "alone" if alone else ""],
        cwd=HERE.parent,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def measure(name: str) -> dict[str, list[float]]:
    from agents.machine import Machine
    from agents.model import Reply
    from agents.programs import ALL

    program = ALL[name]
    taken: dict[str, list[float]] = {"plain": [], "hallway": [], "plain cpu": [], "hallway cpu": []}
    with tempfile.TemporaryDirectory(prefix="hallway-bench-") as folder:
        machines = {case: Machine(Path(folder) / case) for case in ("plain", "hallway")}
        models = {case: machine.model() for case, machine in machines.items()}
        for case, machine in machines.items():
            machine.prepare(program, models[case], with_hallway=case == "hallway")
        for number in range(ROUNDS + 1):
            for case, machine in machines.items():
                models[case].script = [*(Reply(None, program.runs("echo one")) for _ in range(TOOLS)), Reply("Done.")]
                began, used = time.perf_counter(), _processor_s()
                machine.run(program, models[case], "look around")
                if number:  # the first run makes caches
                    taken[case].append(time.perf_counter() - began)
                    taken[f"{case} cpu"].append(_processor_s() - used)
        for machine in machines.values():
            machine.close()
    return taken


def _processor_s() -> float:
    """What all processes that have ended have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS / "agents")]
    if sys.argv[2]:
        from agents.__main__ import raise_loopback

        raise_loopback()
    print(json.dumps(measure(sys.argv[1])))
