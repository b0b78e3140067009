"""The crates of ``benchmarks/alternatives``, built where they are."""

import subprocess
from pathlib import Path
from typing import Final

_CHECKOUT: Final = Path(__file__).parents[2]


def build(name: str) -> Path | None:
    """Build a crate in release mode, of the versions that it pins.

    Parameters
    ----------
    name
        Of its folder.

    Returns
    -------
    pathlib.Path or None
        The folder with what was built; None outside of a checkout, or where cargo cannot build it.
    """
    crate = _CHECKOUT / "benchmarks" / "alternatives" / name
    pinning = [str(_CHECKOUT / "tools" / "cargo-lock"), str(crate)]
    compiling = ["cargo", "build", "--release", "--quiet", "--locked"]
    try:
        for command in (pinning, compiling):
            subprocess.run(command, cwd=crate, check=True)  # noqa: S603 — our own programs
    except (OSError, subprocess.CalledProcessError):
        return None
    return crate / "target" / "release"
