"""What a collection takes on one machine, worked out for ten thousand to a hundred million images.

    python -m bench.sizing

Nothing is measured here. It stands on the inputs of `bench.scale` and on those below, which
`bench.sizing_measured` measures. The table of docs/operations.md is this program's output; a test
holds the two together.
"""

from bench.scale import FILE, Input, Size

SIZES = (10**4, 10**5, 10**6, 10**7, 10**8)
_NAMES = ("10 k", "100 k", "1 M", "10 M", "100 M")
_DIM = 768
_CORES = 2

SERVER = Input("a server without collections", 0.38, "GB", "measured: README.md, rounded up")
KEPT = Input("rows, answers and terms that it keeps", 0.05, "GB", "measured: decisions/0008, 0014")
DELTA = Input("images beside a version", 10_000, "", "NOONGIL_REINDEX_AFTER_CHANGES")
ROWS = Input("rows of the database", 1_300, "bytes an image", "measured: PostgreSQL, rounded up")
THUMBNAIL = Input("a thumbnail of 320 pixels", 11_000, "bytes", "measured")
LEAST_BUILD = Input("building, whatever the size", 7, "s", "measured: index.md, 10,000 images")
STARTER = Input("pictures the starter indexes", 18, "a second", "measured: README.md, two cores")


def table() -> str:
    """In Markdown."""
    sizes = [Size(images) for images in SIZES]
    rows = {
        "memory of a server": [_gb(_server_gb(size)) for size in sizes],
        "and in the page cache, at best": [_gb(size.shards_gb) for size in sizes],
        "disk: embeddings": [_gb(size.shards_gb) for size in sizes],
        "disk: a version": [_gb(size.version_gb) for size in sizes],
        "disk: both, 3 versions kept and one built": [_gb(size.disk_gb(3)) for size in sizes],
        "disk: pictures put by the API": [_gb(_bytes_gb(size, FILE)) for size in sizes],
        "disk: thumbnails, were all looked at": [_gb(_bytes_gb(size, THUMBNAIL)) for size in sizes],
        "database": [_gb(_bytes_gb(size, ROWS)) for size in sizes],
        "embedding, one GPU (published rate)": [_time(3600 * size.gpu_hours) for size in sizes],
        "embedding, starter on two cores": [_time(size.images / STARTER.value) for size in sizes],
        "building an index, two cores": [_time(_build_seconds(size)) for size in sizes],
    }
    lines = [["", *_NAMES], ["---"] * (1 + len(sizes))]
    lines += [[name, *row] for name, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _server_gb(size: Size) -> float:
    """What it cannot do without: anonymous memory."""
    delta = min(DELTA.value, size.images) * 2 * _DIM / 1e9
    return SERVER.value + KEPT.value + delta + size.resident_gb


def _build_seconds(size: Size) -> float:
    return LEAST_BUILD.value + 3600 / _CORES * size.build_core_hours


def _bytes_gb(size: Size, each: Input) -> float:
    return size.images * each.value / 1e9


def _gb(value: float) -> str:
    if value >= 1_000:
        return f"{value / 1_000:.3g} TB"
    return f"{value:.3g} GB" if value >= 1 else f"{1_000 * value:.3g} MB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


if __name__ == "__main__":
    print(table())
