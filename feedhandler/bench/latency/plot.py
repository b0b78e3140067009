"""Percentile curves as a PNG; it needs matplotlib, the extra ``plot``."""

from collections.abc import Sequence
from importlib.util import find_spec
from os import PathLike
from typing import TYPE_CHECKING

from feedhandler.bench.latency.curves import TICKS, TITLE, X_LABEL, Y_LABEL, Curve, amount, spans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES, _DOTS_PER_INCH = (11.0, 5.5), 120


def is_possible() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def save(curves: Sequence[Curve], to: str | PathLike[str]) -> None:
    """Write curves to a PNG file."""
    figure(curves).savefig(to, format="png", metadata={"Software": None})


def figure(curves: Sequence[Curve], title: str = TITLE) -> "Figure":
    """Draw curves.

    Parameters
    ----------
    curves
        What is drawn.
    title
        What stands above.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 — an optional extra

    drawn = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = drawn.add_subplot()
    for curve in curves:
        xs, ys = zip(*curve.points, strict=True)
        style = "solid" if curve.is_corrected else (0, (3, 2))
        label = curve.label if curve.is_corrected else None
        axes.plot(
            xs, ys, color=curve.color, linestyle=style, linewidth=1.6, label=label, drawstyle="steps-post"
        )
    x, y = spans(curves)
    axes.set(xscale="log", yscale="log", xlim=x, ylim=y, title=title, xlabel=X_LABEL, ylabel=Y_LABEL)
    ticks = [tick for tick in TICKS if tick <= x.high]
    axes.set_xticks(ticks, [TICKS[tick] for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: amount(value))
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(loc="upper left", fontsize="small", frameon=False)
    return drawn
