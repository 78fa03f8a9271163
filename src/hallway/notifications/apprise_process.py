"""The process that sends one notification through Apprise: what to send is its standard input, as JSON.

Its exit status says what Apprise reported: sent, refused by the service, or a URL that Apprise does not know.
"""

from __future__ import annotations

import json
import sys

SENT, REFUSED, UNKNOWN_URL = 0, 3, 4  # Python itself exits with 1 or 2 if the program fails


def main() -> int:
    """Send what standard input holds; return the exit status."""
    import apprise

    asked = json.load(sys.stdin)
    service = apprise.Apprise()
    if not service.add(asked["url"]):
        return UNKNOWN_URL
    kind = apprise.NotifyType.WARNING if asked["is_urgent"] else apprise.NotifyType.INFO
    is_sent = service.notify(
        title=asked["title"], body=asked["body"], notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    return SENT if is_sent else REFUSED


if __name__ == "__main__":
    sys.exit(main())
