"""`bench compare`: a difference is shown where rounds show one, and only there."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedhandler.bench import receive, send
from feedhandler.bench.alternate import alternate
from feedhandler.bench.compare import CompareError, Comparison, compare
from feedhandler.bench.figures import figures
from feedhandler.cli import main

MACHINE = {"cpu": "a processor", "core_ghz": 3.5, "load": 0.1, "kernel": "6"}
ROUNDS = 9


def keep(folder: Path, name: str, result: dict[str, Any], **machine: object) -> Path:
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode({"machine": {**MACHINE, **machine}, **result}))
    return path


def sending(*rates: float) -> dict[str, Any]:
    rounds = [{"datagrams_per_s": rate} for rate in rates]
    return {"bytes": 200, "contenders": {"ours": {"datagrams_per_s": rates[0], "rounds": rounds}}}


def as_json(of: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(of))


def around(middle: float, seed: int, noise: float = 0.05) -> list[float]:
    drawn = random.Random(seed)
    return [middle * (1 + drawn.uniform(-noise, noise)) for _ in range(ROUNDS)]


def verdicts(found: Comparison) -> dict[str, str]:
    return {figure.name: figure.verdict for figure in found.figures}


def test_a_rate_that_fell_by_a_third_is_slower_and_one_that_stayed_shows_no_difference(
    tmp_path: Path,
) -> None:
    before = keep(tmp_path, "before", sending(*around(1e6, 1)))
    same, slower, faster = (
        keep(tmp_path, name, sending(*around(rate, 2)))
        for name, rate in (("same", 1e6), ("slower", 0.67e6), ("faster", 1.5e6))
    )
    name = "ours / datagrams_per_s"
    assert verdicts(compare(before, same)) == {name: "no difference shown"}
    assert verdicts(compare(before, slower)) == {name: "slower"}
    assert verdicts(compare(before, faster)) == {name: "faster"}
    (figure,) = compare(before, slower).figures
    low, high = figure.low or 0.0, figure.high or 0.0
    assert low < -0.33 < high < 0
    assert compare(before, slower) == compare(before, slower), "the same every time"


def test_noise_alone_rarely_shows_a_difference(tmp_path: Path) -> None:
    shown = 0
    for seed in range(60):
        one = keep(tmp_path, "one", sending(*around(1e6, 2 * seed)))
        other = keep(tmp_path, "other", sending(*around(1e6, 2 * seed + 1)))
        shown += list(verdicts(compare(one, other)).values()) != ["no difference shown"]
    assert shown <= 8, "a twentieth, and a little more as rounds are few"


def test_of_latencies_less_is_faster_and_of_losses_less_is_less(tmp_path: Path) -> None:
    def latency(factor: float) -> dict[str, Any]:
        stages = [
            {"lost": round(100 * factor) + at, "stages": {"send": {"p50": factor * 1e4 + at, "p99_99": None}}}
            for at in range(ROUNDS)
        ]
        return {"kind": "latency", "steps": [{"step": {"name": "1000-per-s", "rate": 1e3}, "rounds": stages}]}

    before, after = keep(tmp_path, "before", latency(1.0)), keep(tmp_path, "after", latency(0.5))
    assert verdicts(compare(before, after)) == {
        "1000-per-s / lost": "less",
        "1000-per-s / send / p50": "faster",
    }
    assert set(verdicts(compare(after, before)).values()) == {"more", "slower"}


def test_few_rounds_say_nothing(tmp_path: Path) -> None:
    before, after = keep(tmp_path, "before", sending(1e6, 1e6)), keep(tmp_path, "after", sending(1.0, 1.0))
    (figure,) = compare(before, after).figures
    assert (figure.verdict, figure.low, figure.high) == ("too few rounds", None, None)


def test_machines_that_differ_and_figures_of_one_only_are_told(tmp_path: Path) -> None:
    one, other = sending(*around(1e6, 1)), sending(*around(1e6, 1))
    one["contenders"]["theirs"] = one["contenders"]["ours"]
    before = keep(tmp_path, "before", one)
    after = keep(tmp_path, "after", other, cpu="another", load=3.0, core_ghz=3.6)
    found = compare(before, after)
    assert found.machines == {"cpu": ("a processor", "another")}
    assert (found.only_before, found.only_after) == (("theirs / datagrams_per_s",), ())


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    before = keep(tmp_path, "before", sending(*around(1e6, 1)))
    latency = keep(tmp_path, "latency", {"kind": "latency", "steps": []})
    with pytest.raises(CompareError, match=r"the same kind, found that .* bench send, .* bench latency"):
        compare(before, latency)
    without = keep(tmp_path, "without", {"bytes": 1, "contenders": {"ours": {"datagrams_per_s": 1.0}}})
    with pytest.raises(CompareError, match="a figure whose rounds both keep"):
        compare(before, without)
    with pytest.raises(CompareError, match="cannot be read"):
        compare(before, tmp_path / "nothing")
    (tmp_path / "text").write_text("no JSON")
    with pytest.raises(CompareError, match="expected JSON"):
        compare(before, tmp_path / "text")
    with pytest.raises(CompareError, match="expected a result of one of"):
        compare(before, keep(tmp_path, "what", {"something": 1}))


def test_benchmarks_keep_the_rounds_of_their_figures() -> None:
    rates = alternate({"ours": lambda: 1000}, "ours", rounds=3, seconds=0.001)
    assert len(rates["ours"].rounds) == 3
    decode = {"cases": {"quotes": {"messages": 1, "rates": as_json(rates)}}}
    assert [name for name, _ in figures(decode)] == ["quotes / ours / messages_per_s"]

    taken = receive.Round(datagrams_per_s=1.0, cpu_ns_per_datagram=2.0)
    contender = receive.Contender(
        datagrams_per_s=1.0,
        spread=0.0,
        ratio=1.0,
        ratio_to_decoding=1.0,
        cpu_ns_per_datagram=2.0,
        rss_kib=1,
        rss_grown_kib=0,
        rounds=(taken,) * 5,
    )
    load = receive.Load(messages=6, bytes=191, contenders={"ours": contender})
    assert dict(figures({"loads": [as_json(load)]})) == {
        "bytes 191, messages 6 / ours / datagrams_per_s": [1.0] * 5,
        "bytes 191, messages 6 / ours / cpu_ns_per_datagram": [2.0] * 5,
    }
    files = {"contenders": {"ours": {"gb_per_s": 1.0, "rounds_gb_per_s": [1.0, 2.0]}}, "part_bytes": 1}
    assert dict(figures(files)) == {"ours / gb_per_s": [1.0, 2.0]}
    limit = {
        "limit": {"rate": 3e5, "tries": [{"rate": 4e5}]},
        "overload": {"offered_per_s": 1.0, "lost_part": 0.1},
    }
    throughput = {"rows": [{"case": {"factor": "bytes", "value": "1 KB", "wire": "gro"}, "rounds": [limit]}]}
    assert dict(figures(throughput)) == {
        "bytes 1 KB / limit / rate": [3e5],
        "bytes 1 KB / overload / lost_part": [0.1],
    }
    sent = send.Contender(datagrams_per_s=1.0, spread=0.0, ratio=1.0, rounds=(send.Round(1.0),))
    assert dict(figures({"contenders": {"C": as_json(sent)}})) == {"C / datagrams_per_s": [1.0]}


def test_the_command_line_tells_each_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = keep(tmp_path, "before", sending(*around(1e6, 1)))
    after = keep(tmp_path, "after", sending(*around(2e6, 2)), kernel="7")
    assert main(["bench", "compare", str(before), str(after)]) == 0
    told = capsys.readouterr().out
    assert "ours / datagrams_per_s" in told
    assert "faster" in told
    assert "6, then 7" in told
    assert main(["bench", "compare", str(before), str(after), "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=Comparison).figures[0].verdict == "faster"
