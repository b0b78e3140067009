"""A declaration that cannot be meant is refused in one line: file, place, expected, found."""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.errors import DeclarationError, FeedhandlerError, UnknownProtocolError
from feedhandler.protocol import load, shipped
from feedhandler.protocol.declaration import Declaration
from feedhandler.protocol.loader import resolve
from feedhandler.toml import Place, parse

PLACE = Place("venue.toml", DeclarationError)

BINARY = """
name = "venue"
encoding = "binary"
byte_order = "big"
discriminator = "kind"

[framing]
name = "blocks"
counts = "messages"
delimiter = "length"
header = [
    { name = "session", type = "ascii", length = 10, role = "session" },
    { name = "sequence", type = "u64", role = "sequence" },
    { name = "count", type = "u16", role = "count", end_of_session = [0xFFFF] },
    { name = "version", type = "u8", expect = [1] },
]
block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]

[file]
block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]
zero_length = "by_type"

[common]
fields = [{ name = "kind", type = "char" }]

[types]
price4 = { type = "u32", scale = 4 }
side = { type = "char", enum = { B = "buy", S = "sell" } }

[messages.order_add]
code = "A"
fields = [
    { name = "order_id", type = "u64" },
    { name = "side", type = "side" },
    { name = "price", type = "price4" },
    { name = "shares", type = "u32" },
    { name = "symbol", type = "ascii", length = 4 },
]

[messages.order_gone]
code = ["D", "X"]
length = 11
fields = [
    { name = "order_id", type = "u64", offset = 1 },
    { name = "flags", type = "u8", flags = { 0x80 = "by_venue" } },
    { name = "why", type = "u8", enum = { 1 = "cancelled", 2 = "expired" } },
]

[book]
instrument = "symbol"
sides = { buy = "B", sell = "S" }

[book.messages]
order_add = { action = "add", order_id = "order_id", side = "side", price = "price", size = "shares" }
order_gone = { action = "delete", order_id = "order_id" }
"""

MSGPACK = """
name = "venue"
encoding = "msgpack"
discriminator = "t"

[framing]
name = "objects"
counts = "packets"
delimiter = "msgpack"
header_encoding = "msgpack"
header = [
    { name = "kind", type = "u8", heartbeat = [1] },
    { name = "session", type = "str", length = 16, role = "session" },
    { name = "sequence", type = "u64", role = "sequence" },
]

[messages.trade]
code = "trade"
layout = "map"
fields = [
    { name = "t", type = "str", length = 8 },
    { name = "price", type = "i64", path = ["d", "p"], scale = 2, nullable = true, null = -1 },
    { name = "size", type = "u32", path = ["d", "s"] },
    { name = "ids", type = "u64", path = ["i", 0] },
]
"""


@dataclass(frozen=True)
class Fault:
    """What is right, what stands there instead, and the error behind the file's name; ... is any text."""

    right: str
    wrong: str
    error: str


