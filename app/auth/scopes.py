"""What a key may do, and what an endpoint asks for."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_NEEDS = "__noongil_scope__"


class Scope(IntEnum):
    """Each may do what those below it may."""

    OPEN = 0
    """No key is asked for."""
    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """As clients write it."""
        return self.name.lower()


def needs(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Declare what an endpoint asks for. One that declares nothing is for administrators."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _NEEDS, scope)
        return endpoint

    return declare


def scope_of(endpoint: Callable[..., Any]) -> Scope:
    return getattr(endpoint, _NEEDS, Scope.ADMIN)
