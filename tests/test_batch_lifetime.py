"""Arrays outlive their batch: what is kept stays as it was, and what is dropped is used again."""

import gc
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import delivered
import numpy as np
import pytest
from delivered import Table

import feedhandler as fh
from replay import Generator

MESSAGES, BATCH_MESSAGES, KEPT = 200_000, 64, 16


@pytest.fixture(name="file", scope="module")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = Generator(seed=7)
    packets = [
        packet for _, packet in generator.packets(MESSAGES // 8, start_ns=0, interval_ns=1_000, messages=8)
    ]
    return delivered.write_datagrams(tmp_path_factory.mktemp("feed") / "feed.pcap", packets)


def batches(file: Path) -> Iterator[fh.Batch]:
    return fh.read(file, "msgpack", batch_messages=BATCH_MESSAGES)


def arrays_of(batch: fh.Batch) -> list[Table]:
    return [*batch.values(), batch.order, batch.events]


def address(array: Table) -> int:
    return int(array.__array_interface__["data"][0])


def memory_of(array: Table) -> range:
    return range(address(array), address(array) + array.nbytes)


def test_kept_arrays_stay_as_they_were_while_thousands_of_batches_are_read(file: Path) -> None:
    kept, copies, read = [], [], 0
    for number, batch in enumerate(batches(file)):
        if number % (MESSAGES // BATCH_MESSAGES // KEPT) == 0:
            kept += arrays_of(batch)
            copies += [array.copy() for array in arrays_of(batch)]
        read += 1
    del batch
    gc.collect()

    assert read >= 3_000
    assert len(kept) > 2 * KEPT
    for array, copy in zip(kept, copies, strict=True):
        assert np.array_equal(array, copy)


def test_no_two_arrays_that_are_kept_share_memory(file: Path) -> None:
    kept = [array for _, batch in zip(range(100), batches(file), strict=False) for array in arrays_of(batch)]
    spans = sorted((memory_of(array) for array in kept if array.nbytes), key=lambda span: span.start)
    assert all(before.stop <= after.start for before, after in pairwise(spans))


def test_a_column_alone_keeps_the_memory(file: Path) -> None:
    reader = batches(file)
    column = next(reader)["quote"]["bid_price"]
    copy = column.copy()
    for _ in reader:
        pass
    gc.collect()
    assert np.array_equal(column, copy)


def test_memory_of_dropped_batches_is_used_again(file: Path) -> None:
    places = {address(batch["quote"]) for batch in batches(file) if len(batch["quote"])}
    assert len(places) <= 4


def test_memory_of_kept_batches_is_not(file: Path) -> None:
    kept = [batch["quote"] for _, batch in zip(range(200), batches(file), strict=False)]
    assert len({address(array) for array in kept}) == len(kept)


def test_arrays_are_views_that_cannot_be_written(file: Path) -> None:
    batch = next(batches(file))
    for array in arrays_of(batch):
        assert not array.flags.writeable
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array["ts_ns" if "ts_ns" in (array.dtype.names or ()) else array.dtype.names[0]] = 0  # type: ignore[index]
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_arrays_are_not_copied(file: Path) -> None:
    batch = next(batches(file))
    quotes = batch["quote"]
    assert batch["quote"] is quotes
    assert np.shares_memory(batch.order, batch.order)
    assert np.shares_memory(quotes["bid_price"], quotes)
    column = quotes["bid_price"]
    assert column.strides == (quotes.dtype.itemsize,)
    assert column.base is not None


GROWTH = """
    import sys, resource
    import feedhandler as fh

    def peak_kb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def read():
        batches = fh.read(sys.argv[1], "msgpack", batch_messages=64)
        return sum(batch["quote"]["bid_size"].size for batch in batches)

    read()
    before = peak_kb()
    for _ in range(20):
        read()
    print(peak_kb() - before)
"""


def test_reading_on_and_on_needs_no_more_memory(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GROWTH), str(file)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert int(done.stdout) < 4_096, "kB more after reading 4 million messages"
