"""Messages of XDP, PITCH, DEEP+, BBO and NLS Plus, put together from the tables of their specifications.

Each is stated a second time, apart from the declarations: its full length on the wire, `struct`'s way to
write what stands in it (T is a time of six bytes), and values. Text is given without the padding at its end.
"""

from collections.abc import Sequence

Value = int | bytes
Example = tuple[str, int, str, Sequence[Value]]
"""Name of the message, length with all that is in front of its type, format behind the length, and values."""

XDP: list[Example] = [
    ("sequence_number_reset", 14, "HIIBB", (1, 1_506_694_780, 864_925_661, 8, 1)),
    ("source_time_reference", 16, "HIII", (2, 7, 0, 1_506_694_781)),
    (
        "symbol_index_mapping",
        44,
        "HI11scHBcBcHIIBcHH2s",
        (3, 4_608, b"BRK.A", b"4", 1, 19, b"N", 4, b"A", 100, 424_000, 1_000_000, 0, b"Y", 1, 10, b"00"),
    ),
    ("retransmission_request", 24, "HII10sBB", (10, 5, 9, b"FIRM1", 8, 1)),
    ("request_response", 29, "HIII10sBBc", (11, 3, 5, 9, b"FIRM1", 8, 1, b"0")),
    ("heartbeat_response", 14, "H10s", (12, b"FIRM1")),
    ("symbol_index_mapping_request", 21, "HI10sBBB", (13, 4_608, b"FIRM1", 8, 1, 0)),
    ("refresh_request", 20, "HI10sBB", (15, 4_608, b"FIRM1", 8, 1)),
    ("message_unavailable", 14, "HIIBB", (31, 5, 9, 8, 1)),
    ("symbol_clear", 20, "HIIII", (32, 1_506_694_782, 1, 4_608, 77)),
    (
        "security_status",
        46,
        "HIIIIcc4sIIcIIccc",
        (
            *(34, 1_504_760_601, 38_886_000, 4_608, 2, b"A", b"~", b"00 0", 423_500, 424_500, b"N"),
            *(1_200, 93_001_500, b"E", b"O", b" "),
        ),
    ),
    ("refresh_header", 16, "HHHII", (35, 1, 3, 11_819, 40)),
    ("add_order", 39, "HIIIQIIc5sB", (100, 5_000, 4_608, 3, 2**63 + 1, 424_100, 300, b"B", b"UBSS", 0)),
    ("modify_order", 35, "HIIIQIIBBB", (101, 5_001, 4_608, 4, 2**63 + 1, 424_200, 200, 1, 2, 3)),
    ("delete_order", 25, "HIIIQB", (102, 5_002, 4_608, 5, 2**63 + 1, 4)),
    (
        "order_execution",
        42,
        "HIIIQIIIBBI",
        (103, 5_003, 4_608, 6, 2**63 + 1, 99, 424_200, 100, 1, 5, 2**32 - 1),
    ),
    ("replace_order", 42, "HIIIQQIIBB", (104, 5_004, 4_608, 7, 11, 12, 424_300, 400, 1, 2)),
    (
        "imbalance",
        73,
        "HIIIIIIIIHccIIIIIIBBBIcc",
        (
            *(105, 1_504_787_400, 455_000, 4_608, 8, 424_000, 6_000, 14_700, 100, 930, b"M", b"B"),
            *(1, 2, 3, 4, 5, 6, 1, 1, 2, 500, b"S", b"Y"),
        ),
    ),
    (
        "add_order_refresh",
        43,
        "HIIIIQIIc5sB",
        (106, 1_504_787_400, 5, 4_608, 9, 13, 424_400, 500, b"S", b"", 1),
    ),
    ("non_displayed_trade", 33, "HIIIIIIBI", (110, 5_005, 4_608, 10, 100, 424_250, 10, 0, 7)),
    ("cross_trade", 29, "HIIIIIIc", (111, 5_006, 4_608, 11, 1, 424_000, 20_700, b"O")),
    ("trade_cancel", 20, "HIIII", (112, 5_007, 4_608, 12, 99)),
    ("cross_correction", 24, "HIIIII", (113, 5_008, 4_608, 13, 1, 20_000)),
    ("retail_price_improvement", 17, "HIIIc", (114, 5_009, 4_608, 14, b"C")),
    (
        "stock_summary",
        36,
        "HIIIIIIII",
        (223, 1_504_787_460, 6, 4_608, 430_000, 420_000, 424_000, 425_000, 9_999),
    ),
]

