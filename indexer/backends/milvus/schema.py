"""What Milvus keeps of an image, and the index over it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.attributes import Attributes
from indexer.backends.milvus.connection import BUILD_SECONDS, Milvus, library
from indexer.backends.milvus.index_type import MilvusIndexType
from indexer.backends.milvus.terms import terms_of

ID, VECTOR, ATTRIBUTES, TERMS = "id", "vector", "attributes", "terms"
METRIC = "IP"
"""Of unit vectors: the cosine."""
_ROWS_AT_ONCE = 1_000
"""At most 40 MB with attributes as large as they may be; Milvus takes 64."""
_MAX_TERMS = 4096
"""As many as Milvus lets a field have: more than fit into the attributes of an image."""
_MAX_TERM_BYTES = 65_535


def create(milvus: Milvus, collection: str, dim: int) -> None:
    kinds = library().DataType
    schema = library().MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ID, kinds.INT64, is_primary=True)
    schema.add_field(VECTOR, kinds.FLOAT_VECTOR, dim=dim)
    schema.add_field(ATTRIBUTES, kinds.JSON)
    schema.add_field(
        TERMS,
        kinds.ARRAY,
        element_type=kinds.VARCHAR,
        max_capacity=_MAX_TERMS,
        max_length=_MAX_TERM_BYTES,
    )
    milvus.call(
        "create_collection",
        collection,
        schema=schema,
        consistency_level="Bounded",
        seconds=BUILD_SECONDS,
    )


def build_index(milvus: Milvus, collection: str, index: MilvusIndexType) -> None:
    """Blocking: over all that was written, and loaded for searching."""
    params = library().MilvusClient.prepare_index_params()
    parameters: dict[str, Any] = dict(index.parameters)
    if milvus.options.is_lite:  # which reads them where earlier clients put them
        parameters = {"params": parameters}
    else:  # Lite has no index of arrays
        params.add_index(TERMS, index_type="INVERTED")
    params.add_index(VECTOR, index_type=index.name, metric_type=METRIC, params=parameters)
    milvus.call("create_index", collection, params, seconds=BUILD_SECONDS)
    load(milvus, collection)


def load(milvus: Milvus, collection: str) -> None:
    """Blocking; soon done where it is loaded."""
    milvus.call("load_collection", collection, seconds=BUILD_SECONDS)


def is_loaded(milvus: Milvus, collection: str) -> bool:
    """Whether it is by now; where it is not, that begins."""
    if not _says_loaded(milvus, collection):
        milvus.call("load_collection", collection, _async=True)
    return _says_loaded(milvus, collection)


def _says_loaded(milvus: Milvus, collection: str) -> bool:
    state = milvus.call("get_load_state", collection)["state"]
    return bool(state.name == "Loaded")


def write(
    milvus: Milvus,
    collection: str,
    ids: NDArray[np.int64],
    vectors: NDArray[np.float16],
    attributes: Sequence[Attributes],
) -> None:
    """Images (n,), (n, dim), in place of what was there of them."""
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        columns = ids[start:end].tolist(), vectors[start:end], attributes[start:end]
        rows = [_row(image, vector, held) for image, vector, held in zip(*columns, strict=True)]
        milvus.call("upsert", collection, rows, seconds=BUILD_SECONDS)


def remove(milvus: Milvus, collection: str, ids: NDArray[np.int64]) -> None:
    """Those of the images (n,) that are there."""
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        gone = ids[start : start + _ROWS_AT_ONCE].tolist()
        milvus.call("delete", collection, ids=gone, seconds=BUILD_SECONDS)


def flush(milvus: Milvus, collection: str) -> None:
    milvus.call("flush", collection, seconds=BUILD_SECONDS)


def _row(image: int, vector: NDArray[np.float16], attributes: Attributes) -> dict[str, Any]:
    return {
        ID: image,
        VECTOR: vector.astype(np.float32),
        ATTRIBUTES: dict(attributes),
        TERMS: terms_of(attributes),
    }
