"""Redaction of passwords in the addresses that error texts, logs, events and `doctor` show.

Every error of hallway passes its message through `redact`, and so do the logs, so a new message cannot forget it. Where
a text is ambiguous, too much is replaced rather than too little: addresses with unencoded characters in a password are
common, and no parser agrees with another on what they mean.
"""

from __future__ import annotations

from hallway.core.pattern import pattern

HIDDEN = "***"
WEB = ("http", "https")
ASSIGNED = ("password", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "apikey")


def redact(text: str) -> str:
    """Return a text with `***` in place of each password in a URL or in a connection string; in linear time."""
    if "://" in text and "@" in text:
        text = "".join(map(_redact_run, _runs(text)))
    if "=" not in text:
        return text
    lower = text.lower()
    return _without_assigned(text) if any(word in lower for word in ASSIGNED) else text


def redact_url(url: str) -> str:
    """Return one address as texts show it: without password, options and fragment.

    Unlike in `redact`, spaces in it belong to it, because nothing else is in the text.
    """
    scheme, sign, rest = url.partition("://")
    if sign:
        user, at, place = _split(scheme, rest)
        place = place.partition("?")[0].partition("#")[0]
        url = f"{scheme}://{user}{at}{place}"
    return redact(url)


def has_unencoded_user(url: str) -> bool:
    """Return whether a URL's user name or password holds characters that must be percent-encoded.

    Libraries cut such a URL elsewhere than its author meant, and then show a part of the password in their errors.
    """
    rest = url.partition("://")[2]
    if "@" not in rest:
        return False
    authority = pattern("[^/?#]*+").match(rest)[0]  # type: ignore[index]
    behind = rest[len(authority) :]
    user, has_user, host = authority.rpartition("@")
    if has_user and ("@" in user or pattern(r"[\s\[\]]|%(?![0-9A-Fa-f]{2})").search(user)):
        return True
    if "@" in behind.partition("?")[0]:
        return ":" in authority
    is_port = ":" not in host or host.endswith("]") or host.rpartition(":")[2].isdigit()
    return "@" in behind and (not is_port or "=" not in behind.partition("@")[0])


def is_connection_string(address: str) -> bool:
    """Return whether an address consists of libpq's words, `host=… password=…`, which no path of a bus looks like."""
    return "=" in address and bool(
        pattern(r"^\s*(host|hostaddr|port|dbname|user|password|passfile|service|sslmode)\s*=").match(address)
    )


def reason(url: str, error: Exception) -> str:
    """Return what a library says of an address that failed, without the password in it."""
    text = str(error).strip() or type(error).__name__
    password = pattern("(?s)^[^:/?#@]*+:([^@]*+)@").match(url.partition("://")[2])
    if password and password[1]:
        from urllib.parse import unquote

        for secret in (password[1], unquote(password[1])):
            text = text.replace(secret, HIDDEN)
    return text


def _runs(text: str) -> list[str]:
    """Return a text's runs of white space and of other characters, in turn."""
    return pattern(r"\s+|\S+").findall(text)


def _redact_run(run: str) -> str:
    before, sign, rest = run.partition("://")
    return f"{before}{sign}{''.join(_split(before, rest))}" if "@" in rest else run


def _split(scheme: str, rest: str) -> tuple[str, str, str]:
    """Return the user as it may be shown, the sign behind it, and the place, of what follows `://`."""
    login, sign, place = rest.rpartition("@")
    if not sign:
        return "", "", rest
    start = login.find("]") + 1 if login.startswith("[") else 0
    colon = login.find(":", start)
    if colon >= 0:
        return f"{login[:colon]}:{HIDDEN}", sign, place
    is_token = scheme.lower().endswith(WEB) and not any(each in login for each in "/?#")
    return HIDDEN if is_token else login, sign, place


def _without_assigned(text: str) -> str:
    """Replace what the words of a connection string or of a query set, quoted or not, that hold secrets."""
    assignment = pattern(
        r"(?is)((?:password|passwd|passphrase|pwd|secret|token|api_?key)\s*=\s*)"
        r"""(?:'(?:[^'\\]|\\.)*+'?\S*|"(?:[^"\\]|\\.)*+"?\S*|(?:\\.|\S)+)"""
    )
    return assignment.sub(rf"\1{HIDDEN}", text)
