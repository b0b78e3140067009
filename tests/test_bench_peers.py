"""`bench peers`: who takes part, who cannot and why, whether answers are right, and what is judged."""

import os
import sys
from pathlib import Path

import pytest
from loads import sent

from feedhandler import _core
from feedhandler.bench import contest, peers, standings
from feedhandler.bench.contender import OURS, ContenderFailedError, Course, Turn, lost, payload
from feedhandler.bench.peers import Peer
from feedhandler.bench.receiver import Received
from feedhandler.bench.standings import FOR_LATENCY, FOR_THROUGHPUT, Goal, Offer, Size

CHECKOUT = Path(__file__).parents[1] / "benchmarks" / "peers"
LOAD = payload(7)
SENT = sent(packets=1_000, late_ns=5_000)

can_send = [
    pytest.mark.skipif(_core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a sender needs a processor of its own"),
]

LIAR = """
import json, socket
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.bind(("127.0.0.1", 0))
print(bound.getsockname()[1], flush=True)
bound.recv(2048)
told = dict(datagrams=1, bytes=1, messages=7, sum=1, elapsed_s=1, cpu_s=1, rss_kib=1)
print(json.dumps(told))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of peers with nothing built in it."""
    (tmp_path / "go").mkdir()
    monkeypatch.setattr(peers, "PEERS", tmp_path)
    return tmp_path


def peer(tool: str) -> Peer:
    return Peer("go", tool, ("target/go/std",), "")


@pytest.mark.usefixtures("place")
def test_a_peer_without_its_toolchain_is_not_built() -> None:
    assert peers.not_built(peer("no-such-compiler")) == "there is no no-such-compiler"


@pytest.mark.usefixtures("place")
def test_a_peer_that_nobody_built_is_not_built() -> None:
    assert peers.not_built(peer("sh")) == "`make peers` was not run"


def test_a_peer_whose_build_failed_says_why(place: Path) -> None:
    (place / "target").mkdir()
    (place / "target" / "go.log").write_text("go: downloading\nerror: no such module\nsee the log\n")

    why = peers.not_built(peer("sh")) or ""

    assert why.startswith("its build failed: error: no such module (")


def test_a_peer_that_was_built_tells_by_what(place: Path) -> None:
    (place / "target").mkdir()
    (place / "target" / "go.built").write_text("go version go1.26\n")

    assert (peers.not_built(peer("sh")), peers.toolchain(peer("sh"))) == (None, "go version go1.26")


def test_outside_of_a_checkout_no_peer_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "PEERS", tmp_path / "nowhere")

    assert {peers.not_built(each) for each in peers.ALL.values()} == {
        "its source is not here: this is no checkout"
    }


def test_what_is_nobodys_name_is_refused() -> None:
    if _core.BUILD_PROFILE != "release":
        pytest.skip("a debug build is not measured at all")
    with pytest.raises(
        contest.UnknownContenderError, match="--only Cobol: expected a part of one of C, recv"
    ):
        contest.run(only=["Cobol"])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a sender needs a processor of its own")
@pytest.mark.parametrize("name", peers.ALL)
def test_a_peer_decodes_every_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", CHECKOUT)
    if why := peers.not_built(peers.ALL[name]):
        pytest.skip(why)
    found, told = Course(tmp_path, warmup_s=0.05, seconds=0.4).run(name, LOAD, rate_per_s=2_000)

    assert found.messages == 7 * found.datagrams > 0
    late_ns = found.latency_ns or {}
    assert late_ns["count"] == found.datagrams
    assert told.packets >= found.datagrams
    assert 0 < late_ns["p50"] <= late_ns["p99_9"] <= 1.001 * late_ns["max"]


class TestWithASender:
    pytestmark = can_send

    def test_a_wrong_sum_is_no_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        liar = Peer("python", "python3", (sys.executable, "-c", LIAR), "")
        monkeypatch.setattr(peers, "ALL", {"liar": liar})
        monkeypatch.setattr(peers, "PEERS", tmp_path)

        with pytest.raises(ContenderFailedError, match=r"liar: expected 7 messages with the sum .* with 1"):
            Course(tmp_path, 0.05, 0.05).run("liar", LOAD, 1_000)

    def test_what_is_no_result_is_no_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        talker = Peer("python", "python3", (sys.executable, "-c", LIAR.replace("json.dumps(told)", "1")), "")
        absent = Peer("python", "python3", ("./no-such-program",), "")
        monkeypatch.setattr(peers, "ALL", {"talker": talker, "absent": absent})
        monkeypatch.setattr(peers, "PEERS", tmp_path)
        course = Course(tmp_path, 0.05, 0.05)

        with pytest.raises(ContenderFailedError, match="talker: expected an answer, found 1"):
            course.run("talker", LOAD, 1_000)
        with pytest.raises(ContenderFailedError, match=r"absent: .*No such file"):
            course.run("absent", LOAD, 1_000)

    def test_who_fails_is_out_and_ours_runs_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "python").mkdir()
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "python.built").write_text("Python\n")
        quitter = Peer("python", "python3", (sys.executable, "-c", "raise SystemExit('no socket')"), "")
        absent = Peer("c", "cc", ("c",), "")
        monkeypatch.setattr(peers, "ALL", {"quitter": quitter, "absent": absent})
        monkeypatch.setattr(peers, "PEERS", tmp_path)
        monkeypatch.setattr(contest, "MESSAGES", (7,))

        found = contest.run(rounds=1, seconds=0.1, warmup_s=0.05)

        assert found.not_measured == {
            "absent": "its source is not here: this is no checkout",
            "quitter": "quitter: expected an answer, found no socket",
        }
        (size,) = found.sizes
        assert size.offers[0].standings.keys() == OURS.keys()
        assert all(each.messages_per_s.median > 0 for each in size.offers[0].standings.values())
        assert {goal.is_reached for goal in found.goals} == {None}


