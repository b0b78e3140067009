"""The msgpack conformance suite: every encoding becomes its value, or is counted under the right reason."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import pytest
from captures import capture

import feedhandler as fh

ENCODINGS = 233
WRONG_KIND, OUT_OF_RANGE = "wrong_kind", "out_of_range"

COLUMNS = {
    "u64": "",
    "i64": "",
    "f64": "",
    "f32": "",
    "bool": "",
    "str": "length = 40, ",
    "bin": "length = 40, ",
    "timestamp": "",
}
"""A column of each kind that there is, wide enough for all of the suite."""
NULLS = {"u64": 2**63 - 1, "i64": -(2**63), "timestamp": 7}
"""What stands for nil in integer columns."""


@dataclass(frozen=True)
class Encoding:
    """One of the ways in which the suite writes a value."""

    group: str
    kind: str
    value: Any
    data: bytes

    @property
    def is_float(self) -> bool:
        """Whether a number is written as a float 32 or float 64."""
        return self.kind == "number" and self.data[0] in {0xCA, 0xCB}


def encodings() -> Iterator[Encoding]:
    for group, cases in json.loads(capture("msgpack/msgpack-test-suite.json").read_bytes()).items():
        for case in cases:
            kind = "number" if "bignum" in case else next(iter(case))
            value = int(case["bignum"]) if "bignum" in case else case[kind]
            for text in case["msgpack"]:
                yield Encoding(group, kind, value, bytes.fromhex(text.replace("-", "")))


def expected(encoding: Encoding, column: str) -> Any:
    """Return what the column holds, or the reason for which it cannot."""
    found: Any
    match encoding.kind, column:
        case "number", "f64":
            found = float(encoding.value)
        case "number", "f32":
            found = float(np.float32(encoding.value))
        case "number", "u64" | "i64" if not encoding.is_float:
            found = in_range(encoding.value, column)
        case "bool", "bool":
            found = encoding.value
        case "string", "str":
            found = encoding.value.encode()
        case "binary", "bin":
            found = bytes.fromhex(encoding.value.replace("-", "")).ljust(40, b"\0")
        case "timestamp", "timestamp":
            found = in_range(encoding.value[0] * 10**9 + encoding.value[1], "i64")
        case _:
            found = WRONG_KIND
    return found


def in_range(value: int, column: str) -> int | str:
    info = np.iinfo({"u64": np.uint64, "i64": np.int64}[column])
    return value if info.min <= value <= info.max else OUT_OF_RANGE


def protocol_of(
    folder: Path, column: str, *, delimiter: str = "whole", nullable: bool = False
) -> fh.Protocol:
    """Declare messages that are one value each."""
    null = ", nullable = true" if nullable else ""
    null += f", null = {NULLS[column]}" if nullable and column in NULLS else ""
    file = folder / "one.toml"
    file.write_text(f"""
        name = "one-{column}"
        encoding = "msgpack"
        [framing]
        name = "none"
        counts = "nothing"
        delimiter = "{delimiter}"
        [messages.value]
        fields = [{{ name = "value", type = "{column}", {COLUMNS[column]}path = []{null} }}]
    """)
    return fh.protocol(file)


@pytest.fixture(name="suite")
def _suite() -> list[Encoding]:
    found = list(encodings())
    assert len(found) == ENCODINGS
    return found


@pytest.mark.parametrize("column", COLUMNS)
def test_each_encoding_is_its_value_or_counted(column: str, suite: list[Encoding], tmp_path: Path) -> None:
    protocol = protocol_of(tmp_path, column)
    for encoding in suite:
        file = delivered.write_datagrams(tmp_path / "one.pcap", [encoding.data])

        found = delivered.read(file, protocol)

        wanted = expected(encoding, column)
        is_value = wanted not in {WRONG_KIND, OUT_OF_RANGE}
        assert [row[-1] for row in found.rows("value")] == ([wanted] if is_value else []), encoding
        assert found.report.malformed_by_reason == ({} if is_value else {wanted: 1}), encoding
        assert found.report.messages == 1
        assert found.report.ledger.is_balanced


@pytest.mark.parametrize("column", COLUMNS)
def test_encodings_one_behind_the_other_end_where_they_should(
    column: str, suite: list[Encoding], tmp_path: Path
) -> None:
    file = delivered.write_datagrams(tmp_path / "one.pcap", [b"".join(encoding.data for encoding in suite)])

    found = delivered.read(file, protocol_of(tmp_path, column, delimiter="msgpack"))

    wanted = [expected(encoding, column) for encoding in suite]
    refused = Counter(value for value in wanted if value in {WRONG_KIND, OUT_OF_RANGE})
    assert [row[-1] for row in found.rows("value")] == [value for value in wanted if value not in refused]
    assert found.report.malformed_by_reason == refused
    assert found.report.messages == ENCODINGS


@pytest.mark.parametrize("column", COLUMNS)
def test_nil_is_null_where_it_may_be(column: str, tmp_path: Path) -> None:
    file = delivered.write_datagrams(tmp_path / "one.pcap", [b"\xc0"])

    strict = delivered.read(file, protocol_of(tmp_path, column))
    lenient = delivered.read(file, protocol_of(tmp_path, column, nullable=True))

    assert (strict.rows("value"), strict.report.malformed_by_reason) == ([], {WRONG_KIND: 1})
    assert lenient.report.malformed == 0
    (row,) = lenient.rows("value")
    nothing = {"f64": np.nan, "f32": np.nan, "bool": False, "str": b"", "bin": bytes(40)} | NULLS
    np.testing.assert_equal(row[-1], nothing[column])


def test_every_kind_but_containers_and_other_extensions_has_a_column(suite: list[Encoding]) -> None:
    without = Counter(
        encoding.group
        for encoding in suite
        if all(expected(encoding, column) == WRONG_KIND for column in COLUMNS)
    )

    assert without == {
        "10.nil.yaml": 1,
        "40.array.yaml": 14,
        "41.map.yaml": 9,
        "42.nested.yaml": 12,
        "60.ext.yaml": 11,
    }
