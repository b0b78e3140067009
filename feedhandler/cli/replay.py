"""``feedhandler replay``: a file's datagrams sent again, as they were recorded or faster."""

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
from replay.pacing import Pacing
from replay.sender import Replayed, Sender, Sent


class Reach(NamedTuple):
    """How far datagrams may go."""

    interface: str | None
    ttl: int
    allow_remote: bool


def replay(
    file: options.File,
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS:PORT", help="Where to; repeatable.", show_default=False),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM=TO",
            help="Send what went to FROM to TO, both ADDRESS:PORT; repeatable.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="What a file of messages holds; they are packed into packets."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Times as fast as recorded.")] = 1.0,
    rate: Annotated[
        float | None, typer.Option(help="Datagrams a second instead.", show_default=False)
    ] = None,
    fastest: Annotated[bool, typer.Option("--max", help="As fast as the kernel takes them.")] = False,
    interface: Annotated[
        str | None, typer.Option(help="Interface that multicast leaves by.", show_default=False)
    ] = None,
    ttl: Annotated[int, typer.Option(help="Multicast: 0 stays on this machine.")] = 0,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Other machines are meant.")] = False,
    session: Annotated[str, typer.Option(help="Session that packets made of messages name.")] = "REPLAY",
    as_json: options.AsJson = False,
) -> None:
    """Send the UDP payloads of a capture, or the messages of a file, with their original timing.

    Example: feedhandler replay day.pcapng.zst --to 127.0.0.1:20001 --speed 10
    """
    reach = Reach(interface, ttl, allow_remote)
    sender = _sender(to or [], route or [], reach)
    pacing = _pacing(speed, rate, fastest=fastest)
    with interrupts(sender.stop), output.progress("replay") as advance:
        replayed = sender.replay(
            file,
            pacing,
            protocol=protocol,
            session=session,
            on_progress=lambda _packets, _bytes, done, total: advance(done, total),
        )
    sent = sender.sent()
    json = {**msgspec.to_builtins(replayed), "sent": msgspec.to_builtins(sent)}
    output.result(json, _tables(replayed, sent), as_json=as_json)


def _sender(to: list[str], routes: list[str], reach: Reach) -> Sender:
    destinations, pairs = [_pair(address) for address in to], [_route(text) for text in routes]
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


def _pacing(speed: float, rate: float | None, *, fastest: bool) -> Pacing:
    if fastest and rate is not None:
        raise typer.BadParameter("either this or --max", param_hint="--rate")
    if fastest:
        return Pacing.max()
    return Pacing.original(speed) if rate is None else Pacing.rate(rate)


def _pair(text: str) -> tuple[str, int]:
    address = Address.parse(text)
    return str(address.ip), address.port


def _route(text: str) -> tuple[tuple[str, int], tuple[str, int]]:
    origin, equals, destination = text.partition("=")
    if not equals:
        raise AddressError("a route such as 239.1.1.1:20001=127.0.0.1:20001", shown(text))
    return _pair(origin), _pair(destination)


def _tables(replayed: Replayed, sent: Sent) -> RenderableType:
    elapsed_s = sent.elapsed_ns / 1e9
    late = sent.lateness_ns
    rows: dict[str, str | Text] = {
        "sent": f"{sent.packets:,} datagrams of {sent.bytes:,} bytes in {elapsed_s:.3f} s",
        "skipped": f"{replayed.skipped:,} without a destination, {sent.too_long:,} too long",
        "late, µs": f"p50 {late.p50 / 1e3:,.1f}, p99 {late.p99 / 1e3:,.1f}, max {late.max / 1e3:,.1f}",
    }
    if replayed.truncated:
        rows["truncated"] = Text(replayed.truncated, "yellow")
    if replayed.stopped:
        rows["stopped"] = "before the end"
    table = plain_table("destinations", "to", "datagrams", "bytes", "refused")
    for each in sent.destinations:
        table.add_row(each.to, f"{each.packets:,}", f"{each.bytes:,}", f"{each.refused:,}")
    return Group(facts(rows), table)
