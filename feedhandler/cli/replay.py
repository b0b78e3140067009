"""``feedhandler replay``: the datagrams of files sent again, as they were recorded or otherwise."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.address import Address
from feedhandler.cli import options, output
from feedhandler.cli.interrupts import interrupts
from feedhandler.cli.tables import facts, plain_table
from feedhandler.errors import AddressError
from feedhandler.toml import shown
from replay.capture import Capture, is_bound
from replay.faults import Faults
from replay.pacing import Pacing
from replay.sender import Replayed, Sender, Sent


class Reach(NamedTuple):
    """How far datagrams may go."""

    interface: str | None
    ttl: int
    allow_remote: bool


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="The files; several are merged.", show_default=False)
    ],
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS:PORT|TIME|SEQUENCE",
            help="Where to; repeatable. Or, like --from, the end of the range.",
            show_default=False,
        ),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            "--route",
            metavar="FROM=TO",
            help="Send what was recorded on its way to FROM to TO, both ADDRESS:PORT; repeatable.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="What packets hold, for ranges of sequence numbers and faults; or a file of messages.",
        ),
    ] = None,
    speed: Annotated[float | None, typer.Option(help="Times as fast as recorded.", show_default="1")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Datagrams a second instead.", show_default=False)
    ] = None,
    fastest: Annotated[bool, typer.Option("--max", help="As fast as the kernel takes them.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME|SEQUENCE",
            help="Begin there: 09:30:00.5 (UTC), 2024-06-14T09:30:00Z, +1.5s, or a sequence number.",
            show_default=False,
        ),
    ] = None,
    loop: Annotated[int, typer.Option(min=0, help="Passes over the files; 0 until stopped.")] = 1,
    loop_gap: Annotated[
        float, typer.Option(min=0, help="Seconds between two passes, in the files' time.")
    ] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:KEY=VALUE,…",
            help="Do this to what is sent, such as loss:p=0.01,line=A; repeatable (docs/faults.md).",
            show_default=False,
        ),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="Faults from the table `faults` of a TOML file.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the faults; 0 if nobody says it.", show_default=False)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Write what was done to which packet there.", show_default=False)
    ] = None,
    interface: Annotated[
        str | None, typer.Option(help="Interface that multicast leaves by.", show_default=False)
    ] = None,
    ttl: Annotated[int, typer.Option(help="Multicast: 0 stays on this machine.")] = 0,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Other machines are meant.")] = False,
    session: Annotated[str, typer.Option(help="Session that packets made of messages name.")] = "REPLAY",
    as_json: options.AsJson = False,
) -> None:
    """Send the UDP payloads of captures, or the messages of files, with their original timing.

    Example: feedhandler replay day.pcapng.zst --to 127.0.0.1:20001 --speed 10
    """
    addresses, end = _ends(to or [])
    capture = Capture(
        *files,
        protocol=protocol,
        start=start,
        end=end,
        loops=loop,
        loop_gap_ns=round(loop_gap * 1e9),
        session=session,
    )
    wanted = _faults(fault or [], faults, seed)
    sender = _sender(addresses, route or [], Reach(interface, ttl, allow_remote))
    with interrupts(sender.stop), output.progress("replay") as advance:
        replayed = sender.replay(
            capture,
            _pacing(speed, rate, fastest=fastest),
            faults=wanted,
            truth=truth,
            on_progress=_told(advance),
        )
    sent = sender.sent()
    json = {**msgspec.to_builtins(replayed), "sent": msgspec.to_builtins(sent)}
    json |= {} if wanted is None else {"seed": wanted.seed, "faults": [each.text for each in wanted.faults]}
    json |= {} if truth is None else {"truth": str(truth)}
    if (start or end) and not sent.packets and not replayed.stopped:
        output.note(f"nothing was sent: the range holds none of the {replayed.left_out:,} datagrams")
    done = {} if wanted is None else {"faults": f"{len(wanted.faults)}, seed {wanted.seed}"}
    done |= {} if truth is None else {"truth": str(truth)}
    output.result(json, _tables(replayed, sent, done), as_json=as_json)


def _ends(texts: list[str]) -> tuple[list[str], str | None]:
    """Tell addresses from the end of the range: no text is both."""
    ends = [text for text in texts if is_bound(text)]
    if len(ends) > 1:
        raise typer.BadParameter(f"expected one end of the range, found {', '.join(ends)}", param_hint="--to")
    return [text for text in texts if text not in ends], next(iter(ends), None)


def _told(advance: output.Advance) -> Callable[[int, int, int, int], None]:
    return lambda _packets, _bytes, done, total: advance(done, total)


def _faults(texts: list[str], file: Path | None, seed: int | None) -> Faults | None:
    if file is not None and texts:
        raise typer.BadParameter("either this or --faults", param_hint="--fault")
    if file is not None:
        return Faults.load(file, seed=seed)
    return Faults(*texts, seed=seed or 0) if texts else None


def _sender(to: list[str], routes: list[str], reach: Reach) -> Sender:
    destinations, pairs = [_pair(address) for address in to], [_route(text) for text in routes]
    if not destinations and not pairs:
        raise typer.BadParameter("say where to, by --to or --map", param_hint="--to")
    try:
        return Sender(
            destinations,
            routes=pairs,
            interface=reach.interface,
            multicast_ttl=reach.ttl,
            allow_remote=reach.allow_remote,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error


def _pacing(speed: float | None, rate: float | None, *, fastest: bool) -> Pacing:
    if speed is not None and (fastest or rate is not None):
        raise typer.BadParameter("either this, or --rate or --max", param_hint="--speed")
    for value, name in ((speed, "--speed"), (rate, "--rate")):
        if value is not None and not 0 < value < math.inf:
            raise typer.BadParameter(f"expected a number above 0, found {value:g}", param_hint=name)
    if fastest and rate is not None:
        raise typer.BadParameter("either this or --max", param_hint="--rate")
    if fastest:
        return Pacing.max()
    return Pacing.original(1.0 if speed is None else speed) if rate is None else Pacing.rate(rate)


def _pair(text: str) -> tuple[str, int]:
    address = Address.parse(text)
    return str(address.ip), address.port


def _route(text: str) -> tuple[tuple[str, int], tuple[str, int]]:
    origin, equals, destination = text.partition("=")
    if not equals:
        raise AddressError("a map such as 239.1.1.1:20001=127.0.0.1:20001", shown(text))
    return _pair(origin), _pair(destination)


def _tables(replayed: Replayed, sent: Sent, done: Mapping[str, str]) -> RenderableType:
    elapsed_s = sent.elapsed_ns / 1e9
    late = sent.lateness_ns
    rows: dict[str, str | Text] = {
        "sent": f"{sent.packets:,} datagrams of {sent.bytes:,} bytes in {elapsed_s:.3f} s",
        "skipped": f"{replayed.skipped:,} without a destination, {sent.too_long:,} too long",
    }
    if late.count:  # at --max nothing is due
        rows["late, µs"] = f"p50 {late.p50 / 1e3:,.1f}, p99 {late.p99 / 1e3:,.1f}, max {late.max / 1e3:,.1f}"
    if replayed.left_out:
        rows["left out"] = f"{replayed.left_out:,} outside of the range"
    if replayed.passes > 1:
        rows["passes"] = f"{replayed.passes:,}"
    rows |= done
    if replayed.truncated:
        rows["truncated"] = Text(replayed.truncated, "yellow")
    if replayed.stopped:
        rows["stopped"] = "before the end"
    table = plain_table("destinations", "to", "datagrams", "bytes", "refused")
    for each in sent.destinations:
        table.add_row(each.to, f"{each.packets:,}", f"{each.bytes:,}", f"{each.refused:,}")
    return Group(facts(rows), table)
