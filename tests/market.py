"""A small synthetic market for tests: as a capture of two lines, or as messages that are known."""

from collections.abc import Collection
from pathlib import Path

from replay.generator import Generator
from replay.pcap import Datagram, write_pcap

LINES = (("239.1.1.1", 20001), ("239.1.1.2", 20002))
CHANNELS = {"demo": ["239.1.1.1:20001", "239.1.1.2:20002"]}
START_NS = 1_700_000_000_000_000_000
INTERVAL_NS = 1_000_000


def write_capture(
    path: Path,
    packets: int = 100,
    *,
    messages: int = 4,
    lost_on_a: Collection[int] = (),
    lost_on_b: Collection[int] = (),
    lag_ns: int = 10_000,
) -> Generator:
    """Write a capture of a seeded market on lines A and B, less the packets that are lost; line B lags."""
    generator = Generator(seed=7)
    datagrams = []
    lost = (lost_on_a, lost_on_b)
    timed = generator.packets(packets, start_ns=START_NS, interval_ns=INTERVAL_NS, messages=messages)
    for number, (ts_ns, packet) in enumerate(timed):
        for line, destination in enumerate(LINES):
            if number not in lost[line]:
                datagrams.append(Datagram(ts_ns + line * lag_ns, destination, packet))
    end_ns = START_NS + packets * INTERVAL_NS
    datagrams += [Datagram(end_ns, destination, generator.end_of_session(end_ns)) for destination in LINES]
    write_pcap(path, sorted(datagrams, key=lambda datagram: datagram.ts_ns))
    return generator
