"""``feedhandler verify``: whether what is told is true."""

from pathlib import Path
from typing import Annotated

import typer

from feedhandler.cli import options, verify_capture, verify_truth


def verify(
    file: options.File,
    *,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="Name or declaration file, where the capture does not say it."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Take protocol, channels and grace time from it, for a capture that does not say."),
    ] = None,
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
    """Compare a capture with what its trailer says; with --truth, a report with the truth about its faults.

    A report is what `run --json` prints. The exit code is 0 if they agree, 1 if not, and 3 if a capture has
    no trailer, because it was not closed.

    Example: feedhandler verify day.pcapng.zst

    Example: feedhandler verify report.json --truth truth.jsonl
    """
    if truth is None:
        verify_capture.capture(file, protocol, config, as_json=as_json)
    else:
        verify_truth.report(file, truth, clean, as_json=as_json)
