"""Names of sessions as text: what may be a name, and which name a branch, a title or a folder gives (S9).

A name is short, can be typed anywhere, and is all lower case, so that no two names look alike. Which names are free is
for `services/session_names.py` to find out.
"""

from __future__ import annotations

MAX_NAME = 32
ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# Words that mean something else where a session is named, or could be read so.
RESERVED = frozenset({"active", "all", "any", "everybody", "everyone", "me", "none", "self", "user", "you"})
DEFAULT_BRANCHES = frozenset({"main", "master", "trunk", "develop"})
HOMES = ("/home", "/Users")
LAST_RESORT = "session"
UNNAMED = "unknown"  # the client of a session whose first heartbeat did not tell it


def is_name(text: str) -> bool:
    """Return whether a text has the form of a name: letters a to z, digits and hyphens, and no hyphen first."""
    return 0 < len(text) <= MAX_NAME and text[0] != "-" and ALLOWED.issuperset(text)


def slug(text: str) -> str:
    """Return a text in the form of a name; empty if it has no letter or digit that a name may hold.

    `Fix the Login!` becomes `fix-the-login`, `Größe` becomes `grosse`. A long text is cut between words.
    """
    if not text.isascii():
        from unicodedata import combining, normalize

        letters = normalize("NFKD", normalize("NFKD", text).casefold())
        text = "".join(c for c in letters if not combining(c))
    words = "".join(c if c in ALLOWED else "-" for c in text.lower()).split("-")
    name = ""
    for word in filter(None, words):
        longer = f"{name}-{word}" if name else word[:MAX_NAME]
        if len(longer) > MAX_NAME:
            break
        name = longer
    return name


def name_of_branch(branch: str) -> str:
    """Return what a person calls the work on a branch; empty for a default branch.

    It is the part after the last slash: `fix/login-form` gives `login-form`. A last part that says nothing alone takes
    the one before it along: `release/2.0` gives `release-2-0`.
    """
    if branch in DEFAULT_BRANCHES:
        return ""
    *before, last = [part for part in map(slug, branch.split("/")) if part] or [""]
    says_little = last in DEFAULT_BRANCHES or not any(c.isalpha() for c in last)
    return slug(f"{before[-1]}-{last}") if says_little and before else last


def name_of_folder(location: str | None) -> str:
    """Return the name that a location `HOST:DIRECTORY` gives: that of the directory; empty for a home folder.

    A person's home folder says nothing of the work, and its name is the person's.
    """
    path = (location or "").partition(":")[2].replace("\\", "/").rstrip("/")
    parent, _, folder = path.rpartition("/")
    is_home = parent.endswith(HOMES) or path == "/root"
    return "" if is_home else slug(folder.removesuffix(".git"))


def name_of_client(agent_type: str) -> str:
    """Return the short name of a client: `claude-code` is `claude`; empty for an unknown one."""
    return "" if agent_type == UNNAMED else slug(agent_type.removesuffix("-code").removesuffix("-cli"))


def numbered(base: str, number: int) -> str:
    """Return a name with a number, which the first one of that name does not have: `shop`, `shop-2`."""
    end = f"-{number}" if number > 1 else ""
    return base[: MAX_NAME - len(end)].rstrip("-") + end