BINARY_FAULTS = [
    Fault(
        "[framing]",
        "[framing",
        "expected TOML, found what is none: ... (at line 7, column 9)",
    ),
    Fault(
        'byte_order = "big"',
        'byteorder = "big"',
        "byteorder: expected one of name, ..., found an unknown key (did you mean 'byte_order'?)",
    ),
    Fault(
        'encoding = "binary"\n',
        "",
        "expected the key encoding, found none",
    ),
    Fault(
        'encoding = "binary"',
        'encoding = "bianry"',
        "encoding: expected one of 'binary', 'msgpack', 'sbe', found 'bianry' (did you mean 'binary'?)",
    ),
    Fault(
        'name = "venue"',
        'name = "My Venue"',
        "name: expected a name such as my-venue or itch50, found 'My Venue'",
    ),
    Fault(
        "[types]\n",
        "[types]\nx = 3\n",
        "types.x: expected a table, found 3",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", sacle = 4 }',
        "messages.order_add.fields[3].sacle (shares): expected one of type, ..., found an unknown key"
        " (did you mean 'scale'?)",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", scale = "4" }',
        "messages.order_add.fields[3].scale (shares): expected an integer, found '4'",
    ),
    Fault(
        'type = "price4" }',
        'type = "price5" }',
        "messages.order_add.fields[2].type (price): expected a binary type: price4, side, u8, ..., "
        "found 'price5' (did you mean 'price4'?)",
    ),
    Fault(
        'price4 = { type = "u32", scale = 4 }',
        'price4 = { type = "side", scale = 4 }',
        "types.price4.type: expected a binary type: u8, ..., found 'side'",
    ),
    Fault(
        "price4 = { type",
        "u32 = { type",
        "types.u32: expected another name than a built-in type's, found 'u32'",
    ),
    Fault(
        'type = "ascii", length = 4',
        'type = "ascii"',
        "messages.order_add.fields[4] (symbol): expected the key length, in bytes, for ascii, found none",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", length = 4 }',
        "messages.order_add.fields[3].length (shares): expected no length, which u32 has by itself, found 4",
    ),
    Fault(
        'type = "ascii", length = 4',
        'type = "ascii", length = 0',
        "messages.order_add.fields[4].length (symbol): expected 1 to 65535 bytes, found 0",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ type = "u32" }',
        "messages.order_add.fields[3]: expected the key name, found none",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares" }',
        "messages.order_add.fields[3] (shares): expected the key type, found none",
    ),
    Fault(
        'name = "shares"',
        'name = "Shares"',
        "messages.order_add.fields[3].name (Shares): expected a name in snake_case, found 'Shares'",
    ),
    Fault(
        'name = "shares"',
        'name = "seq"',
        "messages.order_add.fields[3].name (seq): expected another name than the leading columns seq,"
        " ts_recv_ns, channel, found 'seq'",
    ),
    Fault(
        'name = "shares"',
        'name = "price"',
        "messages.order_add.fields[3].name (price): expected each name once in a message, found "
        "'price' again",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "kind", type = "u32" }',
        "messages.order_add.fields[3].name (kind): expected each name once in a message, found 'kind' again",
    ),
    Fault(
        'type = "u64", offset = 1',
        'type = "u64", offset = 3',
        "messages.order_gone.fields[0].offset (order_id): expected 1, where the field before it ends,"
        " found 3 (declare 2 bytes of type reserved before it)",
    ),
    Fault(
        'type = "u64", offset = 1',
        'type = "u64", offset = 0',
        "messages.order_gone.fields[0].offset (order_id): expected 1, where the field before it ends,"
        " found 0 (they overlap)",
    ),
    Fault(
        "length = 11",
        "length = 12",
        "messages.order_gone.length: expected 11 bytes, the sum of the fields, found 12",
    ),
    Fault(
        "scale = 4",
        "scale = 19",
        "types.price4.scale: expected 0 to 18 decimal places, found 19",
    ),
    Fault(
        '{ name = "side", type = "side" }',
        '{ name = "side", type = "side", scale = 2 }',
        "messages.order_add.fields[1].scale (side): expected no scale, which only integers have, found 2",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", unit = "ns since midnight" }',
        "messages.order_add.fields[3].unit (shares): expected a name in snake_case, found 'ns since "
        "midnight'",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", null = -1 }',
        "messages.order_add.fields[3].null (shares): expected an integer that fits u32, 0 to "
        "4294967295, found -1",
    ),
    Fault(
        'B = "buy"',
        'BUY = "buy"',
        "types.side.enum.BUY: expected one character, found 'BUY'",
    ),
    Fault(
        '1 = "cancelled"',
        'one = "cancelled"',
        "messages.order_gone.fields[2].enum.one (why): expected an integer such as 7 or 0x80, found 'one'",
    ),
    Fault(
        '1 = "cancelled"',
        '256 = "cancelled"',
        "messages.order_gone.fields[2].enum.256 (why): expected an integer that fits u8, 0 to 255, found 256",
    ),
    Fault(
        '2 = "expired"',
        '0x1 = "expired"',
        "messages.order_gone.fields[2].enum.0x1 (why): expected each value once, found 1 again",
    ),
    Fault(
        '0x80 = "by_venue"',
        '0x100 = "by_venue"',
        "messages.order_gone.fields[1].flags.0x100 (flags): expected a mask of bits in u8, found '0x100'",
    ),
    Fault(
        '0x80 = "by_venue"',
        '0x80 = "By Venue"',
        "messages.order_gone.fields[1].flags.0x80 (flags): expected a name in snake_case, found 'By Venue'",
    ),
    Fault(
        '{ name = "side", type = "side" }',
        '{ name = "side", type = "side", flags = { 1 = "x" } }',
        "messages.order_add.fields[1].flags (side): expected no flags, which only unsigned integers "
        "have, found type char",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", optional = true }',
        "messages.order_add.fields[4] (symbol): expected optional = true, as the field before it may "
        "be missing, found none",
    ),
    Fault(
        'type = "ascii", length = 4 }',
        'type = "ascii", length = 4, optional = true, null = "NONE" }',
        "messages.order_add.fields[4].null (symbol): expected 0 or none, as what is missing reads as "
        "zeros, found 'NONE'",
    ),
    Fault(
        'type = "ascii", length = 4 }',
        'type = "ascii", length = 4, optional = true }',
        "file.zero_length: expected messages whose type tells their length, found optional fields in "
        "order_add",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "u32", path = 3 }',
        "messages.order_add.fields[3].path (shares): expected no such key in this encoding, found 3",
    ),
    Fault(
        "length = 11",
        'layout = "map"',
        "messages.order_gone.layout: expected no such key in this encoding, found 'map'",
    ),
    Fault(
        'byte_order = "big"\n',
        "",
        "messages.order_add.fields[0].byte_order (order_id): expected a byte order, here or for the "
        "whole file, found none",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "timestamp" }',
        "messages.order_add.fields[3].type (shares): expected a binary type: price4, side, u8, ..., "
        "found 'timestamp' (timestamp is a msgpack type)",
    ),
    Fault(
        'fields = [{ name = "kind", type = "char" }]',
        "fields = []",
        "messages.order_gone.fields[0].offset (order_id): expected 0, where the field before it ends,"
        " found 1 (declare 1 bytes of type reserved before it)",
    ),
    Fault(
        "[messages.order_add]",
        "[messages.OrderAdd]",
        "messages.OrderAdd: expected a name in snake_case, found 'OrderAdd'",
    ),
    Fault(
        'discriminator = "kind"\n',
        "",
        "expected the key discriminator, the field that tells messages apart, found none",
    ),
    Fault(
        '[common]\nfields = [{ name = "kind", type = "char" }]',
        "[common]\nfields = []",
        "messages.order_gone.fields[0].offset (order_id): expected 0, where the field before it ends,"
        " found 1 (declare 1 bytes of type reserved before it)",
    ),
    Fault(
        '{ name = "kind", type = "char" }',
        '{ name = "kind", type = "f32" }',
        "messages.order_gone.fields[0].offset (order_id): expected 4, where the field before it ends,"
        " found 1 (they overlap)",
    ),
    Fault(
        'code = "A"\n',
        "",
        "messages.order_add.code: expected at least one value of kind, found none",
    ),
    Fault(
        'code = "A"',
        'code = "X"',
        "messages.order_gone.code: expected each code once, found 'X', which stands for order_add",
    ),
    Fault(
        'code = "A"',
        'code = "AB"',
        "messages.order_add.code: expected one character, found 'AB'",
    ),
    Fault(
        'code = "A"',
        "code = 65",
        "messages.order_add.code: expected one character, found 65",
    ),
    Fault(
        'counts = "messages"',
        'counts = "message"',
        "framing.counts: expected one of 'messages', 'packets', 'nothing', found 'message' (did you "
        "mean 'messages'?)",
    ),
    Fault(
        ', role = "sequence"',
        "",
        'framing.header: expected a field with role sequence, found none (or counts = "nothing")',
    ),
    Fault(
        'role = "count", end',
        "end",
        'framing.header: expected a field with role count, found none (or counts = "packets")',
    ),
    Fault(
        'type = "u8", expect = [1]',
        'type = "u64", role = "sequence"',
        "framing.header[3].role (version): expected one field for sequence, found a second",
    ),
    Fault(
        '{ name = "version", type = "u8", expect = [1] }',
        '{ name = "sent", type = "u32", role = "send_time_seconds" }',
        "framing.header[3].role (sent): expected a field with role send_time as well: "
        "the nanoseconds of the second, found none",
    ),
    Fault(
        'role = "count"',
        'role = "number"',
        "framing.header[2].role (count): expected one of 'session', ..., found 'number'",
    ),
    Fault(
        'block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]\n\n[file]',
        'block = [{ name = "length", type = "u16", role = "count", excludes = 2 }]\n\n[file]',
        "framing.block[0].excludes (length): expected no such key, which only a length has, found 2",
    ),
    Fault(
        '"u64", role = "sequence"',
        '"i64", role = "sequence"',
        "framing.header[1].type (sequence): expected an unsigned integer for the sequence, found 'i64'",
    ),
    Fault(
        "length = 10, role",
        "length = 17, role",
        "framing.header[0].length (session): expected at most 16 bytes of session, found 17",
    ),
    Fault(
        "expect = [1]",
        "expect = [256]",
        "framing.header[3].expect[0] (version): expected a value that fits u8, 0 to 255, found 256",
    ),
    Fault(
        'role = "session" }',
        'role = "session", end_of_session = [1] }',
        "framing.header[0].type (session): expected an unsigned integer for end_of_session, found 'ascii'",
    ),
    Fault(
        'role = "length", excludes = 2 }]\n\n[file]',
        'role = "length" }]\n\n[file]',
        "framing.block[0] (length): expected the key excludes, how many bytes the length does not "
        "count, found none",
    ),
    Fault(
        'role = "sequence" }',
        'role = "sequence", excludes = 2 }',
        "framing.header[1].excludes (sequence): expected no such key, which only a length has, found 2",
    ),
    Fault(
        'block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]\n\n[file]',
        "\n[file]",
        "framing.block: expected a field with role length, found none",
    ),
    Fault(
        'delimiter = "length"',
        'delimiter = "whole"',
        'framing.block: expected no block, which only delimiter = "length" has, found one',
    ),
    Fault(
        'name = "version"',
        'name = "count"',
        "framing.header[3].name (count): expected one field for count, found a second",
    ),
    Fault(
        "order_gone = { action",
        "order_going = { action",
        "book.messages.order_going: expected the name of a message, found none such (did you mean "
        "'order_gone'?)",
    ),
    Fault(
        'size = "shares"',
        'size = "size"',
        "book.messages.order_add.size: expected a field of order_add, found 'size' (did you mean 'side'?)",
    ),
    Fault(
        'action = "delete"',
        'action = "del"',
        "book.messages.order_gone.action: expected one of 'add', ..., found 'del' (did you mean 'delete'?)",
    ),
    Fault(
        ', price = "price", size = "shares" }',
        ', price = "price" }',
        "book.messages.order_add: expected the key size, which add needs, found none",
    ),
    Fault(
        'size = "shares"',
        'size = "symbol"',
        "book.messages.order_add.size: expected a number for size, found symbol of type ascii",
    ),
    Fault(
        'sides = { buy = "B", sell = "S" }\n',
        "",
        "book: expected the key sides, the values that mean buy and sell, found none",
    ),
    Fault(
        'buy = "B"',
        'buy = "BUY"',
        "book.sides.buy: expected a value that side (char) can hold, found 'BUY'",
    ),
    Fault(
        'buy = "B"',
        'buy = "S"',
        "book.sides: expected other values for buy than for sell, found b'S' for both",
    ),
    Fault(
        '{ name = "shares", type = "u32" }',
        '{ name = "shares", type = "f64" }',
        "book.messages.order_add.size: expected an integer for the size of an order, which is added and "
        "subtracted, found shares of type f64",
    ),
    Fault(
        'type = "ascii", length = 4',
        'type = "ascii", length = 33',
        "book.messages.order_add.instrument: expected at most 32 bytes of instrument, found symbol of type "
        "ascii of 33 bytes",
    ),
    Fault(
        'type = "ascii", length = 4',
        'type = "bytes", length = 4',
        "book.messages.order_add.instrument: expected an integer or text for instrument, found symbol of "
        "type bytes",
    ),
    Fault(
        'order_gone = { action = "delete", order_id = "order_id" }',
        'order_gone = { action = "delete", order_id = "order_id", complete = "why" }',
        "book.messages.order_gone.complete: expected no key complete, which only level has, found 'why'",
    ),
    Fault(
        'order_gone = { action = "delete", order_id = "order_id" }',
        'order_gone = { action = "level", instrument = "kind", side = "kind", price = "why", size = "why" }',
        "book.messages.order_gone.action: expected books made of orders or of levels, found level here and "
        "add in order_add",
    ),
    Fault(
        'order_gone = { action = "delete", order_id = "order_id" }',
        'order_gone = { action = "directory", instrument = "order_id", symbol = "why" }',
        "book.messages.order_gone.symbol: expected text for symbol, found why of type u8",
    ),
    Fault(
        'order_gone = { action = "delete", order_id = "order_id" }',
        'order_gone = { action = "clear", instrument = "order_id" }',
        "book.messages.order_gone.instrument: expected text, as every instrument of a book is, found an "
        "integer",
    ),
    Fault(
        'order_gone = { action = "delete", order_id = "order_id" }',
        'order_gone = { action = "modify", order_id = "order_id", price = "why", size = "why" }',
        "book.messages.order_gone.price: expected an integer of scale 4, as every price of a book is, found "
        "an integer",
    ),
]

