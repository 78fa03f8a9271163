"""Detection of the workspace: the project, branch, host, directory and user of a caller.

The project is the namespace of one repository, the same for every clone and worktree of it. It is `HALLWAY_PROJECT`,
else the normalised remote URL, else the main worktree's path. Outside a repository it is the directory itself. Git's
files are read directly, because a `git` process would take longer than all the other work of a hook. Git itself runs
only if a configuration includes other files or rewrites URLs, or if the references are in tables.
"""

from __future__ import annotations

import os

from hallway.core.naming import name_of_branch, name_of_folder
from hallway.core.schema import is_control
from hallway.local.identity import from_environment
from hallway.local.paths import user_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hallway.core.context import Workspace
    from hallway.core.principal import Principal


def resolve_project(directory: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Return the project of a directory (default: the working directory)."""
    return _project_and_repository(directory, os.environ if environ is None else environ)[0]


def _project_and_repository(directory: str | None, environ: Mapping[str, str]) -> tuple[str, Repository | None]:
    """Return the project of a directory, and the repository that it was read from, if any."""
    named = environ.get("HALLWAY_PROJECT", "").strip()
    if named:
        return _storable(normalise_remote(named) if "://" in named else named), None
    directory = os.path.realpath(directory or working_directory())
    repository = find_repository(directory)
    if repository is None:
        return _storable(directory), None
    url = remote_url(repository)
    return _storable(normalise_remote(url, repository.worktree) if url else repository.worktree), repository


def current_branch(directory: str | None = None) -> str | None:
    """Return the branch checked out in a directory; None outside a repository and on a detached HEAD."""
    repository = find_repository(os.path.realpath(directory or working_directory()))
    head = _read(os.path.join(repository.own, "HEAD")) if repository else ""
    if repository and head.strip() == IN_REFTABLE:
        branch = _ask_git(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
        return _storable(branch) if branch else None
    is_branch = head.startswith("ref: refs/heads/")
    return _storable(head.removeprefix("ref: refs/heads/").strip()) if is_branch else None


def suggested_name(directory: str | None = None) -> str | None:
    """Return what a session in a directory may be called: its branch unless that is a default one, else its folder.

    A default branch is one of the usual names, or the one that the remote says. The folder is the worktree's.
    """
    directory = os.path.realpath(directory or working_directory())
    repository = find_repository(directory)
    branch = current_branch(directory) if repository else None
    if repository and branch and branch != _default_branch(repository) and (name := name_of_branch(branch)):
        return name
    return name_of_folder(f":{repository.folder if repository else directory}") or None


def _default_branch(repository: Repository) -> str:
    """Return the branch that the remote `origin` begins with, as the clone has noted it; empty if it has not."""
    head = _read(os.path.join(repository.common, "refs", "remotes", "origin", "HEAD"))
    return head.strip().removeprefix("ref: refs/remotes/origin/")


def working_directory() -> str:
    """Return the folder in which this process runs; the one that its shell names where it was removed meanwhile."""
    try:
        return os.getcwd()
    except FileNotFoundError:  # the directory was removed while this process runs in it, as worktrees often are
        return os.environ.get("PWD") or os.path.sep


def _storable(text: str) -> str:
    """Return a name from outside in the form that the bus stores: control characters and undecodable bytes become �."""
    return text if text.isprintable() else "".join("�" if is_control(c) else c for c in text)


# -- remotes ----------------------------------------------------------------------------------------------------------

DEFAULT_PORTS = {"ssh": "22", "git+ssh": "22", "ssh+git": "22", "https": "443", "http": "80", "git": "9418"}
# Alternative SSH hosts (for example on port 443), and the hosts whose repositories they serve.
OTHER_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
    "vs-ssh.visualstudio.com": "dev.azure.com",
}
IGNORING_CASE = ("github.com", "gitlab.com", "bitbucket.org", "dev.azure.com")
AZURE = "dev.azure.com"


def normalise_remote(url: str, base: str = ".") -> str:
    """Return a remote's URL as `host/path`, the same for its SSH, HTTPS and git forms; a local path as its real path.

    User, password, query and fragment are left out: they may be secrets, and they do not identify the repository. The
    port is kept unless it is the scheme's default. A relative path starts from the worktree `base`.
    """
    url = url.strip()
    if "://" in url:
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower()
        if scheme == "file":
            return _local_remote(rest, base)
        authority, _, path = rest.partition("/")
        if ":" in authority and "@" in path:  # the slash is part of a password
            authority, _, path = rest.rpartition("@")[2].partition("/")
        path = path.partition("?")[0].partition("#")[0]
    elif ":" in url.partition("/")[0] and url[1:2] != ":":  # HOST:PATH, unless it is a Windows drive
        scheme = "ssh"
        sign = "]:" if "[" in url.partition(":")[0] else ":"
        authority, _, path = url.partition(sign)
        authority += sign[:-1]
    else:
        return _local_remote(url, base)
    host, port = _host_and_port(authority)
    if scheme.endswith("ssh") or scheme.startswith("ssh"):
        host = _host_of_alias(host)
    if host in OTHER_HOSTS:
        host, port = OTHER_HOSTS[host], ""
    path = _without_git("/".join(part for part in path.split("/") if part))
    host, path = _azure(host, path)
    if host in IGNORING_CASE:
        path = path.lower()
    is_default = not port or port == DEFAULT_PORTS.get(scheme)
    return f"{host}{'' if is_default else f':{port}'}/{path}"


def _host_and_port(authority: str) -> tuple[str, str]:
    authority = authority.rpartition("@")[2].lower()
    if authority.startswith("["):  # an IPv6 address
        host, _, rest = authority.partition("]")
        return f"{host}]", rest.removeprefix(":")
    host, _, port = authority.partition(":")
    return host.rstrip("."), port


def _azure(host: str, path: str) -> tuple[str, str]:
    """Translate the four URL forms of Azure DevOps into one: `dev.azure.com/ORGANISATION/PROJECT/REPOSITORY`."""
    if host.endswith(".visualstudio.com"):
        path = f"{host.removesuffix('.visualstudio.com')}/{path}"
        host = AZURE
    if host != AZURE:
        return host, path
    parts = [part for part in path.split("/") if part.lower() not in ("v3", "defaultcollection")]
    if "_git" in parts:
        at = parts.index("_git")
        before, after = parts[:at], parts[at + 1 :]
        parts = [*before, *(after if len(before) > 1 else after * 2)]  # a short URL: both names are equal
    return host, "/".join(parts)


def _host_of_alias(host: str) -> str:
    """Return the host name for an alias in the user's SSH configuration (ssh_config(5)), else the alias itself."""
    from fnmatch import fnmatchcase

    matches = False
    for line in _read(os.path.join(user_path("~"), ".ssh", "config")).splitlines():
        words = line.strip().replace("=", " ", 1).split()
        if len(words) < 2 or words[0].startswith("#"):
            continue
        key = words[0].lower()
        if key == "host":
            patterns = [word.strip('"').lower() for word in words[1:]]
            is_barred = any(fnmatchcase(host, word[1:]) for word in patterns if word.startswith("!"))
            matches = not is_barred and any(fnmatchcase(host, word) for word in patterns if not word.startswith("!"))
        elif key == "match":
            matches = False  # only ssh itself can evaluate the condition
        elif key == "hostname" and matches:
            return words[1].strip('"').lower().replace("%h", host)
    return host


def _without_git(path: str) -> str:
    path = path.rstrip("/")
    return path[:-4].rstrip("/") if path.lower().endswith(".git") and len(path) > 4 else path


def _local_remote(path: str, base: str) -> str:
    return _without_git(os.path.realpath(os.path.join(base, path.rstrip("/"))))


# -- git's own files --------------------------------------------------------------------------------------------------

IN_REFTABLE = "ref: refs/heads/.invalid"  # content of HEAD if references are in tables (gitformat-reftable)
GIT_WAIT_S = 5


class Repository:
    """A repository: the git folder that all worktrees share, the git folder of this worktree, the main worktree, and
    the folder of this worktree.
    """

    __slots__ = ("common", "folder", "own", "worktree")

    def __init__(self, common: str, own: str, worktree: str, folder: str) -> None:
        self.common = common
        self.own = own
        self.worktree = worktree
        self.folder = folder


def find_repository(directory: str) -> Repository | None:
    """Find the repository of a directory as git does: a `.git` that git would ignore is ignored. None without one."""
    while True:
        entry = os.path.join(directory, ".git")
        if os.path.isdir(entry) and _is_git_folder(entry):
            return Repository(entry, entry, _main_worktree(entry), directory)
        if os.path.isfile(entry) and (own := _folder_named_in(entry)):
            common = os.path.realpath(os.path.join(own, _read(os.path.join(own, "commondir")).strip()))
            return Repository(common, own, _main_worktree(common), directory)
        if _is_git_folder(directory):
            return Repository(directory, directory, directory, directory)  # a bare repository
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _is_git_folder(path: str) -> bool:
    """Return whether git would accept a folder as a git folder: it has HEAD, objects and references."""
    has_objects = os.path.isdir(os.path.join(path, "objects")) or os.path.isfile(os.path.join(path, "commondir"))
    has_references = os.path.isdir(os.path.join(path, "refs")) or os.path.isfile(os.path.join(path, "commondir"))
    return os.path.lexists(os.path.join(path, "HEAD")) and has_objects and has_references


def _folder_named_in(file: str) -> str | None:
    """Return the git folder that a `.git` file names; None if it names none."""
    text = _read(file).rstrip("\r\n")
    if not text.startswith("gitdir:"):
        return None
    path = os.path.join(os.path.dirname(file), text.removeprefix("gitdir:").strip())
    return path if _is_git_folder(path) else None


def _main_worktree(common: str) -> str:
    if os.path.basename(common) == ".git":
        return os.path.dirname(common)
    for section, key, value in read_settings(os.path.join(common, "config")):
        if section == "core" and key == "worktree" and value:  # a submodule, or a separate git folder
            return os.path.realpath(os.path.join(common, value))
    return common


def remote_url(repository: Repository) -> str | None:
    """Return the URL of `origin`, else of the first remote, after rewriting by `insteadOf`; None without a remote."""
    urls: dict[str, str] = {}
    needs_git = False
    for section, key, value in read_settings(os.path.join(repository.common, "config")):
        if section.startswith("remote.") and key == "url" and value:
            urls.setdefault(section.removeprefix("remote."), value)
        needs_git = needs_git or section.partition(".")[0] in ("include", "includeif", "url")
    name = "origin" if "origin" in urls else next(iter(urls), "origin")
    if needs_git or _has_rewrites():
        return _ask_git(repository, "remote", "get-url", name) or urls.get(name)
    return urls.get(name)


def _has_rewrites() -> bool:
    """Return whether the user's configuration may rewrite URLs; only git itself evaluates all forms of this."""
    config = os.environ.get("XDG_CONFIG_HOME") or ""
    folder = config if os.path.isabs(config) else user_path("~/.config")
    files = [os.environ.get("GIT_CONFIG_GLOBAL") or user_path("~/.gitconfig"), os.path.join(folder, "git", "config")]
    return any("insteadof" in (text := _read(path).lower()) or "[include" in text for path in files)


def _ask_git(repository: Repository, *words: str) -> str | None:
    """Run git and return its output; None if there is no git, or if it fails or prints nothing."""
    import subprocess  # imported only when reading git's files is not enough

    try:
        done = subprocess.run(
            ["git", f"--git-dir={repository.own}", *words],
            capture_output=True,
            text=True,
            timeout=GIT_WAIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def read_settings(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the section, key and value of each setting in a git config file (git-config(1)).

    Section names and keys are in lower case.
    """
    section = ""
    lines = iter(_read(path).removeprefix("\ufeff").splitlines())
    for line in lines:
        text = line.strip()
        while text.startswith("["):
            section, text = _section(text)
        if not text or text[0] in "#;":
            continue
        key, sign, value = text.partition("=")
        while sign and _goes_on(value):
            value = value[:-1] + next(lines, "")
        yield section, key.strip().lower(), _value(value) if sign else "true"


def _section(text: str) -> tuple[str, str]:
    """Return the section that a line opens, and the rest of that line."""
    head, _, rest = text[1:].partition("]")
    while head.count('"') == 1 and rest:  # the subsection's name contains a bracket
        more, _, rest = rest.partition("]")
        head += f"]{more}"
    name, sign, inner = head.partition('"')
    if not sign:
        return name.strip().lower(), rest.strip()
    inner = inner.rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\")
    return f"{name.strip().lower()}.{inner}", rest.strip()


def _goes_on(value: str) -> bool:
    return (len(value) - len(value.rstrip("\\"))) % 2 == 1


def _value(text: str) -> str:
    """Return a value without its quotes and the comment after it, with its escapes resolved."""
    value, is_quoted, signs = "", False, iter(text.strip())
    for sign in signs:
        if sign == '"':
            is_quoted = not is_quoted
        elif sign == "\\":
            escaped = next(signs, "")
            value += {"n": "\n", "t": "\t", "b": "\b"}.get(escaped, escaped)
        elif sign in "#;" and not is_quoted:
            return value.rstrip()
        else:
            value += sign
    return value if is_quoted or text.rstrip().endswith('"') else value.rstrip()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def current_user(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the person at this machine: `HALLWAY_USER`, else the login name."""
    variables = os.environ if environ is None else environ
    for name in ("HALLWAY_USER", "USER", "LOGNAME", "USERNAME"):
        if variables.get(name):
            return _storable(variables[name])
    return _account_name() if environ is None else None


def _account_name() -> str | None:
    """Return the name of this process's account, for containers and cron jobs that set no login name."""
    try:
        import pwd

        return _storable(pwd.getpwuid(os.getuid()).pw_name)
    except (ImportError, KeyError):
        return None


def host_name() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")


class LocalWorkspace:
    """The workspace of this process, or of a directory. The project is resolved at its first use and then kept.

    A repository's project is also recorded on this machine, so that it is known after the name has changed.
    """

    def __init__(self, project: str | None = None, directory: str | None = None, *, is_recorded: bool = True) -> None:
        self._project = project
        self._directory = directory
        self._is_recorded = is_recorded
        self._repository: Repository | None = None

    @property
    def project(self) -> str:
        if self._project is None:
            self._project, self._repository = _project_and_repository(self._directory, os.environ)
            if self._repository is not None and self._is_recorded:
                from hallway.local.former_projects import record_project

                record_project(self._repository.common, self._project)
        return self._project

    @property
    def former_projects(self) -> list[str]:
        """Return the other project names that this repository has had, newest first.

        Its path is one of them: it was the project until there was a remote.
        """
        project, repository = self.project, self._repository
        if repository is None:
            return []
        from hallway.local.former_projects import former_projects

        return [
            each
            for each in dict.fromkeys([*former_projects(repository.common, project), _storable(repository.worktree)])
            if each != project
        ]

    @property
    def branch(self) -> str | None:
        return current_branch(self._directory)

    @property
    def location(self) -> str | None:
        return _storable(f"{host_name()}:{self._directory or working_directory()}")

    @property
    def user(self) -> str | None:
        return current_user()

    @property
    def suggested_name(self) -> str | None:
        """Return what a session that begins here may be called: the branch unless it is the default one, or the folder.

        The folder is the worktree's; the home folder says nothing of a session.
        """
        return suggested_name(self._directory)

    @property
    def session_id(self) -> str | None:
        return from_environment()


class ScopedWorkspace:
    """The workspace that a caller with a token sent, limited to the projects of that token.

    Reading a project that the token does not cover raises an error. If the caller sent no project and the token covers
    exactly one, the project is this one.
    """

    def __init__(self, workspace: Workspace, principal: Principal) -> None:
        self._workspace = workspace
        self._principal = principal

    @property
    def project(self) -> str | None:
        named, projects = self._workspace.project, self._principal.projects or frozenset()
        if named is None:
            return next(iter(projects)) if len(projects) == 1 else None
        if not self._principal.sees(named):
            raise self._principal.outside(named)
        return named

    @property
    def branch(self) -> str | None:
        return self._workspace.branch

    @property
    def location(self) -> str | None:
        return self._workspace.location

    @property
    def user(self) -> str | None:
        return self._workspace.user or self._principal.name

    @property
    def suggested_name(self) -> str | None:
        return self._workspace.suggested_name

    @property
    def session_id(self) -> str | None:
        return self._workspace.session_id


class NoWorkspace:
    """The workspace of a caller that sent none."""

    project = branch = location = user = suggested_name = session_id = None


def environment_without_git() -> dict[str, str]:
    """Return this process's environment without git's variables, which name another repository inside of a git hook."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
