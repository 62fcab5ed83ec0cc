"""Modules whose weights are to be loaded need none at random first."""

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode

_RANDOM = {"normal_", "uniform_", "erfinv_", "kaiming_uniform_", "xavier_uniform_"}


class Unfilled(TorchFunctionMode):
    """`with Unfilled():` leaves the memory of random weights as it was found.

    Building ViT-B-16-SigLIP2 then takes 1.4 seconds instead of 5.4. Whoever uses it has to
    see to it that every weight is loaded, as `models.weights.checkpoint.load_all` does.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in _RANDOM:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
