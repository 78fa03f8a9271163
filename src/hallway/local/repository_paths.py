"""Paths as every worktree and machine of a repository means them: relative to the repository's root."""

from __future__ import annotations

import os

from hallway.core.errors import InvalidInput
from hallway.core.globs import SPECIAL, escape
from hallway.core.schema import quote_value
from hallway.local.former_projects import former_projects
from hallway.local.workspace import (
    current_branch,
    environment_without_git,
    find_repository,
    host_name,
    normalise_remote,
    read_settings,
    remote_url,
    resolve_project,
    working_directory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.local.workspace import Repository

CHECK_IGNORED_S = 1.0


def ignores_case(directory: str | None = None) -> bool:
    """Return whether names that differ only in case are one file for git here (`core.ignorecase`), as on macOS."""
    repository = find_repository(os.path.realpath(directory or working_directory()))
    if repository is None:
        return False
    settings = read_settings(os.path.join(repository.common, "config"))
    return any(value.lower() == "true" for section, key, value in settings if (section, key) == ("core", "ignorecase"))


def path_in_repository(typed: str, directory: str | None = None) -> str:
    """Return a file, folder or glob that a person typed as a glob relative to the repository's root.

    It is relative to a directory (default: the working directory), or absolute. A folder stands for everything below
    it. Symbolic links are followed up to the first glob sign, so that one file has one name. Raises InvalidInput for a
    path outside of the repository, and for an empty text. Outside of any repository the directory itself is the root.
    """
    if not typed:
        raise InvalidInput("an empty text names no path", hint="Name a path, or . for all of this folder")
    directory = os.path.realpath(directory or working_directory())
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
    projects: dict[str, bool] = {}  # by the root of a repository: whether the repository belongs to the project
    globs = []
    for each in files:
        path = os.path.realpath(os.path.join(directory, os.path.expanduser(each)))
        repository = find_repository(os.path.dirname(path))
        root = repository.folder if repository else directory
        if not path.startswith(root.rstrip(os.sep) + os.sep):
            continue  # in no repository, and not in the session's folder
        if root not in projects:
            projects[root] = _is_of(repository, root, project)
        if projects[root]:
            glob = escape(os.path.relpath(path, root)).replace(os.sep, "/")
            globs.append(f"{glob}/**" if each.endswith(os.sep) or os.path.isdir(path) else glob)
    return globs


def place_in_project(path: str, project: str) -> dict[str, Any] | None:
    """Return the worktree, branch and repository of a written file, in the words of `files.touch`.

    Empty for a file of a project outside of any repository; None for a file that is not part of the project, such as
    git's own or another repository's. The path is absolute, without symbolic links.
    """
    directory, is_named = os.path.dirname(path), bool(os.environ.get("HALLWAY_PROJECT", "").strip())
    repository = find_repository(directory)
    if repository is None:
        return {} if is_named or path.startswith(project.rstrip("/") + "/") else None
    if repository.folder == repository.own:
        return None  # git's own file
    if not is_named and not _is_of(repository, directory, project):
        is_folder = os.path.isabs(project) and path.startswith(project + "/") and find_repository(project) is None
        return {} if is_folder else None
    return {
        "worktree": f"{host_name()}:{repository.folder}",
        "branch": current_branch(directory),
        "repository": _identity(repository) if is_named else None,
        "ignores_case": ignores_case(directory),
    }


def _is_of(repository: Repository | None, folder: str, project: str) -> bool:
    """Return whether a folder belongs to a project, under the project's present name or a former one."""
    current = resolve_project(folder)
    return project == current or (repository is not None and project in former_projects(repository.common, current))


def _identity(repository: Repository) -> str:
    """Return what identifies a repository among several of one project: its remote, else its host and folder."""
    url = remote_url(repository)
    return normalise_remote(url, repository.worktree) if url else f"{host_name()}:{repository.common}"


def ignored(folder: str, paths: list[str]) -> set[str]:
    """Return those of some paths in a worktree that git ignores; none if git is missing, fails or takes too long."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", folder, "check-ignore", "-z", "--stdin"],
            input="\0".join(paths).encode(),
            capture_output=True,
            env=environment_without_git(),
            timeout=CHECK_IGNORED_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set(done.stdout.decode(errors="replace").split("\0")) & set(paths)
