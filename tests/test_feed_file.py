"""Files through `feedhandler.read`: what is decoded, and the report of where everything went."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import market
import numpy as np
import pytest
from captures import capture

import feedhandler as fh
from feedhandler import _core
from feedhandler.capture import info
from feedhandler.report import parse, to_json
from replay.generator import Generator
from replay.pcap import Datagram, write_pcap

ITCH_SNIPPET = {
    "A": 367, "U": 225, "F": 193, "D": 167, "E": 28, "X": 6, "I": 4, "P": 4, "Q": 4, "S": 1, "C": 1,
}  # fmt: skip
RITCH = {"S": 6, "R": 3, "H": 3, "A": 4997, "F": 3, "E": 198, "X": 45, "D": 1745, "U": 12, "P": 5000}


def drained(reader: fh.Reader) -> fh.Report:
    for _ in reader:
        pass
    return reader.report()


def counts(report: fh.Report) -> dict[str, int]:
    return {code: counted.count for code, counted in report.by_type.items()}


def test_two_lines_of_a_channel_make_one_stream(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    report = drained(fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS))
    assert (report.packets, report.datagrams, report.messages) == (202, 202, 400)
    assert (report.duplicates, report.gaps, report.malformed) == (100, (), 0)
    assert [(session.id, session.first, session.last) for session in report.sessions] == [
        ("SYNTHETIC", 1, 400)
    ]
    assert report.ledger.is_balanced


def test_without_pairing_each_destination_is_a_channel(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    report = drained(fh.read(tmp_path / "day.pcap", "msgpack", rest="each"))
    assert [channel.name for channel in report.ledger.channels] == ["239.1.1.1:20001", "239.1.1.2:20002"]
    assert report.messages == 800


def test_other_destinations_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    channels = {"a": ["239.1.1.1:20001"]}
    report = drained(fh.read(tmp_path / "day.pcap", "msgpack", channels=channels, rest="skip"))
    assert (report.datagrams, report.other_datagrams, report.messages) == (101, 101, 400)


def test_what_one_line_lost_comes_from_the_other(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "whole.pcap")
    market.write_capture(tmp_path / "torn.pcap", lost_on_a={10, 11, 50}, lost_on_b={20, 51})
    whole = drained(fh.read(tmp_path / "whole.pcap", "msgpack", channels=market.CHANNELS))
    torn = drained(fh.read(tmp_path / "torn.pcap", "msgpack", channels=market.CHANNELS))
    assert torn.ledger.lost == 0
    assert torn.digest == whole.digest
    assert torn.ledger.is_balanced


YEARS_NS = 10 * 365 * 86_400 * 1_000_000_000
NIGHT_NS = 10 * 3_600 * 1_000_000_000


def write_stamped(path: Path, restamp: Callable[[int, int], int]) -> None:
    """Write a market in which line A loses every tenth packet, its stamps given by number and true time."""
    generator = Generator(seed=7)
    timed = generator.packets(100, start_ns=market.START_NS, interval_ns=market.INTERVAL_NS, messages=4)
    datagrams = [
        Datagram(ts_ns + line * 2_500_000, destination, packet)
        for number, (ts_ns, packet) in enumerate(timed)
        for line, destination in enumerate(market.LINES)
        if line == 1 or number % 10 != 5
    ]
    datagrams.sort(key=lambda datagram: datagram.ts_ns)
    write_pcap(path, [d._replace(ts_ns=restamp(n, d.ts_ns)) for n, d in enumerate(datagrams)])


@pytest.mark.parametrize(
    "restamp",
    [
        pytest.param(lambda _, ts_ns: ts_ns, id="true"),
        pytest.param(lambda n, ts_ns: ts_ns + YEARS_NS * (n == 20), id="one years ahead"),
        pytest.param(lambda n, ts_ns: ts_ns + YEARS_NS * (n == 0), id="the first years ahead"),
        pytest.param(lambda n, ts_ns: ts_ns + YEARS_NS * (n in {20, 40, 41, 60}), id="several years ahead"),
        pytest.param(lambda n, ts_ns: ts_ns * (n % 30 != 20), id="some of no time"),
        pytest.param(lambda n, ts_ns: ts_ns + NIGHT_NS * (n >= 64), id="a quiet night"),
        pytest.param(lambda n, ts_ns: ts_ns + NIGHT_NS * (n < 64), id="a clock set back"),
        pytest.param(lambda n, ts_ns: ts_ns - 400_000 * (n % 2), id="out of order"),
    ],
)
def test_no_stamp_takes_the_grace_time_away(tmp_path: Path, restamp: Callable[[int, int], int]) -> None:
    write_stamped(tmp_path / "day.pcap", restamp)
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)

    report = drained(reader)

    assert (report.messages, report.gaps, report.ledger.lost) == (400, (), 0)
    assert report.ledger.is_balanced


def test_a_gap_is_declared_though_a_stamp_was_years_ahead(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "torn.pcap", lost_on_a={50}, lost_on_b={50})
    reader = fh.read(tmp_path / "torn.pcap", "msgpack", channels=market.CHANNELS)
    plain = [(int(e["first"]), int(e["position"])) for batch in reader for e in batch.events]

    restamped = tmp_path / "restamped.pcap"
    data = bytearray((tmp_path / "torn.pcap").read_bytes())
    data[24:28] = (2**32 - 1).to_bytes(4, "little")
    restamped.write_bytes(data)
    reader = fh.read(restamped, "msgpack", channels=market.CHANNELS)

    assert [(int(e["first"]), int(e["position"])) for batch in reader for e in batch.events] == plain


def test_what_both_lines_lost_is_a_gap_with_its_range(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "torn.pcap", lost_on_a={10, 11}, lost_on_b={10, 11})
    reader = fh.read(tmp_path / "torn.pcap", "msgpack", channels=market.CHANNELS)
    events = [event for batch in reader for event in batch.events if event["kind"] == fh.EventKind.GAP]
    report = reader.report()
    assert [(int(e["first"]), int(e["last"]), fh.Cause(e["cause"])) for e in events] == [
        (41, 48, fh.Cause.LINE)
    ]
    assert [(gap.channel, gap.first, gap.last, gap.cause) for gap in report.gaps] == [
        ("demo", 41, 48, "line")
    ]
    assert report.ledger.lost == 8
    assert report.messages == 392
    assert report.ledger.is_balanced


def test_batches_are_closed_after_so_many_messages(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS, batch_messages=40)
    sizes = [batch.size for batch in reader]
    assert sum(sizes) == 400
    assert set(sizes[:9]) == {40}


def test_progress_ends_at_the_end_of_the_file(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    size = (tmp_path / "day.pcap").stat().st_size
    reader = fh.read(tmp_path / "day.pcap", "msgpack")
    assert reader.progress.total_bytes == size
    drained(reader)
    assert reader.progress == (size, size)


def test_compressed_is_the_same(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    (tmp_path / "day.pcap.gz").write_bytes(gzip.compress((tmp_path / "day.pcap").read_bytes()))
    plain, packed = (drained(fh.read(tmp_path / name, "msgpack")) for name in ("day.pcap", "day.pcap.gz"))
    assert packed.digest == plain.digest
    assert packed.packets == plain.packets


def test_a_torn_file_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    (tmp_path / "torn.pcap").write_bytes((tmp_path / "day.pcap").read_bytes()[:-30])
    report = drained(fh.read(tmp_path / "torn.pcap", "msgpack", channels=market.CHANNELS))
    assert report.truncated
    assert report.truncated_detail
    assert report.messages == 400


def test_the_typed_report_loses_nothing_of_what_rust_says(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "torn.pcap", lost_on_a={10}, lost_on_b={10})
    reader = _core.FileReader(str(tmp_path / "torn.pcap"), fh.protocol("msgpack").plan)
    while reader.next_batch() is not None:
        pass
    said = reader.report()
    assert json.loads(to_json(parse(said))) == json.loads(said)


@pytest.mark.parametrize("path", ["nowhere.pcap", "folder"])
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(fh.CaptureError) as refused:
        drained(fh.read(tmp_path / path, "msgpack"))
    assert refused.value.file == str(tmp_path / path)
    assert "cannot be read" in refused.value.reason


def test_a_file_that_is_no_capture_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.pcap").write_text("Dear reader,\n")
    with pytest.raises(fh.CaptureError, match=r"letter\.pcap: expected a pcap or pcapng capture"):
        drained(fh.read(tmp_path / "letter.pcap", "msgpack"))


def test_unknown_protocols_and_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fh.UnknownProtocolError, match="did you mean 'itch50'"):
        fh.read(tmp_path / "day.pcap", "itch5")
    with pytest.raises(fh.AddressError, match="expected ADDRESS:PORT"):
        fh.read(tmp_path / "day.pcap", "msgpack", channels={"a": ["239.1.1.1"]})


def test_events_stand_before_the_messages_they_precede(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "torn.pcap", lost_on_a={10, 11}, lost_on_b={10, 11})
    (batch,) = fh.read(tmp_path / "torn.pcap", "msgpack", channels=market.CHANNELS)
    seqs = np.array([int(row["seq"]) for _, row in batch.rows()])
    start, gap = batch.events[:2]
    assert (start["kind"], start["position"]) == (fh.EventKind.SESSION_START, 0)
    assert (gap["kind"], seqs[gap["position"]]) == (fh.EventKind.GAP, gap["last"] + 1)


def test_a_file_of_messages_begins_with_its_session(tmp_path: Path) -> None:
    system_event = bytes.fromhex("000c 53 0000 0000 000000000001 4f")
    (tmp_path / "day.itch").write_bytes(system_event * 3)
    (batch,) = fh.read(tmp_path / "day.itch", "itch50")
    assert batch.size == 3
    assert [(event["kind"], event["position"]) for event in batch.events] == [(fh.EventKind.SESSION_START, 0)]


def test_info_tells_the_streams_of_a_capture(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap")
    found = info(tmp_path / "day.pcap")
    assert (found.capture.format, found.capture.records) == ("pcap", 202)
    streams = [(stream.address, stream.port, stream.datagrams) for stream in found.streams]
    assert streams == [("239.1.1.1", 20001, 101), ("239.1.1.2", 20002, 101)]
    assert found.streams[0].first_ts_ns == market.START_NS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("itch/12302019_SNIPPET.NASDAQ_ITCH50", ITCH_SNIPPET),
        ("itch/ex20101224.TEST_ITCH_50", RITCH),
        ("itch/ex20101224.TEST_ITCH_50.gz", RITCH),
    ],
)
def test_itch_files_hold_the_messages_they_are_known_for(name: str, expected: dict[str, int]) -> None:
    report = drained(fh.read(capture(name), "itch50"))
    assert counts(report) == expected
    assert report.messages == sum(expected.values())
    assert report.ledger.is_balanced


def test_tops16_is_whole() -> None:
    report = drained(fh.read(capture("iex/TOPS16.pcapng.gz"), "iex-tops"))
    assert (report.packets, report.datagrams, report.messages) == (13_022, 13_022, 57_674)
    assert (report.heartbeats, report.gaps, report.malformed, report.unknown_types) == (237, (), 0, ())
    assert report.ledger.is_balanced
