"""`bench files`: every contender reads the same, and one that is missing has no number."""

import json
from pathlib import Path

import pytest

from feedhandler import _core
from feedhandler.bench import files
from feedhandler.bench.decode import WrongAnswerError
from feedhandler.bench.machine import DebugBuildError

_SIZE_BYTES = 4 << 20

needs_release = pytest.mark.skipif(
    _core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring"
)


@pytest.mark.skipif(_core.BUILD_PROFILE == "release", reason="a release build is measured")
def test_a_debug_build_is_not_measured() -> None:
    with pytest.raises(DebugBuildError):
        files.run(size_bytes=_SIZE_BYTES, rounds=1)


@needs_release
def test_what_could_not_be_built_has_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "build", lambda _: None)

    result = files.run(size_bytes=_SIZE_BYTES, rounds=2)

    assert {files.STRUCTS, files.STRUCTS_AGAIN} <= set(result.not_built)
    assert not set(result.not_built) & result.contenders.keys()
    ours = result.contenders[files.OURS]
    assert (ours.bytes, ours.ratio, len(ours.rounds_gb_per_s)) == (result.bytes, 1, 2)
    assert abs(result.bytes - _SIZE_BYTES) < 10_000
    assert abs(result.part_bytes - result.bytes // files.MEMORY_PART) <= 1
    assert [goal.is_reached for goal in result.goals if goal.what == "GB/s"] == [ours.gb_per_s >= 1]


@needs_release
def test_a_contender_that_read_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = {"messages": 1, "prices": 2, "elapsed_s": 1.0, "cpu_s": 1.0, "peak_kib": 1}
    program = tmp_path / "struct-reader"
    program.write_text(
        f"#!/bin/sh\nanswer='{json.dumps(answer)}'\n"
        'echo "${answer%\\}}, \\"bytes\\": $(stat -c %s "$1")}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(files, "build", lambda _: program.parent)

    with pytest.raises(WrongAnswerError, match="found 1 with 2"):
        files.run(size_bytes=_SIZE_BYTES, rounds=1)
