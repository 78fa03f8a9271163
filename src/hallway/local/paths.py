"""Where a bus is: its file, and the folder beside it that holds what this machine knows of its sessions.

Light, because a hook asks before it imports anything else.
"""

from __future__ import annotations

import os
import sys

FILE_NAME = "bus.db"
HUBS = ("http://", "https://")


def data_folder() -> str:
    """Return the folder of this user's bus: `HALLWAY_HOME`, else the platform's folder for application data."""
    if home := os.environ.get("HALLWAY_HOME"):
        return os.path.abspath(os.path.expanduser(home))
    if sys.platform == "darwin":
        base = "~/Library/Application Support"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or ""
        if not os.path.isabs(base):
            base = "~/.local/share"  # a relative one is to be ignored, says the XDG base directory specification
    return os.path.join(user_path(base), "hallway")


def user_path(path: str) -> str:
    """Expand `~`: by HOME, else, where that is empty or unset, by the password database."""
    if path.startswith("~") and not os.environ.get("HOME") and os.name != "nt":
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_dir + path[1:]
        except KeyError:
            pass  # an account without an entry, as in some containers
    return os.path.expanduser(path)


def make_private_folder(path: str) -> None:
    """Make a folder, and those above it that are missing, for this user alone; raises OSError where it cannot be.

    `os.makedirs` would leave the ones above to the umask, and whichever part of hallway comes first makes them.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        try:
            os.mkdir(each, 0o700)
        except FileExistsError:
            if not os.path.isdir(each):
                raise


def bus_file(url: str | None) -> str:
    """Return the file of a local bus: `bus.db` in a folder; the path itself for `sqlite:///PATH` or a path with a
    suffix.
    """
    if url is None:
        return os.path.join(data_folder(), FILE_NAME)
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else url
    if url.startswith("sqlite:////"):
        path = url.removeprefix("sqlite://").replace("//", "/", 1)
    path = os.path.abspath(os.path.expanduser(path))
    is_file = os.path.isfile(path) or (not os.path.isdir(path) and path.endswith((".db", ".sqlite", ".sqlite3")))
    return path if is_file else os.path.join(path, FILE_NAME)


def bus_folder(url: str | None) -> str:
    """Return the folder beside a bus; for a bus elsewhere, a folder in this user's data."""
    if url is None or url.startswith("sqlite:///") or "://" not in url:
        return os.path.dirname(bus_file(url))
    from zlib import crc32

    scheme, _, rest = url.partition("?")[0].rstrip("/").partition("://")
    login, sign, address = rest.rpartition("@")
    named = f"{scheme}://{login.partition(':')[0]}{sign}{address}"  # the same with and without a password
    return os.path.join(data_folder(), "elsewhere", f"{crc32(named.encode()):08x}")
