"""From a model spec, `scheme[:name]`, to an encoder."""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from models.errors import UnknownModel
from models.types import Encoder

_SCHEMES = {"starter": "models.encoders.starter"}


def load_encoder(spec: str) -> Encoder:
    """The encoder that `spec` names, loaded and ready.

    Raises UnknownModel for a spec that names none, ModelUnavailable where its
    weights or packages are missing.
    """
    scheme, _, name = spec.partition(":")
    module = _SCHEMES.get(scheme)
    if module is None:
        known = ", ".join(sorted(_SCHEMES))
        raise UnknownModel(f"unknown model {spec!r}; known schemes: {known}")
    load: Callable[[str], Encoder] = import_module(module).load
    return load(name)


@cache
def shared_encoder(spec: str) -> Encoder:
    """`load_encoder`, once per process: encoders are safe to share between threads."""
    return load_encoder(spec)
