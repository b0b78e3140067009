"""Books of Cboe PITCH: short and long prices on one scale, units apart, and a unit that is cleared."""

from pathlib import Path

import delivered
import pytest
from test_venue_examples import message
from venue_examples import Example

import feedhandler as fh

T = 1_000
ADD = ("add_order_long", 34, "BIQcI6sQB")
ADD_SHORT = ("add_order_short", 26, "BIQcH6sHB")
ADD_EXPANDED = ("add_order_expanded", 41, "BIQcI8sQB4sc")


def packet(unit: int, first: int, *examples: Example) -> bytes:
    body = b"".join(message("cboe-pitch", example) for example in examples)
    head = (8 + len(body)).to_bytes(2, "little") + bytes([len(examples), unit])
    return head + first.to_bytes(4, "little") + body


def books_after(file: Path, *packets: bytes) -> fh.Books:
    reader = fh.read(delivered.write_datagrams(file, packets), "cboe-pitch")
    books = fh.Books("cboe-pitch")
    for batch in reader:
        books.apply(batch)
    return books


ADDED = packet(
    1,
    1,
    (*ADD_SHORT, (0x22, T, 1, b"B", 100, b"ZVZZT", 2_500, 1)),
    (*ADD, (0x21, T, 2, b"B", 200, b"ZVZZT", 250_050, 1)),
    (*ADD_EXPANDED, (0x2F, T, 3, b"S", 300, b"ZVZZT", 251_000, 1, b"MPID", b" ")),
    (*ADD_SHORT, (0x22, T, 4, b"S", 50, b"ZXZZT", 100, 1)),
)


def test_prices_of_both_lengths_are_of_one_scale(tmp_path: Path) -> None:
    books = books_after(tmp_path / "one.pcap", ADDED)

    assert books.price_scale == 4
    depth = books.depth("ZVZZT")
    assert depth.bids.tolist() == [(250_050, 200, 1), (250_000, 100, 1)]
    assert depth.asks.tolist() == [(251_000, 300, 1)]
    assert depth.state == fh.BookState.GOOD


@pytest.mark.parametrize(
    ("example", "bids"),
    [
        (("order_executed", 26, "BIQIQ", (0x23, T, 1, 40, 9)), [(250_050, 200, 1), (250_000, 60, 1)]),
        (
            ("order_executed_at_price_size", 38, "BIQIIQQ", (0x24, T, 1, 40, 10, 9, 250_010)),
            [(250_050, 200, 1), (250_000, 10, 1)],
        ),
        (
            ("order_executed_at_price_size", 38, "BIQIIQQ", (0x24, T, 1, 40, 0, 9, 250_010)),
            [(250_050, 200, 1)],
        ),
        (("reduce_size_long", 18, "BIQI", (0x25, T, 2, 150)), [(250_050, 50, 1), (250_000, 100, 1)]),
        (("reduce_size_short", 16, "BIQH", (0x26, T, 2, 150)), [(250_050, 50, 1), (250_000, 100, 1)]),
        (
            ("modify_order_long", 27, "BIQIQB", (0x27, T, 1, 70, 250_099, 1)),
            [(250_099, 70, 1), (250_050, 200, 1)],
        ),
        (
            ("modify_order_short", 19, "BIQHHB", (0x28, T, 2, 70, 2_500, 1)),
            [(250_000, 170, 2)],
        ),
        (("delete_order", 14, "BIQ", (0x29, T, 2)), [(250_000, 100, 1)]),
        (("trade_short", 33, "BIQcH6sHQ", (0x2B, T, 1, b"B", 1, b"ZVZZT", 2_500, 9)), None),
    ],
)
def test_what_a_message_does(
    example: Example, bids: list[tuple[int, int, int]] | None, tmp_path: Path
) -> None:
    books = books_after(tmp_path / "one.pcap", ADDED, packet(1, 5, example))

    before = [(250_050, 200, 1), (250_000, 100, 1)]
    assert books.depth("ZVZZT").bids.tolist() == (before if bids is None else bids)
    assert books.depth("ZVZZT").state == fh.BookState.GOOD


def test_a_unit_that_is_cleared_has_no_orders_left_and_the_others_keep_theirs(tmp_path: Path) -> None:
    other = packet(2, 1, (*ADD, (0x21, T, 1, b"B", 7, b"AAPL", 1_000_000, 1)))
    lost = packet(1, 9, ("delete_order", 14, "BIQ", (0x29, T, 1)))
    clear = packet(1, 10, ("unit_clear", 6, "BI", (0x97, T)))
    anew = packet(1, 11, (*ADD, (0x21, T, 9, b"S", 5, b"ZVZZT", 260_000, 1)))
    stale = books_after(tmp_path / "lost.pcap", ADDED, other, lost)

    books = books_after(tmp_path / "cleared.pcap", ADDED, other, lost, clear, anew)

    assert stale.depth("ZVZZT").state == fh.BookState.STALE
    assert (books.depth("ZVZZT").state, books.depth("ZXZZT").state) == (fh.BookState.GOOD,) * 2
    assert books.depth("ZVZZT").bids.tolist() == []
    assert books.depth("ZVZZT").asks.tolist() == [(260_000, 5, 1)]
    assert books.depth("ZXZZT").asks.tolist() == []
    assert books.depth("AAPL").bids.tolist() == [(1_000_000, 7, 1)]
    assert books.counters.messages == 8
