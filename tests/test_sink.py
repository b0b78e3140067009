"""Results as files: what other programs read is what was decoded, and half a file never looks whole."""

import csv
import gzip
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import market
import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from captures import capture

import feedhandler as fh
from feedhandler.sink import SUFFIXES, open_sink
from feedhandler.sink.arrow import schema_of
from feedhandler.sink.npz import SCALES
from feedhandler.sink.values import decimal_text
from replay.pcap import Datagram, write_pcap

EVERYTHING = """
name = "everything"
encoding = "msgpack"
[framing]
name = "plain"
counts = "nothing"
delimiter = "msgpack"
[messages.row]
fields = [
    { name = "price", type = "i64", scale = 4, nullable = true, null = -1 },
    { name = "fine", type = "u64", scale = 8 },
    { name = "small", type = "i16", scale = 2 },
    { name = "count", type = "u32", nullable = true, null = 0 },
    { name = "ratio", type = "f64" },
    { name = "symbol", type = "str", length = 8 },
    { name = "raw", type = "bin", length = 4 },
    { name = "flag", type = "bool" },
]
"""

ROWS = [
    [1234500, 12345678901234567890, -5, 7, 0.5, "ACME", b"\x00\xff\x01\x02", True],
    [None, 0, 32767, None, -1e300, "ZÜRICH", b"\x01\x02\x03\x04", False],
    [-1234501, 1, -32768, 1, 0.1, "", b"\xff\xff\xff\xff", True],
]
PRICES = [Decimal("123.4500"), None, Decimal("-123.4501")]
FINE = [Decimal("123456789012.34567890"), Decimal("0E-8"), Decimal("0.00000001")]
SMALL = [Decimal("-0.05"), Decimal("327.67"), Decimal("-327.68")]


@pytest.fixture
def everything(tmp_path: Path) -> fh.Reader:
    """Rows with every kind of column, in a capture."""
    (tmp_path / "everything.toml").write_text(EVERYTHING)
    datagrams = [
        Datagram(market.START_NS + n, market.LINES[0], msgpack.packb(row)) for n, row in enumerate(ROWS)
    ]
    write_pcap(tmp_path / "rows.pcap", datagrams)
    return fh.read(tmp_path / "rows.pcap", tmp_path / "everything.toml")


@pytest.fixture
def demo(tmp_path: Path) -> fh.Reader:
    """Three types of messages, in many small batches."""
    market.write_capture(tmp_path / "day.pcap", packets=500)
    return fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS, batch_messages=64)


