"""Paths as every worktree and machine of a repository means them: relative to the repository's root."""

from __future__ import annotations

import os

from hallway.core.errors import InvalidInput
from hallway.core.globs import SPECIAL, escape
from hallway.core.schema import quote_value
from hallway.local.former_projects import former_projects
from hallway.local.workspace import find_repository, read_settings, resolve_project


def ignores_case(directory: str | None = None) -> bool:
    """Return whether names that differ only in case are one file for git here (`core.ignorecase`), as on macOS."""
    repository = find_repository(os.path.realpath(directory or os.getcwd()))
    if repository is None:
        return False
    settings = read_settings(os.path.join(repository.common, "config"))
    return any(value.lower() == "true" for section, key, value in settings if (section, key) == ("core", "ignorecase"))


def path_in_repository(typed: str, directory: str | None = None) -> str:
    """Return a file, folder or glob that a person typed as a glob relative to the repository's root.

    It is relative to a directory (default: the working directory), or absolute. A folder stands for everything below
    it. Symbolic links are followed up to the first glob sign, so that one file has one name. Raises InvalidInput for a
    path outside of the repository. Outside of any repository the directory itself is the root.
    """
    directory = os.path.realpath(directory or os.getcwd())
    repository = find_repository(directory)
    root = repository.folder if repository else directory
    names = os.path.expanduser(typed).split(os.sep)
    literal = next((at for at, name in enumerate(names) if not SPECIAL.isdisjoint(name)), len(names))
    fixed = os.path.realpath(os.path.join(directory, os.sep.join(names[:literal]) or (os.sep if literal else "")))
    if fixed != root and not fixed.startswith(root.rstrip(os.sep) + os.sep):
        raise InvalidInput(
            f"{quote_value(typed)} is {fixed}, which is outside of the repository {root}",
            hint="Name a path in the repository, or something else as resource:NAME",
        )
    relative = os.path.relpath(fixed, root)
    rest = names[literal:]
    is_folder = not rest and (typed.endswith(os.sep) or os.path.isdir(fixed))
    parts = [
        *([] if relative == os.curdir else escape(relative).split(os.sep)),
        *rest,
        *(["**"] if is_folder else []),
    ]
    return "/".join(parts)


def files_in_project(files: list[str], directory: str, project: str) -> list[str]:
    """Return globs for those of some files that belong to a project, relative to the root of the repository of each.

    A file need not exist. It is relative to a directory, or absolute; symbolic links are followed. A folder stands for
    everything below it. Outside of any repository the directory itself is the root.
    """
    directory = os.path.realpath(directory)
    projects: dict[str, bool] = {}  # whether each root is of the project
    globs = []
    for each in files:
        path = os.path.realpath(os.path.join(directory, os.path.expanduser(each)))
        repository = find_repository(os.path.dirname(path))
        root = repository.folder if repository else directory
        if not path.startswith(root.rstrip(os.sep) + os.sep):
            continue  # in no repository, and not in the session's folder
        if root not in projects:
            current = resolve_project(root)
            projects[root] = project == current or (
                repository is not None and project in former_projects(repository.common, current)
            )
        if projects[root]:
            glob = escape(os.path.relpath(path, root)).replace(os.sep, "/")
            globs.append(f"{glob}/**" if each.endswith(os.sep) or os.path.isdir(path) else glob)
    return globs
