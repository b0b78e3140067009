"""``feedhandler verify --truth``: whether a receiver's report agrees with what was done to its lines."""

from pathlib import Path

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.cli import output
from feedhandler.cli.tables import facts, plain_table
from feedhandler.errors import CaptureError
from feedhandler.report import Report, parse
from replay.truth import load
from replay.verify import Verification
from replay.verify import verify as verify_report


def report(file: Path, truth: Path, clean: Path | None, *, as_json: bool) -> None:
    """Verify a report, and end with exit code 1 where it does not agree."""
    verdict = verify_report(load(truth), _read(file), None if clean is None else _read(clean))
    output.result(msgspec.to_builtins(verdict), _tables(verdict), as_json=as_json)
    if not verdict.agrees:
        output.note(f"feedhandler: {file}: {verdict.disagreements[0]}")
        raise typer.Exit(1)


def _read(file: Path) -> Report:
    try:
        return parse(file.read_bytes())
    except msgspec.DecodeError as error:
        raise CaptureError(str(file), f"expected a report, as `run --json` prints it: {error}") from error


def _tables(verdict: Verification) -> RenderableType:
    checked = {what.replace("_", " "): f"{count:,}" for what, count in verdict.checked.items()}
    state = Text("agrees", "green") if verdict.agrees else Text("does not agree", "red")
    disagreements = plain_table("disagreements", "what")
    for text in verdict.disagreements:
        disagreements.add_row(text)
    rows: dict[str, str | Text] = {"report": state, **checked}
    for number, text in enumerate(verdict.not_checked, 1):
        rows[f"not checked {number}"] = Text(text, "yellow")
    return facts(rows) if verdict.agrees else Group(facts(rows), disagreements)
