"""docs/declarations.md: its example is a declaration, and its tables name what there is."""

import re
from pathlib import Path

from captures import ROOT

from feedhandler.protocol import Action, load
from feedhandler.protocol.book import NEEDED
from feedhandler.protocol.declaration import (
    Declaration,
    EventTable,
    FieldTable,
    FramingTable,
    HeaderFieldTable,
    MessageTable,
)
from feedhandler.protocol.kinds import BUILT_IN

DOCUMENT = (ROOT / "docs" / "declarations.md").read_text(encoding="utf-8")


def test_example_is_a_declaration(tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text(DOCUMENT.partition("```toml\n")[2].partition("```")[0])

    messages = load(file).messages

    assert messages["order_add"].fields["price"].offset == 26
    assert messages["order_add"].codes == ("33",)
    assert (messages["order_delete"].length, messages["order_delete"].min_length) == (22, 21)


def test_every_key_and_type_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", DOCUMENT))
    tables = (Declaration, FramingTable, HeaderFieldTable, MessageTable, FieldTable, EventTable)
    sections = {"framing", "file", "types", "common", "messages", "book"}

    for table in tables:
        assert set(table.__struct_fields__) - described <= sections
    for types in BUILT_IN.values():
        assert {name for name in types if not re.fullmatch(r"[iu]\d+", name)} <= described


def test_actions_need_what_the_table_says() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]*) \| ", DOCUMENT.partition("| action |")[2], re.MULTILINE)

    assert {action: tuple(re.findall(r"`(\w+)`", needed)) for action, needed in rows} == {
        str(action): NEEDED[action] for action in Action
    }
