"""A repository of a person who types `git` and `hallway` in it, on a bus where two sessions live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.person import TIMEOUT_S, Person

SYSTEM_PATH = "/usr/bin:/bin"
ALICE, BOB = "alice-session", "bob-session"  # bob's is called `bob`


class Repository(Person):
    """`folder` is where commands run; git's hooks find hallway on the PATH."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "home")
        self.folder = folder / "shop"
        self.folder.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        self.program = programs / "hallway"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hallway "$@"\n')
        self.program.chmod(0o755)
        (programs / "pre-commit").symlink_to(Path(sys.executable).with_name("pre-commit"))
        self.environ |= {"PATH": f"{programs}:{SYSTEM_PATH}", "GIT_EDITOR": "true"}
        settings = "[user]\nname = Alice\nemail = alice@example.org\n[init]\ndefaultBranch = main\n"
        (folder / ".gitconfig").write_text(f'{settings}[protocol "file"]\nallow = always\n')
        self.git("init", "--quiet")
        self.writes("README.md", "shop\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "begin")
        for session_id, name in ((ALICE, "alice"), (BOB, "bob")):
            self.gets("register", session_id, f"{name}'s agent", "codex", "--ttl", "86400", "--name", name)

    def runs(self, command: list[str], folder: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environ, **environ},
            cwd=folder or self.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def git(self, *words: str, folder: Path | None = None, **environ: str) -> str:
        """Run git, which must succeed; return what it printed, on both streams."""
        done = self.tries(*words, folder=folder, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def tries(self, *words: str, folder: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.runs(["git", *words], folder, **environ)

    def writes(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commits(self, name: str, text: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Write a file and commit it; return how that ended."""
        self.writes(name, text)
        self.git("add", "--all")
        return self.tries("commit", "--message", f"change {name}", *words, **environ)

    def claims(self, *paths: str, by: str = BOB, intent: str = "new handlers") -> Any:
        return self.gets("claim", *paths, "--as", by, "--intent", intent, "--for", "12h")

    def releases(self, by: str = BOB) -> None:
        done = self.types("release", "--as", by)
        assert done.returncode == 0, done.stderr