PITCH: list[Example] = [
    ("login", 22, "B4s4s2s10s", (0x01, b"0001", b"FIRM", b"", b"ABCD00")),
    ("login_response", 3, "Bc", (0x02, b"A")),
    ("gap_request", 9, "BBIH", (0x03, 1, 4_321, 50)),
    ("gap_response", 10, "BBIHc", (0x04, 1, 4_321, 50, b"A")),
    ("time", 10, "BII", (0x20, 34_200, 1_700_000_000)),
    (
        "add_order_long",
        34,
        "BIQcI6sQB",
        (0x21, 447_000, 631_243_648_568, b"B", 20_000, b"ZVZZT", 9_050_000, 1),
    ),
    ("add_order_short", 26, "BIQcH6sHB", (0x22, 447_000, 2**64 - 1, b"S", 100, b"ZVZZT", 2_500, 1)),
    ("order_executed", 27, "BIQIQc", (0x23, 447_000, 5, 100, 7, b" ")),
    ("order_executed_at_price_size", 39, "BIQIIQQc", (0x24, 447_000, 5, 100, 19_900, 8, 10_250_000, b"X")),
    ("reduce_size_long", 18, "BIQI", (0x25, 447_000, 5, 70_000)),
    ("reduce_size_short", 16, "BIQH", (0x26, 447_000, 5, 100)),
    ("modify_order_long", 27, "BIQIQB", (0x27, 447_000, 5, 75_000, 12_050_500, 3)),
    ("modify_order_short", 19, "BIQHHB", (0x28, 447_000, 5, 110, 655, 2)),
    ("delete_order", 14, "BIQ", (0x29, 447_000, 5)),
    ("trade_long", 42, "BIQcI6sQQc", (0x2A, 447_000, 5, b"B", 70_000, b"ZVZZT", 10_205_000, 9, b"X")),
    ("trade_short", 34, "BIQcH6sHQc", (0x2B, 447_000, 5, b"B", 700, b"ZVZZT", 1_000, 10, b"X")),
    ("trade_break", 14, "BIQ", (0x2C, 447_000, 10)),
    ("end_of_session", 6, "BI", (0x2D, 447_000)),
    ("symbol_mapping", 38, "B6s21sc8s", (0x2E, b"0019al", b"MSFT  161119C00047500", b"N", b"MSFT")),
    (
        "add_order_expanded",
        50,
        "BIQcI8sQB4sc4s5x",
        (0x2F, 447_000, 6, b"B", 20_000, b"ZVZZTABC", 1_005_000, 1, b"MPID", b"C", b"CLNT"),
    ),
    ("trade_expanded", 44, "BIQcI8sQQc", (0x30, 447_000, 5, b"B", 700, b"ZVZZTABC", 1_005_000, 11, b"X")),
    ("trading_status", 18, "BI8scccc", (0x31, 447_000, b"ZVZZT", b"T", b"0", b"Q", b" ")),
    ("spin_image_available", 6, "BI", (0x80, 4_321)),
    ("spin_request", 6, "BI", (0x81, 4_321)),
    ("spin_response", 11, "BIIc", (0x82, 4_321, 12, b"A")),
    ("spin_finished", 6, "BI", (0x83, 4_321)),
    (
        "auction_update",
        47,
        "BI8scQIIQQ",
        (0x95, 447_000, b"ZVZZT", b"C", 1_005_000, 1, 2, 1_006_000, 1_007_000),
    ),
    ("auction_summary", 27, "BI8scQI", (0x96, 447_000, b"ZVZZT", b"O", 1_005_000, 12_345)),
    ("unit_clear", 6, "BI", (0x97, 447_000)),
    ("retail_price_improvement", 15, "BI8sc", (0x98, 447_000, b"ZVZZT", b"A")),
    ("soq_strike_range_update", 42, "BI20sQQ", (0x9D, 447_000, b"VRO", 105_000, 405_000)),
    (
        "constituent_symbol_mapping",
        58,
        "B6s21sc8s20s",
        (0x9E, b"0019al", b"VIX   161119C00047500", b"C", b"VIX", b"VRO"),
    ),
    (
        "auction_notification",
        47,
        "BI6sQccQIc4sI4s",
        (0xAD, 447_000, b"0019al", 13, b"B", b"S", 12_500, 10, b"N", b"FIRM", 1_000, b"CLNT"),
    ),
    ("auction_cancel", 14, "BIQ", (0xAE, 447_000, 13)),
    ("auction_trade", 34, "BIQQQI", (0xAF, 447_000, 13, 14, 12_500, 10)),
    ("time_reference", 18, "BIIII", (0xB1, 1_699_938_000, 34_200, 5, 20_231_114)),
    ("transaction_begin", 6, "BI", (0xBC, 447_000)),
    ("transaction_end", 6, "BI", (0xBD, 447_000)),
    (
        "options_auction_update",
        64,
        "BI8scQIIQQcQQ",
        (0xD1, 447_000, b"0019al", b"G", 12_500, 1, 2, 12_600, 12_700, b"O", 12_400, 12_800),
    ),
    ("width_update", 19, "BI8scI", (0xD2, 447_000, b"MSFT", b"R", 15)),
]
"""Of the messages that equities and options share, the longer form: that of options."""

