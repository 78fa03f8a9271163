"""The project names that each repository on this machine has had.

A repository's project changes with its remote URL. What is stored under the old name then seems lost, so this module
keeps the names of each repository in a small file of this user's data folder. The file is written only when the name
changes. A failure to read or write it is ignored: it must not stop the command that looked up the project.

Keep the imports light, because a hook loads this module.
"""

from __future__ import annotations

import os
from zlib import crc32

from hallway.local.paths import data_folder, make_private_folder

FOLDER = "repositories"
MAX_NAMES = 20


def record_project(git_folder: str, project: str) -> None:
    """Record that a repository, known by its git folder, has this project name now."""
    names = _read_names(git_folder)
    if names[-1:] == [project] or "\n" in f"{git_folder}{project}":
        return
    names = [*(each for each in names if each != project), project][-MAX_NAMES:]
    path = _path(git_folder)
    try:
        make_private_folder(os.path.dirname(path))
        written = f"{path}.{os.getpid()}"
        with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([git_folder, *names, ""]))
        os.replace(written, path)  # a reader sees the old names or the new ones
    except (OSError, UnicodeError):
        pass


def former_projects(git_folder: str, project: str) -> list[str]:
    """Return the other names that a repository has had, newest first."""
    return [each for each in reversed(_read_names(git_folder)) if each != project]


def _read_names(git_folder: str) -> list[str]:
    """Return the recorded names, newest last; empty if the file is missing or is that of another repository."""
    try:
        with open(_path(git_folder), encoding="utf-8") as file:
            first, *names = file.read().splitlines() or [""]
    except (OSError, UnicodeError):
        return []
    return names if first == git_folder else []


def _path(git_folder: str) -> str:
    return os.path.join(data_folder(), FOLDER, f"{crc32(os.fsencode(git_folder)):08x}")
