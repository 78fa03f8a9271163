"""Paths of a bus: its file, and the folder beside it for this machine's files about the bus's sessions.

Keep the imports light, because a hook loads this module before anything else.
"""

from __future__ import annotations

import os
import sys

FILE_NAME = "bus.db"
RULES = "notifications.toml"
HUBS = ("http://", "https://")


def data_folder() -> str:
    """Return the folder of this user's bus: `HALLWAY_HOME`, else the platform's folder for application data."""
    if home := os.environ.get("HALLWAY_HOME"):
        return os.path.abspath(os.path.expanduser(home))
    if sys.platform == "darwin":
        base = "~/Library/Application Support"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or ""
        if not os.path.isabs(base):
            base = "~/.local/share"  # the XDG base directory specification says to ignore a relative path
    return os.path.join(user_path(base), "hallway")


def user_path(path: str) -> str:
    """Expand `~` by HOME or, if HOME is empty or unset, by the password database."""
    if path.startswith("~") and not os.environ.get("HOME") and os.name != "nt":
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_dir + path[1:]
        except KeyError:
            pass  # the account has no entry, as in some containers
    return os.path.expanduser(path)


def rules_path() -> str:
    """Return the path of this user's rules: `HALLWAY_NOTIFICATIONS`, else a file in the configuration folder."""
    if path := os.environ.get("HALLWAY_NOTIFICATIONS"):
        return os.path.abspath(os.path.expanduser(path))
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    if sys.platform == "darwin":
        base = "~/Library/Application Support"
    elif sys.platform == "win32":
        base = os.environ.get("APPDATA") or "~/AppData/Roaming"
    elif not os.path.isabs(base):
        base = "~/.config"
    return os.path.join(user_path(base), "hallway", RULES)


def make_private_folder(path: str) -> None:
    """Make a folder and its missing parents, all for this user only (mode 0700); raises OSError if that fails.

    `os.makedirs` would make the parents with the umask's mode. Any part of hallway may be the first to make them.
    """
    missing, path = [], os.path.abspath(path)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        try:
            os.mkdir(each, 0o700)
        except FileExistsError:
            if not os.path.isdir(each):
                raise


def require_readable(address: str) -> None:
    """Raise UnsupportedUrl for an address that libraries read otherwise than it is meant, or that is no address here.

    Their errors would show a part of its password, and a file named by it would, too.
    """
    from hallway.core.errors import UnsupportedUrl
    from hallway.core.redaction import has_unencoded_user, is_connection_string, redact_url

    if is_connection_string(address):
        raise UnsupportedUrl(
            f"{redact_url(address)} is a connection string, and hallway opens a database by its URL",
            hint="Write it as postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    if has_unencoded_user(address):
        raise UnsupportedUrl(
            f"{redact_url(address)} cannot be read: its user name or password holds a character that needs encoding",
            hint="Percent-encode the two: @ is %40, / is %2F, : is %3A, ? is %3F, # is %23, % is %25, a space is %20",
        )


def bus_file(url: str | None) -> str:
    """Return the file of a local bus for a path or `sqlite:///PATH`.

    An existing file, or a path with a database suffix, is used as it is; of a folder it is the file `bus.db`.
    """
    if url is None:
        return os.path.join(data_folder(), FILE_NAME)
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else url
    if url.startswith("sqlite:////"):
        path = url.removeprefix("sqlite://").replace("//", "/", 1)
    path = os.path.abspath(os.path.expanduser(path))
    is_file = os.path.isfile(path) or (not os.path.isdir(path) and path.endswith((".db", ".sqlite", ".sqlite3")))
    return path if is_file else os.path.join(path, FILE_NAME)


def bus_folder(url: str | None) -> str:
    """Return the folder that holds a local bus; for a hub or a database, a folder in this user's data folder."""
    if url is None or url.startswith("sqlite:///") or "://" not in url:
        return os.path.dirname(bus_file(url))
    from zlib import crc32

    named = _without_password(normalise_address(url))  # a password must not change the name
    return os.path.join(data_folder(), "elsewhere", f"{crc32(named.encode()):08x}")


def _without_password(url: str) -> str:
    """Return an address without its query and its login's password, to name something after it."""
    scheme, sign, rest = url.partition("?")[0].rstrip("/").partition("://")
    if not sign:
        return url
    login, at, address = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}{at}{address}"


# -- which bus is used ------------------------------------------------------------------------------------------------

SELECTED = "selected-bus"  # the file that holds the address which `hallway use` selected
DEFAULT_PORTS = {"http": "80", "https": "443"}


def bus_address(url: str | None = None) -> str | None:
    """Return the address of the bus to use; None for this user's own file.

    It is `url`, else `HALLWAY_URL`, else the address that `hallway use` selected.
    """
    address = url or os.environ.get("HALLWAY_URL") or selected_bus()
    return normalise_address(address) if address else None


def address_source(url: str | None = None) -> str:
    """Return what selected the address of the bus, in the words of a message."""
    if url:
        return "given by --url"
    if os.environ.get("HALLWAY_URL"):
        return "given by HALLWAY_URL"
    return "selected by hallway use" if selected_bus() else "HALLWAY_URL is not set"


def selected_bus() -> str | None:
    """Return the address that `hallway use` selected; None if there is none."""
    try:
        with open(os.path.join(data_folder(), SELECTED), encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, UnicodeError):
        return None


def normalise_address(address: str) -> str:
    """Return a hub's address in one form: case, default port, the dot at the host's end and the last slash are gone.

    Several addresses are separated by commas. The address of another kind of bus stays as it is.
    """
    if not address.lower().startswith(HUBS):
        return address
    return ",".join(_normalise_hub(each.strip()) for each in address.split(",") if each.strip())


def _normalise_hub(url: str) -> str:
    scheme, sign, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, host = authority.rpartition("@")
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:  # no port, or the colons of an IPv6 address
        name, port = host, ""
    scheme, name = scheme.lower(), name.lower().removesuffix(".")
    port = f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else ""
    return f"{scheme}{sign}{login}{at}{name}{port}" + f"{slash}{path}".rstrip("/")
