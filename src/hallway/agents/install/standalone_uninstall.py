"""Remove hallway from the configuration of coding agents, without hallway: run it with any Python from 3.9 on.

`hallway install` puts a copy of this file, of jsonc.py and of a list of the files it edited into a folder of the
user's. So an installation can be undone when the package is gone, its environment was moved, or it cannot be imported.
Files that nobody changed since are restored byte for byte; from the others hallway's entries are removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "hallway"
NAMES = (NAME, "hallway-bus")  # the second where somebody has a server of their own with the first
PLAN = "files.json"


def main() -> int:
    """Undo every edit in the plan; return 1 if a file could not be edited."""
    sys.path.insert(0, HERE)
    with open(os.path.join(HERE, PLAN), encoding="utf-8") as file:
        plan = json.load(file)
    ledger = _ledger(os.path.join(plan["folder"], "installed.json"))
    failures = 0
    for entry in plan["files"]:
        try:
            outcome = _undo(entry, ledger.get(entry["path"]), os.path.join(plan["folder"], "kept"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            failures += 1
            outcome = f"cannot be edited: {error}. Remove hallway's entries by hand"
        if outcome:
            print(f"{entry['path']}: {outcome}")  # noqa: T201 (this is a program of its own)
    return 1 if failures else 0


def _ledger(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _undo(entry: dict[str, Any], recorded: dict[str, Any] | None, kept: str) -> str | None:
    path = entry["path"]
    if os.path.exists(path) and not os.path.isfile(path):  # opening a named pipe would wait for a writer
        raise ValueError("it is no regular file")
    try:
        with open(path, "rb") as file:
            before = file.read()
    except FileNotFoundError:
        return None
    if recorded and recorded.get("is_exact") and recorded.get("sha256") == hashlib.sha256(before).hexdigest():
        return _restore(path, recorded.get("kept"), kept)
    text = before.decode("utf-8")
    if entry["format"] == "own":
        if NAME not in text:
            return None
        os.unlink(path)
        return "removed"
    if entry["format"] == "lines":
        after = _without_lines(text, entry)
    else:
        after = _without_tables(text, entry["section"]) if entry["format"] == "toml" else _without_entries(text, entry)
    if after == text:
        return None
    if recorded and recorded.get("is_made") and after.strip() in ("", "{}", entry.get("first")):
        os.unlink(path)
        return "removed"
    _replace(path, after.encode("utf-8"))
    return "hallway's entries removed"


def _restore(path: str, name: str | None, kept: str) -> str | None:
    if name is None:
        os.unlink(path)
        return "removed"
    with open(os.path.join(kept, name), "rb") as file:
        _replace(path, file.read())
    return "restored"


def _without_entries(text: str, entry: dict[str, Any]) -> str:
    """Return a JSON text without hallway's server and hooks; everything else keeps its bytes."""
    from jsonc import Document  # type: ignore[import-not-found]  # the copy beside this file

    document = Document(text)
    section = tuple(entry["server"][:-1]) if entry["server"] else ()
    for name in NAMES if section else ():
        if _is_own_server(document.get((*section, name))):
            document.remove((*section, name))
            _remove_empty(document, section)
    hooks = document.get(("hooks",))
    for event in hooks if isinstance(hooks, dict) else ():
        items = document.items(("hooks", event)) if isinstance(hooks[event], list) else []
        own = [at for at, item in enumerate(items) if _is_own(item)]
        if own:
            document.remove_items(("hooks", event), own)
            _remove_empty(document, ("hooks", event))
    return str(document.text)


def _remove_empty(document: object, path: tuple[str, ...]) -> None:
    while path and not document.get(path):  # type: ignore[attr-defined]
        document.remove(path)  # type: ignore[attr-defined]
        path = path[:-1]


def _is_own(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    handlers = item.get("hooks", [item])
    commands = [str(each.get("command") or each.get("bash") or "") for each in handlers if isinstance(each, dict)]
    return bool(commands) and all(f"{NAME} hook " in each or "agents/hook/" in each for each in commands)


def _is_own_server(held: object) -> bool:
    """Return whether a server's entry starts hallway; somebody's own server may have the same name."""
    if not isinstance(held, dict):
        return False
    command = held.get("command")
    words = [*command] if isinstance(command, list) else [command, *(held.get("args") or [])]
    names = [str(word).replace("\\", "/").rpartition("/")[2] for word in words]
    return any(names[at : at + 2] == [NAME, "mcp"] for at in range(len(names)))


def _without_tables(text: str, section: str) -> str:
    """Return a TOML text without the tables of hallway's server and those below them."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            header = line.strip().lstrip("[").partition("]")[0]
            parts = [part.strip().strip("\"'") for part in header.split(".")]
            blocks.append((parts[1] if parts[0] == section and len(parts) > 1 else "", []))
        blocks[-1][1].append(line)
    own = {name for name, lines in blocks if name in NAMES and _starts_hallway("".join(lines))}
    return "".join(line for name, lines in blocks if name not in own for line in lines)


def _without_lines(text: str, entry: dict[str, Any]) -> str:
    """Return a script without the lines between the two marks."""
    before, begin, rest = text.partition(f"{entry['begin']}\n")
    _, end, after = rest.partition(f"{entry['end']}\n")
    return before + after if begin and end else text


def _starts_hallway(table: str) -> bool:
    return '"mcp"' in table and (f'"{NAME}"' in table or f'/{NAME}"' in table)


def _replace(path: str, content: bytes) -> None:
    """Replace a file as a whole, with its mode."""
    path = os.path.realpath(path)
    handle, temporary = tempfile.mkstemp(prefix=".hallway-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    sys.exit(main())
