"""Ray itself: joined or started, and what it has room for."""

import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from indexer.errors import ClusterFailed

_LOCAL = "local"
_AUTO = "auto"
_CONNECT_SECONDS = 10.0

_ENCODER_CPUS = 0.9
"""Without a GPU. Tasks and actors that ask for the same Ray Data makes one of: pictures would be
decoded within the encoders, and a file that ends its decoder would end one of those.
"""

_ENCODING_SHARE = 0.75
"""Of the CPUs, without GPUs. The starter takes a core 70 ms a picture; decoding takes 4 ms where it
is of 500 × 400, and as long where it is of 12 megapixels.
"""


@dataclass(frozen=True)
class RayOptions:
    address: str = ""
    """`host:port` of a cluster, or `auto`; empty: RAY_ADDRESS, or else one that is started here and
    ends with the run.
    """
    encoders: int = 0
    """Actors that encode; 0: what the GPUs hold or, without GPUs, three on four CPUs."""
    gpus_per_encoder: float = 1.0
    """In a cluster that has GPUs; a part of one where several encoders share it."""
    threads: int = 1
    """Of a task that reads and decodes, and the CPUs that it takes."""


@dataclass(frozen=True)
class Capacity:
    encoders: int
    cpus_per_encoder: float
    gpus_per_encoder: float
    decoders: int
    """Tasks that read and decode at once."""
    decoders_per_node: int


def require_ray() -> None:
    """Raises ClusterFailed."""
    if importlib.util.find_spec("ray") is None:
        raise ClusterFailed("the driver `ray` needs Ray: pip install 'noongil[scale]'")


@contextmanager
def joined(options: RayOptions) -> Iterator[None]:
    """What is started here ends here; a Ray that this process has joined before is left as it is.

    Raises ClusterFailed.
    """
    # Before Ray is imported. It would report its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # noqa: PLC0415 - a second that only those who embed with it should wait

    if ray.is_initialized():
        yield
        return
    _join(options.address or os.environ.get("RAY_ADDRESS") or _LOCAL)
    try:
        yield
    finally:
        ray.shutdown()


def _join(address: str) -> None:
    import ray  # noqa: PLC0415 - see joined

    if address.startswith("ray://"):
        raise ClusterFailed(
            f"{address}: Ray's client cannot stream; run noongil on a node of the cluster"
        )
    own: dict[str, Any] = {}
    if address not in {_LOCAL, _AUTO}:
        require_listening(address)
    if address == _LOCAL:
        own = {"num_cpus": max(2, os.cpu_count() or 1), "include_dashboard": False}
    try:
        with sigterm_kept():
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterFailed(f"no Ray at {address}: {error}") from error


def require_listening(address: str) -> None:
    """Ray itself looks for three minutes for a head that is not there. Raises ClusterFailed."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterFailed(f"no Ray at {address}: {error}") from error


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Ray's handler would end at once a process that wants to finish something first."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def capacity(options: RayOptions) -> Capacity:
    """Of the cluster as it is now. Raises ClusterFailed where nothing can be encoded on it."""
    import ray  # noqa: PLC0415 - see joined

    nodes: Any = ray.nodes  # not typed
    return planned(options, [node["Resources"] for node in nodes() if node["Alive"]])


def planned(options: RayOptions, nodes: Sequence[Mapping[str, float]]) -> Capacity:
    """`nodes`: CPU and GPU of each."""
    cpus = sum(node.get("CPU", 0) for node in nodes)
    gpus = sum(node.get("GPU", 0) for node in nodes)
    on_gpus = sum(_held(node.get("GPU", 0), options.gpus_per_encoder) for node in nodes)
    if gpus and not on_gpus:
        raise ClusterFailed(
            f"no node has the {options.gpus_per_encoder} GPUs that an encoder is to have"
        )
    most = on_gpus or int(cpus) - options.threads
    if most < 1 or cpus < options.threads:
        raise ClusterFailed(f"the cluster has {cpus:.0f} CPUs: too few to decode and to encode")
    encoders = min(options.encoders or on_gpus or max(1, int(cpus * _ENCODING_SHARE)), most)
    # A GPU's encoder waits for it: it takes no CPU off those who decode.
    cpus_per_encoder = 0 if gpus else _ENCODER_CPUS
    left = cpus - cpus_per_encoder * encoders
    largest = max(node.get("CPU", 0) for node in nodes)
    return Capacity(
        encoders=encoders,
        cpus_per_encoder=cpus_per_encoder,
        gpus_per_encoder=options.gpus_per_encoder if gpus else 0,
        decoders=max(1, int(left) // options.threads),
        decoders_per_node=max(1, int(largest) // options.threads),
    )


def _held(gpus: float, per_encoder: float) -> int:
    if per_encoder < 1:
        return int(gpus) * int(1 / per_encoder)
    return int(gpus / per_encoder)
