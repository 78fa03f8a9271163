"""Network options of a hub: tokens, TLS and proxies, depending on the address it listens on.

On loopback the hub's own user needs no token and every other user does; if the system does not report the owner of a
connection, everybody needs one. An address that other machines can reach requires tokens, and TLS at the hub or at a
proxy in front of it, because anybody on the network could read a token in clear text. Behind a proxy every request
looks local, so tokens are required there, too. Forwarded headers are believed only from the proxy's own addresses.
"""

from __future__ import annotations

import ipaddress

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.hub.auth.limits import Limits
from hallway.hub.auth.origin import ANY_ADDRESS, LOOPBACK_NAMES

# Which callers count as the bus's owner without a token:
NOBODY, OWN_USER, LOCAL_USERS = "nobody", "own_user", "local_users"
STOP_WITHIN_S = 10.0
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 (what is asked about, not bound)


class NetworkOptions:
    """The network options of `hallway serve`."""

    def __init__(
        self,
        *,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        is_behind_proxy: bool = False,
        trusted: str = "127.0.0.1,::1",
        names: tuple[str, ...] = (),
        wants_tokens: bool = False,
        is_open_to_local_users: bool = False,
        limits: Limits | None = None,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        if bool(tls_cert) != bool(tls_key):
            raise InvalidInput("TLS needs both a certificate and its key", hint="Pass --tls-cert FILE --tls-key FILE")
        for path in filter(None, (tls_cert, tls_key)):
            _require_file(path)
        self.tls_cert = tls_cert
        self.tls_key = tls_key
        self.is_behind_proxy = is_behind_proxy
        self.trusted = trusted
        self._names = names
        if is_open_to_local_users and (wants_tokens or is_behind_proxy):
            raise InvalidInput(
                "a hub that is open to the users of this machine demands no tokens of them",
                hint="Leave out --open-to-local-users, or what demands tokens: --require-tokens, --behind-proxy",
            )
        self.wants_tokens = wants_tokens
        self._is_open_to_local_users = is_open_to_local_users
        self.limits = limits or Limits()
        self.stop_within_s = stop_within_s

    @property
    def is_secure(self) -> bool:
        """Return whether callers speak TLS, to the hub or to the proxy in front of it."""
        return bool(self.tls_cert) or self.is_behind_proxy

    def owner_is(self, host: str) -> str:
        """Return who needs no token at an address; raises InvalidInput if tokens would be sent there in clear text."""
        if is_loopback(host):
            if self.wants_tokens or self.is_behind_proxy:
                return NOBODY
            return LOCAL_USERS if self._is_open_to_local_users else OWN_USER
        if self._is_open_to_local_users:
            raise InvalidInput(
                f"{host} can be reached by other machines, and --open-to-local-users is for this one's users",
                hint="Leave it out, or serve loopback: hallway serve --host 127.0.0.1",
            )
        if not self.is_secure:
            raise InvalidInput(
                f"{host} can be reached by other machines, and tokens would go there in clear",
                hint="Pass --tls-cert FILE --tls-key FILE, or --behind-proxy where a proxy has the TLS;"
                " else serve loopback: hallway serve --host 127.0.0.1",
            )
        return NOBODY

    def names(self, host: str) -> frozenset[str]:
        """Return the host names that a request may address."""
        bare = host.strip("[]")
        own = {f"[{bare}]" if ":" in bare else bare} | ({ANY_ADDRESS} if bare in WILDCARDS else set())
        return LOOPBACK_NAMES | own | {name.lower() for name in self._names}

    @property
    def drain_s(self) -> float:
        """Return how long a stopping hub still accepts requests, until a proxy's health checks notice that it stops."""
        return self.stop_within_s / 2 if self.is_behind_proxy else 0.0

    @property
    def lacks_name(self) -> bool:
        """Return whether a proxy that forwards the Host header would be refused, because no host name is configured."""
        return self.is_behind_proxy and not self._names


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address; a name other than localhost counts as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _require_file(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None
