"""``feedhandler generate``: a capture of a synthetic market, of any size, and the books that it ends with."""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import RenderableType

from feedhandler.cli import options, output
from feedhandler.cli.quantities import size_bytes, time_ns
from feedhandler.cli.tables import facts
from feedhandler.toml import shown
from replay.generator import LINES, Generator, Line, Progress, Protocol, Written

_PROTOCOLS: dict[str, Protocol] = {"msgpack": "msgpack", "itch50": "itch50"}


def generate(
    out: Annotated[Path, typer.Argument(help="X.pcapng, or X.pcapng.zst.", show_default=False)],
    *,
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="msgpack or itch50.")] = "msgpack",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same file.")] = 1,
    messages: Annotated[
        int | None,
        typer.Option(min=1, help="How many messages; 1,000,000 without a limit.", show_default=False),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--bytes", help="Or how large, such as 1GiB.", show_default=False)
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Or how long, such as 60s.", show_default=False)
    ] = None,
    instruments: Annotated[int, typer.Option(help="How many instruments.")] = 8,
    lines: Annotated[int, typer.Option(min=1, max=2, help="A, or A and B.")] = 2,
    skew: Annotated[str, typer.Option(help="By how much line B is behind.")] = "20us",
    rate: Annotated[float, typer.Option(help="Messages a second in the capture, on average.")] = 100_000.0,
    session: Annotated[str, typer.Option(help="Name of the session.")] = "SYNTHETIC",
    books: Annotated[
        Path | None, typer.Option(help="Write the true books at the end, as JSON.", show_default=False)
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a capture of a seeded synthetic market: orders, trades and quotes in bursts, on one line or two.

    Example: feedhandler generate day.pcapng.zst --protocol itch50 --seed 7 --bytes 1GiB --books books.json
    """
    if out.name.endswith((".pcap", ".pcap.zst")):
        raise typer.BadParameter(
            f"expected a name such as X.pcapng, found {shown(out.name)}: it is written as pcapng"
        )
    limits = {
        "messages": messages,
        "size_bytes": None if size is None else size_bytes(size),
        "duration_ns": None if duration is None else time_ns(duration),
    }
    given = {name: limit for name, limit in limits.items() if limit is not None} or {"messages": 1_000_000}
    if len(given) > 1:
        raise typer.BadParameter("expected one of --messages, --bytes and --duration")
    if books is not None and not books.parent.is_dir():
        raise typer.BadParameter(
            f"expected an existing folder, found {shown(str(books.parent))}", param_hint="--books"
        )
    began_s = time.perf_counter()
    try:
        generator = Generator(seed, instruments, protocol=_protocol(protocol), session=session, rate=rate)
        with output.progress("generate") as advance:
            written = generator.write(out, _lines(lines, skew), on_progress=_shown(advance, given), **given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    elapsed_s = time.perf_counter() - began_s
    if books is not None:
        books.write_bytes(generator.books_json())
    json: dict[str, Any] = {**msgspec.to_builtins(written), "elapsed_s": elapsed_s}
    output.result(json, _table(written, lines, elapsed_s), as_json=as_json)


def _table(written: Written, lines: int, elapsed_s: float) -> RenderableType:
    return facts(
        {
            "messages": f"{written.messages:,}, the same on each line",
            "datagrams": f"{written.datagrams:,} on {lines} line{'s' * (lines > 1)}",
            "bytes": f"{written.bytes:,}",
            "market time": f"{(written.last_ns - written.first_ns) / 1e9:,.3f} s",
            "made in": f"{elapsed_s:,.2f} s, {written.messages / elapsed_s:,.0f} messages a second",
        }
    )


def _protocol(name: str) -> Protocol:
    if name not in _PROTOCOLS:
        raise ValueError(f"expected --protocol msgpack or itch50, found {name!r}")
    return _PROTOCOLS[name]


def _lines(count: int, skew: str) -> list[Line]:
    return [LINES[0], LINES[1]._replace(skew_ns=time_ns(skew))][:count]


def _shown(advance: output.Advance, limit: dict[str, int]) -> Progress:
    """Return what shows in bytes how far the session is to its limit."""
    ((name, most),) = limit.items()
    place = ("messages", "size_bytes", "duration_ns").index(name)

    def show(messages: int, written_bytes: int, elapsed_ns: int) -> None:
        done = (messages, written_bytes, elapsed_ns)[place]
        advance(written_bytes, written_bytes * most // done if done else 0)

    return show
