"""Reading and atomic replacing of the user's files.

A file is replaced as a whole or stays as it is, so no reader sees half of it. Its mode and owner are kept. A change
that another program makes at the same time is detected. Every failure is a FileUnusable that names the file.

With `folder`, a descriptor that `open_folder` returned, a path is a name in this folder, and no symbolic link is
followed: not at the name, and not on the way to it, even if the link appears at the same moment.
"""

from __future__ import annotations

import errno
import os
import stat

from hallway.core.errors import FileUnusable

Identity = tuple[int, ...]
IS_LINK = (errno.ELOOP, errno.EMLINK)  # how systems say that O_NOFOLLOW met a symbolic link


def open_folder(root: str, below: str = "") -> int:
    """Open a folder, and from there the folders of a relative path one by one without following a symbolic link.

    Return its descriptor, which the caller closes. Raises FileUnusable for a link, for `..`, and if there is no folder.
    """
    at, path = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), root
    for name in (each for each in below.split(os.sep) if each not in ("", ".")):
        path = os.path.join(path, name)
        try:
            if name == "..":
                raise FileUnusable(f"{path} leads out of {root}", hint="Name a file inside the repository")
            deeper = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        except OSError as error:
            is_link = error.errno in IS_LINK or (error.errno == errno.ENOTDIR and os.path.islink(path))
            raise _link(path) if is_link else FileUnusable(f"{path} cannot be opened: {error.strerror}") from None
        finally:
            os.close(at)
        at = deeper
    return at


def read_file(path: str, folder: int | None = None) -> bytes:
    """Return a file's content; empty bytes if there is no file. A pipe or a device is refused, and not waited for."""
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if folder is not None else 0)
        with os.fdopen(os.open(path, flags, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileUnusable(f"{path} is no regular file")
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise (
            _link(path) if error.errno in IS_LINK else FileUnusable(f"{path} cannot be read: {error.strerror}")
        ) from None


def _link(path: str) -> FileUnusable:
    return FileUnusable(f"{path} is a symbolic link; it was not followed", hint="Name the file that it points to")


def identity(path: str, folder: int | None = None) -> Identity | None:
    """Return a value that changes whenever a file is changed or replaced; None if there is no file."""
    try:
        status = os.stat(path, dir_fd=folder, follow_symlinks=folder is None)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def replace_file(
    path: str, content: bytes, before: Identity | None, *, new_mode: int | None = None, folder: int | None = None
) -> bool:
    """Replace a file's content and keep its mode; return False, and write nothing, if it is no longer as in `before`.

    `before` is what `identity` returned when the file was read. A new file gets `new_mode`, or a mode by the umask. A
    symbolic link itself would be replaced, so pass the path that the link points to.
    """
    mode = stat.S_IMODE(before[3]) if before else new_mode if new_mode is not None else 0o666 & ~_umask()
    if not mode & stat.S_IWUSR:
        raise FileUnusable(f"{path} is read-only", hint=f"Make it writable: chmod u+w {path}")
    temporary = os.path.join(os.path.dirname(path), f".hallway-{os.urandom(6).hex()}")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
                os.chmod(stream.fileno() if os.chmod in os.supports_fd else temporary, mode)
                _keep_owner(path, stream.fileno(), folder)
            if identity(path, folder) != before:
                return False
            os.replace(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            try:
                os.unlink(temporary, dir_fd=folder)
            except FileNotFoundError:
                pass  # it has become the file
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}") from None
    return True


def _keep_owner(path: str, file: int, folder: int | None) -> None:
    """Give the new file the owner of the file it replaces, if root writes it for another user."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        try:
            owner = os.stat(path, dir_fd=folder, follow_symlinks=folder is None)
        except FileNotFoundError:
            return
        os.fchown(file, owner.st_uid, owner.st_gid)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
