"""SHA-256 as short commands can afford it: `hashlib` loads OpenSSL, which takes a tenth of such a command's time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # CPython's own, from 3.12 on
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256


def short_digest(text: str) -> str:
    """Return 64 bits of a text's SHA-256 in hexadecimal; half characters count as question marks."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