_TIME = 1_471_980_724_912_754_610
DEEP_PLUS: list[Example] = [
    ("system_event", 12, "ccq", (b"S", b"E", _TIME)),
    ("security_directory", 33, "cBq8sIqB", (b"D", 0x80, _TIME, b"ZIEXT", 100, 990_500, 1)),
    ("trading_status", 24, "ccq8s4s", (b"H", b"H", _TIME, b"ZIEXT", b"T1")),
    ("retail_liquidity_indicator", 20, "ccq8s", (b"I", b"A", _TIME, b"ZIEXT")),
    ("operational_halt_status", 20, "ccq8s", (b"O", b"O", _TIME, b"ZIEXT")),
    ("short_sale_price_test_status", 21, "cBq8sc", (b"P", 1, _TIME, b"ZIEXT", b"A")),
    ("security_event", 20, "ccq8s", (b"E", b"O", _TIME, b"ZIEXT")),
    ("add_order", 40, "ccq8sqIq", (b"a", b"8", _TIME, b"ZIEXT", 429_974, 100, 990_500)),
    ("order_modify", 40, "cBq8sqIq", (b"M", 1, _TIME, b"ZIEXT", 429_974, 100, 990_500)),
    ("order_delete", 28, "ccq8sq", (b"R", b"", _TIME, b"ZIEXT", 429_974)),
    ("order_executed", 48, "cBq8sqIqq", (b"L", 0x40, _TIME, b"ZIEXT", 429_974, 100, 990_500, 429_975)),
    ("trade", 40, "cBq8sIqq", (b"T", 0x20, _TIME, b"ZIEXT", 100, 990_500, 429_974)),
    ("trade_break", 40, "cBq8sIqq", (b"B", 0x88, _TIME, b"ZIEXT", 100, 990_500, 429_974)),
    ("clear_book", 20, "ccq8s", (b"C", b"", _TIME, b"ZIEXT")),
]

