"""The errors of this package.

ModelError
├── UnknownModel      the spec names no encoder that we know
├── ModelUnavailable  the encoder is known, its weights or packages cannot be loaded
└── InvalidInput      what was handed in cannot be encoded
"""


class ModelError(Exception):
    """Anything that goes wrong in loading or running an encoder."""


class UnknownModel(ModelError):
    """The spec names no encoder that we know."""


class ModelUnavailable(ModelError):
    """The encoder is known, but its weights or packages cannot be loaded."""


class InvalidInput(ModelError):
    """What was handed in cannot be encoded."""
