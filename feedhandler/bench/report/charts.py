"""How the report's plots look: bars of rates, dots of percentiles. Needs matplotlib, the extra ``plot``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS: Final = "#0b6e99"
OTHERS: Final = "#a9b0b7"
_INK: Final = "#2b2f33"
_DOTS_PER_INCH: Final = 130
_INCHES: Final = 13.0
_MARGIN_INCHES: Final = 1.2
_ROW_INCHES: Final = 0.28
_MARKERS: Final = ("o", "D", "s", "^", "x")


class Bar(NamedTuple):
    """A contender's rate with its quartiles, and what stands behind it."""

    name: str
    value: float
    low: float
    high: float
    label: str
    is_ours: bool


class Dots(NamedTuple):
    """A contender's percentiles, and what stands behind them; who lost datagrams is drawn pale."""

    name: str
    values: Mapping[str, float]
    label: str
    is_ours: bool
    is_pale: bool


def bars(panels: Sequence[tuple[str, Sequence[Bar]]], unit: str) -> "Figure":
    """Draw panels side by side, each with the bars of its contenders, the first on top."""
    figure, all_axes = _panels(panels, unit)
    for axes, (title, of) in zip(all_axes, panels, strict=True):
        places, values = range(len(of)), [bar.value for bar in of]
        axes.barh(places, values, color=[OURS if bar.is_ours else OTHERS for bar in of], height=0.7)
        spans = ([bar.value - bar.low for bar in of], [bar.high - bar.value for bar in of])
        axes.errorbar(values, places, xerr=spans, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2)
        widest = max(bar.high for bar in of)
        for place, bar in zip(places, of, strict=True):
            axes.text(bar.high + 0.015 * widest, place, bar.label, va="center", fontsize=8.5, color=_INK)
        axes.set_xlim(0, 1.15 * widest)
        _names(axes, [(bar.name, bar.is_ours) for bar in of])
        _finish(axes, title)
    return figure


def dots(panels: Sequence[tuple[str, Sequence[Dots]]], unit: str) -> "Figure":
    """Draw panels side by side with one logarithmic axis: the percentiles of the same contenders in each."""
    figure, all_axes = _panels(panels, unit, share=True)
    for axes, (title, of) in zip(all_axes, panels, strict=True):
        for place, row in enumerate(of):
            _dots(axes, place, row)
        axes.set_xscale("log")
        _finish(axes, title)
    first = panels[0][1]
    _names(all_axes[0], [(row.name, row.is_ours) for row in first])
    for marker, name in zip(_MARKERS, first[0].values, strict=False):
        all_axes[0].plot([], [], marker, color=_INK, markersize=5, label=name)
    figure.legend(loc="outside upper right", ncols=len(_MARKERS), frameon=False, fontsize=9)
    return figure


def save(figure: "Figure", to: str) -> None:
    """Write a figure as PNG: the same bytes for the same figure."""
    figure.savefig(to, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _dots(axes: "Axes", place: int, row: Dots) -> None:
    color, alpha = OURS if row.is_ours else _INK, 0.3 if row.is_pale else 1.0
    values = list(row.values.values())
    axes.plot([values[0], values[-1]], [place, place], color=color, alpha=0.35 * alpha, linewidth=2)
    for marker, value in zip(_MARKERS, values, strict=False):
        axes.plot(value, place, marker, color=color, alpha=alpha, markersize=5, markeredgewidth=1)
    if row.label:
        before = (values[0], place)
        axes.annotate(
            row.label,
            before,
            (-8, 0),
            textcoords="offset points",
            va="center",
            ha="right",
            fontsize=8,
            color=_INK,
        )


def _panels(
    panels: Sequence[tuple[str, Sequence[object]]], unit: str, *, share: bool = False
) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure  # noqa: PLC0415 — an optional extra

    rows = max(len(of) for _, of in panels)
    size = (_INCHES, _MARGIN_INCHES + _ROW_INCHES * rows)
    figure = Figure(figsize=size, layout="constrained")
    figure.supxlabel(unit, fontsize=9.5, color=_INK)
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=share, sharey=share)
    return figure, list(axes[0])


def _names(axes: "Axes", names: Sequence[tuple[str, bool]]) -> None:
    axes.set_yticks(range(len(names)), [name for name, _ in names], fontsize=9)
    for label, (_, is_ours) in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(OURS if is_ours else _INK)
        label.set_fontweight("bold" if is_ours else "normal")
    axes.invert_yaxis()


def _finish(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.tick_params(axis="x", labelsize=8.5, colors=_INK)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
