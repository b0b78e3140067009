"""Receives the msgpack feed with asyncio's `DatagramProtocol`, on asyncio's own loop or on uvloop's.

    python datagram_protocol.py asyncio|uvloop WARMUP_S SECONDS RCVBUF_BYTES

`msgpack` decodes every quote; the ask sizes are summed, and latencies recorded.
"""

import asyncio
import sys

import msgpack
import uvloop
from measured import Measured, bound_socket

_SEQUENCE, _SEND_TIME_NS = 2, 4
"""Positions in a packet's header."""
_ASK_SIZE = 5
"""Position in a quote."""


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, measured: Measured) -> None:
        self.over = asyncio.Event()
        self._measured = measured
        self._unpacker = msgpack.Unpacker()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 — asyncio's
        self._unpacker.feed(data)
        header, *quotes = self._unpacker
        ask_sizes = [quote[_ASK_SIZE] for quote in quotes]
        self._measured.take(len(data), header[_SEQUENCE], header[_SEND_TIME_NS], ask_sizes)
        if self._measured.is_over:
            self.over.set()


async def _receive(measured: Measured, rcvbuf_bytes: int) -> None:
    receiver = _Receiver(measured)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: receiver, sock=bound_socket(rcvbuf_bytes))
    await receiver.over.wait()
    transport.close()


def main() -> None:
    loop, (warmup_s, seconds, rcvbuf_bytes) = sys.argv[1], map(float, sys.argv[2:])
    measured = Measured(warmup_s, seconds)
    run = {"asyncio": asyncio.run, "uvloop": uvloop.run}[loop]
    run(_receive(measured, int(rcvbuf_bytes)))
    measured.tell()


if __name__ == "__main__":
    main()
