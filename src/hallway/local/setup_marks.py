"""Marks of what has worked in a client on this machine: its first hook, its first message.

A mark is an empty file in hallway's data folder, whatever bus is used: its time is when this last worked. Hooks leave
marks, and installing or uninstalling the client removes them. Keep the imports light: hooks load this module.
"""

from __future__ import annotations

import os

from hallway.local.paths import data_folder, make_private_folder

FOLDER = "setup"
HOOK, MESSAGE = "hook", "message"  # a hook has run; the client has taken a message for its agent


def leave_mark(client: str, what: str) -> None:
    """Record that something works in a client; a full or read-only disk must not disturb the hook that reports it."""
    path = _path(client, what)
    try:
        make_private_folder(os.path.dirname(path))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.utime(path)
    except OSError:
        pass


def has_mark(client: str, what: str) -> bool:
    """Return whether something has worked in a client since hallway was installed there."""
    return os.path.exists(_path(client, what))


def remove_marks(client: str) -> None:
    """Forget what has worked in a client, because its configuration is another one now."""
    for what in (HOOK, MESSAGE):
        try:
            os.unlink(_path(client, what))
        except FileNotFoundError:
            pass


def _path(client: str, what: str) -> str:
    return os.path.join(data_folder(), FOLDER, f"{client}.{what}")
