"""Keep the program that undoes an installation without hallway: see standalone_uninstall.py."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from hallway.agents.install import jsonc, standalone_uninstall
from hallway.local.atomic_file import identity, replace_file
from hallway.local.paths import data_folder, make_private_folder

if TYPE_CHECKING:
    from hallway.agents.install.plan import InstallLedger

FOLDER = "uninstall"
PROGRAM = "uninstall.py"
MODE = 0o600


def standalone_program() -> str:
    """Return where the program is that undoes an installation without hallway."""
    return os.path.join(data_folder(), FOLDER, PROGRAM)


def keep_standalone(record: InstallLedger) -> None:
    """Write the program and the list of edited files, or remove both when no edited file is left."""
    folder = os.path.join(data_folder(), FOLDER)
    if not record.files:
        shutil.rmtree(folder, ignore_errors=True)
        return
    make_private_folder(folder)
    files = [{"path": path, **held["undo"]} for path, held in record.files.items()]
    plan = json.dumps({"folder": data_folder(), "files": files}, indent=2)
    contents = {standalone_uninstall.PLAN: plan.encode()}
    for name, module in ((PROGRAM, standalone_uninstall), ("jsonc.py", jsonc)):
        with open(str(module.__file__), "rb") as file:
            contents[name] = file.read()
    for name, content in contents.items():
        path = os.path.join(folder, name)
        replace_file(path, content, identity(path), new_mode=MODE)
