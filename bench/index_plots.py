"""Pictures of what the index benchmark measured, where matplotlib is installed."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.index_curves import Curve


def plot_curves(panels: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    """Panels with their titles, two a row; in each, a line an index."""
    if not _can_draw(path):
        return
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    deep = len(panels) // 2
    figure = Figure(figsize=(11, 4 * deep), layout="constrained")
    axes = figure.subplots(deep, 2, sharex=True).flat
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, curve in curves.items():
            recalls, rates = [point.recall for point in curve], [point.rate for point in curve]
            axis.plot(recalls, rates, ".-", linewidth=3 if name == "ours" else 1.2, label=name)
        axis.set(title=title, yscale="log", xlim=(0.6, 1.005))
        axis.set(xlabel="recall@10", ylabel="queries a second, one thread")
        axis.grid(which="both", alpha=0.25)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.savefig(path, dpi=110)


def plot_growth(panels: Mapping[str, Sequence[float]], rows: Sequence[int], path: Path) -> None:
    """A panel a title, against the number of rows, logarithmic both ways."""
    if not _can_draw(path):
        return
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(3.2 * len(panels), 3.2), layout="constrained")
    for axis, (title, values) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axis.plot(rows, values, "o-")
        axis.set(title=title, xlabel="vectors", xscale="log", yscale="log")
        axis.grid(which="both", alpha=0.25)
    figure.savefig(path, dpi=110)


def _can_draw(path: Path) -> bool:
    installed = importlib.util.find_spec("matplotlib") is not None
    print(f"{path} is drawn" if installed else f"no {path}: matplotlib is not installed")
    return installed
