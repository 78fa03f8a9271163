"""Connections of webhooks to checked addresses, so that no webhook reaches into the machine or the network it runs in.

The host is resolved once. Every address that it has is checked, and the connection goes to one of these addresses: a
second resolution could give another one. Addresses that only look public, because they hold an IPv4 address inside, are
judged by that one.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING

from hallway.core.errors import NotificationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 networks whose addresses hold an IPv4 address, and how many bits lie behind it: NAT64, and IPv4-compatible ones.
EMBEDDING = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("::/96"), 0))
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")


def is_public(text: str) -> bool:
    """Return whether an address is one of the public internet, by itself and by every address that it holds inside."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    inner = _embedded(address)
    if inner is not None:
        return all(each.is_global and not each.is_multicast for each in inner)
    is_special = address.is_multicast or address.is_site_local or address.is_reserved or address in LOCAL_NAT64
    return address.is_global and not is_special


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address] | None:
    """Return the IPv4 addresses inside an IPv6 address; None if it has none."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    for network, shift in EMBEDDING:
        if address in network:
            return [ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)]
    return None


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host, in the system's order; raises NotificationFailed if one of them is not public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotificationFailed(f"{host} has no address: {error}") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    private = [each for each in addresses if not is_public(each)]
    if private and not allow_private:
        raise NotificationFailed(
            f"{host} has the address {private[0]}, which is not on the public internet",
            hint="If the webhook may reach it: allow_private = true in its section of the rules file",
            is_final=True,
        )
    return addresses


def _connected(addresses: list[str], port: int, limit_s: float) -> socket.socket:
    """Return a connection to the first address that accepts one, all of them within a time limit."""
    until = time.monotonic() + limit_s
    failure: OSError = TimeoutError("timed out")
    for address in addresses:
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((address, port), left_s)
        except OSError as error:
            failure = error
    raise failure


class CheckedConnection(http.client.HTTPConnection):
    """An HTTP connection to checked addresses; the host name is only sent in the request."""

    def __init__(self, host: str, port: int, addresses: list[str], timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._addresses = addresses
        self._limit_s = timeout_s

    def connect(self) -> None:
        self.sock = _connected(self._addresses, self.port, self._limit_s)


class CheckedTlsConnection(CheckedConnection):
    """The same with TLS: the certificate must be the host's."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, addresses: list[str], timeout_s: float) -> None:
        super().__init__(host, port, addresses, timeout_s)
        self._context = ssl.create_default_context()

    def connect(self) -> None:
        super().connect()
        # The handshake begins once `sock` is the socket with TLS, so that another thread can end it.
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


def connection_class(scheme: str) -> Callable[[str, int, list[str], float], CheckedConnection]:
    """Return the class of connections for `https` or `http`."""
    return CheckedTlsConnection if scheme == "https" else CheckedConnection