MSGPACK_FAULTS = [
    Fault(
        '"u32", path',
        '"u24", path',
        "messages.trade.fields[2].type (size): expected a msgpack type: u8, ..., found 'u24' (u24 is "
        "a binary type)",
    ),
    Fault(
        '"u32", path = ["d", "s"]',
        '"u32", offset = 3',
        "messages.trade.fields[2].offset (size): expected no such key in this encoding, found 3",
    ),
    Fault(
        'layout = "map"',
        "length = 7",
        "messages.trade.length: expected no such key in this encoding, found 7",
    ),
    Fault(
        ", null = -1",
        "",
        "messages.trade.fields[1] (price): expected the key null, which the column holds where there "
        "is no price, found none",
    ),
    Fault(
        '"i64", path = ["d", "p"], scale = 2',
        '"f64", path = ["d", "p"]',
        "messages.trade.fields[1].null (price): expected no null for f64: NaN stands for it, found -1",
    ),
    Fault(
        '["d", "s"]',
        '["d", "p"]',
        "messages.trade.fields[2].path (size): expected a value of its own, found that of price",
    ),
    Fault(
        '["d", "s"]',
        '["d", "p", "s"]',
        "messages.trade.fields[1].path (price): expected a value, found what size is found in",
    ),
    Fault(
        '["i", 0]',
        '["d"]',
        "messages.trade.fields[3].path (ids): expected a value, found what price is found in",
    ),
    Fault(
        '["d", "s"]',
        '["d", 0]',
        "messages.trade.fields[2].path (size): expected a map, as price has it, found an array",
    ),
    Fault(
        '["i", 0]',
        '["i", -1]',
        "messages.trade.fields[3].path (ids): expected a position in an array, 0 to 65535, found -1 "
        "(an integer key is { key = -1 })",
    ),
    Fault(
        '{ name = "ids", type = "u64", path = ["i", 0] }',
        '{ type = "reserved" }',
        "messages.trade.fields[3].type: expected no reserved field in a map, where unknown keys are "
        "skipped, found one",
    ),
    Fault(
        "heartbeat = [1]",
        "expect = [1]",
        "framing.header[0].expect (kind): expected no such key in a msgpack header, found one",
    ),
    Fault(
        "heartbeat = [1]",
        'role = "payload_length", excludes = 0',
        "framing.header[0].role (kind): expected one of session, sequence, count, send_time, "
        "send_time_seconds, found 'payload_length'",
    ),
    Fault(
        'code = "trade"',
        "code = 1",
        "messages.trade.code: expected 1 to 8 ASCII characters, found 1",
    ),
    Fault(
        '["d", "s"]',
        '["d", 1.5]',
        "messages.trade.fields[2].path (size): expected an integer or text or a table, found ['d', 1.5]",
    ),
    Fault(
        '{ name = "t", type = "str", length = 8 }',
        '{ name = "t", type = "bool" }',
        "messages.trade: expected an integer or short text for the discriminator 't', found type bool",
    ),
    Fault(
        "[messages.trade]",
        '[file]\nblock = [{ name = "n", type = "u8", role = "length", excludes = 1 }]\n'
        'zero_length = "by_type"\n[messages.trade]',
        "file.zero_length: expected messages whose type tells their length, found msgpack messages",
    ),
    Fault(
        "[messages.trade]",
        '[file]\nblock = [{ name = "n", type = "u16", role = "length", excludes = 2 }]\n[messages.trade]',
        "file.block[0].byte_order (n): expected a byte order, here or for the whole file, found none",
    ),
]


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        (
            "excludes = 2",
            "excludes = -2",
            "framing.block[0].excludes (length): expected an integer >= 0, found -2",
        ),
        ("offset = 1", "offset = -1", "fields[0].offset (order_id): expected an integer >= 0, found -1"),
        (
            'counts = "messages"',
            'counts = "messages"\nfirst_sequence = 0x1_0000_0000_0000_0000',
            "framing.first_sequence: expected 0 to 18446744073709551615, found 18446744073709551616",
        ),
    ],
)
def test_refuses_numbers_that_rust_could_not_hold(tmp_path: Path, right: str, wrong: str, error: str) -> None:
    assert str(refusal(tmp_path, BINARY.replace(right, wrong, 1))).endswith(error)


