"""A result as a folder: ``result.json``, an interval log for each stage of each step, and the curves drawn.

FOLDER/result.json
FOLDER/STEP.STAGE.hlog      an interval for each round, in nanoseconds
FOLDER/percentiles.png      where matplotlib is installed
FOLDER/percentiles.html     by itself: no network, no other file
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from feedhandler.bench.latency import page, plot
from feedhandler.bench.latency.curves import Run, curves
from feedhandler.bench.latency.result import LatencyError, Measured, Result
from feedhandler.bench.latency.run import Measurement
from feedhandler.errors import SinkError

RESULT: Final = "result.json"
_MS: Final = 1e6
_VERSION: Final = "#[Histogram log format version 1.3]"
_LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def keep(measured: Measurement, folder: Path, overlays: Sequence[Run] = ()) -> None:
    """Write a result; the folder is made.

    Parameters
    ----------
    measured
        What was measured.
    folder
        Where it is written.
    overlays
        Former results, whose curves are drawn as well.

    Raises
    ------
    SinkError
        A file cannot be written.
    """
    result = measured.result
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
        for step, rounds in zip(result.steps, measured.histograms, strict=True):
            _log(folder, step, rounds)
        drawn = curves([Run(folder.name, result), *overlays])
        (folder / "percentiles.html").write_text(page.page(result, drawn))
        if plot.is_possible():
            plot.save(drawn, folder / "percentiles.png")
    except OSError as error:
        raise SinkError(str(folder), f"cannot be written: {error.strerror}") from error


def load(path: Path) -> Run:
    """Return a former result: a folder, or the ``result.json`` in one.

    Raises
    ------
    LatencyError
        It cannot be read, or is none of ``bench latency``.
    """
    file = path / RESULT if path.is_dir() else path
    name = file.parent.name if file.name == RESULT else file.stem
    try:
        return Run(name, msgspec.json.decode(file.read_bytes(), type=Result))
    except OSError as error:
        raise LatencyError(f"{file}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise LatencyError(f"{file}: expected a result of bench latency, found another: {error}") from error


def _log(folder: Path, step: Measured, rounds: Sequence[dict[str, str]]) -> None:
    """Write a log for each stage, whose times are those of the rounds without the pauses between."""
    for stage in step.stages:
        lines, began_s = [_VERSION, f"#{step.step.name}: {stage}, ns; a round a line", _LEGEND], 0.0
        for of_round, histograms in zip(step.rounds, rounds, strict=True):
            most_ms = (of_round.stages[stage].max or 0) / _MS
            lines.append(f"{began_s:.3f},{of_round.elapsed_s:.3f},{most_ms:.6f},{histograms[stage]}")
            began_s += of_round.elapsed_s
        (folder / f"{step.step.name}.{stage}.hlog").write_text("\n".join(lines) + "\n")