_HEAD = (3, 34_200_000_070_384)
_DIRECTORY = (b"ZVZZT", b"Q", b"N", 100, b"N", b"C", b"Z", b"P", b"N", b"Z", b"1", b"N", 0, b"N")
BBO: list[Example] = [
    ("system_event", 12, "cHTc", (b"S", *_HEAD, b"Q")),
    ("stock_directory", 39, "cHT8sccIcc2scccccIc", (b"R", *_HEAD, *_DIRECTORY)),
    ("stock_trading_action", 25, "cHT8scc4s", (b"H", *_HEAD, b"ZVZZT", b"Q", b"T", b"LUDP")),
    ("reg_sho_restriction", 20, "cHT8sc", (b"Y", *_HEAD, b"ZVZZT", b"1")),
    ("mwcb_decline_level", 35, "cHTQQQ", (b"V", *_HEAD, 410_539_000_000, 384_053_000_000, 353_152_000_000)),
    ("mwcb_status", 12, "cHTc", (b"W", *_HEAD, b"2")),
    ("ipo_quoting_period_update", 28, "cHT8sIcI", (b"K", *_HEAD, b"ZVZZT", 37_100, b"A", 12_7000)),
    ("operational_halt", 21, "cHT8scc", (b"h", *_HEAD, b"ZVZZT", b"B", b"H")),
    ("quotation", 36, "cHT8scIIII", (b"Q", *_HEAD, b"ZVZZT", b"Q", 99_0500, 9_700, 99_0700, 1_000)),
    (
        "next_shares_quotation",
        44,
        "cHT8scIIiIIi",
        (b"A", *_HEAD, b"ZVZZT", b"Q", 100_0100, 300, -100, 100_0300, 400, 200),
    ),
    ("retail_price_improvement_indicator", 20, "cHT8sc", (b"N", *_HEAD, b"ZVZZT", b"A")),
]

_WHOSE = (34_200_000_000_000, b"L", b"ZVZZT", b"Q")
_TRADE = (b"0000001234", 99_0550, 12_500_000, b"@ TI")
NLS_PLUS: list[Example] = [
    ("system_event", 12, "cHTc", (b"S", *_HEAD, b"Q")),
    (
        "stock_directory",
        51,
        "cHT8sccIcc2scccccIc12s",
        (b"R", *_HEAD, *_DIRECTORY, b"BBG000B9XRY4"),
    ),
    ("stock_trading_action", 25, "cHT8scc4s", (b"H", *_HEAD, b"ZVZZT", b"Q", b"T", b"LUDP")),
    ("reg_sho_restriction", 20, "cHT8sc", (b"Y", *_HEAD, b"ZVZZT", b"1")),
    ("mwcb_decline_level", 35, "cHTQQQ", (b"V", *_HEAD, 410_539_000_000, 384_053_000_000, 353_152_000_000)),
    ("mwcb_status", 12, "cHTc", (b"W", *_HEAD, b"2")),
    ("ipo_quoting_period_update", 32, "cHT8sIcQ", (b"k", *_HEAD, b"ZVZZT", 37_100, b"A", 12_7000)),
    ("operational_halt", 21, "cHT8scc", (b"h", *_HEAD, b"ZVZZT", b"B", b"H")),
    ("trade_report", 65, "cHTTc8sc10sQQ4sQ", (b"e", *_HEAD, *_WHOSE, *_TRADE, 10**12)),
    ("trade_cancel_error", 65, "cHTTc8sc10sQQ4sQ", (b"o", *_HEAD, *_WHOSE, *_TRADE, 10**12)),
    (
        "trade_correction",
        95,
        "cHTTc8sc10sQQ4s10sQQ4sQ",
        (b"b", *_HEAD, *_WHOSE, *_TRADE, b"0000001235", 99_0560, 11_000_000, b"@", 10**12),
    ),
    ("adjusted_closing_price", 28, "cHT8scQ", (b"g", *_HEAD, b"ZVZZT", b"Q", 99_0500)),
    (
        "end_of_day_trade_summary",
        60,
        "cHT8scQQQQQ",
        (b"p", *_HEAD, b"ZVZZT", b"Q", 101_0000, 98_0000, 99_0000, 10**12, 100_0000),
    ),
    ("ipo_information", 29, "cHT8sccQ", (b"i", *_HEAD, b"ZVZZT", b"Q", b"F", 12_7000)),
]

SHORTER: list[tuple[str, str, int]] = [
    ("nyse-xdp", "imbalance", 67),
    ("cboe-pitch", "time", 6),
    ("cboe-pitch", "order_executed", 26),
    ("cboe-pitch", "order_executed_at_price_size", 38),
    ("cboe-pitch", "trade_long", 41),
    ("cboe-pitch", "trade_short", 33),
    ("cboe-pitch", "trade_expanded", 43),
    ("cboe-pitch", "add_order_expanded", 40),
    ("cboe-pitch", "add_order_expanded", 41),
    ("cboe-pitch", "auction_notification", 39),
]
"""Lengths that messages have in earlier versions, or of equities."""