def refusal(tmp_path: Path, text: str) -> DeclarationError:
    file = tmp_path / "venue.toml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load(file)
    return caught.value


@pytest.mark.parametrize(
    ("declaration", "fault"),
    [(BINARY, fault) for fault in BINARY_FAULTS] + [(MSGPACK, fault) for fault in MSGPACK_FAULTS],
    ids=[fault.error.split(",")[0][:60] for fault in BINARY_FAULTS + MSGPACK_FAULTS],
)
def test_refuses(tmp_path: Path, declaration: str, fault: Fault) -> None:
    assert fault.right in declaration

    text = str(refusal(tmp_path, declaration.replace(fault.right, fault.wrong, 1)))

    expected = re.escape(f"{tmp_path / 'venue.toml'}: {fault.error}").replace(r"\.\.\.", ".*")
    assert re.fullmatch(expected, text)


@pytest.mark.parametrize("declaration", [BINARY, MSGPACK], ids=["binary", "msgpack"])
def test_accepts_what_the_faults_are_made_from(tmp_path: Path, declaration: str) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(declaration)

    assert load(file).name == "venue"


def test_error_has_its_parts_as_attributes(tmp_path: Path) -> None:
    error = refusal(tmp_path, BINARY.replace('"price4" }', '"price5" }'))

    assert isinstance(error, FeedhandlerError)
    assert isinstance(error, ValueError)
    assert error.file == str(tmp_path / "venue.toml")
    assert error.where == "messages.order_add.fields[2].type"
    assert error.subject == "price"
    assert error.expected.startswith("a binary type: price4, side, u8")
    assert error.found == "'price5'"
    assert error.hint == "did you mean 'price4'?"


