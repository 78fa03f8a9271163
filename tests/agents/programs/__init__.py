"""The clients that the tests run: one file each, found by the names in hallway's catalogue."""

from __future__ import annotations

import importlib
from pathlib import Path

from agents.programs.base import Program
from hallway.local.client_catalog import CATALOG

__all__ = ["ALL", "Program"]

MODULES = {name: name.replace("-", "_") for name in CATALOG}
ALL: dict[str, Program] = {
    name: importlib.import_module(f"agents.programs.{module}").PROGRAM
    for name, module in MODULES.items()
    if (Path(__file__).parent / f"{module}.py").exists()
}
