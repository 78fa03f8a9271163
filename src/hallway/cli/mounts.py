"""The file system that a folder is on, and whether several processes can share a bus there.

SQLite's write-ahead log needs memory that processes share and file locks that work. Network file systems and the shared
folders of virtual machines and containers have neither, or only between the processes of one machine.
"""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"
UNSUITABLE = {
    "9p": "a folder shared with a virtual machine, or a Windows drive in WSL",
    "drvfs": "a Windows drive in WSL",
    "vboxsf": "a folder shared with a virtual machine",
    "prl_fs": "a folder shared with a virtual machine",
    "vmhgfs": "a folder shared with a virtual machine",
    "virtiofs": "a folder shared with a virtual machine",
    "fuse.vmhgfs-fuse": "a folder shared with a virtual machine",
    "fakeowner": "a folder shared with a container",
    "fuse.grpcfuse": "a folder shared with a container",
    "osxfs": "a folder shared with a container",
    **dict.fromkeys(
        (
            *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "beegfs", "gpfs", "ncpfs", "davfs"),
            *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.davfs2"),
        ),
        "a network file system",
    ),
}


def file_system_of(folder: str) -> str | None:
    """Return the type of the file system that a folder is on; None where the system does not tell."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    folder = os.path.realpath(folder)
    longest, file_system = "", None
    for line in lines:
        mount, _, source = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split()[4])
        is_above = folder == point or folder.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(longest):  # a later mount covers an earlier one of the same place
            longest, file_system = point, source.split()[0]
    return file_system
