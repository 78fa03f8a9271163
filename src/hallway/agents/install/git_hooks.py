"""`hallway guard` in a repository's git hooks: some lines at the beginning of each, before whatever else it does.

A hook of the person's stays where it is, and only gets these lines: many find out from their own path what they are to
do, and would not if they were called from elsewhere. Whatever becomes of hallway, the hook goes on: the lines look
first whether it is there, and take only the status of a refusal for one.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import ClientInstaller
from hallway.agents.install.configs import HOOKS, NAME, Config
from hallway.core.errors import ClaimRefused, InvalidInput
from hallway.local.workspace import working_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

PRE_COMMIT, PRE_PUSH = "pre-commit", "pre-push"
GUARDED = (PRE_COMMIT, PRE_PUSH)
BEGIN, END = "# hallway guard: begin (hallway uninstall --guard removes these lines)", "# hallway guard: end"
SHEBANG = "#!/bin/sh"
OF_A_SHELL = re.compile(r"#!\s*\S*(?:/|env\s+(?:-S\s+)?)(?:ba|da|z|k|a)?sh(?:\s|$)")
EXECUTABLE = 0o755
MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "__main__.py")

# A hook that reads standard input gets it back.
AROUND_PUSH = """\
hallway_refs=$(cat)
{check}
exec <<END_OF_REFS
$hallway_refs
END_OF_REFS
[ -n "$hallway_refs" ] || exec </dev/null"""


class GitHook(Config):
    """A git hook with hallway's lines in it; `is_shared`: in a file that goes to other machines."""

    holds = [HOOKS]
    new_mode = EXECUTABLE

    def __init__(self, path: str, *, is_shared: bool = False) -> None:
        self.hook = os.path.basename(path)
        super().__init__(path)
        self.is_shared = is_shared

    @property
    def undo(self) -> dict[str, Any]:
        return {"format": "lines", "begin": BEGIN, "end": END, "first": SHEBANG}

    @property
    def by_hand(self) -> str:
        return f'{NAME} guard {self.hook} "$@" # refuses with status {ClaimRefused.exit_status}'

    def put(self, before: str) -> str:
        rest = _without_lines(before) or f"{SHEBANG}\n"
        first, _, others = rest.partition("\n")
        if first.startswith("#!") and not OF_A_SHELL.match(first):
            raise self.broken("it is no shell script")
        if before and not os.access(self.path, os.X_OK):
            raise self.broken("it is not executable, so git does not run it")
        own = f"{BEGIN}\n{self._lines()}\n{END}\n"
        return f"{first}\n{own}{others}" if first.startswith("#!") else f"{own}{rest}"

    def take(self, before: str) -> str | None:
        after = _without_lines(before)
        return None if after != before and after.strip() == SHEBANG else after

    def has(self, what: str, text: str) -> bool:
        return BEGIN in text and self.put(text) == text

    def _lines(self) -> str:
        """Return the commands, which no setting of the shell keeps from going on after another status."""
        is_there, run = "command -v hallway >/dev/null 2>&1", NAME
        if not self.is_shared:
            is_there = f"[ -x {shlex.quote(sys.executable)} ] && [ -r {shlex.quote(MAIN)} ]"
            run = shlex.join([sys.executable, "-P", "-m", NAME])
        refs = "printf '%s\\n' \"$hallway_refs\" | " if self.hook == PRE_PUSH else ""
        check = (
            f"if {is_there}; then\n"
            f'  {refs}{run} guard {self.hook} "$@" || [ $? -ne {ClaimRefused.exit_status} ] || exit 1\n'
            "fi"
        )
        return AROUND_PUSH.format(check=check) if self.hook == PRE_PUSH else check


class GuardInstaller(ClientInstaller):
    """The git hooks of one repository, in the form in which a client is installed."""

    name = "guard"
    title = "git hooks"
    programs = ("git",)
    folder = ""
    remains_undone: list[str] = []

    def __init__(self, paths: Iterable[str] = ()) -> None:
        """Take the hooks at these paths, else those of the repository of the working directory."""
        self._paths = list(paths)

    def configs(self, root: str | None) -> list[Config]:
        if self._paths:
            return [GitHook(path) for path in self._paths]
        top, folder, common = _git("--show-toplevel"), _git("--git-path", "hooks"), _git("--git-common-dir")
        return [_hook(os.path.join(folder, name), top, common) for name in GUARDED]

    def remains(self, root: str | None) -> list[str]:
        return []


def _hook(path: str, top: str, common: str) -> GitHook:
    target = os.path.realpath(path)
    return GitHook(path, is_shared=_is_below(target, top) and not _is_below(target, common))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.realpath(folder) + os.sep)


def _git(*words: str) -> str:
    """Return a path that git knows of the repository here, from its root; raises InvalidInput outside of one."""
    try:
        top = _rev_parse(os.curdir, "--show-toplevel")
        return top if words == ("--show-toplevel",) else _rev_parse(top, "--path-format=absolute", *words)
    except (OSError, subprocess.CalledProcessError):
        raise InvalidInput(
            f"{working_directory()} is in no git repository with a working tree",
            hint="Go to the repository, and try again",
        ) from None


def _rev_parse(folder: str, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, "rev-parse", *words], check=True, capture_output=True)
    return os.fsdecode(done.stdout).removesuffix("\n")


def _without_lines(text: str) -> str:
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    return before + after if begin and end else text
