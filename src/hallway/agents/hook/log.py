"""The hooks' log: a file of bounded size that `hallway doctor` reads; a hook may report a failure nowhere else."""

from __future__ import annotations

import os
import time

from hallway.core.redaction import redact
from hallway.local.paths import make_private_folder

NAME = "hooks.log"
MAX_SIZE = 64 * 1024
MAX_LINE = 500


def note(folder: str, client: str, trouble: str) -> None:
    """Add a line; where that cannot be, the trouble is one that doctor finds by itself."""
    path = os.path.join(folder, NAME)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = f"{stamp} {client} {' '.join(redact(trouble).split())[:MAX_LINE]}\n"
    try:
        make_private_folder(folder)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size > MAX_SIZE:
                os.ftruncate(file, 0)
            os.write(file, line.encode("utf-8", "replace"))
        finally:
            os.close(file)
    except OSError:
        pass


def last(folder: str, count: int = 5) -> list[str]:
    """Return the newest lines, oldest first."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()[-count:]
    except OSError:
        return []
