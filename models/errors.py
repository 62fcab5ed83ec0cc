"""The errors of this package.

ModelError
├── UnknownModel      the spec names no encoder that we know
├── ModelUnavailable  the encoder is known, its weights or packages cannot be loaded
├── InvalidInput      what was handed in cannot be encoded
├── Overloaded        more work is queued than the caller has time for
├── DeadlineExceeded  the caller's time was over before its turn came
├── EncoderAway       no encoder answers: the worker is down, starting or stopping
└── EncodingFailed    the forward pass raised
    ├── OutOfMemory   the batch does not fit on the device; a smaller one may
    └── DeviceLost    the device is in a state that only a new process gets out of
"""


class ModelError(Exception):
    """Anything that goes wrong in loading or running an encoder."""


class UnknownModel(ModelError):
    """The spec names no encoder that we know."""


class ModelUnavailable(ModelError):
    """The encoder is known, but its weights or packages cannot be loaded."""


class InvalidInput(ModelError):
    """What was handed in cannot be encoded."""


class Overloaded(ModelError):
    """More work is queued than the caller has time for."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the encoder is busy for the next {retry_after:.1f} s")
        self.retry_after = retry_after
        """Seconds after which the queue is expected to be shorter."""

    def __reduce__(self) -> tuple[type["Overloaded"], tuple[float]]:
        return Overloaded, (self.retry_after,)  # copies are made of it for each who waits


class DeadlineExceeded(ModelError):
    """The caller's time was over before its turn came."""


class EncoderAway(ModelError):
    """No encoder answers: the worker is down, starting or stopping."""


class EncodingFailed(ModelError):
    """The forward pass raised."""


class OutOfMemory(EncodingFailed):
    """The batch does not fit on the device; a smaller one may."""


class DeviceLost(EncodingFailed):
    """The device is in a state that only a new process gets out of."""
