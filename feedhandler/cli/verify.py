"""``feedhandler verify``: whether what is told is true."""

from pathlib import Path
from typing import Annotated

import typer

from feedhandler.cli import options, verify_truth


def verify(
    file: options.File,
    *,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Hold the report FILE against what `replay --truth` wrote of its faults.", show_default=False
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(help="With --truth: the report of a run without faults, for the digest."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare a receiver's report (`run --json`) with the truth about the faults of its lines.

    Example: feedhandler verify report.json --truth truth.jsonl
    """
    if truth is None:
        raise typer.BadParameter("expected the truth about the report's faults", param_hint="--truth")
    verify_truth.report(file, truth, clean, as_json=as_json)
