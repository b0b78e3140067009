"""Receives the msgpack feed in a plain loop of `socket.recv_into`, into one buffer.

    python recv_into.py WARMUP_S SECONDS RCVBUF_BYTES

`msgspec` decodes every quote into a Struct; the ask sizes are summed, and latencies recorded.
"""

import struct
import sys

import msgspec
from measured import Measured, bound_socket

_DATAGRAM_BYTES = 2048
_ARRAY_16 = struct.Struct(">BH")
_INTEGERS = {code: struct.Struct(f">{kind}") for code, kind in enumerate("BHIQbhiq", start=0xCC)}
"""msgpack's integers by their first byte: those of one byte are themselves."""


class Quote(msgspec.Struct, array_like=True, gc=False):
    """A best bid and offer."""

    message_type: int
    instrument_id: int
    bid_price: int | None
    ask_price: int | None
    bid_size: int
    ask_size: int
    exchange_time_ns: int


def _integer(buffer: bytearray, at: int) -> tuple[int, int]:
    """Return the integer at a place of the header, and where what is behind it begins."""
    code = buffer[at]
    if code < 0x80:
        return code, at + 1
    layout = _INTEGERS[code]
    return layout.unpack_from(buffer, at + 1)[0], at + 1 + layout.size


def main() -> None:
    warmup_s, seconds, rcvbuf_bytes = map(float, sys.argv[1:])
    measured, socket = Measured(warmup_s, seconds), bound_socket(int(rcvbuf_bytes))
    buffer = bytearray(_DATAGRAM_BYTES)
    view, decode = memoryview(buffer), msgspec.msgpack.Decoder(list[Quote]).decode
    while not measured.is_over:
        length = socket.recv_into(buffer)
        sequence, at = _integer(buffer, 3 + (buffer[2] & 0x1F))
        count, at = _integer(buffer, at)
        send_time_ns, at = _integer(buffer, at)
        # msgspec decodes one object: the end of the header, which has been read, becomes the beginning of an
        # array of all messages.
        at -= _ARRAY_16.size
        _ARRAY_16.pack_into(buffer, at, 0xDC, count)
        quotes = decode(view[at:length])
        measured.take(length, sequence, send_time_ns, [quote.ask_size for quote in quotes])
    measured.tell()


if __name__ == "__main__":
    main()
