"""``feedhandler bench report``: the results that were kept, as a page with plots."""

from pathlib import Path
from typing import Annotated

import typer

from feedhandler.bench.report import page
from feedhandler.cli import options, output


def report(
    *,
    results: Annotated[Path, typer.Option(help="Folder of results that --out kept.")] = Path(
        "docs/benchmarks/results"
    ),
    to: Annotated[Path, typer.Option(help="The page; plots go into a folder of its name.")] = Path(
        "docs/benchmarks.md"
    ),
    readme: Annotated[Path, typer.Option(help="README, whose marked part is written anew.")] = Path(
        "README.md"
    ),
    as_json: options.AsJson = False,
) -> None:
    """Draw a page and plots from results that were kept, and README's part of them.

    Example: feedhandler bench report --results docs/benchmarks/results --to docs/benchmarks.md
    """
    with output.working("bench report"):
        written = page.write(results, to, readme)
    names = [str(path) for path in written]
    output.result({"written": names}, "\n".join(names), as_json=as_json)
