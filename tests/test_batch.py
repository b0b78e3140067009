"""A batch as its users see it: a mapping of structured arrays that stay valid."""

import gc
from pathlib import Path

import market
import numpy as np
import pytest

import feedhandler as fh
from feedhandler import _core
from feedhandler.batch import Batch


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    market.write_capture(tmp_path / "day.pcap")
    (batch,) = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    return batch


def test_it_holds_the_tables_that_came(batch: Batch) -> None:
    orders = {"order_add", "order_modify", "order_delete"}
    assert set(batch) == {"instrument", "quote", "trade"} | orders
    assert len(batch) == 6
    assert "quote" in batch
    assert "snapshot_end" not in batch
    assert batch.size == 400 == sum(len(rows) for rows in batch.values())
    assert batch.queue_depth == 0


def test_every_table_begins_with_the_same_columns(batch: Batch) -> None:
    for rows in batch.values():
        assert rows.dtype.names is not None
        assert rows.dtype.names[:3] == ("seq", "ts_recv_ns", "channel")
        assert [rows.dtype[name].str for name in rows.dtype.names[:3]] == ["<u8", "<u8", "<u2"]


def test_a_declared_message_that_did_not_come_is_empty(batch: Batch) -> None:
    ends = batch["snapshot_end"]
    assert ends.shape == (0,)
    assert ends.dtype == fh.protocol("msgpack").dtypes["snapshot_end"]


def test_an_unknown_message_names_the_nearest(batch: Batch) -> None:
    with pytest.raises(KeyError, match="no message 'qoute' in msgpack") as unknown:
        batch["qoute"]
    assert "did you mean 'quote'?" in str(unknown.value)
    assert batch.get("qoute") is None


def test_the_same_array_is_handed_out_again(batch: Batch) -> None:
    assert batch["quote"] is batch["quote"]


def test_arrays_cannot_be_written(batch: Batch) -> None:
    with pytest.raises(ValueError, match="read-only"):
        batch["quote"]["bid_price"][0] = 1


def test_the_order_over_the_tables_is_that_of_the_sequence(batch: Batch) -> None:
    assert batch.order.dtype.names == ("table", "row")
    seqs = [batch[batch.names[table]]["seq"][row] for table, row in batch.order]
    assert seqs == list(range(1, 401))


def test_rows_come_in_order_of_arrival(batch: Batch) -> None:
    rows = list(batch.rows())
    assert [int(row["seq"]) for _, row in rows] == list(range(1, 401))
    assert [name for name, _ in rows[:5]] == ["instrument"] * 4 + [rows[4][0]]
    assert rows[0][1]["symbol"] == b"ACME"


def test_events_tell_of_sessions(batch: Batch) -> None:
    kinds = [fh.EventKind(kind) for kind in batch.events["kind"]]
    assert kinds == [fh.EventKind.SESSION_START, fh.EventKind.SESSION_END]
    assert batch.events["last"][1] == 400


def test_event_kinds_and_causes_are_those_of_the_rust_half() -> None:
    assert {(kind.value, kind.name.lower()) for kind in fh.EventKind} == set(_core.event_kinds())
    assert {(cause.value, cause.name.lower()) for cause in fh.Cause} == set(_core.causes())


def test_a_kept_array_outlives_its_batch_and_its_reader(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap", packets=2_000)
    kept, copies = [], []
    for batch in fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS, batch_messages=64):
        if "quote" in batch:
            kept.append(batch["quote"])
            copies.append(batch["quote"].copy())
    del batch
    gc.collect()
    assert len(kept) > 100
    for view, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(view, copy)


def test_arrays_are_views_of_the_batch_without_a_copy(batch: Batch) -> None:
    quotes = batch["quote"]
    assert not quotes.flags.owndata
    assert quotes.base is not None


def test_batches_are_equal_to_themselves_only(batch: Batch) -> None:
    assert batch == batch  # noqa: PLR0124 — the point of it
    assert batch != dict(batch)
    assert len({batch, batch}) == 1


def test_it_says_what_it_is(batch: Batch) -> None:
    assert repr(batch).startswith("<Batch of 400 messages: quote ")
