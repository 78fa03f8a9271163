"""The paths that a commit or a push changes, as git itself says.

In a merge these are the paths that differ from every parent: what a merge takes over as it is was written elsewhere.
Git's plumbing is used, which no setting of the person's changes, in git's own environment: while `git commit PATH` runs
a hook, it names the index of that commit.
"""

from __future__ import annotations

import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RAW = ("--raw", "-z", "-r", "--no-renames", "--ignore-submodules=none")  # a rename is two paths: both are changed
SUBMODULE = "160000"


class ChangedPath:
    """A path relative to the repository's root; `is_submodule` whether it stands for a whole repository below it."""

    __slots__ = ("is_submodule", "path")

    def __init__(self, path: str, *, is_submodule: bool) -> None:
        self.path = path
        self.is_submodule = is_submodule


class Push:
    """A reference that is pushed: its new commit, the commit at the remote ("" if unknown), and the remote's name."""

    __slots__ = ("commit", "old_commit", "remote")

    def __init__(self, commit: str, old_commit: str = "", remote: str = "") -> None:
        self.commit = commit
        self.old_commit = old_commit
        self.remote = remote


def staged_paths() -> list[ChangedPath]:
    """Return the paths in which the index differs from every parent of the commit to be made."""
    head = _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", may_fail=True).strip()
    parent = head or _git("hash-object", "-t", "tree", "--stdin").strip()  # the empty tree, before the first commit
    changed = _staged_against(parent)
    for other in _merged_commits() if changed and head else ():
        differing = {each.path for each in _staged_against(other)}
        changed = [each for each in changed if each.path in differing]
    return changed


def pushed_paths(pushes: Iterable[Push]) -> list[ChangedPath]:
    """Return the paths changed by the commits that a push brings to its remote, each once."""
    changed: dict[str, ChangedPath] = {}
    for push in pushes:
        known = [push.old_commit] if push.old_commit and _has_commit(push.old_commit) else []
        at_remote = [f"--remotes={push.remote}"] if push.remote else []
        commits = _git("rev-list", push.commit, "--not", *known, *at_remote)
        diffs = _git("diff-tree", "--stdin", "-c", "--root", "--no-commit-id", *RAW, stdin=commits)
        changed |= {each.path: each for each in _parsed(diffs)}
    return list(changed.values())


def pushes_of(lines: Iterable[str], remote: str) -> list[Push]:
    """Return what the lines on a pre-push hook's standard input say; a reference that is deleted is left out."""
    pushes = []
    for line in filter(str.strip, lines):
        _, commit, _, old_commit = line.split()
        if commit.strip("0"):
            pushes.append(Push(commit, old_commit if old_commit.strip("0") else "", remote))
    return pushes


def _staged_against(tree: str) -> list[ChangedPath]:
    return list(_parsed(_git("diff-index", "--cached", "--ita-invisible-in-index", *RAW, tree)))


def _merged_commits() -> list[str]:
    """Return the commits that are being merged into the present one; none outside of a merge."""
    try:
        with open(_git("rev-parse", "--git-path", "MERGE_HEAD").rstrip("\n"), encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def _has_commit(commit: str) -> bool:
    return bool(_git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", may_fail=True))


def _parsed(raw: str) -> Iterator[ChangedPath]:
    """Yield the paths of git's raw format with `-z`: the modes and other fields, then the path, each ended by NUL."""
    fields = iter(raw.split("\0"))
    for about in fields:
        if about.startswith(":"):
            yield ChangedPath(next(fields), is_submodule=SUBMODULE in about.lstrip(":").split())


def _git(*words: str, stdin: str = "", may_fail: bool = False) -> str:
    """Return what git prints; raise OSError if it fails, or return nothing where it may fail."""
    done = subprocess.run(["git", *words], input=os.fsencode(stdin), capture_output=True, check=False)
    if done.returncode and not may_fail:
        raise OSError(f"git {words[0]} failed: {os.fsdecode(done.stderr).strip() or f'status {done.returncode}'}")
    return "" if done.returncode else os.fsdecode(done.stdout)
