"""Where a bus is: its file, and the folder beside it that holds what this machine knows of its sessions.

Light, because a hook asks before it imports anything else.
"""

from __future__ import annotations

import os
import sys

FILE_NAME = "bus.db"
HUBS = ("http://", "https://")


def data_folder() -> str:
    """Where the bus of this user is: `HALLWAY_HOME`, else the platform's place for an application's data."""
    if home := os.environ.get("HALLWAY_HOME"):
        return os.path.abspath(os.path.expanduser(home))
    if sys.platform == "darwin":
        base = "~/Library/Application Support"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return os.path.join(os.path.expanduser(base), "hallway")


def bus_file(url: str | None) -> str:
    """The file of a local bus: of a folder, `bus.db` in it; of `sqlite:///PATH` or a path with a suffix, itself."""
    if url is None:
        return os.path.join(data_folder(), FILE_NAME)
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else url
    if url.startswith("sqlite:////"):
        path = url.removeprefix("sqlite://").replace("//", "/", 1)
    path = os.path.abspath(os.path.expanduser(path))
    is_file = os.path.isfile(path) or (not os.path.isdir(path) and path.endswith((".db", ".sqlite", ".sqlite3")))
    return path if is_file else os.path.join(path, FILE_NAME)


def bus_folder(url: str | None) -> str:
    """The folder beside a bus: that of its file, and for a bus elsewhere one of its own in this user's data."""
    if url is None or url.startswith("sqlite:///") or "://" not in url:
        return os.path.dirname(bus_file(url))
    from zlib import crc32

    scheme, _, rest = url.partition("?")[0].rstrip("/").partition("://")
    login, sign, address = rest.rpartition("@")
    named = f"{scheme}://{login.partition(':')[0]}{sign}{address}"  # the same with and without a password
    return os.path.join(data_folder(), "elsewhere", f"{crc32(named.encode()):08x}")
