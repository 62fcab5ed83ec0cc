"""`noongil index stats|verify|recall`: what an operator asks of an index that is there."""

import random
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from app.catalog import open_catalog
from app.collections import service as collections_service
from app.collections.schemas import CollectionView
from app.commands.arguments import AsJson, CollectionArgument
from app.config import Settings
from app.console import console, print_json, print_table
from app.embedders import encoder_options
from app.errors import InvalidRequest, NotFound
from app.search.typed.normalize import normalize
from indexer.backends.opening import open_version
from indexer.building.calibration_queries import everyday_texts
from indexer.building.ground_truth import K
from indexer.catalog.db import Database
from indexer.errors import VersionDamaged
from indexer.layout import CollectionFolder
from indexer.versions.manifest import Calibration, CalibrationPoint, Manifest, read_manifest
from indexer.versions.recall import MeasuredRecall, measure_recall
from indexer.versions.stats import VersionStats, version_stats
from indexer.versions.verification import verify_collection
from models.encoding import encode_texts
from models.registry import shared_encoder
from models.types import Embeddings


def stats(
    collection: CollectionArgument,
    version: Annotated[str | None, typer.Option(help="Version; default: the active one.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """What an index holds and costs: files, memory, lists, calibration, shards."""
    _, database, folder = _opened(collection)
    name = version or _active(collections_service.show(database, collection))
    found = version_stats(database, collection, folder, name)
    if as_json:
        print_json(_stats_as_dict(found))
    else:
        _print_stats(found)


def verify(collection: CollectionArgument, *, as_json: AsJson = False) -> None:
    """Read everything that a collection has on disk again; exit 1 where something is damaged."""
    settings, database, folder = _opened(collection)
    found = verify_collection(database, collection, folder, settings.milvus_options())
    if as_json:
        print_json(asdict(found))
    for fault in found.faults:
        line = f"{fault.where}: {fault.what}. To mend it: {fault.remedy}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.faults:
        raise typer.Exit(1)
    console.print(f"{found.versions} versions and {found.shards} shards are intact")


def recall(
    collection: CollectionArgument,
    queries: Annotated[
        Path | None, typer.Option(help="Text file, a query a line; default: everyday queries.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="How many images, and everyday queries, to ask for.")
    ] = 200,
    *,
    as_json: AsJson = False,
) -> None:
    """Measure the recall of the active version against exact search, and the time of a query."""
    settings, database, folder = _opened(collection)
    name = _active(collections_service.show(database, collection))
    if read_manifest(folder.version(name)).milvus is not None:
        raise InvalidRequest(
            f"the vectors of {name} are in Milvus, and the truth to measure by is read from files: "
            "`noongil index stats` has what was measured when it was made"
        )
    manifest, index = open_version(folder.version(name))
    if manifest.count <= K:
        raise InvalidRequest(f"{name} holds {manifest.count} images: recall@{K} needs more")
    texts = _everyday(sample) if queries is None else _lines(queries)
    embeddings = _encoded(settings, manifest, texts)
    measured = measure_recall(index, manifest.calibration, embeddings, sample)
    if as_json:
        print_json({"version": name, "recall": [asdict(each) for each in measured]})
    else:
        _print_recall(measured)


def _opened(collection: str) -> tuple[Settings, Database, CollectionFolder]:
    settings = Settings()
    database = open_catalog(settings)
    folder = collections_service.folder_of(database, settings.data_dir, collection)
    return settings, database, folder


def _active(view: CollectionView) -> str:
    if view.active_version is None:
        raise NotFound(f"nothing of collection {view.name!r} is indexed yet")
    return view.active_version


def _stats_as_dict(found: VersionStats) -> dict[str, object]:
    manifest = found.manifest
    return {
        "version": found.name,
        "active": found.is_active,
        "created_at": manifest.created_at.isoformat(),
        "family": found.family.value,
        "index": manifest.factory,
        "model": manifest.model,
        "images": found.images,
        "milvus": manifest.milvus and manifest.milvus.collection,
        "dim": manifest.dim,
        "regions": manifest.regions,
        "files": {name: entry.size for name, entry in manifest.files.items()},
        "resident_bytes": found.resident_bytes,
        "mapped_bytes": found.mapped_bytes,
        "lists": found.balance and asdict(found.balance),
        "calibration": manifest.calibration and manifest.calibration.model_dump(),
        "waiting": found.waiting,
        "gone": found.gone,
        "shards": asdict(found.shards),
    }


def _print_stats(found: VersionStats) -> None:
    manifest, shards = found.manifest, found.shards
    rows = [
        ["version", f"{found.name} ({'active' if found.is_active else 'not active'})"],
        ["made", f"{manifest.created_at:%Y-%m-%d %H:%M:%S %Z}"],
        ["index", f"{found.family}: {manifest.factory}"],
        ["model", f"{manifest.model}, {manifest.dim} dimensions"],
        ["images", f"{found.images}; {found.waiting} wait outside, {found.gone} are gone"],
        ["in memory", _size(found.resident_bytes, manifest.count)],
        ["mapped", _size(found.mapped_bytes, manifest.count)],
    ]
    if manifest.milvus is not None:
        rows.append(["in Milvus", manifest.milvus.collection])
    rows += [[name, _size(entry.size, manifest.count)] for name, entry in manifest.files.items()]
    if lists := found.balance:
        rows += [
            ["lists", f"{lists.lists}, {lists.empty} empty, {lists.largest} in the largest"],
            ["imbalance", f"{lists.imbalance:.2f} (1: lists of equal length)"],
        ]
    shard_size = _size(shards.size_bytes, shards.rows)
    rows += [
        ["shards", f"{shards.shards} of {shards.rows} rows, {shard_size}"],
        ["unused rows", str(shards.unused_rows)],
    ]
    if shards.missing:
        rows.append(["missing", f"{shards.missing} shards; see `noongil index verify`"])
    print_table(["", ""], rows)
    if manifest.calibration:
        print_table(
            ["queries", "recall@10", "measured", "nprobe", "rerank"],
            [
                [
                    modality,
                    f"{point.recall:.2f}",
                    f"{point.measured:.3f}",
                    str(point.nprobe),
                    str(point.rerank),
                ]
                for modality, points in _by_modality(manifest.calibration)
                for point in points
            ],
        )


def _print_recall(measured: list[MeasuredRecall]) -> None:
    print_table(
        ["queries", "recall@10", "measured", "nprobe", "rerank", "ms"],
        [
            [
                each.modality,
                f"{each.asked:.2f}",
                f"{each.measured:.3f}",
                "all" if each.nprobe is None else str(each.nprobe),
                "–" if each.rerank is None else str(each.rerank),
                f"{each.milliseconds:.2f}",
            ]
            for each in measured
        ],
    )


def _by_modality(calibration: Calibration) -> list[tuple[str, list[CalibrationPoint]]]:
    return [("text", calibration.text), ("image", calibration.image)]


def _size(size_bytes: int, count: int) -> str:
    each = f", {size_bytes / count:.1f} bytes a vector" if count else ""
    return f"{decimal(size_bytes)}{each}"


def _everyday(most: int) -> list[str]:
    texts = everyday_texts()
    return random.Random(1).sample(texts, min(most, len(texts)))  # noqa: S311 - a sample


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8") from error
    queries = [normalize(line) for line in lines if line.strip()]
    if not queries:
        raise InvalidRequest(f"{path} holds no query")
    return queries


def _encoded(settings: Settings, manifest: Manifest, texts: list[str]) -> Embeddings:
    """By the encoder that made the version. Raises VersionDamaged where that is another now."""
    encoder = shared_encoder(manifest.model, encoder_options(settings))
    if encoder.spec.fingerprint != manifest.encoder_fingerprint:
        raise VersionDamaged(f"another edition of {manifest.model} made the version: reindex")
    return encode_texts(encoder, texts)
