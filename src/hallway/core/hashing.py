"""SHA-256 without `hashlib`, which loads OpenSSL: that would take a tenth of a short command's time."""

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
    """Return the first 64 bits of a text's SHA-256 in hexadecimal; a lone surrogate counts as a question mark."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
