"""Broken SBE schemas are refused in one line: the file, its line, what was expected and what was found."""

from pathlib import Path

import pytest
from captures import ROOT

from feedhandler.errors import DeclarationError
from feedhandler.protocol import load
from feedhandler.reader import read

SCHEMA = """<messageSchema id="1" version="0">
<types>
<composite name="messageHeader">
<type name="blockLength" primitiveType="uint16"/><type name="templateId" primitiveType="uint16"/>
<type name="schemaId" primitiveType="uint16"/><type name="version" primitiveType="uint16"/>
</composite>
<composite name="groupSizeEncoding">
<type name="blockLength" primitiveType="uint16"/><type name="numInGroup" primitiveType="uint16"/>
</composite>
<composite name="text">
<type name="length" primitiveType="uint16"/><type name="varData" primitiveType="uint8" length="0"/>
</composite>
<enum name="Side" encodingType="char"><validValue name="Buy">1</validValue></enum>
<set name="Marks" encodingType="uint8"><choice name="First">0</choice></set>
</types>
<message name="Order" id="1" blockLength="20">
<field name="id" id="1" type="uint64"/>
<field name="side" id="2" type="Side"/>
<field name="marks" id="3" type="Marks" offset="10"/>
<group name="Legs" id="4"><field name="leg" id="5" type="int32"/></group>
<data name="note" id="6" type="text"/>
</message>
</messageSchema>
"""


def refusal(folder: Path, text: str) -> str:
    file = folder / "venue.xml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load("cme-mdp3", file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def test_the_schema_is_good(tmp_path: Path) -> None:
    file = tmp_path / "venue.xml"
    file.write_text(SCHEMA, encoding="utf-8")

    assert list(load("cme-mdp3", file).messages) == ["order", "order.legs"]


