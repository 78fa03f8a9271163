"""The wheel and the source archive, as `make dist` builds them, and a folder of all that installing them needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600


class Distributions:
    """`folder` has them; `packages` what pip, as it is configured here, found for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = folder / "packages"

    @property
    def wheel(self) -> Path:
        (found,) = self.folder.glob("*.whl")
        return found

    @property
    def sdist(self) -> Path:
        (found,) = self.folder.glob("*.tar.gz")
        return found

    def build(self) -> None:
        """Build both, the wheel from the source archive; then fetch what they need, and what builds the archive."""
        beside = self.folder.with_suffix(".new")
        run(sys.executable, "-m", "build", "--outdir", beside, ROOT)
        (wheel,) = beside.glob("*.whl")
        fetch = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", beside / "packages")
        run(*fetch, wheel, "hatchling", "pip")
        (beside / "packages" / wheel.name).unlink()
        beside.rename(self.folder)

    def offline(self) -> dict[str, str]:
        """Return the variables by which pip and uv take packages from the folder, and from nowhere else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "HALLWAY_"))}
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.packages)}
        uv = {"UV_NO_CONFIG": "1", "UV_NO_INDEX": "1", "UV_OFFLINE": "1", "UV_FIND_LINKS": str(self.packages)}
        return {**kept, **pip, **uv}


def run(*command: object, **environ: str) -> str:
    """Run a command to its end and return what it printed; it must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environ} if environ else None,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
