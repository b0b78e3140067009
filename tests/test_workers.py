"""Several workers deliver what one does: files side by side, and the channels of one capture."""

import json
from collections import Counter
from pathlib import Path

import market
import pytest
from test_cli import call, json_of

from feedhandler.workers import shared_out
from replay import Generator
from replay.capture import Capture
from replay.pcap import write_pcap

CHANNELS = 5


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    """Return captures of one line each, each of its own group."""
    paths = [tmp_path / f"day{number}.pcapng" for number in range(CHANNELS)]
    for number, path in enumerate(paths):
        Generator(seed=number, instruments=3, session=f"DAY{number}").write(path, messages=200 * (number + 1))
    return paths


@pytest.fixture
def whole(tmp_path: Path, days: list[Path]) -> Path:
    """Return one capture with all of them as channels, and two lines that are one channel."""
    path = tmp_path / "whole.pcap"
    market.write_capture(tmp_path / "lines.pcap", lost_on_a=[7], lost_on_b=[9, 33])
    datagrams = list(Capture(tmp_path / "lines.pcap"))
    for number, day in enumerate(days):
        datagrams += [each._replace(destination=(f"239.9.9.{number}", 30_001)) for each in Capture(day)]
    write_pcap(path, sorted(datagrams, key=lambda each: each.ts_ns))
    return path


def told(report: dict[str, object]) -> dict[str, object]:
    """Return what must not depend on the workers; of lists, what is in them."""
    same = {key: report[key] for key in ("packets", "datagrams", "bytes", "messages", "heartbeats", "digest")}
    same |= {key: report[key] for key in ("duplicates", "malformed", "by_type", "truncated", "paired")}
    lists = ("sessions", "gaps", "malformed_samples")
    return same | {key: Counter(map(json.dumps, report[key])) for key in lists}  # type: ignore[call-overload]


@pytest.mark.parametrize("workers", ["2", "3", "64"])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--no-pair",),
        ("--channel", "x=239.9.9.1:30001,239.9.9.2:30001"),
        ("--channel", "x=239.9.9.1:30001,239.9.9.2:30001", "--only"),
    ],
    ids=" ".join,
)
def test_the_channels_of_a_capture_may_be_shared_out(
    whole: Path, workers: str, options: tuple[str, ...]
) -> None:
    alone = json_of("decode", whole, "-p", "msgpack", *options)
    together = json_of("decode", whole, "-p", "msgpack", *options, "--workers", workers)

    assert told(together) == told(alone)
    assert together["ledger"]["is_balanced"]
    assert together["other_datagrams"] == alone["other_datagrams"]


def test_files_are_decoded_side_by_side(days: list[Path]) -> None:
    together = json_of("decode", *days, "-p", "msgpack", "--workers", "3")
    reports = [json_of("decode", day, "-p", "msgpack") for day in days]

    assert together["messages"] == sum(report["messages"] for report in reports)
    digests = sum(int(report["digest"], 16) for report in reports)
    assert int(together["digest"], 16) == digests % (1 << 64)
    assert together == json_of("decode", *days, "-p", "msgpack") | {"elapsed_s": together["elapsed_s"]}


def test_a_file_that_is_wrong_is_told_whoever_reads_it(days: list[Path], tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(b"nothing")
    refused = call("decode", *days, tmp_path / "none.pcap", "-p", "msgpack", "--workers", "3", check=1)
    assert f"{tmp_path / 'none.pcap'}: " in refused.stderr
    needs = call("decode", *days, "-p", "msgpack", "--out", tmp_path / "x.npz", check=2)
    assert "needs one file and one worker" in needs.stderr


def test_parts_are_about_as_large() -> None:
    sizes = {"a": 100, "b": 90, "c": 50, "d": 40, "e": 20}
    parts = shared_out({name: [name] for name in sizes}, sizes, 3)
    assert sorted(sum(sizes[name] for name in part) for part in parts) == [90, 100, 110]
    assert len(shared_out({"a": ["a"]}, sizes, 8)) == 1
