"""BLAS on one thread, for products that are too small to share."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import ThreadpoolController

_lock = Lock()


class OneThread:
    """Two threads were measured to wait 90 ms for each other on a busy machine over 2 ms of work.

    The limit is the whole process's and is restored afterwards, which two calls at once would
    garble: they take turns. BLAS libraries that are loaded later are not limited.
    """

    def __init__(self) -> None:
        self._blas = ThreadpoolController()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with _lock, self._blas.limit(limits=1, user_api="blas"):
            yield