def received(datagrams: int, *, of: int, p99_9_ns: int = 10_000) -> Received:
    """A second in which some of the datagrams that were sent came."""
    return Received(
        datagrams=datagrams,
        bytes=datagrams * len(LOAD.content),
        messages=datagrams * 7,
        sum=0,
        elapsed_s=1.0,
        cpu_s=0.5,
        rss_kib=1024,
        latency_ns={"p50": 1, "p90": 2, "p99": 3, "p99_9": p99_9_ns, "max": p99_9_ns, "count": datagrams},
        first_sequence=8,
        last_sequence=8 + 7 * (of - 1),
    )


def offered(name: str, **runs: tuple[Received, ...]) -> Offer:
    names = {"ours": FOR_LATENCY, "ours_gro": FOR_THROUGHPUT, "c": "C, recvmmsg", "tokio": "Tokio"}
    runs = {"ours_gro": runs["ours"], **runs}
    turns = {names[each]: [Turn(run, SENT) for run in of] for each, of in runs.items()}
    return standings.offer(name, None, LOAD, turns)


def goals(*offers: Offer) -> list[Goal]:
    size = Size(messages=7, bytes=215, sender_per_s=1e6, processor_share=1.0, offers=offers)
    return list(standings.goals([size]))


def test_what_is_lost_is_counted_from_sequence_numbers() -> None:
    assert lost(received(90, of=100), LOAD) == pytest.approx(0.1)
    assert lost(received(100, of=100), LOAD) == 0


def test_ratios_are_of_the_same_round() -> None:
    ours = (received(100, of=100), received(900, of=900), received(300, of=300))
    by_c = (received(50, of=100), received(300, of=900), received(300, of=300))

    found = offered("overload", ours=ours, c=by_c).standings["C, recvmmsg"]

    assert found.messages_per_s.median == 7 * 300
    assert found.ours_is_faster.median == 2.0
    assert found.lost == pytest.approx(0.5)


def test_a_goal_is_reached_or_not_and_unknown_of_who_was_not_measured() -> None:
    overload = offered(
        "overload", ours=(received(140, of=200),), c=(received(100, of=200),), tokio=(received(100, of=200),)
    )

    found = {goal.what: (goal.found, goal.is_reached) for goal in goals(overload)}

    assert found["messages/s, times those of C, recvmmsg"] == (1.4, True)
    assert found["messages/s, times those of Tokio"] == (1.4, False)
    assert found["messages/s, times those of Node.js"] == (None, None)


@pytest.mark.parametrize(
    ("ours", "by_c", "expected"),
    [
        (received(100, of=100, p99_9_ns=13_000), received(100, of=100), (1.3, True, "")),
        (received(100, of=100, p99_9_ns=14_000), received(100, of=100), (1.4, False, "")),
        (received(90, of=100, p99_9_ns=1), received(100, of=100), (None, False, "ours lost 10.0%")),
        (received(100, of=100), received(80, of=100, p99_9_ns=1), (None, True, "C, recvmmsg lost 20.0%")),
        (received(90, of=100), received(80, of=100), (None, None, "ours lost 10.0%")),
    ],
)
def test_latency_is_judged_between_those_that_kept_up(
    ours: Received, by_c: Received, expected: tuple[float | None, bool | None, str]
) -> None:
    overload = offered("overload", ours=(ours,), c=(by_c,))
    paced = offered("70% of a limit", ours=(ours,), c=(by_c,))

    found = next(goal for goal in goals(overload, paced) if goal.at_most == standings.LATENCY_GOAL)

    assert (found.found, found.is_reached, found.note) == expected


def test_ours_is_to_be_earlier_than_the_best_of_the_others_that_kept_up() -> None:
    ours, by_c = (received(100, of=100, p99_9_ns=9_000),), (received(100, of=100, p99_9_ns=1_000),)
    overload = offered("overload", ours=ours, c=by_c, tokio=ours)
    paced = offered("70% of a limit", ours=ours, c=by_c, tokio=(received(100, of=100, p99_9_ns=10_000),))

    found = goals(overload, paced)[-1]

    assert (found.what, found.found, found.is_reached) == (
        "p99.9, times the best of the others: Tokio",
        0.9,
        True,
    )
