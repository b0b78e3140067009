"""``feedhandler verify CAPTURE``: whether a capture still holds what its trailer says."""

from pathlib import Path

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.cli import output
from feedhandler.cli.tables import facts, plain_table
from feedhandler.config_file import load
from feedhandler.verify import State, Verdict
from feedhandler.verify import verify as verify_capture

_EXIT_CODES: dict[State, int] = {"agrees": 0, "differs": 1, "damaged": 1, "no_trailer": 3}


def capture(file: Path, protocol: str | None, config: Path | None, *, as_json: bool) -> None:
    """Verify a capture, and end with the exit code that says how it compares."""
    loaded = None if config is None else load(config)
    with output.progress("verify") as advance:
        verdict = verify_capture(file, protocol=protocol, config=loaded, advance=advance)
    output.result(msgspec.to_builtins(verdict), _tables(verdict), as_json=as_json)
    if _EXIT_CODES[verdict.state]:
        raise typer.Exit(_EXIT_CODES[verdict.state])


def _tables(verdict: Verdict) -> RenderableType:
    content = verdict.content
    rows: dict[str, str | Text] = {
        "protocol": verdict.protocol,
        "packets": f"{verdict.packets:,}",
        "messages": f"{content.messages:,}",
        "gaps": f"{content.gaps:,} of {content.lost:,} units",
        "digest": content.digest,
    }
    if verdict.trailer is not None and verdict.trailer.feed != content:
        feed = verdict.trailer.feed
        rows["of the feed"] = f"{feed.messages:,} messages; {feed.gaps:,} gaps; digest {feed.digest}"
    missing = verdict.trailer.missing if verdict.trailer is not None else {}
    if any(missing.values()):
        told = ", ".join(f"{count:,} {cause}" for cause, count in missing.items() if count)
        rows["missing"] = Text(told, "yellow")
    if verdict.truncated is not None:
        rows["truncated"] = Text(verdict.truncated, "yellow")
    parts: list[RenderableType] = [facts(rows)]
    if verdict.differences:
        table = plain_table("differences", "what", "trailer", "file")
        for each in verdict.differences:
            table.add_row(each.what, _shown(each.told), _shown(each.found))
        parts.append(table)
    return Group(*parts, _conclusion(verdict))


def _conclusion(verdict: Verdict) -> Text:
    if verdict.state == "agrees":
        return Text.assemble(("✓ ", "green"), "the capture is as its trailer says")
    if verdict.state == "no_trailer":
        found = f"{verdict.packets:,} packets readable; digest {verdict.content.digest}"
        return Text.assemble(("no trailer", "yellow"), f"; {found}")
    where = "cannot be read to its end" if verdict.state == "damaged" else "is not as its trailer says"
    return Text.assemble(("✗ ", "bold red"), f"the capture {where}")


def _shown(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