FAULTS = [
    ("</types>", "</type>", "line 15: expected XML, found what is none: mismatched tag"),
    ('<messageSchema id="1"', '<schema id="1"', "line 23: expected XML, found what is none: mismatched tag"),
    ("<types>", "<typos>", "line 15: expected XML, found what is none: mismatched tag"),
    (
        "<types>",
        "<extra/><types>",
        "line 2: expected one of the elements types, message, found 'extra'",
    ),
    ('id="1" version="0"', 'version="0"', "line 1: expected the attribute id of messageSchema, found none"),
    (
        'id="1" version="0"',
        'id="70000" version="0"',
        "line 1: expected id of messageSchema: 0 to 65535, found '70000'",
    ),
    (
        'version="0"',
        'version="0" byteOrder="middle"',
        "line 1: expected byteOrder of messageSchema: one of littleEndian, bigEndian, found 'middle'",
    ),
    (
        'version="0"',
        'version="0" headerType="head"',
        "line 1: expected the name of a type, found 'head', which is none",
    ),
    (
        '<type name="templateId" primitiveType="uint16"/>',
        "",
        (
            "line 3 (messageHeader): expected an unsigned integer templateId in the composite messageHeader, "
            "found none"
        ),
    ),
    (
        'name="templateId" primitiveType="uint16"',
        'name="templateId" primitiveType="uint"',
        (
            "line 4 (templateId): expected primitiveType: one of char, int8, int16, int32, int64, uint8, "
            "uint16, uint32, uint64, float, double, found 'uint' (did you mean 'uint8'?)"
        ),
    ),
    (
        'type="uint64"',
        'type="uint46"',
        "line 17 (id): expected the name of a type, found 'uint46', which is none (did you mean 'uint64'?)",
    ),
    (
        'blockLength="20"',
        'blockLength="9"',
        "line 16 (Order): expected a blockLength of at least 11, where the last field ends, found 9",
    ),
    (
        'offset="10"',
        'offset="8"',
        (
            "line 19 (marks): expected an offset of at least 9, where what stands before it ends, found 8 "
            "(they overlap)"
        ),
    ),
    (">1</validValue>", ">12</validValue>", "line 13 (Buy): expected one character, found '12'"),
    (
        ">0</choice>",
        ">8</choice>",
        "line 14 (First): expected the number of a bit, 0 to 7, found '8'",
    ),
    (
        'encodingType="uint8"',
        'encodingType="int8"',
        "line 14 (Marks): expected an unsigned integer as encodingType of a set, found 'int8'",
    ),
    (
        'encodingType="char"',
        'encodingType="double"',
        "line 13 (Side): expected a single integer or char as encodingType, found 'double'",
    ),
    (
        '<data name="note" id="6" type="text"/>',
        '<data name="note" id="6" type="text"/><field name="late" id="7" type="int8"/>',
        "line 21 (late): expected fields in front of groups and data, found one behind them",
    ),
    (
        '<data name="note" id="6" type="text"/>',
        '<data name="note" id="6" type="Side"/>',
        "line 21 (note): expected Side: a composite of length and varData, found another type",
    ),
    (
        'name="Legs" id="4"',
        'name="Legs" id="4" dimensionType="legs"',
        "line 20 (Legs): expected the name of a type, found 'legs', which is none",
    ),
    (
        "</messageSchema>",
        '<message name="Other" id="1"/></messageSchema>',
        "line 23 (Other): expected each template id once, found 1, which stands for Order",
    ),
    (
        "</messageSchema>",
        '<message name="Order" id="2"/></messageSchema>',
        "line 23 (Order): expected each name once, found 'Order' again",
    ),
    (
        '<field name="id" id="1" type="uint64"/>',
        '<field name="id" id="1" type="uint64"/><field name="id" id="1" type="uint64"/>',
        "line 17 (id): expected each name once in a block, found 'id' again",
    ),
    (
        'type="Side"',
        'type="Side" presence="constant" valueRef="Side.Sell"',
        "line 18 (side): expected valueRef: one of the values of Side, found 'Side.Sell'",
    ),
    (
        'type="Side"',
        'type="Side" presence="constant"',
        "line 18 (side): expected the value of the constant, or the attribute valueRef, found none",
    ),
    (
        'type="Side"',
        'type="Side" presence="optinal"',
        (
            "line 18 (side): expected presence of field: one of required, optional, constant, "
            "found 'optinal' (did you mean 'optional'?)"
        ),
    ),
    (
        'type="uint64"',
        'type="loop"',
        "line 17 (id): expected the name of a type, found 'loop', which is none",
    ),
    (
        '<messageSchema id="1"',
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><messageSchema id="1"',
        "line 1: expected no document type: a schema has elements only, found one",
    ),
    (
        "<types>",
        '<include xmlns="http://www.w3.org/2001/XInclude" href="http://example.org/types.xml"/><types>',
        "line 2: expected the path of a file beside this one to include, found 'http://example.org/types.xml'",
    ),
    (
        "<types>",
        '<include xmlns="http://www.w3.org/2001/XInclude" href="none.xml"/><types>',
        "line 2: expected a readable file, found",
    ),
    (
        "<types>",
        '<include xmlns="http://www.w3.org/2001/XInclude" href="venue.xml"/><types>',
        "line 2: expected no file that includes itself, found 'venue.xml'",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS)
def test_refuses(old: str, new: str, expected: str, tmp_path: Path) -> None:
    assert SCHEMA.count(old) >= 1

    assert refusal(tmp_path, SCHEMA.replace(old, new, 1)).startswith(expected)


def test_a_composite_that_is_part_of_itself_is_refused(tmp_path: Path) -> None:
    looped = '<composite name="loop"><ref name="again" type="loop"/></composite></types>'
    text = SCHEMA.replace("</types>", looped).replace('type="uint64"', 'type="loop"')

    assert "expected a composite that is no part of itself" in refusal(tmp_path, text)


def test_groups_stand_in_each_other_eight_deep_at_most(tmp_path: Path) -> None:
    inner = "".join(f'<group name="G{n}">' for n in range(9)) + "</group>" * 9
    found = refusal(tmp_path, SCHEMA.replace('<data name="note"', inner + '<data name="note"'))

    assert "expected at most 8 groups in each other" in found


def test_a_protocol_of_a_schema_needs_one(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"^cme-mdp3.toml: schema: expected an SBE schema, found none"):
        load("cme-mdp3")
    with pytest.raises(DeclarationError, match=r"itch50.toml: schema: expected no schema, which only"):
        load("itch50", tmp_path / "venue.xml")
    with pytest.raises(DeclarationError, match=r"none.xml: expected a readable file, found .*no such file"):
        load("cme-mdp3", tmp_path / "none.xml")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('schema = "everything.xml"', "", "schema: expected an SBE schema, found none"),
        ("data_bytes = 16", "data_bytes = 0", "data_bytes: expected"),
        ('encoding = "sbe"', 'encoding = "binary"', "schema: expected no schema"),
        (
            'byte_order = "big"',
            'byte_order = "big"\ndiscriminator = "x"',
            "discriminator: expected no such key beside encoding = 'sbe', found one",
        ),
        (
            'delimiter = "length"',
            'delimiter = "msgpack"',
            "framing.delimiter: expected 'whole', 'length' or 'sbe' for SBE messages, found 'msgpack'",
        ),
    ],
)
def test_declarations_of_schemas_are_checked(old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = (ROOT / "tests" / "schemas" / "everything.toml").read_text()
    assert old in text
    if "delimiter" in old:
        text = text[: text.index("block = ")]
    for name in ("everything.xml", "everything-types.xml"):
        (tmp_path / name).write_text((ROOT / "tests" / "schemas" / name).read_text())
    file = tmp_path / "venue.toml"
    file.write_text(text.replace(old, new))

    with pytest.raises(DeclarationError) as caught:
        load(file)

    assert str(caught.value).startswith(f"{file}: {expected}")


def test_composites_that_multiply_are_refused(tmp_path: Path) -> None:
    bomb = '<composite name="C0"><type name="x" primitiveType="int8"/></composite>'
    for level in range(1, 12):
        refs = "".join(f'<ref name="r{number}" type="C{level - 1}"/>' for number in range(10))
        bomb += f'<composite name="C{level}">{refs}</composite>'
    text = SCHEMA.replace("</types>", f"{bomb}</types>").replace(
        'name="id" id="1" type="uint64"', 'name="id" id="1" type="C11"'
    )

    assert "expected a composite of at most 4096 members" in refusal(tmp_path, text)


def test_a_loaded_protocol_takes_no_other_schema() -> None:
    with pytest.raises(ValueError, match="schema: expected none beside a protocol that is loaded"):
        read("day.pcap", load("itch50"), schema="other.xml")
