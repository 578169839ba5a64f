"""Hosts that are this machine, or on a link of it: what a URL of a file must not name unless mlgit.yml allows it."""

from __future__ import annotations

import ipaddress

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_BYTES = 4  # of an IPv4 address
# What only a machine of that cloud reaches, and what says who the machine is, without being on its link: Azure,
# Alibaba Cloud, AWS and Google Cloud by IPv6.
_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))


def is_local_host(host: str) -> bool:
    """Return True for a name or an address of this machine, or of its link, in any notation; nothing is asked."""
    name = host.lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    address = _parse_address(name)
    return address is not None and is_local_address(address)


def is_local_address(address: IpAddress) -> bool:
    """Return True for an address of this machine, or of its link, such as that of a cloud's metadata service."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_link_local or address.is_unspecified or address in _METADATA


def _parse_address(name: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return _parse_short_address(name)


def _parse_short_address(name: str) -> ipaddress.IPv4Address | None:
    """Return an IPv4 address that is written in fewer than four parts, or in octal or hexadecimal numbers."""
    parts = name.split(".")
    try:
        numbers = [int(part, 8 if part.startswith("0") and part.isdecimal() and part != "0" else 0) for part in parts]
        *first, last = numbers
        value = last + sum(number << (24 - 8 * index) for index, number in enumerate(first))
        return ipaddress.IPv4Address(value) if len(parts) <= _BYTES else None
    except (ValueError, OverflowError):
        return None
