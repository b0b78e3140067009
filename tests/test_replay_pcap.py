"""What a written capture is: readable by any tool, to the nanosecond."""

import struct
from pathlib import Path

from captures import payloads

from replay import Datagram, write_pcap


def test_datagrams_and_their_nanoseconds_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "two.pcap"
    write_pcap(
        file,
        [
            Datagram(1_700_000_000_123_456_789, ("239.1.2.3", 20_001), b"first"),
            Datagram(1_700_000_001_000_000_000, ("127.0.0.1", 20_002), b""),
        ],
    )

    assert list(payloads(file)) == [b"first", b""]
    data = file.read_bytes()
    assert data[:4] == bytes.fromhex("4d3cb2a1")
    assert struct.unpack_from("<II", data, 24) == (1_700_000_000, 123_456_789)
    frame = data[40:]
    assert frame[:6] == bytes.fromhex("01005e010203")
    assert frame[30:34] == bytes((239, 1, 2, 3))
    header = struct.unpack(">10H", frame[14:34])
    assert (sum(header) & 0xFFFF) + (sum(header) >> 16) == 0xFFFF
    assert struct.unpack(">HHH", frame[34:40])[1:] == (20_001, 8 + 5)