def test_error_survives_a_process_boundary(tmp_path: Path) -> None:
    error = refusal(tmp_path, BINARY.replace('"price4" }', '"price5" }'))

    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_every_message_needs_the_discriminator(tmp_path: Path) -> None:
    text = BINARY.replace('[common]\nfields = [{ name = "kind", type = "char" }]', "").replace(
        "offset = 1", "offset = 0"
    )

    error = refusal(tmp_path, text.replace("length = 11", "length = 10"))

    assert error.where == "messages.order_add.fields"
    assert error.expected == "the discriminator 'kind'"


def test_discriminator_stands_in_one_place(tmp_path: Path) -> None:
    text = BINARY.replace('[common]\nfields = [{ name = "kind", type = "char" }]', "").replace(
        "fields = [", 'fields = [{ name = "kind", type = "char" },'
    )
    moved = text.replace(
        'fields = [{ name = "kind", type = "char" },\n    { name = "order_id", type = "u64", offset = 1 },',
        'fields = [{ name = "order_id", type = "u64" }, { name = "kind", type = "char" },',
    )

    error = refusal(tmp_path, moved)

    assert error.where == "messages.order_gone"
    assert error.expected == "kind where order_add has it"


def test_unreadable_files_are_refused_in_one_line(tmp_path: Path) -> None:
    latin1 = tmp_path / "latin1.toml"
    latin1.write_bytes(b'name = "caf\xe9"')

    with pytest.raises(
        DeclarationError, match=r"none\.toml: expected a readable file, found no such file or directory$"
    ):
        load(tmp_path / "none.toml")
    with pytest.raises(DeclarationError, match=r": expected a readable file, found is a directory$"):
        load(tmp_path)
    with pytest.raises(DeclarationError, match=r"latin1\.toml: expected UTF-8 text, found byte 0xe9 at 11$"):
        load(latin1)


