"""``feedhandler doctor``: what on this host spoils latency or loses packets."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.cli import options, output
from feedhandler.cli.tables import plain_table
from feedhandler.config_file import load
from feedhandler.doctor import SEVERITIES, Finding, Severity, asked_by, examine, worst

EXIT_CODES: dict[Severity, int] = {"fine": 0, "unknown": 0, "note": 0, "warning": 3, "critical": 4}

_MARKS: dict[Severity, tuple[str, str]] = {
    "fine": ("✓", "green"),
    "unknown": ("?", "dim"),
    "note": ("·", "cyan"),
    "warning": ("!", "yellow"),
    "critical": ("✗", "red"),
}


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="Configuration whose needs are looked at.", show_default=False)
    ] = None,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Look at this host: what loses packets or makes them late, why, and the command that mends it.

    Nothing is changed and nothing is sent. The exit code is 0 if there is nothing worse than a note, 3
    after a warning, and 4 where something cannot work.

    Example: feedhandler doctor configs/demo.toml
    """
    findings = examine(asked_by(load(config)) if config is not None else None)
    verdict = worst(findings)
    output.result({"severity": verdict, "findings": findings}, _tables(findings), as_json=as_json)
    if EXIT_CODES[verdict]:
        raise typer.Exit(EXIT_CODES[verdict])


def _tables(findings: tuple[Finding, ...]) -> RenderableType:
    table = plain_table("host", "", "what", "state", words=3)
    for finding in findings:
        mark, colour = _MARKS[finding.severity]
        table.add_row(Text(mark, colour), finding.name, finding.state)
    counts = Counter(finding.severity for finding in findings)
    summary = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity])
    return Group(table, *_advice(findings), Text(summary))


def _advice(findings: tuple[Finding, ...]) -> list[RenderableType]:
    """Say of what is not fine, the worst first, why it matters and what to do."""
    told = [finding for finding in findings if finding.severity in {"note", "warning", "critical"}]
    told.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    return [_piece_of_advice(finding) for finding in told]


def _piece_of_advice(finding: Finding) -> Text:
    mark, colour = _MARKS[finding.severity]
    text = Text.assemble((f"{mark} {finding.name}", colour), f": {finding.why}\n")
    if finding.remedy is not None:
        text.append(f"    {finding.remedy}\n", "bold")
    return text
