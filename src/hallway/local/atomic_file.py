"""Reading and atomic replacing of the user's files.

A file is replaced as a whole or stays as it is, so no reader sees half of it. Its mode and owner are kept. A change
that another program makes at the same time is detected. Every failure is a FileUnusable that names the file.
"""

from __future__ import annotations

import os
import stat
import tempfile

from hallway.core.errors import FileUnusable

Identity = tuple[int, ...]


def read_file(path: str) -> bytes:
    """Return a file's content; empty bytes if there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None


def identity(path: str) -> Identity | None:
    """Return a value that changes whenever a file is changed or replaced; None if there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def replace_file(path: str, content: bytes, before: Identity | None, *, new_mode: int | None = None) -> bool:
    """Replace a file's content and keep its mode; return False, and write nothing, if it is no longer as in `before`.

    `before` is what `identity` returned when the file was read. A new file gets `new_mode`, or a mode by the umask. A
    symbolic link itself would be replaced, so pass the path that the link points to.
    """
    mode = stat.S_IMODE(before[3]) if before else new_mode if new_mode is not None else 0o666 & ~_umask()
    if not mode & stat.S_IWUSR:
        raise FileUnusable(f"{path} is read-only", hint=f"Make it writable: chmod u+w {path}")
    try:
        file, temporary = tempfile.mkstemp(prefix=".hallway-", dir=os.path.dirname(path))
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, mode)
            _keep_owner(path, temporary)
            if identity(path) != before:
                return False
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}") from None
    return True


def _keep_owner(path: str, temporary: str) -> None:
    """Give the new file the owner of the file it replaces, if root writes it for another user."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and os.path.exists(path):
        owner = os.stat(path)
        os.chown(temporary, owner.st_uid, owner.st_gid)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
