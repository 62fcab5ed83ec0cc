"""Addresses to listen on."""

import socket
from ipaddress import ip_address

from app.errors import Problem


class CannotServe(Problem):
    """The process may not or cannot listen where it was told to."""


def listen(host: str, port: int) -> socket.socket:
    """Raises CannotServe."""
    try:
        return socket.create_server((host, port), family=_family(host))
    except OSError as error:
        raise _taken(host, port, error) from error


def require_free(host: str, port: int) -> None:
    """Say that the port is taken before minutes go into an index. Raises CannotServe."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _taken(host, port, error) from error


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _taken(host: str, port: int, error: OSError) -> CannotServe:
    return CannotServe(f"cannot listen on {host}:{port}: {error.strerror}")