def test_unknown_name_lists_what_is_shipped() -> None:
    with pytest.raises(UnknownProtocolError) as caught:
        load("itch5")

    assert str(caught.value) == (
        "unknown protocol 'itch5' (did you mean 'itch50'?): expected one of "
        f"{', '.join(shipped())}, or the path of a declaration ending in .toml"
    )
    assert caught.value.shipped == shipped()


TOKENS = [
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    "true",
    '"x"',
    '""',
    "[]",
    "{}",
    "[1]",
    '["a", 1]',
    "{ key = 7 }",
]


@pytest.mark.parametrize("declaration", [BINARY, MSGPACK], ids=["binary", "msgpack"])
@given(data=st.data())
def test_no_damage_raises_anything_else(declaration: str, data: st.DataObject) -> None:
    """Any value of the file replaced by any other: loaded, or refused in one line."""
    spans = [match.span() for match in re.finditer(r'"[^"]*"|\b\d\w*|\w+(?= =)', declaration)]
    start, end = data.draw(st.sampled_from(spans))
    text = declaration[:start] + data.draw(st.sampled_from(TOKENS)) + declaration[end:]

    assert "\n" not in outcome(text)


def outcome(text: str) -> str:
    try:
        return resolve(parse(text, Declaration, PLACE), PLACE).name
    except DeclarationError as error:
        return str(error)
