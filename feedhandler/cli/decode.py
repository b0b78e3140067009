"""``feedhandler decode``: the messages of a file."""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from feedhandler.batch import Batch
from feedhandler.cli import options, output
from feedhandler.cli.tables import report_tables
from feedhandler.config_file import load
from feedhandler.errors import CaptureError
from feedhandler.filter import Instrument, instrument_of_text
from feedhandler.protocol import Protocol
from feedhandler.protocol import load as load_protocol
from feedhandler.reader import Channels, Reader, Rest, read
from feedhandler.recognise import guess
from feedhandler.sink import open_sink
from feedhandler.sink.values import cells_of
from feedhandler.workers import decode_capture, decode_files

_GIVE_ONE = "give one, or a --config that has one: "

Row = dict[str, object]
"""A message for people: its name as ``message``, and its fields."""


def decode(
    files: Annotated[list[Path], typer.Argument(help="The file, or several.", show_default=False)],
    *,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="Name or declaration file. Without it, the one that a capture is surely of.",
            show_default=False,
        ),
    ] = None,
    schema: options.Schema = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=GROUP:PORT[,…]",
            help="Destinations that are lines of one channel; repeatable. Lines among others are found.",
            show_default=False,
        ),
    ] = None,
    no_pair: Annotated[
        bool, typer.Option("--no-pair", help="Find no lines: what no --channel names is each a channel.")
    ] = False,
    only: Annotated[bool, typer.Option("--only", help="Leave out what no --channel names.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="Take protocol, channels, grace time and filter from it.", show_default=False),
    ] = None,
    instrument: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYMBOL|ID",
            help="Only messages about this instrument; repeatable. Without it, all.",
            show_default=False,
        ),
    ] = None,
    out: options.Out = None,
    head: Annotated[int, typer.Option(min=0, help="Show the first N messages, and entries of groups.")] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Threads: one for each file, or for some channels of one capture.")
    ] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Decode a capture or a file of messages, and report what was in it.

    Example: feedhandler decode day.pcapng.zst --protocol itch50 --out day.parquet
    """
    rest = _rest(is_apart=no_pair, is_out=only)

    def opened(path: Path, part: Channels | None) -> Reader:
        return _reader(
            path,
            protocol=protocol,
            schema=schema,
            channels=options.channels(channel or []) if part is None else part,
            rest=rest if part is None else "skip",
            config=config,
            instruments=instrument or [],
        )

    first: list[Row] = []
    if len(files) == workers == 1:
        reader = opened(files[0], None)
        first = _decode(reader, out, head)
        report = reader.report()
    else:
        _refuse_for_workers(out, head)
        named = options.channels(channel or [])
        with output.working("decode"):
            if len(files) > 1:
                report = decode_files(files, opened, workers)
            else:
                others = rest != "skip" and (config is None or bool(named))
                named = named or _channels_of(config)
                report = decode_capture(files[0], opened, workers, named=named, others=others)
    is_recognised = protocol is None and config is None
    json: dict[str, Any] = msgspec.to_builtins(report) | ({"head": first} if head else {})
    json |= {"is_protocol_recognised": is_recognised}
    if not as_json:
        if is_recognised:
            output.stdout().print(f"protocol: {report.protocol}, recognised; --protocol says otherwise")
        for row in first:
            output.stdout().print(_line(row), soft_wrap=True)
    output.result(json, report_tables(report), as_json=as_json)
    if not report.ledger.is_balanced:
        output.note("feedhandler: the ledger's sums are wrong")
        raise typer.Exit(1)


def _reader(
    file: Path,
    *,
    protocol: str | None,
    schema: Path | None,
    channels: Channels,
    rest: Rest | None,
    config: Path | None,
    instruments: list[str],
) -> Reader:
    if config is None:
        if schema is not None and protocol is None:
            raise typer.BadParameter("give its --protocol as well", param_hint="--schema")
        named = _recognised(file) if protocol is None else load_protocol(protocol, schema)
        return read(file, named, channels=channels, rest=rest, instruments=_instruments(instruments, named))
    loaded = load(config)
    if schema is not None and protocol is None:
        raise typer.BadParameter("give its --protocol as well, or neither", param_hint="--schema")
    named = load_protocol(protocol, schema) if protocol else loaded.protocol
    return read(
        file,
        named,
        channels=channels or _channels_of(config),
        rest=rest or ("pair" if channels else "skip"),
        grace_us=loaded.arbitrate.grace_us,
        instruments=_instruments(instruments, named) or loaded.filter.instruments,
    )


def _channels_of(config: Path | None) -> Channels:
    if config is None:
        return {}
    return {channel.name: [line.address for line in channel.lines] for channel in load(config).channels}


def _refuse_for_workers(out: Path | None, head: int) -> None:
    if out is not None:
        raise typer.BadParameter("needs one file and one worker", param_hint="--out")
    if head:
        raise typer.BadParameter("needs one file and one worker", param_hint="--head")


def _recognised(file: Path) -> Protocol:
    """Return the protocol that a capture is surely of."""
    try:
        found = guess(file)
    except CaptureError as error:
        seen = "only captures are recognised, and this is none" if file.is_file() else str(error)
        raise typer.BadParameter(_GIVE_ONE + seen, param_hint="--protocol") from error
    if found.protocol is None:
        raise typer.BadParameter(_GIVE_ONE + found.seen, param_hint="--protocol")
    return found.protocol


def _rest(*, is_apart: bool, is_out: bool) -> Rest | None:
    if is_apart and is_out:
        raise typer.BadParameter("give one of --no-pair and --only: either they are channels or left out")
    return "each" if is_apart else "skip" if is_out else None


def _instruments(texts: list[str], protocol: Protocol) -> list[Instrument] | None:
    return [instrument_of_text(text, protocol) for text in texts] or None


def _decode(reader: Reader, out: Path | None, head: int) -> list[Row]:
    """Read to the end, and return the first `head` messages."""
    first: list[Row] = []
    sink = nullcontext() if out is None else open_sink(out, reader.protocol)
    with sink as taker, output.progress("decode") as advance:
        for batch in reader:
            if len(first) < head:
                first += islice(_rows(batch, reader.protocol), head - len(first))
            if taker is not None:
                taker.write(batch)
            advance(*reader.progress)
    return first


def _rows(batch: Batch, protocol: Protocol) -> Iterator[Row]:
    for name, row in batch.rows():
        fields = protocol.messages[name].fields
        names = row.dtype.names or ()
        one = row.reshape(1)
        yield {"message": name, **{column: cells_of(one[column], fields.get(column))[0] for column in names}}


def _line(row: Row) -> Text:
    fields = " ".join(
        f"{name}={'' if value is None else value}" for name, value in row.items() if name != "message"
    )
    return Text.assemble((f"{row['message']} ", "bold"), fields)
