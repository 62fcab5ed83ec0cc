"""What a cluster is asked for, before anything is sent to it."""

import importlib.util
import signal
import socket

import pytest

from indexer.drivers.ray_data.cluster import RayOptions, planned, require_listening, sigterm_kept
from indexer.drivers.ray_data.driver import RayDriver
from indexer.errors import ClusterFailed

GPU_NODE = {"CPU": 16.0, "GPU": 4.0}
CPU_NODE = {"CPU": 8.0}


@pytest.mark.parametrize(
    ("options", "nodes", "encoders", "decoders"),
    [
        (RayOptions(), [{"CPU": 2.0}], 1, 1),
        (RayOptions(), [CPU_NODE], 6, 2),
        (RayOptions(encoders=5), [CPU_NODE], 5, 3),
        (RayOptions(encoders=99), [CPU_NODE], 7, 1),
        (RayOptions(), [GPU_NODE, GPU_NODE, CPU_NODE], 8, 40),
        (RayOptions(encoders=3), [GPU_NODE], 3, 16),
        (RayOptions(gpus_per_encoder=0.5), [GPU_NODE], 8, 16),
        (RayOptions(gpus_per_encoder=0.3), [GPU_NODE], 12, 16),
        (RayOptions(gpus_per_encoder=2), [GPU_NODE], 2, 16),
        (RayOptions(threads=4), [GPU_NODE, CPU_NODE], 4, 6),
    ],
)
def test_every_gpu_has_its_encoder_and_every_cpu_its_work(
    options: RayOptions, nodes: list[dict[str, float]], encoders: int, decoders: int
) -> None:
    found = planned(options, nodes)
    assert (found.encoders, found.decoders) == (encoders, decoders)


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        (RayOptions(), [{"CPU": 1.0}]),
        (RayOptions(threads=9), [CPU_NODE]),
        (RayOptions(gpus_per_encoder=8), [GPU_NODE, GPU_NODE]),
        (RayOptions(), [{}]),
    ],
)
def test_a_cluster_on_which_a_run_would_wait_for_ever_is_refused(
    options: RayOptions, nodes: list[dict[str, float]]
) -> None:
    with pytest.raises(ClusterFailed):
        planned(options, nodes)


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    """Not after the three minutes for which Ray looks for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ClusterFailed, match=f"no Ray at {address}"):
        require_listening(address)


def test_ray_does_not_decide_how_a_process_ends() -> None:
    """A worker that is told to stop would drop its job where it stands."""
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does, with a handler of its own
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_ray_the_extra_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ClusterFailed, match=r"noongil\[scale\]"):
        RayDriver()
