"""What travels between the driver and the workers: batches of candidates, and what became of them.

A batch is one row of a dataset from end to end: one task of Ray's, and one forward pass. None waits
for the company of pictures that the driver cannot send before it is answered.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from indexer.drivers.ray_data.cluster import Capacity
from indexer.embedding.prepare import Outcome, Prepared
from indexer.embedding.scan import Candidate, SamePicture
from indexer.pictures.decode import DecodeLimits
from indexer.sources.options import SourceOptions
from models.config import EncoderOptions
from models.types import EncoderSpec, ToPixels

_ROW = "row"


@dataclass(frozen=True, slots=True)
class Work:
    """Candidates as workers need them: attributes stay with the driver."""

    number: int
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class Answer:
    """`outcomes` in no particular order; what they hold as pixels is, once encoded, the bytes of
    the picture's (row_dim,) embedding. `error`: why there are none, for the driver to raise.
    """

    number: int
    outcomes: Sequence[Outcome] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class Recipe:
    """How a worker opens the source, decodes and encodes."""

    source_uri: str
    source_options: SourceOptions
    landmarks: tuple[Path, ...]
    """Of a source that lies in a local folder: what a worker must see of it."""
    spec: EncoderSpec
    limits: DecodeLimits
    threads: int
    """Of a task that decodes."""
    memory_bytes: int
    """For files, and as much again for pictures at full size: of a task, or, before the cluster is
    known, of a node.
    """
    to_pixels: ToPixels
    to_embeddings: EncoderOptions

    def fitted(self, capacity: Capacity) -> "Recipe":
        device = "cuda" if capacity.gpus_per_encoder else "cpu"
        return replace(
            self,
            memory_bytes=self.memory_bytes // capacity.decoders_per_node,
            to_embeddings=replace(self.to_embeddings, device=device),
        )


def table_of(row: bytes) -> pa.Table:
    """One row. An empty one is a batch that was answered before, and asked for again as a worker
    was lost.
    """
    return pa.table({_ROW: pa.array([row], pa.large_binary())})


def rows_of(batch: pa.Table) -> list[bytes]:
    rows: list[bytes] = batch[_ROW].to_pylist()
    return rows


def packed(work: Work | Answer) -> bytes:
    return pickle.dumps(work, pickle.HIGHEST_PROTOCOL)


def unpacked(row: bytes) -> Work | Answer:
    found: Work | Answer = pickle.loads(row)  # noqa: S301 - this run's own, as all of Ray's is
    return found


def without_attributes(candidate: Candidate) -> Candidate:
    known = candidate.known
    if known is not None:
        known = replace(known, attributes={}, attributes_given=None)
    return Candidate(replace(candidate.item, attributes=None), known)


def with_attributes(outcome: Outcome, candidates: Mapping[str, Candidate]) -> Outcome:
    """What a worker made of one of the candidates, by key, with what it was not told."""
    if not isinstance(outcome, Prepared | SamePicture):
        return outcome
    candidate = candidates[outcome.item.key]
    item = replace(candidate.item, data=None)
    if isinstance(outcome, Prepared):
        return replace(outcome, item=item, known=candidate.known)
    return replace(outcome, item=item, known=candidate.known or outcome.known)
