"""A home folder with clients' configuration in it, and a person who types `hallway install` there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from cli.person import Person

SYSTEM_PATH = "/usr/bin:/bin"


class Machine(Person):
    """`user` is the home folder, `repository` the folder that commands run in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "user" / "hallway")
        self.user = folder / "user"
        self.repository = folder / "shop"
        self.programs = folder / "programs"
        for made in (self.user, self.repository / ".git", self.programs):
            made.mkdir(parents=True)
        self.environ["PATH"] = f"{self.programs}{os.pathsep}{SYSTEM_PATH}"

    def runs(self, command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environ, **environ},
            cwd=self.repository,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def has_program(self, name: str, says: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)

    def writes(self, name: str, text: str) -> Path:
        path = self.user / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def state(self, folder: Path | None = None) -> dict[str, tuple[int, bytes | str]]:
        """Everything below the home folder but hallway's own: its mode, and what it holds or where it leads."""
        top = folder or self.user
        found: dict[str, tuple[int, bytes | str]] = {}
        for path in sorted(top.rglob("*")):
            name = path.relative_to(top).as_posix()
            if name.partition("/")[0] != "hallway":
                holds = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
                found[name] = (path.lstat().st_mode, holds)
        return found

    def installs(self, *words: str, status: int = 0) -> str:
        done = self.types("install", *words)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def uninstalls(self, *words: str) -> str:
        done = self.types("uninstall", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def reads(self, name: str) -> Any:
        return json.loads((self.user / name).read_text())
