"""What a reader or a feed delivered, put together over its batches, in forms that can be compared."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import feedhandler as fh
from replay import Datagram, write_pcap

Row = tuple[Any, ...]
Table = npt.NDArray[np.void]

LEADING_COLUMNS = 3
"""``seq``, ``ts_recv_ns`` and ``channel`` stand in front of a message's own fields."""

START_NS = 1_700_000_000 * 10**9
DESTINATION = ("239.1.2.3", 20_001)


@dataclass(frozen=True)
class Delivered:
    """All tables of a run, and its report."""

    tables: Mapping[str, Table]
    report: fh.Report

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a message's table as tuples."""
        rows: list[Row] = self.tables[name].tolist() if name in self.tables else []
        return rows


def read(path: Path, protocol: str | Path | fh.Protocol, **options: Any) -> Delivered:
    """Read a file to its end."""
    reader = fh.read(path, protocol, **options)
    return collect(reader, reader)


def collect(batches: Iterable[fh.Batch], source: fh.Reader | fh.Feed) -> Delivered:
    """Put the tables of batches together; the report is the source's when they are over."""
    parts: defaultdict[str, list[Table]] = defaultdict(list)
    for batch in batches:
        for name, rows in batch.items():
            parts[name].append(rows)
    return Delivered({name: np.concatenate(rows) for name, rows in parts.items()}, source.report())


def messages(batches: Iterable[fh.Batch]) -> Iterator[tuple[str, Row]]:
    """Yield the name and the row of each message in the order of arrival."""
    for batch in batches:
        for name, row in batch.rows():
            yield name, tuple(row.tolist())


def write_datagrams(
    path: Path, payloads: Iterable[bytes], destinations: Sequence[tuple[str, int]] = (DESTINATION,)
) -> Path:
    """Write payloads to a capture, a microsecond apart, to the destinations in turn."""
    write_pcap(
        path,
        (
            Datagram(START_NS + 1_000 * number, destinations[number % len(destinations)], payload)
            for number, payload in enumerate(payloads)
        ),
    )
    return path


def assert_same_tables(
    left: Mapping[str, Table], right: Mapping[str, Table], but: Sequence[str] = ()
) -> None:
    """Compare tables column by column, but for the columns named."""
    assert left.keys() == right.keys()
    for name, table in left.items():
        assert table.dtype.names is not None
        for column in table.dtype.names:
            if column not in but:
                np.testing.assert_array_equal(table[column], right[name][column], f"{name}.{column}")
