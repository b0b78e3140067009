"""`bench send`: every contender sends, and ours is compared with the C program that sends the same way."""

import shutil
from pathlib import Path

import pytest

from feedhandler import _core
from feedhandler.bench import peers, send
from feedhandler.bench.machine import DebugBuildError


@pytest.mark.skipif(_core.BUILD_PROFILE == "release", reason="a release build is measured")
def test_a_debug_build_is_not_measured() -> None:
    with pytest.raises(DebugBuildError):
        send.run(rounds=1, seconds=0.1)


@pytest.mark.skipif(_core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_every_contender_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", Path(__file__).parents[1] / "benchmarks" / "peers")

    result = send.run(rounds=2, seconds=0.1)

    ways = ("sendmmsg", "UDP_SEGMENT")
    assert list(result.contenders) == [f"{who}, {way}" for way in ways for who in ("C", "replay")]
    assert all(found.datagrams_per_s > 0 for found in result.contenders.values())
    assert [result.contenders[f"C, {way}"].ratio for way in ways] == [1, 1]
