"""Writes requirements.lock: every package that hallway and its extras need, pinned and hashed. Run by `make lock`.

Without addresses: where packages come from is whoever installs them's to say, and the hash says whether it is the one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
HEAD = "# Written by docs/lock.py (make lock): what hallway and its extras need, for CPython 3.11 on Linux x86-64.\n"


def main() -> int:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--report",
        "-",
        f"{ROOT}[notify,postgres,top]",
    ]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    lines = []
    for found in report["install"]:
        name, version = found["metadata"]["name"], found["metadata"]["version"]
        if name != "hallway":
            digest = found["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{name.lower()}=={version} --hash=sha256:{digest}")
    LOCK.write_text(HEAD + "\n".join(sorted(lines)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
