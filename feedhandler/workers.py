"""Workers: files, or the channels of one large capture, decoded on several threads.

Decoding holds no GIL, so that threads do not wait for each other. `feedhandler.cli.decode` counts with them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import msgspec

from feedhandler.address import Address
from feedhandler.capture import info
from feedhandler.ledger import Ledger
from feedhandler.reader import Channels, Reader
from feedhandler.report import Report, TypeCount, UnknownCode

_DIGESTS = 1 << 64

Open = Callable[[Path, Channels | None], Reader]
"""Opens a file, with these channels and no others, or as it is read by one worker."""


def decode_files(paths: Sequence[Path], open_file: Open, workers: int) -> Report:
    """Decode files to their ends, each by one worker, and return their reports as one.

    Each file is sequenced by itself: what goes on in the next file begins there anew.

    Parameters
    ----------
    paths
        The files.
    open_file
        How they are opened.
    workers
        Most threads.
    """
    return together(_reports([(path, None) for path in paths], open_file, workers))


def decode_capture(path: Path, open_file: Open, workers: int, *, named: Channels, others: bool) -> Report:
    """Decode one capture, its channels shared out among workers, and return one report.

    Every worker reads the whole capture and decodes its part. What each channel delivers, and the digest, are
    those of one worker.

    Parameters
    ----------
    path
        The capture.
    open_file
        How it is opened.
    workers
        Most threads.
    named
        Channels that are named.
    others
        Whether streams that they do not have are channels as well.
    """
    whole = open_file(path, None)
    found = whole.report()
    if not found.capture:
        return _read(whole)
    counts = {str(Address.of(each.address, each.port)): each.datagrams for each in info(path).streams}
    channels = {name: [str(line) for line in lines] for name, lines in named.items()}
    channels |= {pair.channel: list(pair.lines) for pair in found.paired or ()}
    if others:
        taken = set(chain.from_iterable(channels.values()))
        channels |= {stream: [stream] for stream in counts if stream not in taken}
    parts = shared_out(channels, counts, workers)
    if len(parts) < 2:
        return _read(whole)
    reports = _reports([(path, part) for part in parts], open_file, workers)
    return msgspec.structs.replace(
        together(reports),
        packets=reports[0].packets,
        other_datagrams=sum(counts.values()) - sum(report.datagrams for report in reports),
        truncated_detail=reports[0].truncated_detail,
        paired=found.paired,
        not_paired=found.not_paired,
        capture=reports[0].capture,
    )


def shared_out(
    channels: Mapping[str, Sequence[str]], datagrams: Mapping[str, int], parts: int
) -> list[dict[str, Sequence[str]]]:
    """Return channels in parts of about as many datagrams: the fullest first, to whom has the least.

    Parameters
    ----------
    channels
        Lines by name.
    datagrams
        Of each line.
    parts
        How many at most.
    """
    weights = {name: sum(datagrams.get(line, 0) for line in lines) for name, lines in channels.items()}
    shares: list[dict[str, Sequence[str]]] = [{} for _ in range(min(parts, len(channels)))]
    loads = [0] * len(shares)
    for name in sorted(channels, key=weights.__getitem__, reverse=True):
        least = loads.index(min(loads))
        shares[least][name] = channels[name]
        loads[least] += weights[name]
    return shares


def _reports(
    parts: Sequence[tuple[Path, Channels | None]], open_file: Open, workers: int
) -> tuple[Report, ...]:
    # Each is opened by who reads it: there may be more files than a process may have open.
    with ThreadPoolExecutor(workers, thread_name_prefix="fh-decode") as pool:
        return tuple(pool.map(lambda part: _read(open_file(*part)), parts))


def _read(reader: Reader) -> Report:
    for _ in reader:
        pass
    return reader.report()


def together(reports: Sequence[Report]) -> Report:
    """Return what several runs tell as one report: sums, and lists one behind the other."""
    first = reports[0]
    if len(reports) == 1:
        return first
    return msgspec.structs.replace(
        first,
        packets=sum(report.packets for report in reports),
        datagrams=sum(report.datagrams for report in reports),
        bytes=sum(report.bytes for report in reports),
        messages=sum(report.messages for report in reports),
        by_type=_by_type(reports),
        unknown_types=_unknown_types(reports),
        heartbeats=sum(report.heartbeats for report in reports),
        gaps=tuple(chain.from_iterable(report.gaps for report in reports)),
        gaps_omitted=sum(report.gaps_omitted for report in reports),
        duplicates=sum(report.duplicates for report in reports),
        malformed=sum(report.malformed for report in reports),
        malformed_by_reason=dict(sum((Counter(each.malformed_by_reason) for each in reports), Counter())),
        malformed_samples=tuple(chain.from_iterable(report.malformed_samples for report in reports)),
        sessions=tuple(chain.from_iterable(report.sessions for report in reports)),
        truncated=any(report.truncated for report in reports),
        truncated_detail="; ".join(each.truncated_detail for each in reports if each.truncated_detail)
        or None,
        elapsed_s=max(report.elapsed_s for report in reports),
        digest=f"{sum(int(report.digest, 16) for report in reports) % _DIGESTS:016x}",
        ledger=_ledger([report.ledger for report in reports]),
        other_datagrams=sum(report.other_datagrams or 0 for report in reports),
        paired=tuple(chain.from_iterable(report.paired or () for report in reports)),
        capture=None,
    )


def _by_type(reports: Sequence[Report]) -> dict[str, TypeCount]:
    counts: dict[str, TypeCount] = {}
    for code, told in chain.from_iterable(report.by_type.items() for report in reports):
        before = counts[code].count if code in counts else 0
        counts[code] = TypeCount(told.name, before + told.count)
    return counts


def _unknown_types(reports: Sequence[Report]) -> tuple[UnknownCode, ...]:
    counts: Counter[str] = Counter()
    for unknown in chain.from_iterable(report.unknown_types for report in reports):
        counts[unknown.code] += unknown.count
    return tuple(UnknownCode(code, count) for code, count in counts.items())


def _ledger(ledgers: Sequence[Ledger]) -> Ledger:
    return Ledger(
        is_balanced=all(ledger.is_balanced for ledger in ledgers),
        mismatches=sum(ledger.mismatches for ledger in ledgers),
        channels=tuple(chain.from_iterable(ledger.channels for ledger in ledgers)),
    )
