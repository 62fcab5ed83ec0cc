"""Which addresses a server may fetch pictures from: public ones, and those that the operator names.

A URL comes from whoever wrote the catalogue. It must not make this machine ask the services
beside it: loopback, the local network, a cloud's metadata.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from indexer.errors import SourceError

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

# What `is_global` lets pass, in one Python version or another, and what no picture comes from.
_DENIED: tuple[_Network, ...] = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments; 192.0.0.192 is Oracle Cloud's metadata
        "168.63.129.16/32",  # Azure's wire server
        "100.64.0.0/10",  # shared by carriers; 100.100.100.200 is Alibaba Cloud's metadata
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved
        "::/96",  # IPv4-compatible: ::127.0.0.1
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b:1::/48",  # NAT64 for local use
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4: 2002:7f00:1:: is 127.0.0.1
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressPolicy:
    """`allowed` are networks in CIDR notation that may be asked although they are not public.

    Raises SourceError where one is no network.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        try:
            self._allowed = [ip_network(network) for network in allowed]
        except ValueError as error:
            raise SourceError(f"fetch_allowed_networks: {error}") from None

    def permits(self, address: str) -> bool:
        """Whether a connection to `address`, as the resolver wrote it, may be made."""
        try:
            target = _reached(ip_address(address))
        except ValueError:
            return False
        if any(target in network for network in self._allowed):
            return True
        return target.is_global and not any(target in network for network in _DENIED)


def _reached(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for; any other unchanged."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
