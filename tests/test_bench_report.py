"""`bench report`: a page, plots and README's part of what was kept; what was not measured is said."""

from pathlib import Path

import latencies
import msgspec
import pytest
from loads import sent

from feedhandler.bench import decode, receive, send, standings
from feedhandler.bench.alternate import Rate
from feedhandler.bench.contender import OURS, Turn, payload
from feedhandler.bench.receiver import Received
from feedhandler.bench.report import page
from feedhandler.bench.report.kinds import KINDS
from feedhandler.cli import bench_out

LOAD = payload(7)


def turn(datagrams: int, p99_9_ns: int, *, lost: int = 0) -> Turn:
    received = Received(
        datagrams=datagrams,
        bytes=0,
        messages=datagrams * 7,
        sum=0,
        elapsed_s=1.0,
        cpu_s=0.5,
        rss_kib=2048,
        latency_ns={"p50": 10, "p90": 20, "p99": 30, "p99_9": p99_9_ns, "max": 2 * p99_9_ns, "count": 1},
        first_sequence=1,
        last_sequence=1 + 7 * (datagrams + lost - 1),
    )
    return Turn(received, sent(packets=1_000, late_ns=5_000))


def peers_result(processor_share: float = 1.0) -> standings.Result:
    runs = {name: (turn(400_000, 9_000),) for name in OURS}
    runs |= {"C, recvmmsg": (turn(300_000, 8_000),), "Tokio": (turn(100_000, 50_000, lost=300_000),)}
    overload = standings.offer("overload", None, LOAD, runs)
    paced = standings.offer("70% of the limit of Tokio", 70_000, LOAD, runs)
    sizes = (
        standings.Size(
            messages=7,
            bytes=215,
            sender_per_s=5e5,
            processor_share=processor_share,
            offers=(overload, paced),
        ),
    )
    return standings.Result(
        machine=latencies.MACHINE,
        rounds=1,
        seconds=1.0,
        warmup_s=0.5,
        rcvbuf_bytes=4 << 20,
        for_throughput=standings.FOR_THROUGHPUT,
        for_latency=standings.FOR_LATENCY,
        toolchains={"C, recvmmsg": "cc 12", "Tokio": "rustc 1.90"},
        not_measured={"Node.js": "there is no npm"},
        sizes=sizes,
        goals=standings.goals(sizes),
    )


def other_results() -> dict[str, msgspec.Struct]:
    rates = {"ours": Rate(50e6, 0.1, 1.0), "handwritten": Rate(60e6, 0.2, 0.83)}
    case = decode.Case(33_000, 900_000, rates, not_built=("by hand",))
    contender = receive.Contender(
        datagrams_per_s=1e6,
        spread=0.1,
        ratio=1.0,
        ratio_to_decoding=1.1,
        cpu_ns_per_datagram=900.0,
        rss_kib=2048,
        rss_grown_kib=0,
    )
    load = receive.Load(messages=6, bytes=191, contenders={"C, counts": contender})
    sender = send.Contender(datagrams_per_s=1e6, spread=0.1, ratio=1.0)
    return {
        "latency": latencies.measurement().result,
        "decode": decode.Result(latencies.MACHINE, 5, 0.3, {"msgpack_quotes": case}),
        "receive": receive.Result(machine=latencies.MACHINE, rounds=5, seconds=1.0, loads=(load,), paces=()),
        "send": send.Result(
            machine=latencies.MACHINE,
            rounds=5,
            seconds=1.0,
            bytes=200,
            contenders={"replay, sendmmsg": sender},
        ),
    }


