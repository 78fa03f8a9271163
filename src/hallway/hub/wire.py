"""How a hub meets the network: what it demands of whom, by the address it listens on.

On loopback nothing is demanded: the operating system's user is the boundary. An address that other machines reach
wants tokens, and either TLS or a proxy in front that has it, for a token in clear is everybody's. A proxy makes every
request look local, so behind one tokens are demanded, too, and what it says of a request's origin is believed only of
the addresses it was said to be at.
"""

from __future__ import annotations

import ipaddress

from hallway.errors import FileUnusable, InvalidInput
from hallway.hub.guard import ANY_ADDRESS, LOOPBACK_NAMES
from hallway.hub.limits import Limits

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 (what is asked about, not bound)


class Wire:
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
        limits: Limits | None = None,
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
        self._wants_tokens = wants_tokens
        self.limits = limits or Limits()

    @property
    def is_secure(self) -> bool:
        """Whether callers speak TLS, to the hub or to the proxy in front of it."""
        return bool(self.tls_cert) or self.is_behind_proxy

    def demands_tokens(self, host: str) -> bool:
        """Whether every request needs a token; raises InvalidInput for an address where tokens would go in clear."""
        if is_loopback(host):
            return self._wants_tokens or self.is_behind_proxy
        if not self.is_secure:
            raise InvalidInput(
                f"{host} can be reached by other machines, and tokens would go there in clear",
                hint="Pass --tls-cert FILE --tls-key FILE, or --behind-proxy where a proxy has the TLS;"
                " else serve loopback: hallway serve --host 127.0.0.1",
            )
        return True

    def names(self, host: str) -> frozenset[str]:
        """The hosts that a request may be for."""
        bare = host.strip("[]")
        own = {f"[{bare}]" if ":" in bare else bare} | ({ANY_ADDRESS} if bare in WILDCARDS else set())
        return LOOPBACK_NAMES | own | {name.lower() for name in self._names}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost counts as reachable."""
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
