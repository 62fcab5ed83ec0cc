"""Embeddings that the API left in the catalog, moved into shards: files are what indexes are made
from, and the database stays small.
"""

import numpy as np
from sqlalchemy import select, update

from indexer.catalog.tables import Embedding
from indexer.embedding.known import Embedded
from indexer.embedding.rows import add_shard
from indexer.embedding.shards import write_shard
from indexer.layout import CollectionFolder
from indexer.lease import Lease

_SHARD_ROWS = 4096


def fold(embedded: Embedded, folder: CollectionFolder, lease: Lease) -> int:
    """How many were moved: those of the encoder that were there at the beginning."""
    folded, last = 0, ""
    while True:
        with embedded.database.read() as session:
            loose = session.execute(
                select(Embedding.content_hash, Embedding.vector)
                .where(
                    Embedding.collection_id == embedded.collection_id,
                    Embedding.encoder_fingerprint == embedded.fingerprint,
                    Embedding.vector.is_not(None),
                    Embedding.content_hash > last,
                )
                .order_by(Embedding.content_hash)
                .limit(_SHARD_ROWS)
            ).all()
        if not loose:
            return folded
        vectors = np.stack([np.frombuffer(row.vector, "<f2") for row in loose])
        file = write_shard(folder.shards, vectors)
        with embedded.database.write() as session:
            lease.guard(session)
            shard_id = add_shard(session, embedded, file)
            session.execute(
                update(Embedding),
                [
                    {
                        "collection_id": embedded.collection_id,
                        "content_hash": row.content_hash,
                        "encoder_fingerprint": embedded.fingerprint,
                        "shard_id": shard_id,
                        "shard_row": number,
                        "vector": None,
                    }
                    for number, row in enumerate(loose)
                ],
            )
        folded, last = folded + len(loose), loose[-1].content_hash
        if len(loose) < _SHARD_ROWS:
            return folded
