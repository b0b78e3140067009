"""docs/books.md: its example runs, and its tables name what there is."""

import re
import subprocess
import sys
from pathlib import Path

from captures import ROOT

import feedhandler as fh

DOCUMENT = (ROOT / "docs" / "books.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path: Path) -> None:
    program = DOCUMENT.partition("```python\n")[2].partition("```")[0]
    command = [sys.executable, "-c", program]
    shown = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert re.search(r"^ACME \d+\.\d+$", shown, re.MULTILINE)
    assert "contradictions=MisfitCounters(unknown_order=0" in shown


def test_every_state_and_column_is_described() -> None:
    described = re.findall(r"`(\w+)`", DOCUMENT)
    states = re.findall(r"^\| `(\w+)` ", DOCUMENT, re.MULTILINE)

    assert set(states) == {state.name for state in fh.BookState}
    columns = fh.Books("itch50").bbo.dtype.names
    assert columns is not None
    assert set(columns) <= set(described)
