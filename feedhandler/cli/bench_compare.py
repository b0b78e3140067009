"""``feedhandler bench compare``: two results of one benchmark, with confidence intervals and a verdict."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Group

from feedhandler.bench import compare as comparing
from feedhandler.bench.compare import Comparison, Figure
from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, plain_table

_WHOLE = 100
"""From which on nobody needs a fraction."""


def compare(
    before: Annotated[Path, typer.Argument(help="A result that --out or --json gave, or its folder.")],
    after: Annotated[Path, typer.Argument(help="Another of the same kind.")],
    *,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")
    ] = comparing.CONFIDENCE,
    as_json: options.AsJson = False,
) -> None:
    """Tell of each figure of two results of one benchmark whether the second is faster or slower.

    Example: feedhandler bench compare results/yesterday results/today
    """
    found = comparing.compare(before, after, confidence)
    output.result(msgspec.to_builtins(found), _shown(found, before, after), as_json=as_json)


def _shown(found: Comparison, before: Path, after: Path) -> Group:
    interval = f"{found.confidence:.0%} interval of the change"
    table = plain_table(f"bench {found.kind}", "figure", str(before), str(after), interval, "the second is")
    for figure in found.figures:
        numbers = (_number(figure.before), _number(figure.after))
        table.add_row(figure.name, *numbers, _interval(figure), figure.verdict)
    told = {f"other {name}": f"{one}, then {other}" for name, (one, other) in found.machines.items()}
    for name, of in (("only before", found.only_before), ("only after", found.only_after)):
        told |= {name: ", ".join(of)} if of else {}
    by_chance = (1 - found.confidence) * len(found.figures)
    told["by chance"] = f"of {len(found.figures)} figures, {by_chance:.1f} would differ without any change"
    return Group(table, facts(told))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:+.1%} to {figure.high:+.1%}"
