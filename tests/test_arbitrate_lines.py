"""What a report tells of lines, and the grace time that follows their skew, through Python."""

from pathlib import Path

import delivered
import market


def test_a_report_tells_what_each_line_was_good_for(tmp_path: Path) -> None:
    file = tmp_path / "day.pcap"
    market.write_capture(file, lost_on_a=[3, 4, 50], lost_on_b=[50, 60])

    report = delivered.read(file, "msgpack", channels=market.CHANNELS).report

    (channel,) = report.ledger.channels
    a, b = channel.lines
    messages = 4
    assert (a.units.won, b.units.won) == (97 * messages, 2 * messages)
    assert (a.units.missed, a.units.lost, a.units.saved) == (2 * messages, messages, messages)
    assert (b.units.missed, b.units.lost, b.units.saved) == (messages, messages, 2 * messages)
    assert (channel.win_rate(a), channel.win_rate(b)) == (97 / 99, 2 / 99)
    assert (a.skew_ns, channel.units.lost_line, report.ledger.mismatches) == (None, messages, 0)
    assert b.skew_ns is not None
    assert (b.skew_ns.p50, b.skew_ns.max) == (10_047, 10_047)  # 10,000 in two digits
    assert 90 <= b.skew_ns.count <= 96
    end_ns = market.START_NS + 100 * market.INTERVAL_NS
    assert (a.last_heard_ns, b.last_heard_ns) == (end_ns, end_ns)


def test_an_adaptive_grace_time_follows_the_lines(tmp_path: Path) -> None:
    file = tmp_path / "day.pcap"
    market.write_capture(file, 1_200)

    for grace_us, found_ns in (("adaptive", 100_000), (7_000, 7_000_000)):
        report = delivered.read(file, "msgpack", channels=market.CHANNELS, grace_us=grace_us).report
        assert report.ledger.channels[0].grace_ns == found_ns
