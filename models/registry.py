"""From a model spec, `scheme[:name][+regions]`, to an encoder."""

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module

from models.config import EncoderOptions
from models.errors import UnknownModel
from models.model_cards import is_non_commercial
from models.regions.encoder import RegionEncoder
from models.regions.schemes import split
from models.templates import with_templates
from models.types import LoadedEncoder

_SCHEMES = {
    "starter": "models.encoders.starter.encoder",
    "open_clip": "models.encoders.open_clip",
    "koclip": "models.encoders.koclip",
    "mclip": "models.encoders.mclip",
}

_log = logging.getLogger(__name__)

_DEFAULTS = EncoderOptions()


def load_encoder(spec: str, options: EncoderOptions = _DEFAULTS) -> LoadedEncoder:
    """The encoder that `spec` names, loaded and ready.

    Raises UnknownModel for a spec that names none, ModelUnavailable where its
    weights or packages are missing.
    """
    plain, regions = split(spec)
    if regions is not None:
        return RegionEncoder(shared_encoder(plain, options), regions)
    scheme, _, name = spec.partition(":")
    module = _SCHEMES.get(scheme)
    if module is None:
        known = ", ".join(sorted(_SCHEMES))
        raise UnknownModel(f"unknown model {spec!r}; known schemes: {known}")
    load: Callable[[str, EncoderOptions], LoadedEncoder] = import_module(module).load
    encoder = load(name, options)
    if is_non_commercial(encoder.spec.licence):
        _log.warning("%s is licensed %s: no commercial use", spec, encoder.spec.licence)
    return with_templates(encoder, options.prompt_templates)


@cache
def shared_encoder(spec: str, options: EncoderOptions = _DEFAULTS) -> LoadedEncoder:
    """`load_encoder`, once per process: encoders are safe to share between threads."""
    return load_encoder(spec, options)
