"""docs/add_a_venue.md: its pieces make the declaration it promises, and its commands and code run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import ROOT

import feedhandler as fh
from feedhandler.cli import main
from feedhandler.errors import DeclarationError
from feedhandler.protocol.declaration import EventTable, HeaderFieldTable

DOCUMENT = (ROOT / "docs" / "add_a_venue.md").read_text(encoding="utf-8")
FILE = "deep_plus.toml"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(kind: str) -> Iterator[str]:
    return (text for found, text in BLOCK.findall(DOCUMENT) if found == kind)


@pytest.fixture
def declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / FILE
    file.write_text("\n".join(blocks("toml")))
    return file


def test_the_declaration_is_a_part_of_the_shipped_one(declaration: Path) -> None:
    ours, shipped = fh.protocol(declaration), fh.protocol("iex-deep-plus")

    assert ours.spec.framing == shipped.spec.framing
    assert len(ours.messages) == 4
    for name, message in ours.messages.items():
        theirs = shipped.messages[name]
        assert (message.codes, message.length) == (theirs.codes, theirs.length)
        assert [_layout(field) for field in message.fields.values()] == [
            _layout(field) for field in theirs.fields.values()
        ]
    assert ours.book is not None
    assert shipped.book is not None
    assert ours.book.events.items() <= shipped.book.events.items()


def _layout(field: Any) -> tuple[Any, ...]:
    return field.name, field.type, field.offset, field.width, field.scale, field.unit, field.enum, field.flags


def test_everything_that_it_runs_runs(declaration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    output = ""
    for kind, text in BLOCK.findall(DOCUMENT):
        match kind:
            case "python":
                exec(compile(text, str(declaration), "exec"), namespace)
            case "sh":
                _, *arguments = shlex.split(text)
                assert main(arguments) == 0
                output = squeezed(capsys.readouterr().out)
            case "text" if output:
                assert all(squeezed(line) in output for line in text.splitlines())
            case _:
                pass


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_slip_is_refused_as_it_says(declaration: Path) -> None:
    text = declaration.read_text()
    declaration.write_text(text.replace('name = "size", type = "shares"', 'name = "size", type = "u16"', 1))

    with pytest.raises(DeclarationError) as caught:
        fh.protocol(FILE)

    assert str(caught.value) == next(blocks("text")).strip()


def test_what_it_promises_of_other_venues_are_keys() -> None:
    named = set(re.findall(r"`([a-z_]+)`", DOCUMENT.partition("## What other venues do")[2]))
    keys = {*HeaderFieldTable.__struct_fields__, *EventTable.__struct_fields__}

    assert {"session_reset", "unsequenced"} <= named & keys
