"""Tries the merge of two worktrees without touching either: their index, files and objects stay as they are.

What is merged is what each worktree has committed, with the one file as it is now, committed or not. Everything that
git writes for this goes to a temporary folder. Whatever prevents the trial (no git, a git before 2.38, a repository
that is broken, huge, or without a commit, a time limit) gives None: nothing is then known of the merge.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time

from hallway.local.workspace import environment_without_git, find_repository, host_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.core.model import Conflict, ConflictParty
    from hallway.local.workspace import Repository

TRIAL_S = 20.0  # the time limit for all git commands of a trial together
MAX_INDEX_BYTES = 32 * 1024 * 1024  # about 300,000 files
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_HUNKS = 5
CLEAN, CONFLICT = "clean", "conflict"
FILE, EXECUTABLE = "100644", "100755"
AUTHOR = {f"GIT_{who}_{what}": "hallway" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Trial:
    """The outcome of a trial: the merge, the conflicting lines of the first side, the files, and whether a commit
    contains what both sides wrote.
    """

    __slots__ = ("files", "is_committed", "lines", "merge")

    def __init__(self, merge: str | None, lines: str = "", files: Iterable[str] = (), *, is_committed: bool) -> None:
        self.merge = merge
        self.lines = lines
        self.files = list(files)
        self.is_committed = is_committed


class _Failed(Exception):
    """Git failed, is missing, or took too long; or the repository is not fit for a trial."""


def can_try(conflict: Conflict) -> bool:
    """Return whether both sides of a conflict are on this machine, and were written since the last trial."""
    is_here = all(each.worktree.startswith(f"{host_name()}:") for each in conflict.sessions)
    return is_here and (
        conflict.tried_at is None or any(each.written_at > conflict.tried_at for each in conflict.sessions)
    )


def try_merge(conflict: Conflict) -> Trial | None:
    """Try the merge of a conflict's two worktrees; return None if it could not be tried."""
    try:
        with tempfile.TemporaryDirectory(prefix="hallway-merge-") as folder:
            sides = [_Side(each, folder) for each in conflict.sessions]
            if sides[0].repository.folder == sides[1].repository.folder:
                return Trial(None, is_committed=sides[0].is_committed_since(conflict))
            return _merged(*sides)
    except (_Failed, OSError, ValueError):
        return None


def _merged(one: _Side, two: _Side) -> Trial:
    git = _Git(one.git.folder, one.repository, [one.repository.common, two.repository.common], one.git.deadline)
    ours, theirs = one.commit(), two.commit()
    status, out = git.ask("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    if status not in (0, 1):
        raise _Failed
    tree, *files = [each for each in out.split("\0") if each]
    in_both = one.is_clean and two.is_clean and _is_in_both(git, one.head, two.head)
    if status == 0:
        return Trial(CLEAN, is_committed=in_both)
    is_in_file = one.relative in files
    lines = _lines(git.run("cat-file", "blob", f"{tree}:{one.relative}")) if is_in_file else ""
    return Trial(CONFLICT, lines, files, is_committed=in_both)


def _is_in_both(git: _Git, one: str, two: str) -> bool:
    """Return whether one of two commits contains the other."""
    return any(git.ask("merge-base", "--is-ancestor", *pair)[0] == 0 for pair in ((one, two), (two, one)))


def _lines(text: str) -> str:
    """Return the lines of the first side between the markers of each conflict: 10-14, 30."""
    hunks: list[str] = []
    number, begin, is_theirs = 0, 0, False
    for line in text.split("\n"):
        if line.startswith("<<<<<<< "):
            begin = number + 1
        elif begin and line == "=======":
            is_theirs = True
            hunks.append(f"{begin}-{number}" if number > begin else str(begin))
        elif begin and line.startswith(">>>>>>> "):
            begin, is_theirs = 0, False
        elif not is_theirs:
            number += 1
    return ", ".join(hunks[:MAX_HUNKS])


class _Side:
    """One worktree of a trial: its repository, its commit, and the file as it is now."""

    def __init__(self, party: ConflictParty, folder: str) -> None:
        repository = find_repository(os.path.dirname(party.path))
        if repository is None or repository.folder != party.worktree.partition(":")[2]:
            raise _Failed
        index = os.path.join(repository.own, "index")
        if os.path.exists(index) and os.path.getsize(index) > MAX_INDEX_BYTES:
            raise _Failed
        self.repository = repository
        self.git = _Git(folder, repository, [repository.common], time.monotonic() + TRIAL_S)
        self.path = party.path
        self.relative = os.path.relpath(party.path, repository.folder)
        self.head = self.git.run("rev-parse", "--verify", "HEAD^{commit}").strip()
        entry = self.git.run("ls-tree", "-z", "HEAD", "--", self.relative).split()
        self._mode = entry[0] if entry else FILE
        self._committed = entry[2] if entry else ""
        if self._mode not in (FILE, EXECUTABLE):
            raise _Failed
        self._blob = self._hash_file()

    @property
    def is_clean(self) -> bool:
        """Return whether the file is as it is committed."""
        return self._blob == self._committed

    def is_committed_since(self, conflict: Conflict) -> bool:
        """Return whether the file is as the worktree's commit has it, which is newer than both sessions' last write."""
        if not self.is_clean:
            return False
        at = self.git.run("log", "-1", "--format=%ct", "HEAD", "--", self.relative).strip()
        return bool(at) and int(at) >= max(each.written_at.timestamp() for each in conflict.sessions)

    def commit(self) -> str:
        """Return a commit of the worktree's own with the file as it is now."""
        self.git.run("read-tree", self.head)
        if self._blob:
            self.git.run("update-index", "--add", "--cacheinfo", f"{self._mode},{self._blob},{self.relative}")
        else:
            self.git.run("update-index", "--force-remove", "--", self.relative)
        return self.git.run("commit-tree", self.git.run("write-tree").strip(), "-p", self.head, "-m", "trial").strip()

    def _hash_file(self) -> str:
        """Return the file's id as git would store it; empty if the file is not there."""
        try:
            if os.path.getsize(self.path) > MAX_FILE_BYTES:
                raise _Failed
            with open(self.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return ""
        return self.git.run("hash-object", "-w", f"--path={self.relative}", "--stdin", stdin=content).strip()


class _Git:
    """Git in a worktree, with an index and a folder for new objects of its own."""

    def __init__(self, folder: str, repository: Repository, commons: list[str], deadline: float) -> None:
        self.folder = folder
        self.deadline = deadline
        self._cwd = repository.folder
        objects = os.path.join(folder, "objects")
        os.makedirs(objects, exist_ok=True)
        self._environ = {
            **environment_without_git(),
            **AUTHOR,
            "GIT_DIR": repository.own,
            "GIT_WORK_TREE": repository.folder,
            "GIT_INDEX_FILE": os.path.join(folder, f"index-{id(self)}"),
            "GIT_OBJECT_DIRECTORY": objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(os.path.join(each, "objects") for each in commons),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
        }

    def run(self, *words: str, stdin: bytes = b"") -> str:
        """Return what git prints; raises _Failed."""
        status, out = self.ask(*words, stdin=stdin)
        if status:
            raise _Failed
        return out

    def ask(self, *words: str, stdin: bytes = b"") -> tuple[int, str]:
        """Return git's status and what it prints; raises _Failed if there is no time left."""
        process = subprocess.Popen(
            ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._cwd,
            env=self._environ,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(stdin, timeout=max(self.deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            process.communicate()
            raise _Failed from None
        return process.returncode, out.decode(errors="replace")
