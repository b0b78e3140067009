"""Where `feedhandler bench` keeps what it measured."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

Out = Annotated[
    Path | None,
    typer.Option(help="Keep the result here as well, as JSON, for `bench report`.", show_default=False),
]


def keep(result: msgspec.Struct, out: Path | None) -> None:
    """Write a result to the file that it is to be kept in, if any; its folder is made."""
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
