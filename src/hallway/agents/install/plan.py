"""Changes to files: planned as a whole, shown, made all or none, remembered, and undone exactly.

Nothing is written before every file of a plan has been read and found sound. Before a file is changed for the first
time its content is kept in hallway's own folder; as long as nobody else has touched it since, undoing puts that
content back byte for byte. Else the edits are taken back one by one (see configs.py), and what others wrote stays.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.configs import PRIVATE_MODE
from hallway.core.errors import ConfigBroken, FileUnusable
from hallway.local.atomic_file import identity, read_file, replace_file
from hallway.local.paths import data_folder, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.agents.install.configs import Config
    from hallway.local.atomic_file import Identity

RECORD = "installed.json"
KEPT = "kept"  # the folder of what files held before


class ChangedMeanwhile(ConfigBroken):
    """Somebody else changed a file between our reading and our writing; the edit is planned anew."""


class Change:
    """What a file holds and what it is to hold; None: no file."""

    __slots__ = ("after", "before", "client", "config", "identity")

    def __init__(self, client: str, config: Config, before: bytes | None, after: bytes | None, at: Identity | None):
        self.client = client
        self.config = config
        self.before = before
        self.after = after
        self.identity = at

    @property
    def path(self) -> str:
        return self.config.path

    def diff(self) -> list[str]:
        """Return the change as a unified diff."""
        import difflib

        before, after = ((self.before or b"").decode().splitlines(), (self.after or b"").decode().splitlines())
        old, new = (self.path if held is not None else os.devnull for held in (self.before, self.after))
        return list(difflib.unified_diff(before, after, old, new, lineterm="", n=2))


def current(config: Config) -> str | None:
    """Return a configuration file's text; None where there is no such file."""
    if identity(config.path) is None:
        return None
    try:
        return read_file(config.path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise config.broken(f"byte {error.start} is not UTF-8") from None


def plan_install(client: str, configs: Iterable[Config]) -> list[Change]:
    """Return the changes that install hallway in a client."""
    return [change for config in configs if (change := _change(client, config, config.put(current(config) or "")))]


def plan_uninstall(client: str, configs: Iterable[Config], record: InstallLedger) -> list[Change]:
    """Return the changes that remove hallway from a client."""
    changes = []
    for config in configs:
        text = current(config)
        if text is None:
            continue
        if record.is_untouched(config.path):
            content = record.content_before(config.path)
            after = None if content is None else content.decode("utf-8")
        else:
            after = config.take(text)
            if after is not None and record.is_made_here(config.path) and after.strip() in ("", "{}"):
                after = None
        if change := _change(client, config, after):
            changes.append(change)
    return changes


def _change(client: str, config: Config, after: str | None) -> Change | None:
    at = identity(config.path)
    before = None if at is None else read_file(config.path)
    encoded = None if after is None else after.encode("utf-8")
    return None if before == encoded else Change(client, config, before, encoded, at)


def apply(changes: list[Change], record: InstallLedger) -> None:
    """Make all changes, or none: what was changed before an error is changed back."""
    if not changes:
        return
    done: list[Change] = []
    files_before = copy.deepcopy(record.files)
    try:
        for change in changes:
            record.before_change(change)
            _write(change.path, change.after, change.identity, new_mode=change.config.new_mode)
            done.append(change)
            record.after_change(change)
        record.save()
    except BaseException:
        for change in reversed(done):
            _write(change.path, change.before, identity(change.path))
        record.go_back(files_before)
        raise
    record.tidy(files_before)


def _write(path: str, content: bytes | None, at: Identity | None, *, new_mode: int | None = None) -> None:
    if content is None:
        try:
            os.unlink(path)
        except OSError as error:
            raise FileUnusable(f"{path} cannot be removed: {error.strerror}") from None
        return
    if not replace_file(path, content, at, new_mode=new_mode):
        raise ChangedMeanwhile(f"{path} was changed by somebody else this very moment", hint="Try again")


class InstallLedger:
    """What was installed, where, and what the files held before: kept in hallway's folder."""

    def __init__(self) -> None:
        self.folder = os.path.join(data_folder(), KEPT)
        self.path = os.path.join(data_folder(), RECORD)
        self.files: dict[str, dict[str, Any]] = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        content = read_file(self.path)
        try:
            files = json.loads(content)["files"] if content else {}
        except (ValueError, KeyError, TypeError):
            raise ConfigBroken(
                f"{self.path} is damaged: it says what hallway has installed",
                hint=f"Move it away; hallway uninstall then takes back edit by edit: mv {self.path} {self.path}.old",
            ) from None
        return dict(files)

    def save(self) -> None:
        if self.files:
            content = json.dumps({"files": self.files}, indent=2).encode()
            _make_private(data_folder())
            replace_file(self.path, content, identity(self.path), new_mode=PRIVATE_MODE)
        elif os.path.exists(self.path):
            os.unlink(self.path)

    # -- asking

    def is_untouched(self, path: str) -> bool:
        """Return whether a file is as hallway left it and its earlier content is known."""
        held = self.files.get(path)
        if not held or not held["is_exact"] or held["sha256"] != _hash(read_file(path)):
            return False
        return held["kept"] is None or os.path.exists(os.path.join(self.folder, held["kept"]))

    def is_made_here(self, path: str) -> bool:
        return bool(path in self.files and self.files[path]["is_made"])

    def content_before(self, path: str) -> bytes | None:
        kept = self.files[path]["kept"]
        return None if kept is None else read_file(os.path.join(self.folder, kept))

    # -- telling

    def before_change(self, change: Change) -> None:
        """Keep what a file holds, and make the folders it needs."""
        is_ours = self.is_untouched(change.path)
        if change.after is not None and not is_ours:
            entry = self.files.get(change.path)
            self.files[change.path] = {
                "client": change.client,
                "kept": None if change.before is None else self._keep(change.path, change.before),
                "folders": entry["folders"] if entry else [],
                "is_made": change.before is None or bool(entry and entry["is_made"]),
                "is_exact": not _holds_hallway(change),
                "undo": change.config.undo,
            }
        if change.after is not None:
            self.files[change.path]["folders"] += _make_folders(os.path.dirname(change.path))

    def after_change(self, change: Change) -> None:
        if change.after is None or not _holds_hallway(change, after=True):
            self.files.pop(change.path, None)
        else:
            self.files[change.path]["sha256"] = _hash(change.after)

    def go_back(self, files: dict[str, dict[str, Any]]) -> None:
        """Know again what was known, and leave nothing of what has come since."""
        come, self.files = self.files, files
        self.tidy(come)

    def tidy(self, before: dict[str, dict[str, Any]]) -> None:
        """Remove what was kept and made for files that are no longer known; inner folders before outer ones."""
        gone = [held for path, held in before.items() if path not in self.files]
        for kept in {held["kept"] for held in gone} - {held["kept"] for held in self.files.values()} - {None}:
            if os.path.exists(path := os.path.join(self.folder, kept)):
                os.unlink(path)
        folders = [self.folder, *(folder for held in gone for folder in held["folders"])]
        for folder in sorted(folders, key=len, reverse=True):
            if os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)

    def _keep(self, path: str, content: bytes) -> str:
        name = f"{_hash(path.encode())[:8]}-{_hash(content)[:8]}-{os.path.basename(path)}"
        _make_private(self.folder)
        kept = os.path.join(self.folder, name)
        replace_file(kept, content, identity(kept), new_mode=PRIVATE_MODE)
        return name


def _holds_hallway(change: Change, *, after: bool = False) -> bool:
    """Return whether a file holds anything of hallway's, before or after the change."""
    content = change.after if after else change.before
    if content is None:
        return False
    text = content.decode("utf-8")
    return change.config.take(text) != text


def _make_folders(folder: str) -> list[str]:
    """Make a folder and those above it; returns the ones that were not there, outermost first."""
    missing, folder = [], os.path.abspath(folder)
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    missing.reverse()
    made = []
    try:
        for each in missing:
            os.mkdir(each)
            made.append(each)
    except OSError as error:
        for each in reversed(made):
            os.rmdir(each)
        raise FileUnusable(f"{missing[len(made)]} cannot be made: {error.strerror}") from None
    return made


def _make_private(folder: str) -> None:
    """Make one of hallway's own folders, which are nobody else's."""
    try:
        make_private_folder(folder)
    except OSError as error:
        raise FileUnusable(f"{folder} cannot be made: {error.strerror}", hint="HALLWAY_HOME=/other/folder") from None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
