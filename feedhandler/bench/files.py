"""How fast a whole capture becomes tables, beside what one would write by hand in Rust and in Python.

The file is a generated market in ITCH 5.0, as two lines see it, and lies in the page cache. Each contender is
a process of its own on one core, and delivers every message once. The reader in Rust
(``benchmarks/alternatives/files``) makes a struct for each; the one in Python unpacks a tuple for each.
Neither checks copies, waits for what is missing, or keeps a ledger; ours does.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import msgspec

from feedhandler.bench.alternatives import build
from feedhandler.bench.decode import WrongAnswerError
from feedhandler.bench.file_reader import Read
from feedhandler.bench.machine import Machine, machine, one_core, require_release
from replay.generator import LINES, Generator

SIZE_BYTES: Final = 1 << 30
"""Of the file, if nothing else is said."""
OURS: Final = "feedhandler"
STRUCTS: Final = "Rust, a struct a message, all kept in a Vec"
STRUCTS_AGAIN: Final = "Rust, the same, Vec used again every 8192"
DPKT: Final = "dpkt and struct.unpack_from"

GOAL_GB_PER_S: Final = 1.0
GOAL_RATIOS: Final = {DPKT: 10.0, STRUCTS: 3.0}
"""How many times as fast as these ours is to be."""
MEMORY_PART: Final = 4
"""A file so many times smaller is read as well, to see whether memory grows with the file."""
GROWN_PART: Final = 0.1
"""Memory that grows by less than this part of what the file grows by does not grow with it."""

_SEED: Final = 20_250_131
_INSTRUMENTS: Final = 200
_DPKT_BYTES: Final = 32 << 20


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a contender read.

    Parameters
    ----------
    gb_per_s
        Gigabytes of the file a second: the median of the rounds.
    gb_per_cpu_s
        The same of its time on a processor, which other work on the machine disturbs less.
    messages_per_s
        Messages delivered a second.
    spread
        Distance between the quartiles, as a part of the median.
    ratio
        Median over the rounds of ours to it, in bytes a second, in the same round.
    peak_kib
        Largest resident memory.
    bytes
        Of the file that it read.
    rounds_gb_per_s
        Each round's.
    """

    gb_per_s: float
    gb_per_cpu_s: float
    messages_per_s: float
    spread: float
    ratio: float
    peak_kib: int
    bytes: int
    rounds_gb_per_s: tuple[float, ...]


