"""The attributes of a version in Milvus: its fields are known here, their values are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.backends.milvus.connection import Milvus
from indexer.backends.milvus.schema import ATTRIBUTES, ID
from indexer.columns.arrow import columns_of
from indexer.columns.collect import collect
from indexer.columns.column import FieldKind
from indexer.columns.columns import Columns

_IDS_AT_ONCE = 1_000


@dataclass(frozen=True)
class MilvusColumns:
    milvus: Milvus
    collection: str
    kinds: Mapping[str, FieldKind]
    is_kept: bool = True

    def held(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Columns]:
        """Those of the images (n,) that are there, ascending, and their columns. Raises
        IndexAway.
        """
        found: dict[int, Any] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE].tolist()
            rows = self.milvus.call("query", self.collection, ids=some, output_fields=[ATTRIBUTES])
            found |= {row[ID]: row[ATTRIBUTES] for row in rows}
        held = np.array(sorted(found), np.int64)
        batch = collect((found[image] for image in held.tolist()), self.kinds)
        return held, columns_of(batch, len(held))
