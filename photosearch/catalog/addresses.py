"""Which hosts may be asked, and connections that go only to addresses that were checked.

A name is looked up once for each connection, every answer is checked, and the connection goes to
the very address that was checked: a name that answers otherwise a moment later gains nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

from photosearch.errors import OutsidePhoto

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as IPv6 ones, for networks that translate. Source: RFC 6052, section 2.1."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, ...

    An IPv6 address that carries an IPv4 one is what that one is.

    Raises:
        ValueError: Not an IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    carried = _carried(ip)
    if carried is not None:
        return is_public(str(carried))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_of_this_machine(host: str) -> bool:
    """Whether a host, as written, is the loopback; nothing is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class CheckedNetwork(httpcore.SyncBackend):
    """Connects to public addresses, and to private ones only of hosts that are allowed by name."""

    def __init__(self, allowed_hosts: Iterable[str]) -> None:
        """Takes names with or without a port: `media.local` allows every port of it."""
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Looks the name up, checks all it is, and connects to one of just these.

        Raises:
            OutsidePhoto: The host is in a network that is not open to all, and is not allowed.
            httpcore.ConnectError: There is no such host, or none of its addresses answers.
        """
        addresses = _look_up(host, port)
        if not self.allows(host, port):
            for address in addresses:
                if not is_public(address):
                    raise OutsidePhoto(
                        f"{host}:{port} is {address}, which is not open to all. If the source's "
                        f"photos really lie there, add {host}:{port} to PHOTOSEARCH_SOURCE_HOSTS."
                    )
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    def allows(self, host: str, port: int) -> bool:
        """Whether someone allowed this host by name."""
        host = host.lower().strip("[]")
        return not self._allowed.isdisjoint({host, f"{host}:{port}", f"[{host}]:{port}"})


def _look_up(host: str, port: int) -> list[str]:
    try:
        answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters
        raise httpcore.ConnectError(f"{host} cannot be looked up: {error}") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _carried(ip: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, 6to4, Teredo or NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None)
