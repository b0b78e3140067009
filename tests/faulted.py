"""Feeds that faults are done to, and the reports of those who read them."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import delivered
import msgspec
import numbered

import feedhandler as fh
from replay import Datagram, Faults, write_pcap
from replay.truth import load
from replay.verify import Verification, verify

LINES = (("239.1.1.1", 20_001), ("239.1.1.2", 20_002))
CHANNELS = {"demo": ["239.1.1.1:20001", "239.1.1.2:20002"]}
START_NS = 1_700_000_000 * 10**9
SPACING_NS = 20_000
FIRST = 5_000

KINDS = (
    "loss:p=0.02",
    "loss:p=0.01,burst=6,line=A",
    "loss:p=0.05,r=0.3,line=B",
    "loss:every=37",
    "loss:packets=50..60+70",
    "loss:sequences=5200..5230+5900",
    "duplicate:p=0.03",
    "duplicate:p=0.02,after=300us",
    "reorder:p=0.03,within=5",
    "reorder:p=0.03,within=200us",
    "reorder:p=0.02,within=9ms,line=A",
    "delay:p=0.01,by=7ms",
    "delay:by=100us,jitter=50us,line=A",
    "skew:by=130us,line=B",
    "skew:by=6ms,line=A",
    "corrupt:p=0.02,part=framing",
    "corrupt:p=0.02,part=message,flip=byte",
    "corrupt:p=0.02,part=header",
    "corrupt:p=0.01,part=any,flip=byte",
    "truncate:p=0.02",
    "truncate:p=0.01,keep=8,line=B",
    "down:line=A,from=100,to=200",
    "down:line=B,from=4ms,to=6ms",
)
"""Faults of every kind but those of a sender."""


def write_feed(path: Path, packets: int = 600, *, first: int = FIRST, session: int = 1) -> Path:
    """Write a capture of the same numbered messages on lines A and B, and three ends of session."""
    chance, at = random.Random(1), first
    sent: list[tuple[int, bytes]] = []
    for number in range(packets):
        end = at if number % 25 == 24 else at + chance.randrange(1, 6)
        sent.append((number, numbered.packet(session, at, end)))
        at = end
    over = numbered.packet(session, at, at, is_end_of_session=True)
    sent += [(packets + 500 + number, over) for number in range(3)]
    times = ((START_NS + number * SPACING_NS, packet) for number, packet in sent)
    write_pcap(path, (Datagram(ts_ns, line, packet) for ts_ns, packet in times for line in LINES))
    return path


def composed(seed: int) -> Faults:
    """Return some faults; they begin behind the head of the feed."""
    chance = random.Random(seed)
    texts = chance.sample(KINDS, chance.randrange(1, 6))
    return Faults(*(text if "from=" in text else f"{text},from=20" for text in texts), seed=seed)


def read(
    feed: Path, faults: Faults | None = None, truth: Path | None = None, grace_us: int = 5_000
) -> fh.Report:
    """Return the report of a feed that faults are done to."""
    options = {"channels": CHANNELS, "faults": faults, "truth": truth, "grace_us": grace_us}
    return delivered.read(feed, numbered.PROTOCOL, **options).report


def verified(feed: Path, faults: Faults, truth: Path, clean: fh.Report | None = None) -> Verification:
    """Do faults to a feed, read it, and hold the report against the truth."""
    report = read(feed, faults, truth)
    assert report.ledger.is_balanced
    return verify(load(truth), report, clean)


def records(truth: Path) -> list[dict[str, object]]:
    """Return the lines of a truth file, but the first and what follows the last packet."""
    lines = [msgspec.json.decode(line) for line in truth.read_bytes().splitlines()]
    return [line for line in lines if "fault" in line]


def sealed(lines: Sequence[str]) -> str:
    """Return a truth file of lines without checksums, with new ones."""
    crc, text = 0, []
    for line in lines:
        crc = zlib.crc32(line.encode(), crc)
        text.append(f'{line[:-1]},"crc":"{crc:08x}"}}\n')
    return "".join(text)
