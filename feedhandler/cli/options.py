"""Options that several commands take, and what their values mean."""

from pathlib import Path
from typing import Annotated

import typer

from feedhandler.errors import AddressError
from feedhandler.reader import Channels
from feedhandler.toml import shown

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
File = Annotated[Path, typer.Argument(help="The file.", show_default=False)]
ConfigFile = Annotated[Path, typer.Argument(help="Configuration, a TOML file.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(help="Write the messages to X.parquet, X.arrow, X.npz or X.csv.", show_default=False),
]
Schema = Annotated[
    Path | None,
    typer.Option(help="SBE schema (XML) of the messages, where the protocol needs one.", show_default=False),
]


def channels(texts: list[str]) -> Channels:
    """Return the channels that ``NAME=GROUP:PORT[,GROUP:PORT…]`` say.

    Raises
    ------
    AddressError
        One of them says none.
    """
    named: dict[str, list[str]] = {}
    for text in texts:
        name, equals, lines = text.partition("=")
        if not name or not equals:
            raise AddressError("a channel such as NAME=239.1.1.1:20001,239.1.1.2:20001", shown(text))
        if name in named:
            raise AddressError("each channel once, its lines separated by commas", f"{shown(name)} again")
        named[name] = lines.split(",")
    return named
