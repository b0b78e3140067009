"""What `bench files` and `bench throughput` have to say in the report."""

import latencies
import msgspec
import pytest

from feedhandler.bench import files, throughput
from feedhandler.bench.limit import Limit, Try
from feedhandler.bench.report import files as files_report
from feedhandler.bench.report import throughput as throughput_report
from feedhandler.bench.throughput_cases import Case


def _load(datagrams_per_s: float, **more: float) -> throughput.Load:
    load = throughput.Load(
        offered_per_s=2 * datagrams_per_s,
        datagrams_per_s=datagrams_per_s,
        bytes_per_s=200 * datagrams_per_s,
        messages_per_s=6 * datagrams_per_s,
        blocks_per_s=0.0,
        cpu_percent=95.0,
        peak_kib=65_536,
        ring_use=1.0,
        lost_part=0.0,
        dropped_socket_buffer=0,
        dropped_ring_full=0,
    )
    return msgspec.structs.replace(load, **more)


def _row(case: Case, limit: Limit) -> throughput.Row:
    overload = _load(600_000, lost_part=0.25, dropped_socket_buffer=100_000)
    at_limit = _load(round(limit.rate)) if limit.rate > 0 else None
    return throughput.Row(
        case=case,
        limit_per_s=round(limit.rate),
        limit_spread=0.05,
        is_the_senders=limit.is_the_senders,
        delivered_per_s=overload.datagrams_per_s,
        delivered_spread=0.02,
        at_limit=at_limit,
        overload=overload,
        rounds=(throughput.Round(limit=limit, at_limit=at_limit, overload=overload),),
    )


def test_limits_are_shown_with_what_they_are_worth() -> None:
    pytest.importorskip("matplotlib")
    found = Limit(500_000.4, 520_000, is_the_senders=False, tries=(Try(500_000, "whole"),))
    rows = (
        _row(Case(factor="size", value="200"), found),
        _row(Case(factor="size", value="64"), msgspec.structs.replace(found, is_the_senders=True)),
        _row(Case(factor="size", value="1,000"), Limit(0, 1_000, is_the_senders=False, tries=())),
    )
    result = throughput.Result(
        machine=latencies.MACHINE, rounds=1, seconds=1.0, steps=8, rcvbuf_bytes=16 << 20, rows=rows
    )

    section = throughput_report.render([("throughput", msgspec.json.encode(result))])

    lines = section.text.splitlines()
    overload = "600,000 | 2% | 25% | 95 | socket, ring full |"
    assert f"| 200 | 500,000 | 5% | 100 | 3,000,000 | 95 | 64 | {overload}" in lines
    assert any(line.startswith("| 64 | > 500,000 |") for line in lines)
    assert any(line.startswith("| 1,000 | none |") for line in lines)
    assert section.plots.keys() == {"throughput"}


def test_goals_that_were_not_reached_are_shown_as_such() -> None:
    ours = files.Contender(
        gb_per_s=1.1,
        gb_per_cpu_s=1.2,
        messages_per_s=9e6,
        spread=0.03,
        ratio=1.0,
        peak_kib=102_400,
        bytes=1 << 30,
        rounds_gb_per_s=(1.1,),
    )
    goals = (files.Goal("GB/s", 1.0, 1.1, True), files.Goal("times as fast as others", 3.0, 0.9, False))
    result = files.Result(
        machine=latencies.MACHINE,
        rounds=1,
        bytes=1 << 30,
        messages=9_000_000,
        part_bytes=1 << 28,
        part_peak_kib=102_000,
        contenders={files.OURS: ours},
        not_built=(files.DPKT,),
        goals=goals,
    )

    lines = files_report.render([("files", msgspec.json.encode(result))]).text.splitlines()

    assert "| GB/s | 1 | 1.1 | reached |" in lines
    assert "| times as fast as others | 3 | 0.9 | not reached |" in lines
    assert any(line.startswith(f"| {files.DPKT} | not built |") for line in lines)
