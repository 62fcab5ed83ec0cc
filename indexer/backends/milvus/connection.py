"""A connection to Milvus: opened at the first use, shared by the process, bounded in time.

Whatever goes wrong is an IndexAway. After a failure nothing is asked for a moment: searches that
wait for a server that is down would hold the threads of those that need none.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

from indexer.errors import IndexAway

SEARCH_SECONDS = 5.0
"""A search, or a read, that takes longer is given up."""
BUILD_SECONDS = 3600
"""What a build waits for at most: an index over the vectors, for one."""
_CONNECT_SECONDS = 3.0
_PAUSE_SECONDS = 1.0
_LITE_SUFFIX = ".db"
_NOT_REACHED = {None, 1, 2}
"""Codes of pymilvus's own; those of a server that answered are others."""


@dataclass(frozen=True)
class MilvusOptions:
    uri: str
    """`http://host:19530`, or the path of a file that ends in .db: Milvus Lite, in this process."""
    token: str = field(default="", repr=False)
    """`user:password`, or a key; empty: none is asked for."""

    @property
    def is_lite(self) -> bool:
        return self.uri.endswith(_LITE_SUFFIX)


class Milvus:
    """Safe to use from several threads at once."""

    def __init__(self, options: MilvusOptions) -> None:
        self.options = options
        self._client: Any = None
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._why = ""

    def call(self, method: str, *args: Any, seconds: float = SEARCH_SECONDS, **named: Any) -> Any:
        """What a method of pymilvus's client returns. Raises IndexAway."""
        failures = _failures()
        self._require_here()
        try:
            return getattr(self._connected(), method)(*args, timeout=seconds, **named)
        except failures as error:
            raise self._away(error) from error

    def has(self, collection: str) -> bool:
        return bool(self.call("has_collection", collection))

    def count(self, collection: str, seconds: float = BUILD_SECONDS) -> int:
        """Entities, as they are at this moment."""
        counted = self.call(
            "query",
            collection,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
            seconds=seconds,
        )
        return int(counted[0]["count(*)"])

    def close(self) -> None:
        """Of Milvus Lite, let go of the file; the next use opens it again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._require_here()  # who waited for another's attempt does not repeat it
                if self.options.is_lite:  # it logs what its server does not know, and is not told
                    logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
                self._client = library().MilvusClient(
                    self.options.uri, token=self.options.token, timeout=_CONNECT_SECONDS
                )
            return self._client

    def _require_here(self) -> None:
        if time.monotonic() < self._away_until:
            raise IndexAway(self._why)

    def _away(self, error: BaseException) -> IndexAway:
        """Where the server did answer, and refused one request, others are asked at once."""
        details = getattr(error, "details", None)  # a method of gRPC's errors
        why = details() if callable(details) else getattr(error, "message", "") or str(error)
        self._why = f"Milvus does not answer as it should: {why}"
        code = getattr(error, "code", None)
        if callable(code) or code in _NOT_REACHED:  # gRPC's errors have a method of that name
            self._away_until = time.monotonic() + _PAUSE_SECONDS
        return IndexAway(self._why)


@lru_cache
def connect(options: MilvusOptions) -> Milvus:
    """The process's one connection to that server."""
    return Milvus(options)


@lru_cache
def library() -> Any:
    """The module `pymilvus`, which takes a second to import. It logs every failure with a traceback
    before it raises: here they are handled. Raises IndexAway where it is not installed.
    """
    try:
        found = import_module("pymilvus")
    except ImportError as error:
        raise IndexAway("Milvus needs the extra `scale`: pip install 'noongil[scale]'") from error
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return found


@lru_cache
def _failures() -> tuple[type[BaseException], ...]:
    """What pymilvus raises."""
    exception, grpc = library().MilvusException, import_module("grpc")
    return exception, grpc.RpcError, grpc.FutureTimeoutError
