"""A file replayed to a feed on this machine, and what the feed delivered.

Run as a program, it does so over multicast on loopback, and belongs into a network namespace of its own:
``python live.py FILE PROTOCOL GROUP:PORT``.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import delivered
import msgspec
from delivered import Delivered

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.captured import CaptureTo
from feedhandler.config import ArbitrateConfig, ChannelConfig, LineConfig, RingConfig, WireConfig
from replay import Pacing, Sender

Destination = tuple[str, int]

ANY_PORT = "127.0.0.1:0"
PLAIN = WireConfig(rcvbuf_bytes=8 << 20)


def config(
    protocol: str | Path,
    lines: Sequence[str] = (ANY_PORT,),
    interface: str | None = None,
    wire: WireConfig = PLAIN,
) -> fh.Config:
    """Return a feed of one channel whose ring has room for all that the tests send."""
    return fh.Config(
        protocol=fh.protocol(protocol),
        channels=(
            ChannelConfig(
                name="channel",
                lines=tuple(
                    LineConfig(name=name, address=Address.parse(line), interface=interface)
                    for name, line in zip("AB", lines, strict=False)
                ),
            ),
        ),
        wire=wire,
        ring=RingConfig(slots=None if wire.backend == "gro" else 1 << 15),
        arbitrate=ArbitrateConfig(grace_us=2_000_000),
    )


SPEEDS = (Pacing.max(), Pacing.rate(100_000), Pacing.rate(30_000), Pacing.rate(10_000))


def replayed_fast(
    file: Path, configuration: fh.Config, *, routes: Mapping[Destination, int] | None = None
) -> Delivered:
    """Replay a file at the highest of some speeds at which this machine's kernel drops nothing."""
    for pacing in SPEEDS:
        found = replayed(file, configuration, pacing, routes=routes)
        if dropped(found.report) == 0 and is_drained(found.report):
            break
    return found


def is_drained(report: fh.Report) -> bool:
    """Tell whether the sockets were empty at the end: with a full ring, a stop leaves in them what waits."""
    assert isinstance(report.wire, tuple)
    return all(line.stats.drained for line in report.wire)


def dropped(report: fh.Report) -> int:
    """Return how many datagrams the kernel dropped."""
    assert isinstance(report.wire, tuple)
    return sum(line.stats.socket_drops for line in report.wire)


def replayed(
    file: Path,
    configuration: fh.Config,
    pacing: Pacing,
    *,
    routes: Mapping[Destination, int] | None = None,
    interface: str | None = None,
    kept: CaptureTo | None = None,
) -> Delivered:
    """Replay a file to a feed, and return what it delivered once all that was sent has been read.

    With `routes`, destinations of a capture go to the lines of those numbers; without, everything goes to the
    only line. With `kept`, the feed captures what it receives.
    """
    with fh.Feed(configuration, capture=kept) as feed:
        lines = [(str(line.address.ip), line.address.port) for line in feed.addresses]
        way = {destination: lines[line] for destination, line in (routes or {}).items()}
        sender = Sender([] if way else lines, routes=way, interface=interface)
        failures: list[BaseException] = []

        def send() -> None:
            try:
                sender.replay(file, pacing, protocol=configuration.protocol)
            except BaseException as failure:
                failures.append(failure)
            finally:
                feed.stop()  # over loopback, what was sent is in the sockets by now

        thread = threading.Thread(target=send)
        thread.start()
        found = delivered.collect(feed, feed)
        thread.join()
    if failures:
        raise failures[0]
    return found


def assert_nothing_dropped(report: fh.Report) -> None:
    """Check that the kernel was asked, and neither it nor the ring dropped anything."""
    assert isinstance(report.wire, tuple)
    for line in report.wire:
        assert line.stats.socket_drops_read
        assert line.stats.drained
        assert (line.stats.socket_drops, line.stats.ring_drops, line.stats.errors) == (0, 0, 0)


def assert_same(found: Delivered, file: Delivered) -> None:
    """Check that messages, fields and digest are those of the file; only times of receipt differ."""
    delivered.assert_same_tables(found.tables, file.tables, but=["ts_recv_ns"])
    assert found.report.digest == file.report.digest
    assert found.report.messages == file.report.messages
    assert found.report.by_type == file.report.by_type
    assert found.report.ledger.is_balanced


def main(file: Path, protocol: str, group: str) -> None:
    """Compare a replay over multicast with the file, and print both reports."""
    found = replayed(file, config(protocol, [group], "lo"), Pacing.rate(20_000), interface="lo")
    assert_nothing_dropped(found.report)
    of_file = delivered.read(file, protocol)
    assert_same(found, of_file)
    sys.stdout.buffer.write(msgspec.json.encode([found.report.messages, found.report.digest]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
