"""The machine that a number travels with."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from feedhandler import _core
from feedhandler.errors import FeedhandlerError

_CPU_INFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


class Machine(msgspec.Struct, frozen=True):
    """Where a benchmark ran.

    Parameters
    ----------
    cpu
        Model of the processor.
    cores
        Processors that the process may use.
    core_ghz
        Clock of the core while it works, estimated from a chain of dependent additions.
    governor
        Frequency governor; None where the system does not say.
    load
        Runnable threads on the machine over the last minute: other work disturbs a measurement.
    kernel, python, build_profile
        Versions, and how the Rust module was built.
    """

    cpu: str
    cores: int
    core_ghz: float
    governor: str | None
    load: float
    kernel: str
    python: str
    build_profile: str


def machine() -> Machine:
    """Return what can be known of this machine."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        core_ghz=round(_core.core_ghz(), 2),
        governor=_GOVERNOR.read_text().strip() if _GOVERNOR.exists() else None,
        load=round(os.getloadavg()[0], 2),
        kernel=platform.release(),
        python=sys.version.split()[0],
        build_profile=_core.BUILD_PROFILE,
    )


def _cpu() -> str:
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


class DebugBuildError(FeedhandlerError):
    """The Rust module is a debug build, whose speed says nothing."""


def require_release() -> None:
    """Refuse to measure a debug build.

    Raises
    ------
    DebugBuildError
        The Rust module is one.
    """
    if _core.BUILD_PROFILE != "release":
        raise DebugBuildError("the Rust module is a debug build; run `make build` and measure again")


@contextmanager
def one_core() -> Iterator[None]:
    """Have one core, the last of those that may be used; so have processes that are started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def peak_kib() -> int:
    """Return the largest resident memory of this process so far; `getrusage` would tell the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
