"""The worked examples of the TOPS and DEEP specifications: bytes, and what they mean there."""

from typing import Any

Example = tuple[str, dict[str, Any]]

_BOTH: list[Example] = [
    (
        "53 45 00a09997e93db614",
        {"message_type": b"S", "system_event": b"E", "timestamp": 1492448400_000000000},
    ),
    (
        "44 80 0020897b5a1fb614 5a49455854202020 64000000 241d0f0000000000 01",
        {
            "flags": 0x80,
            "symbol": b"ZIEXT",
            "round_lot_size": 100,
            "adjusted_poc_price": 99_0500,
            "luld_tier": 1,
        },
    ),
    (
        "48 48 ac63c02096866d14 5a49455854202020 54312020",
        {"trading_status": b"H", "timestamp": 1471980632_572715948, "symbol": b"ZIEXT", "reason": b"T1"},
    ),
    ("49 41 ac63c02096866d14 5a49455854202020", {"retail_liquidity_indicator": b"A", "symbol": b"ZIEXT"}),
    ("4f 4f ac63c02096866d14 5a49455854202020", {"operational_halt_status": b"O", "symbol": b"ZIEXT"}),
    (
        "50 01 ac63c02096866d14 5a49455854202020 41",
        {"short_sale_price_test_status": 1, "symbol": b"ZIEXT", "detail": b"A"},
    ),
    (
        "54 00 c3dff705a2866d14 5a49455854202020 64000000 241d0f0000000000 968f060000000000",
        {"sale_condition_flags": 0, "size": 100, "price": 99_0500, "trade_id": 429974},
    ),
    (
        "58 51 00f0302a5b25b614 5a49455854202020 241d0f0000000000",
        {"price_type": b"Q", "symbol": b"ZIEXT", "official_price": 99_0500},
    ),
    (
        "42 00 b28fa5a0ab866d14 5a49455854202020 64000000 241d0f0000000000 968f060000000000",
        {"timestamp": 1471980724_912754610, "size": 100, "price": 99_0500, "trade_id": 429974},
    ),
    (
        """41 43 ddc7f09a1a3ab614 5a49455854202020 a0860100 241d0f0000000000 181f0f0000000000 10270000 42 00
        80e6f458 0c210f0000000000 c01c0f0000000000 a4990d0000000000 dc9f100000000000""",
        {
            "auction_type": b"C",
            "paired_shares": 100_000,
            "reference_price": 99_0500,
            "indicative_clearing_price": 99_1000,
            "imbalance_shares": 10_000,
            "imbalance_side": b"B",
            "extension_number": 0,
            "scheduled_auction_time": 1492444800,
            "auction_book_clearing_price": 99_1500,
            "collar_reference_price": 99_0400,
            "lower_auction_collar": 89_1300,
            "upper_auction_collar": 108_9500,
        },
    ),
]
TOPS_EXAMPLES: list[Example] = [
    *_BOTH,
    (
        "51 00 ac63c02096866d14 5a49455854202020 e4250000 241d0f0000000000 ec1d0f0000000000 e8030000",
        {"flags": 0, "bid_size": 9_700, "bid_price": 99_0500, "ask_price": 99_0700, "ask_size": 1_000},
    ),
]
DEEP_EXAMPLES: list[Example] = [
    *_BOTH,
    ("45 4f 00f0302a5b25b614 5a49455854202020", {"security_event": b"O", "symbol": b"ZIEXT"}),
    (
        "38 01 ac63c02096866d14 5a49455854202020 e4250000 241d0f0000000000",
        {"message_type": b"8", "event_flags": 1, "size": 9_700, "price": 99_0500},
    ),
]
