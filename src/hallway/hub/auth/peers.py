"""The user who owns the other end of a local connection, as reported by the kernel.

Every user of the machine can reach a loopback address, so the address proves nothing. Linux reports the owner of a
socket: sock_diag answers for one connection at once, /proc/net/tcp lists all connections. Other systems have no
unprivileged call for this, and a container may hide the answer: `can_tell` then is false and the hub requires tokens.
Sources: sock_diag(7), proc_net_tcp(5), linux/inet_diag.h.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    End: TypeAlias = tuple[str, int]  # an address and a port

SOURCES = ("sock_diag", "proc")  # asked in this order
UNMAPPED_UID = 65534  # what a user namespace shows for the users that it does not have

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ALL_STATES = 0xFFFFFFFF
REQUEST = struct.Struct("=BBBBI")  # family, protocol, extensions, padding, states
SOCKET_ID = struct.Struct("!HH16s16s")  # source port, destination port, source, destination; then:
ANY_DEVICE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
# Family, state, timer, retransmissions, ports, addresses, device and cookie, expiry, both queues, user, inode.
ANSWER = struct.Struct("=BBBBHH16s16s12sIIIII")
TCP_LISTEN = 10
ANSWER_BYTES = 4096


def can_tell() -> bool:
    """Return whether this system reports the owner of a connection, tested with a connection to this process."""
    own = os.geteuid() if hasattr(os, "geteuid") else None
    if own is None or own == UNMAPPED_UID or not sys.platform.startswith("linux"):
        return False
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname(), timeout=5) as near,
        ):
            return owner_of(near.getsockname(), listening.getsockname()) == own
    except OSError:
        return False


def owner_of(peer: End, own: End) -> int | None:
    """Return the user who owns the socket `peer` of a connection to `own`; None if the system does not report it."""
    for source in SOURCES:
        try:
            return _LOOKUPS[source](peer, own)
        except OSError:
            continue
    return None


def _packed(end: End) -> tuple[int, bytes]:
    """Return the family of an address, and its bytes in network order."""
    address = end[0].partition("%")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _owner_by_sock_diag(peer: End, own: End) -> int | None:
    """Return the owner of the socket at `peer`; raises OSError if the kernel has no sock_diag."""
    family, source = _packed(peer)
    _, destination = _packed(own)
    id_ = SOCKET_ID.pack(peer[1], own[1], source.ljust(16, b"\0"), destination.ljust(16, b"\0"))
    body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, ALL_STATES) + id_ + ANY_DEVICE_AND_COOKIE
    header = NLMSG_HEADER.pack(NLMSG_HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + body)
        message = kernel.recv(ANSWER_BYTES, socket.MSG_DONTWAIT)  # it has answered when `send` returns
    _, kind, *_ = NLMSG_HEADER.unpack_from(message)
    answer = message[NLMSG_HEADER.size :]
    if kind != SOCK_DIAG_BY_FAMILY or len(answer) < ANSWER.size:
        return None  # there is no such socket
    _, state, _, _, source_port, destination_port, *_, uid, inode = ANSWER.unpack_from(answer)
    ports = socket.ntohs(source_port), socket.ntohs(destination_port)
    # A socket without an inode was closed by its process; the kernel then reports 0 (root) as its owner.
    return uid if inode and state != TCP_LISTEN and ports == (peer[1], own[1]) else None


def _owner_in_list(peer: End, own: End) -> int | None:
    """Return the owner of the socket at `peer` from /proc/net/tcp, which lists all connections of the machine."""
    is_v6 = ":" in peer[0]
    wanted = [_in_hex(peer), _in_hex(own)]
    with open("/proc/net/tcp6" if is_v6 else "/proc/net/tcp", encoding="ascii") as lines:
        for line in lines:
            fields = line.split()
            if fields[1:3] == wanted:
                return int(fields[7]) if fields[9] != "0" else None
    return None


def _in_hex(end: End) -> str:
    _, address = _packed(end)
    words = (int.from_bytes(address[at : at + 4], sys.byteorder) for at in range(0, len(address), 4))
    return f"{''.join(f'{word:08X}' for word in words)}:{end[1]:04X}"


_LOOKUPS: dict[str, Callable[[End, End], int | None]] = {
    "sock_diag": _owner_by_sock_diag,
    "proc": _owner_in_list,
}
