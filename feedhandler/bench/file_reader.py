"""A contender of ``bench files`` in Python: a process that reads a capture of ITCH once.

Run as ``python -m feedhandler.bench.file_reader WAY FILE BYTES``: WAY is ``feedhandler`` or ``dpkt``, and
reading may end behind BYTES bytes of the file. It prints a `Read` as JSON, as the program in
``benchmarks/alternatives/files`` does.
"""

import sys
import time
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

import feedhandler as fh
from feedhandler.bench.machine import peak_kib

if TYPE_CHECKING:
    import dpkt


_ETHERNET_IPV4: Final = b"\x08\x00"
_UDP: Final = 17
_PAYLOAD_AT: Final = 42
_UDP_LENGTH: Final = Struct(">H")
_MOLD_HEADER: Final = Struct(">10sQH")
_END_OF_SESSION: Final = 0xFFFF
_HEAD: Final = "cHHHI"
_LAYOUTS: Final = {
    code: Struct(">" + _HEAD + rest)
    for code, rest in {
        "S": "c",
        "R": "8sccIcc2scccccIc",
        "H": "8scc4s",
        "Y": "8sc",
        "L": "4s8sccc",
        "V": "QQQ",
        "W": "c",
        "K": "8sIcI",
        "J": "8sIIII",
        "h": "8scc",
        "A": "QcI8sI",
        "F": "QcI8sI4s",
        "E": "QIQ",
        "C": "QIQcI",
        "X": "QI",
        "D": "Q",
        "U": "QQII",
        "P": "QcI8sIQ",
        "Q": "Q8sIQc",
        "B": "Q",
        "I": "QQc8sIIIcc",
        "N": "8sc",
        "O": "8scIIIQII",
    }.items()
}
_ADD_ORDER: Final = ord("A")
_PRICE_AT: Final = -1


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender read.

    Parameters
    ----------
    messages
        Messages of all lines, each once.
    prices
        Sum of the prices of messages that add an order without attribution: shows that they were read.
    bytes
        Of the file.
    elapsed_s, cpu_s
        Time, and time on a processor.
    peak_kib
        Largest resident memory of the process; what is mapped of the file counts.
    """

    messages: int
    prices: int
    bytes: int
    elapsed_s: float
    cpu_s: float
    peak_kib: int


def main() -> None:
    """Read as the command line says."""
    way, path, most_bytes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    began, cpu = time.perf_counter(), time.process_time()
    messages, prices, done = _ours(path) if way == "feedhandler" else _dpkt(path, most_bytes)
    read = Read(
        messages=messages,
        prices=prices,
        bytes=done,
        elapsed_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu,
        peak_kib=peak_kib(),
    )
    print(msgspec.json.encode(read).decode())


def _ours(path: Path) -> tuple[int, int, int]:
    messages = prices = 0
    for batch in fh.read(path, "itch50"):
        messages += batch.size
        prices += int(batch["add_order"]["price"].sum(dtype="u8"))
    return messages, prices, path.stat().st_size


def _dpkt(path: Path, most_bytes: int) -> tuple[int, int, int]:
    """Read with dpkt and `struct`: the fastest of the ways that are all Python."""
    import dpkt  # noqa: PLC0415 — whoever reads otherwise need not have it

    with path.open("rb") as file:
        messages, prices = _unpack(dpkt.pcapng.Reader(file), file, most_bytes)
        return messages, prices, file.tell()


def _unpack(records: "dpkt.pcapng.Reader", file: BinaryIO, most_bytes: int) -> tuple[int, int]:
    unpack_from = {ord(code): layout.unpack_from for code, layout in _LAYOUTS.items()}
    session, expected, messages, prices = b"", 0, 0, 0
    for number, (_, frame) in enumerate(records):
        if not number % 1024 and file.tell() > most_bytes:
            break
        if frame[12:14] != _ETHERNET_IPV4 or frame[23] != _UDP:
            continue
        (udp_bytes,) = _UDP_LENGTH.unpack_from(frame, _PAYLOAD_AT - 4)
        this, sequence, count = _MOLD_HEADER.unpack_from(frame, _PAYLOAD_AT)
        if this != session:
            session, expected = this, sequence
        if count == _END_OF_SESSION or sequence < expected:
            continue
        expected = sequence + count
        at, end = _PAYLOAD_AT + _MOLD_HEADER.size, _PAYLOAD_AT + udp_bytes - 8
        while at < end:
            code = frame[at + 2]
            fields = unpack_from[code](frame, at + 2)
            if code == _ADD_ORDER:
                prices += fields[_PRICE_AT]
            at += 2 + (frame[at] << 8 | frame[at + 1])
            messages += 1
    return messages, prices


if __name__ == "__main__":
    main()
