"""`python tests/agents [NAME…]`: install the pinned clients, cut this machine's network off, run their tests.

The tests run in a network namespace of their own that has nothing but loopback, so no client reaches anything, whatever
it tries. `make agents` calls this.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = "--inside"
WORKERS = "3"  # clients mostly wait
ALONE = "HALLWAY_TEST_ALONE"  # whether the network is cut off
PACKAGES = "HALLWAY_TEST_PACKAGES"  # the folder of hallway's distributions, and of all that installing them needs
TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS.parent))
from agents.npm import install  # noqa: E402
from agents.programs import ALL  # noqa: E402
from release.distributions import Distributions  # noqa: E402

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def main(words: list[str]) -> int:
    if words[:1] == [INSIDE]:
        if os.environ.get(ALONE):
            raise_loopback()
        command = [sys.executable, "-m", "pytest", "-q", "-n", WORKERS, "--dist", "worksteal", str(TESTS), *words[1:]]
        return subprocess.call(command, cwd=TESTS.parents[1])
    names = [word for word in words if not word.startswith("-")]
    if unknown := set(names) - ALL.keys():
        print(f"there is no client {', '.join(sorted(unknown))} here: {' '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        install(name, ALL[name].package)
    with tempfile.TemporaryDirectory() as folder:
        packages = Distributions(Path(folder) / "distributions")
        packages.build()
        return run(names, words, str(packages.folder))


def run(names: list[str], words: list[str], packages: str) -> int:
    """Run the tests of some clients without the network; `packages` is what installs hallway there."""
    command = alone()
    environ = {
        **os.environ,
        "HALLWAY_TEST_AGENTS": " ".join(names or ALL),
        ALONE: "1" if command else "",
        PACKAGES: packages,
    }
    options = [word for word in words if word.startswith("-")]
    return subprocess.call([*command, sys.executable, __file__, INSIDE, *options], env=environ)


def alone() -> list[str]:
    """What starts a program in a network of its own; nothing where that is not allowed."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") and not subprocess.call([*command, "true"], stderr=subprocess.DEVNULL):
        return command
    print(
        "unshare --net is not allowed here: nothing but their settings keeps the clients from the network", flush=True
    )
    return []


def raise_loopback() -> None:
    """Bring up the one interface of a new network, which is down at first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        found = fcntl.ioctl(channel, SIOCGIFFLAGS, struct.pack("16sH14s", b"lo", 0, b""))
        flags = struct.unpack("16sH14s", found)[1] | IFF_UP
        fcntl.ioctl(channel, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags, b""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
