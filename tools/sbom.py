"""Print hallway's software bill of materials (CycloneDX 1.6): what `requirements.lock` pins, and the page's scripts.

    python tools/sbom.py > dist/hallway.cdx.json

The pinned packages are those for one platform; on others pip takes other files of the same packages. The page's scripts
are in the wheel itself.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "src" / "hallway" / "web" / "static" / "vendor"
# The packages that the files in `VENDOR` come from, by the beginning of a file's name: name on npm, licence.
VENDORED = {"htmx": ("htmx.org", "0BSD"), "hx-sse": ("htmx.org", "0BSD"), "uplot": ("uplot", "MIT")}
PINNED = re.compile(r"^(\S+)==(\S+) --hash=sha256:(\w{64})$", re.MULTILINE)
VENDORED_FILE = re.compile(r"^(\w{64})  ((htmx|hx-sse|uplot)-([\d.]+)\.min\.\w+)$", re.MULTILINE)


def main() -> None:
    json.dump(bill(), sys.stdout, indent=2)
    sys.stdout.write("\n")


def bill() -> dict[str, Any]:
    """Return the bill as an object."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    direct = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"] + extras}
    packages = [component(*pin) for pin in PINNED.findall(read(ROOT / "requirements.lock"))]
    scripts = [script(*found) for found in VENDORED_FILE.findall(read(VENDOR / "SHA256SUMS"))]
    needed = [each["bom-ref"] for each in packages if each["name"].replace("_", "-") in direct]
    (version,) = re.findall(r'^__version__ = "(.+)"$', read(ROOT / "src" / "hallway" / "__init__.py"), re.MULTILINE)
    hallway = {
        "type": "application",
        "bom-ref": "hallway",
        "name": "hallway",
        "version": version,
        "purl": f"pkg:pypi/hallway@{version}",
        "licenses": [{"expression": project["license"]}],
        "components": scripts,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([hallway, packages]))  # the same source, the same bill
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": hallway},
        "components": packages,
        "dependencies": [{"ref": "hallway", "dependsOn": needed}],
    }


def component(name: str, version: str, sha256: str) -> dict[str, Any]:
    """Return the entry of a package of the lock file."""
    purl = f"pkg:pypi/{name.replace('_', '-')}@{version}"
    hashes = [{"alg": "SHA-256", "content": sha256}]
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "hashes": hashes}


def script(sha256: str, file: str, beginning: str, version: str) -> dict[str, Any]:
    """Return the entry of a file that the wheel has from another project."""
    name, licence = VENDORED[beginning]
    package = f"pkg:npm/{name}@{version}"
    return {
        "type": "file",
        "bom-ref": file,
        "name": file,
        "version": version,
        "purl": package,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": [{"license": {"id": licence}}],
    }


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
