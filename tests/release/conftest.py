"""The distributions that are installed here, and every package that installing them needs, made once for a run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from release.distributions import Distributions


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent  # which the workers of a run share
    made = Distributions(Path(top) / "distributions")
    with (top / "distributions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.folder.exists():
            made.build()
    return made
