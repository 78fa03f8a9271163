"""How a hub meets the network: what it demands of whom, by the address it listens on.

On loopback the operating system's user is the boundary: the hub's own user needs no token, every other one does, and
where the system does not tell whose a connection is, everybody does. An address that other machines reach wants
tokens, and either TLS or a proxy in front that has it, for a token in clear is everybody's. A proxy makes every
request look local, so behind one tokens are demanded, too, and what it says of a request's origin is believed only of
the addresses it was said to be at.
"""

from __future__ import annotations

import ipaddress

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.hub.auth.limits import Limits
from hallway.hub.auth.origin import ANY_ADDRESS, LOOPBACK_NAMES

# Who is taken for the bus's owner without a token:
NOBODY, OWN_USER, LOCAL_USERS = "nobody", "own_user", "local_users"
STOP_WITHIN_S = 10.0
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 (what is asked about, not bound)


class NetworkOptions:
    """The choices of `hallway serve` that are about the network."""

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
        """Return who needs no token at an address; raises InvalidInput for one where tokens would go in clear."""
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
        """Return the hosts that a request may be for."""
        bare = host.strip("[]")
        own = {f"[{bare}]" if ":" in bare else bare} | ({ANY_ADDRESS} if bare in WILDCARDS else set())
        return LOOPBACK_NAMES | own | {name.lower() for name in self._names}

    @property
    def drain_s(self) -> float:
        """Return for how long a hub that was told to stop still takes requests: a proxy's probes must notice first."""
        return self.stop_within_s / 2 if self.is_behind_proxy else 0.0

    @property
    def lacks_name(self) -> bool:
        """Return whether a proxy that passes the header Host on would be refused: the hub knows no name of its own."""
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