def kept(folder: Path, results: dict[str, msgspec.Struct]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, result in results.items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(result))
    return folder


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text(f"before\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
    return tmp_path / "README.md"


def test_every_kind_has_its_section_and_plots(tmp_path: Path, readme: Path) -> None:
    results = kept(tmp_path / "results", {"peers": peers_result(), **other_results()})

    written = page.write(results, tmp_path / "docs" / "benchmarks.md", readme)

    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert [f"## {kind.title}" in text for kind in KINDS] == [True] * len(KINDS)
    plots = {path.name: path.read_bytes()[:4] for path in written if path.suffix == ".png"}
    assert plots == dict.fromkeys(
        ["peers-overload.png", "peers-7.png", "latency.png", "decode.png"], b"\x89PNG"
    )
    assert all(f"](benchmarks/{name})" in text for name in plots)
    assert "a processor, 2 cores at 3.0 GHz" in text
    assert "| corrected: due → Python | 1,500.2 |" in text
    assert "| sender stalls for 100 ms 2 times in 1.2 s | p99 | 94.0 ms |" in text


def test_the_page_says_who_lost_who_was_not_built_and_which_goal_is_missed(
    tmp_path: Path, readme: Path
) -> None:
    page.write(kept(tmp_path / "results", {"peers": peers_result()}), tmp_path / "b.md", readme)

    text = (tmp_path / "b.md").read_text()
    assert "**not measured**: there is no npm" in text
    assert "| Tokio | 0.0 | 0.0 | 0.0 | 50.0 | 100.0 | 50.0 to 50.0 | 0.18 | **75.0%** | 50% | 2 |" in text
    assert "| p99.9, times that of C, recvmmsg | ≤ 1.3 | 1.12 | yes |" in text
    assert "| messages/s, times those of Tokio | ≥ 1.5 | 4.00 | yes |" in text
    assert "| messages/s, times those of Node.js | ≥ 6 | not measured | not known |" in text


def test_the_page_says_what_was_not_measured(tmp_path: Path, readme: Path) -> None:
    page.write(kept(tmp_path / "results", {"peers": peers_result()}), tmp_path / "b.md", readme)

    text = (tmp_path / "b.md").read_text()
    assert "There is no result: `feedhandler bench decode` was not kept." in text
    assert "**No network card.**" in text


def test_a_processor_that_others_used_is_told(tmp_path: Path, readme: Path) -> None:
    page.write(kept(tmp_path / "results", {"peers": peers_result(0.6)}), tmp_path / "b.md", readme)

    assert "others had 40% of the contenders' processor" in (tmp_path / "b.md").read_text()
    assert "Others had the processors meanwhile" in " ".join(readme.read_text().split())


def test_only_the_marked_part_of_the_readme_is_written_anew(tmp_path: Path, readme: Path) -> None:
    results = kept(tmp_path / "results", {"peers": peers_result()})
    page.write(results, tmp_path / "b.md", readme)
    first = readme.read_text()
    page.write(results, tmp_path / "b.md", readme)

    assert readme.read_text() == first
    assert first.startswith(f"before\n\n{page.BEGIN}\n")
    assert first.endswith(f"{page.END}\n\nafter\n")
    assert "old" not in first
    assert "| C, recvmmsg | 2.10 (1.3) |" in first


def test_what_a_command_keeps_is_what_the_report_reads(tmp_path: Path, readme: Path) -> None:
    bench_out.keep(peers_result(), tmp_path / "new" / "results" / "peers.json")

    written = page.write(tmp_path / "new" / "results", tmp_path / "b.md", readme)

    assert tmp_path / "b.md" in written


def test_a_readme_without_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    page.write(
        kept(tmp_path / "results", {"peers": peers_result()}), tmp_path / "b.md", tmp_path / "README.md"
    )

    assert (tmp_path / "README.md").read_text() == "mine\n"


def test_without_results_there_is_no_page(tmp_path: Path, readme: Path) -> None:
    with pytest.raises(page.NoResultsError, match=r"expected results such as peers\.json, found none"):
        page.write(tmp_path, tmp_path / "b.md", readme)


def test_a_file_that_is_no_result_is_named(tmp_path: Path, readme: Path) -> None:
    (tmp_path / "peers.json").write_text("{}")

    with pytest.raises(
        page.NoResultsError, match=r"peers\.json: expected what `bench peers --out` writes, found"
    ):
        page.write(tmp_path, tmp_path / "b.md", readme)
