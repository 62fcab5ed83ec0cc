"""A wrong estimate turns callers away for nothing, or lets in more than can be answered."""

import pytest

from models.batching.pace import Pace


def calibrated() -> Pace:
    """10 ms a batch and 1 ms a token."""
    pace = Pace()
    pace.calibrate([(8, 0.018), (256, 0.266)])
    return pace


def test_nothing_is_expected_of_what_was_never_seen() -> None:
    assert Pace().seconds(1000) == 0
    assert Pace().work_within(0.1) == float("inf")


def test_overhead_and_rate_are_told_apart() -> None:
    assert calibrated().seconds(500) == pytest.approx(0.510)
    assert calibrated().seconds(500, batches=3) == pytest.approx(0.530)
    assert calibrated().work_within(0.110) == pytest.approx(100)


def test_light_traffic_does_not_make_it_forget_what_large_batches_take() -> None:
    pace = calibrated()
    for _ in range(1000):
        pace.observe(8, 0.018)
    assert pace.seconds(256) == pytest.approx(0.266)


def test_it_follows_a_device_that_slows_down_and_recovers() -> None:
    pace = calibrated()
    for slowdown in (3, 1):
        for _ in range(100):
            pace.observe(8, slowdown * 0.018)
        assert pace.seconds(256) == pytest.approx(slowdown * 0.266, rel=0.01)
        assert pace.work_within(slowdown * 0.110) == pytest.approx(100, rel=0.01)


def test_one_slow_batch_is_no_trend() -> None:
    pace = calibrated()
    pace.observe(8, 10 * 0.018)
    assert pace.seconds(256) < 2 * 0.266


def test_without_a_warm_up_it_is_a_rate() -> None:
    pace = Pace()
    for _ in range(100):
        pace.observe(8, 0.008)
    assert pace.seconds(80) == pytest.approx(0.08)
    assert pace.work_within(0.1) == pytest.approx(100)


@pytest.mark.parametrize(
    "measured",
    [[(8, 0.050), (256, 0.040)], [(8, 0.0), (256, 0.0)], [(8, 0.0), (256, 1.0)], [(8, 1), (8, 1)]],
)
def test_noise_never_makes_it_negative(measured: list[tuple[float, float]]) -> None:
    pace = Pace()
    pace.calibrate(measured)
    pace.observe(8, 0.01)
    assert min(pace.seconds(work) for work in (0, 1, 100, 10_000)) >= 0
    assert pace.seconds(100) > 0
