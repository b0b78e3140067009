"""The shipped layouts against the specifications' own tables, examples and real captures."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import oracle
import pytest
from captures import capture, payloads
from iex_examples import DEEP_EXAMPLES, TOPS_EXAMPLES

from feedhandler.protocol import Field, Message, Protocol, load

# Widths of the fields in wire order, from the tables in Nasdaq TotalView-ITCH 5.0, sections 1.1 to 1.8.
ITCH50 = {
    "S": "1 2 2 6 1",
    "R": "1 2 2 6 8 1 1 4 1 1 2 1 1 1 1 1 4 1",
    "H": "1 2 2 6 8 1 1 4",
    "Y": "1 2 2 6 8 1",
    "L": "1 2 2 6 4 8 1 1 1",
    "V": "1 2 2 6 8 8 8",
    "W": "1 2 2 6 1",
    "K": "1 2 2 6 8 4 1 4",
    "J": "1 2 2 6 8 4 4 4 4",
    "h": "1 2 2 6 8 1 1",
    "A": "1 2 2 6 8 1 4 8 4",
    "F": "1 2 2 6 8 1 4 8 4 4",
    "E": "1 2 2 6 8 4 8",
    "C": "1 2 2 6 8 4 8 1 4",
    "X": "1 2 2 6 8 4",
    "D": "1 2 2 6 8",
    "U": "1 2 2 6 8 8 4 4",
    "P": "1 2 2 6 8 1 4 8 4 8",
    "Q": "1 2 2 6 8 8 4 8 1",
    "B": "1 2 2 6 8",
    "I": "1 2 2 6 8 8 1 8 4 4 4 1 1",
    "N": "1 2 2 6 8 1",
    "O": "1 2 2 6 8 1 4 4 4 8 4 4",
}

# Likewise from the TOPS specification 1.66 and the DEEP specification 1.08.
IEX = {
    "S": "1 1 8",
    "D": "1 1 8 8 4 8 1",
    "H": "1 1 8 8 4",
    "I": "1 1 8 8",
    "O": "1 1 8 8",
    "P": "1 1 8 8 1",
    "T": "1 1 8 8 4 8 8",
    "X": "1 1 8 8 8",
    "B": "1 1 8 8 4 8 8",
    "A": "1 1 8 8 4 8 8 4 1 1 4 8 8 8 8",
}
TOPS = IEX | {"Q": "1 1 8 8 4 8 8 4"}
DEEP = IEX | {"E": "1 1 8 8", "8": "1 1 8 8 4 8", "5": "1 1 8 8 4 8"}


@pytest.mark.parametrize(("name", "tables"), [("itch50", ITCH50), ("iex-tops", TOPS), ("iex-deep", DEEP)])
def test_layouts_are_those_of_the_specification(name: str, tables: dict[str, str]) -> None:
    messages = load(name).messages.values()

    widths = {code: widths_of(message) for message in messages for code in message.codes}

    assert widths == tables
    for message in messages:
        assert message.min_length == sum(map(int, widths[message.codes[0]].split()))


def widths_of(message: Message) -> str:
    return " ".join(str(field.width) for field in message.fields.values())


def the_message(packet: oracle.Packet) -> oracle.Decoded:
    (message,) = packet.messages
    assert isinstance(message, oracle.Decoded)
    return message


def decode(name: str, text: str) -> oracle.Decoded:
    message = oracle.read_message(load(name), bytes.fromhex(text))
    assert isinstance(message, oracle.Decoded)
    return message


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [("iex-tops", *example) for example in TOPS_EXAMPLES]
    + [("iex-deep", *example) for example in DEEP_EXAMPLES],
)
def test_iex_examples_mean_what_the_specification_says(name: str, text: str, values: dict[str, Any]) -> None:
    message = decode(name, text)

    assert values.items() <= message.fields.items()
    assert not message.is_longer


def test_iex_tp_example_is_a_packet_of_deep() -> None:
    """IEX Transport Specification 1.26, "Example Messages"."""
    header = "01 00 0480 01000000 00008742 4800 0200 8ca6210000000000 cac3000000000000 ec45c22096866d14"
    trade = "2600" + "54 00 ac63c02096866d14 5a49455854202020 64000000 241d0f0000000000 968f060000000000"
    level = "1e00" + "38 01 ac63c02096866d14 5a49455854202020 e4250000 241d0f0000000000"

    packet = oracle.read_packet(load("iex-deep"), bytes.fromhex(header + trade + level))

    assert packet.header == oracle.Header(
        kind="data", session=0x42870000, sequence=50122, count=2, send_time=1471980632_572839404
    )
    assert [message.code for message in packet.messages if isinstance(message, oracle.Decoded)] == ["T", "8"]
    with pytest.raises(oracle.Malformed, match="unexpected_value"):
        oracle.read_packet(load("iex-tops"), bytes.fromhex(header + trade + level))


@pytest.mark.parametrize("protocol_id", ["0280", "0380"])
def test_iex_tp_test_response_is_a_heartbeat(protocol_id: str) -> None:
    payload = (
        f"01 00 {protocol_id} 01000000 00008742 0000 0000 8ca6210000000000 cac3000000000000 ec45c22096866d14"
    )

    header = oracle.read_packet(load("iex-tops"), bytes.fromhex(payload)).header

    assert (header.kind, header.sequence, header.count) == ("heartbeat", 50122, 0)


def test_tops_15_trades_end_in_reserved_bytes() -> None:
    text = "54 80 c3dff705a2866d14 5a49455854202020 64000000 241d0f0000000000 968f060000000000"

    of_16, of_15 = decode("iex-tops", text), decode("iex-tops", text + "00000000")

    assert of_15 == of_16
    assert decode("iex-tops", text + "0000000000").is_longer


def test_moldudp64_ends_a_session_with_a_count_of_ffff() -> None:
    header = b"2023082201" + (77).to_bytes(8) + (0xFFFF).to_bytes(2)

    assert oracle.read_packet(load("itch50"), header).header == oracle.Header(
        kind="end_of_session", session="2023082201", sequence=77, count=0xFFFF
    )


def test_itch_file_of_one_morning() -> None:
    data = capture("itch/12302019_SNIPPET.NASDAQ_ITCH50").read_bytes()

    messages = list(oracle.read_file(load("itch50"), data))

    assert codes_of(messages) == counts("A367 U225 F193 D167 E28 X6 I4 P4 Q4 S1 C1")
    times = [message.fields["timestamp"] for message in messages if isinstance(message, oracle.Decoded)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (34_200_000_000_230, 34_200_002_364_611)


def test_itch_file_whose_lengths_are_zero() -> None:
    data = capture("itch/ex20101224.TEST_ITCH_50").read_bytes()

    messages = list(oracle.read_file(load("itch50"), data))

    assert codes_of(messages) == counts("S6 R3 H3 A4997 F3 E198 X45 D1745 U12 P5000")
    adds = [m for m in messages if isinstance(m, oracle.Decoded) and m.name.startswith("add_order")]
    assert Counter(add.fields["buy_sell_indicator"] for add in adds) == {b"B": 2432, b"S": 2568}


def counts(text: str) -> dict[str, int]:
    return {word[0]: int(word[1:]) for word in text.split()}


def codes_of(messages: list[oracle.Outcome]) -> dict[str, int]:
    return Counter(message.code for message in messages if isinstance(message, oracle.Decoded))


def test_itch_single_packets_hold_what_the_enumerations_name() -> None:
    files = sorted(capture("itch").glob("singles-*/*.pcap"))
    protocol = load("itch50")

    messages = [
        the_message(oracle.read_packet(protocol, payload)) for file in files for payload in payloads(file)
    ]

    assert {message.code for message in messages} == set("ACDEFHIJLNPQSUXY")
    for message in messages:
        for field in protocol.messages[message.name].fields.values():
            assert is_named(field, message.fields[field.name]), (message, field.name)


def is_named(field: Field, value: object) -> bool:
    return not field.enum or value in field.enum


def test_tops_equals_another_decoder() -> None:
    """Field by field over the first frames, by names without their underscores."""
    protocol = load("iex-tops")
    expected = gzip.decompress(capture("iex/TOPS16.first5000.expected.jsonl.gz").read_bytes()).splitlines()
    for line, payload in zip(expected, payloads(capture("iex/TOPS16.pcapng.gz")), strict=False):
        tree = json.loads(line)["tree"]
        packet = oracle.read_packet(protocol, payload)
        trees = tree_at(tree, "message_tree", [])
        for found, message in zip(
            packet.messages, trees if isinstance(trees, list) else [trees], strict=True
        ):
            assert isinstance(found, oracle.Decoded)
            compare(protocol, found, message)


def tree_at(tree: dict[str, Any], name: str, default: Any = None) -> Any:
    return next((value for key, value in tree.items() if key.rpartition(".")[2] == name), default)


def compare(protocol: Protocol, found: oracle.Decoded, tree: dict[str, Any]) -> None:
    other = {key.rpartition(".")[2]: value for key, value in leaves(tree)}
    ours = {
        name.replace("_", ""): shown
        for field in protocol.messages[found.name].fields.values()
        for name, shown in as_shown(field, found.fields[field.name])
    }
    assert ours == {name: other[name] for name in ours}


def leaves(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        yield from leaves(value) if isinstance(value, dict) else [(key, value)]


def as_shown(field: Field, value: Any) -> Iterator[tuple[str, str]]:
    """Yield what the other decoder shows of a field: its value, or each of its flags."""
    if field.flags:
        yield from ((name, str(int(value & mask != 0))) for mask, name in field.flags.items())
    elif field.scale is not None:
        yield field.name, f"{Decimal(value).scaleb(-field.scale).normalize():f}"
    elif field.name == "extension_number":
        yield field.name, chr(value).rstrip("\0")  # it takes this number for a character
    else:
        yield field.name, value.decode() if isinstance(value, bytes) else str(value)