class Goal(msgspec.Struct, frozen=True):
    """What was to be shown, and whether it was."""

    what: str
    wanted: float
    found: float
    is_reached: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` measured.

    Parameters
    ----------
    machine
        Where.
    rounds
        How often each contender read the file.
    bytes, messages
        Of the file.
    part_bytes, part_peak_kib
        Length of a smaller file, the beginning of the same, and ours' memory for it.
    contenders
        By name.
    not_built
        Contenders that could not be had here.
    goals
        What was to be shown.
    """

    machine: Machine
    rounds: int
    bytes: int
    messages: int
    part_bytes: int
    part_peak_kib: int
    contenders: dict[str, Contender]
    not_built: tuple[str, ...]
    goals: tuple[Goal, ...]
    loop: str = "closed: as fast as each can, file in the page cache"


def run(file: Path | None = None, size_bytes: int = SIZE_BYTES, rounds: int = 5) -> Result:
    """Measure on one core.

    Parameters
    ----------
    file
        A pcapng capture of ITCH 5.0 to read; without one, it is generated.
    size_bytes
        How large to generate it.
    rounds
        Rounds; each contender reads the file once in each.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    WrongAnswerError
        A contender read something else than we did.
    """
    require_release()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = file or _generate(folder / "itch.pcapng", size_bytes)
        stack.enter_context(one_core())
        whole, part = path.stat().st_size, _beginning(path, folder / "part.pcapng")
        contenders = _contenders(path)
        truth = contenders[OURS]()
        runs: dict[str, list[Read]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, read in contenders.items():
                runs[name].append(_checked(name, read(), truth))
        of_part = _python("feedhandler", part)
        found = {name: _summary(of, runs[OURS]) for name, of in runs.items()}
        return Result(
            machine=machine(),
            rounds=rounds,
            bytes=whole,
            messages=truth.messages,
            part_bytes=of_part.bytes,
            part_peak_kib=of_part.peak_kib,
            contenders=found,
            not_built=tuple(name for name in (STRUCTS, STRUCTS_AGAIN, DPKT) if name not in found),
            goals=_goals(found, of_part),
        )


def _generate(path: Path, size_bytes: int) -> Path:
    Generator(_SEED, _INSTRUMENTS, protocol="itch50").write(path, LINES, size_bytes=size_bytes)
    return path


def _beginning(path: Path, into: Path) -> Path:
    """Copy the beginning of a file, which brings all of it into the page cache on the way."""
    left = path.stat().st_size // MEMORY_PART
    with path.open("rb") as whole, into.open("wb") as part:
        while piece := whole.read(1 << 20):
            part.write(piece[:left])
            left -= min(left, len(piece))
    return into


def _contenders(path: Path) -> Mapping[str, Callable[[], Read]]:
    contenders: dict[str, Callable[[], Read]] = {OURS: partial(_python, "feedhandler", path)}
    built = build("files")
    if built is not None:
        program = str(built / "struct-reader")
        contenders[STRUCTS] = partial(_run, [program, str(path), "keep"])
        contenders[STRUCTS_AGAIN] = partial(_run, [program, str(path), "reuse"])
    if find_spec("dpkt") is not None:
        contenders[DPKT] = partial(_python, "dpkt", path)
    return contenders


def _python(way: str, path: Path) -> Read:
    module = "feedhandler.bench.file_reader"
    return _run([sys.executable, "-m", module, way, str(path), str(_DPKT_BYTES)])


def _run(command: list[str]) -> Read:
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 — our own programs
    return msgspec.json.decode(done.stdout, type=Read)


def _checked(name: str, read: Read, truth: Read) -> Read:
    is_whole = read.bytes == truth.bytes
    if is_whole and (read.messages, read.prices) != (truth.messages, truth.prices):
        raise WrongAnswerError(
            f"{name}: expected {truth.messages} messages with prices of {truth.prices} in all, "
            f"found {read.messages} with {read.prices}"
        )
    return read


def _summary(runs: list[Read], ours: list[Read]) -> Contender:
    rates = [_rate(run) for run in runs]
    low, _, high = quantiles(rates, n=4) if len(rates) > 1 else (rates[0],) * 3
    middle = median(rates)
    return Contender(
        gb_per_s=round(middle / 1e9, 4),
        gb_per_cpu_s=round(median(run.bytes / run.cpu_s for run in runs) / 1e9, 4),
        messages_per_s=round(median(run.messages / run.elapsed_s for run in runs)),
        spread=round((high - low) / middle, 3),
        ratio=round(median(_rate(mine) / _rate(run) for mine, run in zip(ours, runs, strict=True)), 3),
        peak_kib=max(run.peak_kib for run in runs),
        bytes=runs[0].bytes,
        rounds_gb_per_s=tuple(round(rate / 1e9, 4) for rate in rates),
    )


def _rate(run: Read) -> float:
    return run.bytes / run.elapsed_s


def _goals(found: dict[str, Contender], part: Read) -> tuple[Goal, ...]:
    ours = found[OURS]
    goals = [Goal("GB/s", GOAL_GB_PER_S, ours.gb_per_s, ours.gb_per_s >= GOAL_GB_PER_S)]
    for name, wanted in GOAL_RATIOS.items():
        if name in found:
            ratio = found[name].ratio
            goals.append(Goal(f"times as fast as {name}", wanted, ratio, ratio >= wanted))
    grown = (ours.peak_kib - part.peak_kib) * 1024 / (ours.bytes - part.bytes)
    goals.append(Goal("bytes of memory for each byte more", GROWN_PART, round(grown, 4), grown < GROWN_PART))
    return tuple(goals)
