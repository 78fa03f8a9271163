"""Where a caller runs: project, branch, host, directory and user, found without starting a process.

The project is the namespace of one repository, the same for every clone and worktree of it: `HALLWAY_PROJECT`, else the
normalised remote URL, else the main worktree's path; outside any repository, the directory itself. Git's files are
read directly (a `git` process would cost a hook more than all its work); `include` and `insteadOf` are not followed.
"""

from __future__ import annotations

import os

from hallway.schema import is_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from hallway.authority import Principal

    class Surroundings(Protocol):
        """What a new session takes over from its caller when it does not say."""

        @property
        def project(self) -> str: ...
        @property
        def branch(self) -> str | None: ...
        @property
        def location(self) -> str | None: ...
        @property
        def user(self) -> str | None: ...


NO_PROJECT = "default"  # of a session that reached a hub without saying where it runs


def resolve_project(directory: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The project of a directory (unset: the working directory)."""
    named = (os.environ if environ is None else environ).get("HALLWAY_PROJECT", "").strip()
    if named:
        return _storable(named)
    directory = os.path.realpath(directory or _working_directory())
    git = _git_folders(directory)
    if git is None:
        return _storable(directory)
    common, _ = git
    remote, worktree = _remote_url(os.path.join(common, "config")), _main_worktree(common)
    return _storable(normalise_remote(remote, worktree) if remote else worktree)


def current_branch(directory: str | None = None) -> str | None:
    """The branch checked out in a directory; None outside a repository and on a detached HEAD."""
    git = _git_folders(os.path.realpath(directory or _working_directory()))
    head = _read(os.path.join(git[1], "HEAD")) if git else ""
    is_branch = head.startswith("ref: refs/heads/")
    return _storable(head.removeprefix("ref: refs/heads/").strip()) if is_branch else None


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed while we are in it, as worktrees are
        return os.environ.get("PWD") or os.path.sep


def _storable(text: str) -> str:
    """A name from outside as the bus keeps it: control characters and undecodable bytes become �."""
    return text if text.isprintable() else "".join("�" if is_control(c) else c for c in text)


def normalise_remote(url: str, base: str = ".") -> str:
    """A remote's URL as `host/path`, the same for its SSH, HTTPS and git forms; a local one as its real path.

    `base` is the worktree from which a relative path leads.
    """
    url = url.strip()
    if "://" in url:
        scheme, _, rest = url.partition("://")
        if scheme.lower() == "file":
            return _local_remote(rest, base)
        authority, _, path = rest.partition("/")
    elif ":" in url.partition("/")[0] and url[1:2] != ":":  # HOST:PATH, unless it is a Windows drive
        authority, _, path = url.partition("]:" if "[" in url.partition(":")[0] else ":")
    else:
        return _local_remote(url, base)
    host = authority.rpartition("@")[2]
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return f"{host.lower()}/{_without_git(path.strip('/'))}"


def _without_git(path: str) -> str:
    return path.removesuffix(".git").rstrip("/")


def _local_remote(path: str, base: str) -> str:
    return _without_git(os.path.realpath(os.path.join(base, path.rstrip("/"))))


def _git_folders(directory: str) -> tuple[str, str] | None:
    """The repository's common git folder and this worktree's own, or None outside a repository."""
    while True:
        entry = os.path.join(directory, ".git")
        if os.path.isdir(entry):
            return entry, entry
        if os.path.isfile(entry):
            own = os.path.join(directory, _read(entry).removeprefix("gitdir:").strip())
            common = _read(os.path.join(own, "commondir")).strip()
            return os.path.realpath(os.path.join(own, common)), own
        if os.path.isfile(os.path.join(directory, "HEAD")) and os.path.isdir(os.path.join(directory, "objects")):
            return directory, directory  # a bare repository
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _main_worktree(common: str) -> str:
    return os.path.dirname(common) if os.path.basename(common) == ".git" else common


def _remote_url(config: str) -> str | None:
    """The URL of `origin`, else of the first remote, in a git config file."""
    first = None
    section = ""
    for line in _read(config).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section.startswith("[remote ") and line.partition("=")[0].strip() == "url":
            url = line.partition("=")[2].strip().strip('"')
            if section == '[remote "origin"]':
                return url
            first = first or url
    return first


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def current_user(environ: Mapping[str, str] | None = None) -> str | None:
    """The person at this machine: `HALLWAY_USER`, else the login name."""
    said = os.environ if environ is None else environ
    for name in ("HALLWAY_USER", "USER", "LOGNAME", "USERNAME"):
        if said.get(name):
            return _storable(said[name])
    return _account_name() if environ is None else None


def _account_name() -> str | None:
    """Whose account this process has, where no login said so: in containers and timed jobs."""
    try:
        import pwd

        return _storable(pwd.getpwuid(os.getuid()).pw_name)
    except (ImportError, KeyError):
        return None


def host_name() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")


class Here:
    """The surroundings of this process, or of a directory, looked up when first asked for and once."""

    def __init__(self, project: str | None = None, directory: str | None = None) -> None:
        self._project = project
        self._directory = directory

    @property
    def project(self) -> str:
        if self._project is None:
            self._project = resolve_project(self._directory)
        return self._project

    @property
    def branch(self) -> str | None:
        return current_branch(self._directory)

    @property
    def location(self) -> str | None:
        return _storable(f"{host_name()}:{self._directory or _working_directory()}")

    @property
    def user(self) -> str | None:
        return current_user()


class TokenHere:
    """The surroundings that a token's bearer told, as far as they go for that token.

    A project that it is not for is refused where it would be used. Who told none works in the only one there is.
    """

    def __init__(self, told: Surroundings, principal: Principal) -> None:
        self._told = told
        self._principal = principal

    @property
    def project(self) -> str:
        told, projects = self._told.project, self._principal.projects or frozenset()
        if told == NO_PROJECT and len(projects) == 1:
            return next(iter(projects))
        if not self._principal.sees(told):
            raise self._principal.outside(told)
        return told

    @property
    def branch(self) -> str | None:
        return self._told.branch

    @property
    def location(self) -> str | None:
        return self._told.location

    @property
    def user(self) -> str | None:
        return self._told.user or self._principal.name


class Nowhere:
    """The surroundings of a caller who told none."""

    project = NO_PROJECT
    branch = location = user = None
