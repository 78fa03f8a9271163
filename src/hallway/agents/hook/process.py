"""A hook's process and the shell around it: the process that started the shell, and the meaning of exit statuses."""

from __future__ import annotations

import os

WOKEN_STATUS = 42  # of that hook, which the shell around it turns into 2: no accident ends a process with it
PARENT = "HALLWAY_CLIENT_PID"  # the process that started the shell around a hook


def parent_process() -> int:
    """Return the id of the process that started this hook: the shell around it says which started the shell."""
    value = os.environ.get(PARENT, "")
    return int(value) if value.isdecimal() else os.getppid()
