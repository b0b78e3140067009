"""The programs of ``benchmarks/peers``: which there are, where they are, and why one is not built.

`feedhandler.bench.contest` runs them beside feedhandler; `feedhandler.bench.receive` has its own yardsticks.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
"""Where their sources are, if the package lies in a checkout."""


class Peer(NamedTuple):
    """A program that receives and decodes the msgpack feed as feedhandler does.

    Parameters
    ----------
    language
        Folder of its source; what ``make peers`` calls it.
    tool
        Executable without which it cannot be built.
    command
        How to start it from `PEERS`; behind come the seconds of warming up, the seconds, and the bytes of the
        receive buffer.
    does
        What it is made of, for readers of a report.
    """

    language: str
    tool: str
    command: tuple[str, ...]
    does: str


_PYTHON: Final = "target/python/bin/python"

ALL: Final[Mapping[str, Peer]] = {
    "C, recvmmsg": Peer(
        "c", "cc", ("target/c/peer", "recvmmsg"), "`recvmmsg` of 64, decoder written by hand, into columns"
    ),
    "C, recvmmsg and GRO": Peer(
        "c", "cc", ("target/c/peer", "gro"), "the same, of datagrams that the kernel coalesced (`UDP_GRO`)"
    ),
    "Rust, std": Peer("rust", "cargo", ("target/rust/release/std",), "`UdpSocket::recv`, `rmp`"),
    "Tokio": Peer(
        "rust",
        "cargo",
        ("target/rust/release/tokio",),
        "`UdpSocket::try_recv` until nothing waits, `rmp`, one thread",
    ),
    "Go, std": Peer("go", "go", ("target/go/std",), "`ReadFromUDPAddrPort`, `tinylib/msgp`"),
    "Go, ReadBatch": Peer("go", "go", ("target/go/batch",), "`x/net/ipv4` `ReadBatch` of 64, `tinylib/msgp`"),
    "Node.js": Peer("node", "npm", ("node", "node/peer.mjs"), "`dgram`, `msgpackr`"),
    "Python, asyncio": Peer(
        "python",
        "python3",
        (_PYTHON, "python/datagram_protocol.py", "asyncio"),
        "`DatagramProtocol`, `msgpack.Unpacker`",
    ),
    "Python, uvloop": Peer(
        "python",
        "python3",
        (_PYTHON, "python/datagram_protocol.py", "uvloop"),
        "the same on uvloop",
    ),
    "Python, recv_into": Peer(
        "python", "python3", (_PYTHON, "python/recv_into.py"), "a loop of `recv_into`, `msgspec` Structs"
    ),
}
"""The peers by name."""


def not_built(peer: Peer) -> str | None:
    """Return why a peer cannot be run; None if it can."""
    if not (PEERS / peer.language).is_dir():
        return "its source is not here: this is no checkout"
    if _stamp(peer).exists():
        return None
    if shutil.which(peer.tool) is None:
        return f"there is no {peer.tool}"
    log = PEERS / "target" / f"{peer.language}.log"
    if not log.exists():
        return "`make peers` was not run"
    lines = log.read_text(errors="replace").strip().splitlines()
    why = next((line for line in lines if "error" in line.casefold()), lines[-1] if lines else "no word why")
    return f"its build failed: {why} ({log})"


def toolchain(peer: Peer) -> str:
    """Return what built it, and which version."""
    return _stamp(peer).read_text().strip()


def build_c(program: str, into: Path) -> Path | None:
    """Build one of the programs in C; None outside of a checkout, or where there is no compiler.

    Parameters
    ----------
    program
        Its name: ``receive`` or ``blast``.
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


def _stamp(peer: Peer) -> Path:
    return PEERS / "target" / f"{peer.language}.built"
