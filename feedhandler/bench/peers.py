"""The programs of ``benchmarks/peers``, built where the toolchain is there."""

import shutil
import subprocess
from pathlib import Path

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
"""Where their sources are, if the package lies in a checkout."""


def build_c(program: str, into: Path) -> Path | None:
    """Build one of the programs in C; None outside of a checkout, or where there is no compiler.

    Parameters
    ----------
    program
        Its name: ``receive``, ``send`` or ``blast``.
    into
        Folder for the result.
    """
    source, compiler = PEERS / "c" / f"{program}.c", shutil.which("cc")
    if compiler is None or not source.exists():
        return None
    built = into / program
    flags = ["-O3", "-march=native", "-Wall", "-Wextra"]
    subprocess.run([compiler, *flags, "-o", built, source], check=True)  # noqa: S603 — our own source
    return built
