"""``feedhandler verify``: a capture agrees with its trailer, or what differs is said."""

import json
from pathlib import Path
from typing import Any

import blocks
import live
import market
import pytest
from test_cli import call
from test_cli import live as live_lines

import feedhandler as fh
from feedhandler.captured import CaptureTo
from feedhandler.verify import verify
from replay import Pacing

SUFFIXES = (".pcapng", ".pcapng.zst")
AGREES, DIFFERS, USAGE, NO_TRAILER = 0, 1, 2, 3


@pytest.fixture(scope="module", params=SUFFIXES)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a capture of a market on two lines."""
    folder: Path = tmp_path_factory.mktemp("kept")
    market.write_capture(folder / "day.pcap", lost_on_a=[4], lost_on_b=[4, 9])
    out = folder / f"out{request.param}"
    routes = {line: number for number, line in enumerate(market.LINES)}
    configuration = live.config("msgpack", [live.ANY_PORT] * 2)
    live.replayed(
        folder / "day.pcap", configuration, Pacing.rate(4_000), routes=routes, kept=CaptureTo(str(out))
    )
    return out


def verified(file: Path, code: int, *options: str | Path) -> Any:
    return json.loads(call("verify", file, "--json", *options, check=code).stdout)


def test_a_capture_agrees_with_its_trailer(kept: Path) -> None:
    found = verified(kept, AGREES)
    assert (found["state"], found["packets"], found["differences"]) == ("agrees", 199, [])
    assert found["content"] == {key: found["trailer"][key] for key in ("messages", "gaps", "lost", "digest")}
    assert (found["content"]["messages"], found["content"]["gaps"], found["content"]["lost"]) == (396, 1, 4)
    assert "✓ the capture is as its trailer says" in call("verify", kept).stdout


def test_one_other_byte_is_found(kept: Path, tmp_path: Path) -> None:
    changed = bytearray(blocks.plain(kept))
    packets = [block for block in blocks.read(kept) if block.kind == blocks.PACKET]
    first = packets[2].offset + 28
    changed[first + len(packets[2].fields) - 20 - 6] ^= 0x01  # in the payload, near its end
    (tmp_path / "changed.pcapng").write_bytes(changed)
    found = verified(tmp_path / "changed.pcapng", DIFFERS)
    assert found["state"] == "differs"
    assert "digest" in {each["what"] for each in found["differences"]}
    assert (
        "✗ the capture is not as its trailer says"
        in call("verify", tmp_path / "changed.pcapng", check=DIFFERS).stdout
    )


def test_a_packet_less_is_found(kept: Path, tmp_path: Path) -> None:
    whole, written = blocks.plain(kept), blocks.read(kept)
    at = next(number for number, block in enumerate(written) if block.kind == blocks.PACKET)
    less = whole[: written[at].offset] + whole[written[at + 1].offset :]
    (tmp_path / "less.pcapng").write_bytes(less)
    found = verified(tmp_path / "less.pcapng", DIFFERS)
    assert {"what": "packets", "told": 199, "found": 198} in found["differences"]


def test_a_capture_that_was_not_closed_says_what_is_readable(kept: Path, tmp_path: Path) -> None:
    written = blocks.read(kept)
    last = next(block for block in written if block.kind == blocks.STATISTICS)
    (tmp_path / "open.pcapng").write_bytes(blocks.plain(kept)[: last.offset - 10])
    found = verified(tmp_path / "open.pcapng", NO_TRAILER)
    assert (found["state"], found["packets"], found["trailer"]) == ("no_trailer", 198, None)
    assert "expected a block" in found["truncated"]
    text = call("verify", tmp_path / "open.pcapng", check=NO_TRAILER).stdout
    assert f"no trailer; 198 packets readable; digest {found['content']['digest']}" in text


def test_damage_in_the_midst_is_told_from_an_end_that_is_missing(kept: Path, tmp_path: Path) -> None:
    damaged = bytearray(kept.read_bytes())
    if kept.suffix == ".zst":
        damaged[len(damaged) // 2] ^= 0xFF
    else:
        block = blocks.read(kept)[50]
        damaged[block.offset + 4] ^= 0xFF  # its length
    (tmp_path / kept.name).write_bytes(damaged)
    found = verified(tmp_path / kept.name, DIFFERS)
    assert (found["state"], found["trailer"]) == ("damaged", None)
    assert found["truncated"]


def test_a_capture_of_another_program_needs_a_protocol(tmp_path: Path) -> None:
    day = tmp_path / "day.pcap"
    market.write_capture(day)
    refused = call("verify", day, check=1)
    assert refused.stderr.startswith(f"feedhandler: {day}: does not say its protocol")
    (tmp_path / "feed.toml").write_text(
        live_lines(1, 2).replace("127.0.0.1:1", "239.1.1.1:20001").replace("127.0.0.1:2", "239.1.1.2:20002")
    )
    found = verified(day, NO_TRAILER, "--config", tmp_path / "feed.toml")
    reader = fh.read(day, "msgpack", channels=market.CHANNELS)
    assert sum(batch.size for batch in reader) == found["content"]["messages"] == 400
    assert found["content"]["digest"] == reader.report().digest


def test_a_protocol_of_ones_own_is_asked_for(kept: Path, tmp_path: Path) -> None:
    renamed = blocks.plain(kept).replace(b'"protocol":"msgpack"', b'"protocol":"msgpock"')
    (tmp_path / "own.pcapng").write_bytes(renamed)
    with pytest.raises(fh.CaptureError, match="is of the protocol msgpock, which is not shipped"):
        verify(tmp_path / "own.pcapng")
    assert verify(tmp_path / "own.pcapng", protocol="msgpack").state == "agrees"


def test_a_comment_that_says_something_else_is_no_head(kept: Path, tmp_path: Path) -> None:
    other = blocks.plain(kept).replace(b'"format":"feedhandler-capture"', b'"format":"feedhandler-CAPTURE"')
    (tmp_path / "other.pcapng").write_bytes(other)
    with pytest.raises(fh.CaptureError, match="does not say its protocol"):
        verify(tmp_path / "other.pcapng")
    hostile = blocks.plain(kept).replace(b'"address":"', b'"addresz":"')
    (tmp_path / "hostile.pcapng").write_bytes(hostile)
    with pytest.raises(fh.CaptureError, match="expected each interface to say which line it is"):
        verify(tmp_path / "hostile.pcapng")
    newer = blocks.plain(kept).replace(b'"version":1', b'"version":2')
    (tmp_path / "newer.pcapng").write_bytes(newer)
    with pytest.raises(fh.CaptureError, match="expected version 1 of its kind, found 2"):
        verify(tmp_path / "newer.pcapng")
