"""`bench receive`: what is sent is a feed, and every contender takes part."""

import os
import shutil
from pathlib import Path

import delivered
import pytest

from feedhandler import _core
from feedhandler.bench import material, peers, receive


def test_the_packet_is_one_of_the_msgpack_feed_and_its_number_can_be_set(tmp_path: Path) -> None:
    packet = material.quotes_packet(6)
    content, offset = packet.content, packet.sequence_offset
    numbered = [content[:offset] + number.to_bytes(8, "big") + content[offset + 8 :] for number in (1, 7, 13)]
    found = delivered.read(delivered.write_datagrams(tmp_path / "feed.pcap", numbered), "msgpack")

    assert (found.report.messages, found.report.malformed, found.report.gaps) == (18, 0, ())
    assert found.tables["quote"]["seq"].tolist() == list(range(1, 19))


@pytest.mark.skipif(_core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a sender and a receiver need two processors")
def test_every_contender_receives_under_overload_and_at_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", Path(__file__).parents[1] / "benchmarks" / "peers")

    result = receive.run(rounds=1, seconds=0.05)

    assert [load.messages for load in result.loads] == list(receive.MESSAGES)
    for load in result.loads:
        assert load.contenders.keys() == {"C, counts", "C, decodes", *receive.OURS}
        assert all(contender.datagrams_per_s > 0 for contender in load.contenders.values())
    assert [pace.datagrams_per_s for pace in result.paces] == list(receive.RATES_PER_S)
    assert all(delay.p50_ns > 0 for pace in result.paces for delay in pace.contenders.values())
