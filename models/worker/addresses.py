"""Where a worker listens: several may share a name, as the replicas of a service do."""

import asyncio
import random
import socket
from urllib.parse import urlsplit

_PORTS = {"ws": 80, "wss": 443}


async def addresses(uri: str) -> list[str]:
    """All of the host's, in another order each time, so that servers spread over the workers.

    Raises OSError where the name is not known.
    """
    parts = urlsplit(uri)
    port = parts.port or _PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    hosts = sorted({str(address[0]) for *_, address in found})
    return random.sample(hosts, len(hosts))
