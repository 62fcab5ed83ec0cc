"""Addresses for containers: the loopback network has sixteen million, so ports stay as they are."""

import random
import re
from collections.abc import Iterable
from itertools import count

_OWN = re.compile(r"(?<![\w.])(?:0\.0\.0\.0|127\.0\.0\.1|localhost)(?![\w.])")
"""What a container says of itself."""
_DNS = re.compile(r"(?<![\w.])127\.0\.0\.11(?![\w.])")


class Network:
    """Host names of services, each with the addresses of its containers."""

    def __init__(self) -> None:
        middle = f"{random.randrange(16, 250)}.{random.randrange(256)}"  # noqa: S311 - no secret
        self._addresses = (f"127.{middle}.{number}" for number in count(1))
        self._names: dict[str, list[str]] = {}
        self._networks: dict[str, frozenset[str]] = {}
        self.gateway = next(self._addresses)

    def join(self, host_names: Iterable[str], networks: frozenset[str]) -> str:
        """The address of a new container, which goes by these names in these networks."""
        address = next(self._addresses)
        self._networks[address] = networks
        for name in host_names:
            self._names.setdefault(name, []).append(address)
        return address

    def addresses(self, name: str) -> list[str]:
        return self._names.get(name, [])

    def translated(self, text: str, own: str, dns: str) -> str:
        """What the container at the address `own` is told, in addresses; `dns` is the name
        server's, with its port. Names of several containers stay: the name server knows them. So do
        those of other networks, and lead nowhere.
        """
        text = _DNS.sub(dns, _OWN.sub(own, text))
        for name, addresses in self._names.items():
            if len(addresses) == 1 and self._networks[own] & self._networks[addresses[0]]:
                text = _host(name).sub(addresses[0], text)
        return text


def _host(name: str) -> re.Pattern[str]:
    """The name before a port, or where a URL has its host."""
    name = re.escape(name)
    return re.compile(rf"(?<![\w.-]){name}(?=:\d)|(?<=//){name}(?=/|$)|(?<=@){name}(?=/|$)")