def write(reader: fh.Reader, path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Write everything to a file, and return what there was."""
    kept: dict[str, list[Any]] = {}
    with open_sink(path, reader.protocol) as sink:
        for batch in reader:
            sink.write(batch)
            for name, rows in batch.items():
                kept.setdefault(name, []).append(rows)
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def read_arrow(path: Path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_arrow_and_parquet_hold_values_of_their_kinds(
    tmp_path: Path, everything: fh.Reader, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    write(everything, path)
    table = read_arrow(path)
    assert table.column("price").to_pylist() == PRICES
    assert table.column("fine").to_pylist() == FINE
    assert table.column("small").to_pylist() == SMALL
    assert table.column("count").to_pylist() == [7, None, 1]
    assert table.column("ratio").to_pylist() == [0.5, -1e300, 0.1]
    assert table.column("symbol").to_pylist() == ["ACME", "ZÜRICH", ""]
    assert table.column("raw").to_pylist() == [b"\x00\xff\x01\x02", b"\x01\x02\x03\x04", b"\xff\xff\xff\xff"]
    assert table.column("flag").to_pylist() == [True, False, True]
    assert table.column("ts_recv_ns").to_pylist() == [market.START_NS + n for n in range(3)]
    assert table.schema.field("price").metadata == {b"scale": b"4", b"null": b"-1"}
    assert table.schema.metadata == {b"protocol": b"everything", b"message": b"row"}


def test_csv_holds_decimals_text_and_nothing_where_null(tmp_path: Path, everything: fh.Reader) -> None:
    write(everything, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["price"] for row in rows] == ["123.4500", "", "-123.4501"]
    assert [row["fine"] for row in rows] == ["123456789012.34567890", "0.00000000", "0.00000001"]
    assert [row["small"] for row in rows] == ["-0.05", "327.67", "-327.68"]
    assert [row["count"] for row in rows] == ["7", "", "1"]
    assert [float(row["ratio"]) for row in rows] == [0.5, -1e300, 0.1]
    assert [row["symbol"] for row in rows] == ["ACME", "ZÜRICH", ""]
    assert [row["raw"] for row in rows] == ["00ff0102", "01020304", "ffffffff"]
    assert [row["flag"] for row in rows] == ["True", "False", "True"]


def test_npz_holds_the_arrays_as_they_are_and_their_scales(tmp_path: Path, demo: fh.Reader) -> None:
    written = write(demo, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as arrays:
        assert set(arrays) == {*written, SCALES}
        for name, rows in written.items():
            assert arrays[name].dtype == demo.protocol.dtypes[name]
            np.testing.assert_array_equal(arrays[name], rows)
        scales = {(str(row["message"]), str(row["field"])): int(row["scale"]) for row in arrays[SCALES]}
    assert scales["quote", "bid_price"] == 4
    assert all(scale == 4 for scale in scales.values())


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_several_types_make_a_folder_with_a_file_each(tmp_path: Path, demo: fh.Reader, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    written = write(demo, path)
    assert sorted(file.name for file in path.iterdir()) == sorted(f"{name}{suffix}" for name in written)
    for name, rows in written.items():
        table = read_arrow(path / f"{name}{suffix}")
        assert table.num_rows == len(rows)
        assert table.column_names == list(rows.dtype.names or ())
        np.testing.assert_array_equal(table.column("seq").to_numpy(), rows["seq"])
    prices = read_arrow(path / f"trade{suffix}").column("price").to_pylist()
    assert prices == [Decimal(int(price)).scaleb(-4) for price in written["trade"]["price"]]


def test_groups_of_rows_follow_one_another_without_a_seam(
    tmp_path: Path, demo: fh.Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedhandler.sink.arrow._GROUP_BYTES", 1_000)
    written = write(demo, tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet" / "quote.parquet")
    assert file.num_row_groups == -(-len(written["quote"]) // (1_000 // 64))
    np.testing.assert_array_equal(file.read().column("seq").to_numpy(), written["quote"]["seq"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_but_the_result_is_left(tmp_path: Path, demo: fh.Reader, suffix: str) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    write(demo, folder / f"out{suffix}")
    assert [entry.name for entry in folder.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_after_an_error_there_is_no_file_and_what_was_there_stays(
    tmp_path: Path, demo: fh.Reader, suffix: str
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / f"out{suffix}").write_text("of yesterday")

    def fail() -> None:
        with open_sink(folder / f"out{suffix}", demo.protocol) as sink:
            for batch in demo:
                sink.write(batch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [entry.name for entry in folder.iterdir()] == [f"out{suffix}"]
    assert (folder / f"out{suffix}").read_text() == "of yesterday"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, demo: fh.Reader, suffix: str) -> None:
    if os.geteuid() != 0 or not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    sink = open_sink(tmp_path / f"out{suffix}", demo.protocol)
    (partial,) = (entry for entry in tmp_path.iterdir() if entry.name.endswith(".partial"))
    inner = ".rows" if suffix == ".npz" else suffix
    for name in ("instrument", "quote", "trade"):
        (partial / f"{name}{inner}").symlink_to("/dev/full")

    def fail() -> None:
        with sink:
            for batch in demo:
                sink.write(batch)

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert not (tmp_path / f"out{suffix}").exists()
    assert not partial.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_earlier_result_is_replaced(tmp_path: Path, suffix: str) -> None:
    market.write_capture(tmp_path / "day.pcap", packets=20)
    path = tmp_path / f"out{suffix}"
    for _ in range(2):
        write(fh.read(tmp_path / "day.pcap", "msgpack"), path)
    assert path.exists()
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_a_folder_with_anything_else_in_it_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    with pytest.raises(fh.SinkError, match=r"found 'thesis\.tex' in it"):
        open_sink(path, fh.protocol("msgpack"))


def test_what_came_into_the_folder_while_it_was_written_is_left_there(
    tmp_path: Path, demo: fh.Reader
) -> None:
    path = tmp_path / "out.csv"
    path.mkdir()
    (path / "quote.csv").write_text("of yesterday")
    sink = open_sink(path, demo.protocol)
    (path / "thesis.tex").write_text("years of work")
    tables: set[str] = set()

    def finish() -> None:
        with sink:
            for batch in demo:
                tables.update(batch)
                sink.write(batch)

    with pytest.raises(fh.SinkError, match=r"found 'thesis\.tex' in it: the result is in 'out\.") as refused:
        finish()
    assert sorted(entry.name for entry in path.iterdir()) == ["quote.csv", "thesis.tex"]
    (beside,) = (entry for entry in tmp_path.iterdir() if entry.suffix == ".csv" and entry != path)
    assert repr(beside.name) in str(refused.value)
    assert {entry.name for entry in beside.iterdir()} == {f"{table}.csv" for table in tables}


@pytest.mark.parametrize("is_folder", [True, False])
@pytest.mark.parametrize("renames", [1, 2])
def test_an_interrupt_while_a_result_is_replaced_leaves_the_one_or_the_other(
    tmp_path: Path, demo: fh.Reader, monkeypatch: pytest.MonkeyPatch, is_folder: bool, renames: int
) -> None:
    path = tmp_path / "results" / "out.csv"
    (path if is_folder else path.parent).mkdir(parents=True)
    (path / "quote.csv" if is_folder else path).write_text("of yesterday")
    rename, left = Path.rename, renames

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal left
        renamed, left = rename(self, target), left - 1
        if left == 0:
            raise KeyboardInterrupt
        return renamed

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(demo, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["out.csv"]
    found = path / "quote.csv" if path.is_dir() else path
    assert (found.read_text() == "of yesterday") == (renames == 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("protocol", ["one", "several"])
def test_without_a_message_there_are_tables_without_rows(tmp_path: Path, suffix: str, protocol: str) -> None:
    (tmp_path / "everything.toml").write_text(EVERYTHING)
    named = fh.protocol(tmp_path / "everything.toml" if protocol == "one" else "msgpack")
    path = tmp_path / f"out{suffix}"
    path.write_text("of yesterday")
    with open_sink(path, named):
        pass
    files = {path.stem: path} if path.is_file() else {file.stem: file for file in path.iterdir()}
    if suffix == ".npz":
        with np.load(path) as arrays:
            assert {name: len(arrays[name]) for name in named.messages} == dict.fromkeys(named.messages, 0)
        return
    assert set(files) == ({"out"} if protocol == "one" else set(named.messages))
    for name, file in files.items():
        columns = list(named.dtypes["row" if protocol == "one" else name].names or ())
        if suffix == ".csv":
            assert file.read_text().split() == [",".join(columns)]
        else:
            table = read_arrow(file)
            assert (table.num_rows, table.column_names) == (0, columns)


def test_unknown_kinds_of_files_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fh.SinkError, match=r"found '\.parqet' \(did you mean '\.parquet'\?\)"):
        open_sink(tmp_path / "out.parqet", fh.protocol("msgpack"))
    with pytest.raises(fh.SinkError, match="cannot be written: no such file or directory"):
        open_sink(tmp_path / "nowhere" / "out.csv", fh.protocol("msgpack"))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedhandler.sink.find_spec", lambda _name: None)
    with pytest.raises(fh.SinkError, match=r"pip install 'feedhandler\[arrow\]'"):
        open_sink(tmp_path / "out.parquet", fh.protocol("msgpack"))


@pytest.mark.parametrize("name", ["itch50", "iex-tops", "iex-deep", "msgpack"])
def test_every_table_of_every_protocol_has_a_schema(name: str) -> None:
    protocol = fh.protocol(name)
    for message in protocol.messages.values():
        schema = schema_of(protocol, message, protocol.dtypes[message.name])
        assert schema.names == list(protocol.dtypes[message.name].names or ())


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (0, 4, "0.0000"),
        (5, 4, "0.0005"),
        (-5, 4, "-0.0005"),
        (12345, 2, "123.45"),
        (-(2**63), 9, "-9223372036.854775808"),
    ],
)
def test_decimal_text_is_exact(value: int, scale: int, text: str) -> None:
    assert decimal_text(value, scale) == text


def test_itch_prices_are_decimals_and_text_is_text(tmp_path: Path) -> None:
    reader = fh.read(capture("itch/12302019_SNIPPET.NASDAQ_ITCH50"), "itch50")
    written = write(reader, tmp_path / "out.parquet")
    adds = read_arrow(tmp_path / "out.parquet" / "add_order.parquet")
    assert adds.num_rows == 367
    assert adds.column("price").to_pylist() == [
        Decimal(int(p)).scaleb(-4) for p in written["add_order"]["price"]
    ]
    assert adds.column("stock").to_pylist() == [stock.decode() for stock in written["add_order"]["stock"]]


def test_a_written_file_is_whole_whatever_the_size_of_batches(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap", packets=300)
    (tmp_path / "day.pcap.gz").write_bytes(gzip.compress((tmp_path / "day.pcap").read_bytes()))
    texts = []
    for size in (1, 100, 100_000):
        reader = fh.read(tmp_path / "day.pcap.gz", "msgpack", channels=market.CHANNELS, batch_messages=size)
        write(reader, tmp_path / f"{size}.csv")
        texts.append([(tmp_path / f"{size}.csv" / f"{name}.csv").read_text() for name in ("quote", "trade")])
    assert texts[0] == texts[1] == texts[2]
