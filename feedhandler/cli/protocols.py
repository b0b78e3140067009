"""``feedhandler protocols``: what is shipped, what is in a protocol, and a file to begin one's own with."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, plain_table
from feedhandler.protocol import Protocol, load, needs_schema, shipped
from feedhandler.protocol.describe import description_of, summary_of, summary_without_schema
from feedhandler.protocol.skeleton import write_skeleton
from feedhandler.toml import nearest, shown

app = typer.Typer()

_MOST_MEANINGS = 24
"""Meanings of a field's values that are shown to people; --json has all."""


@app.callback(invoke_without_command=True)
def protocols(context: typer.Context, *, as_json: options.AsJson = False) -> None:
    """List the protocols, show what is in one, or begin one of your own.

    Example: feedhandler protocols
    """
    if context.invoked_subcommand is None:
        summaries = [
            summary_without_schema(name) if needs_schema(name) else summary_of(load(name))
            for name in shipped()
        ]
        output.result({"protocols": summaries}, _list(summaries), as_json=as_json)


@app.command()
def show(
    protocol: Annotated[str, typer.Argument(help="Its name, or the path of a declaration.")],
    messages: Annotated[list[str] | None, typer.Argument(help="Only these.", show_default=False)] = None,
    *,
    schema: options.Schema = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a protocol's messages and fields: types, units, dtypes, codes, scales and meanings.

    Example: feedhandler protocols show itch50 add_order
    """
    loaded = load(protocol, schema)
    description = description_of(loaded)
    wanted = _wanted(messages or (), loaded)
    description["messages"] = [message for message in description["messages"] if message["name"] in wanted]
    output.result(description, _description(loaded, description), as_json=as_json)


@app.command()
def new(
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as my-venue.toml.", show_default=False)
    ],
    *,
    as_json: options.AsJson = False,
) -> None:
    """Write a declaration with comments, which loads as it is and is to be changed; never over a file.

    Example: feedhandler protocols new my-venue.toml
    """
    if file.suffix != ".toml":
        raise typer.BadParameter(f"expected a name ending in .toml, found {shown(str(file))}")
    write_skeleton(file)
    loaded = load(file)
    written = Text(f"{file}: the protocol {loaded.name}, as an example of {len(loaded.messages)} messages")
    output.result({"file": str(file), "name": loaded.name}, written, as_json=as_json)


def _wanted(names: Sequence[str], protocol: Protocol) -> Sequence[str]:
    for name in names:
        if name not in protocol.messages:
            hint = nearest(name, protocol.messages)
            found = f"{shown(name)} ({hint})" if hint else shown(name)
            raise typer.BadParameter(f"expected a message of {protocol.name}, found {found}")
    return names or tuple(protocol.messages)


def _list(summaries: Sequence[Mapping[str, Any]]) -> Table:
    table = plain_table("protocols", "name", "what", "version", "framing", "books of", "messages", words=5)
    for each in summaries:
        words = (each["name"], each["title"], each["version"], each["framing"], each["books"] or "—")
        messages = each["messages"]
        table.add_row(*words, "the schema's" if messages is None else str(messages))
    return table


def _description(protocol: Protocol, description: Mapping[str, Any]) -> RenderableType:
    framing = protocol.spec.framing
    summary = facts(
        {
            "protocol": " ".join(filter(None, (protocol.name, protocol.title, protocol.version))),
            "specification": protocol.specification or "—",
            "encoding": protocol.encoding,
            "framing": f"{framing.name}, whose sequence counts {framing.counts}",
            "books of": description["books"] or "—",
        }
    )
    return Group(summary, *(part for message in description["messages"] for part in _message(message)))


def _message(message: Mapping[str, Any]) -> Iterator[RenderableType]:
    facts_of_it = [f"code {' or '.join(map(_code, message['codes']))}" if message["codes"] else ""]
    facts_of_it += [f"{message['length']} bytes" if message["length"] is not None else "", message["title"]]
    facts_of_it += [f"section {message['section']}" if message["section"] else "", message["doc"]]
    title = f"{message['name']}: {', '.join(filter(None, facts_of_it))}"
    names = ("field", "type", "at", "dtype", "unit", "scale", "none is", "meaning")
    table = plain_table(title, *names, words=len(names))
    for column in table.columns:
        column.no_wrap = True
    table.columns[-1].no_wrap = False
    table.columns[-1].overflow = "fold"
    for field in message["fields"]:
        table.add_row(*_field(field))
    yield table


def _code(code: str) -> str:
    """Return a code as it is, and a number also as most specifications write it."""
    return f"{code} ({int(code):#04x})" if code.isdecimal() and len(code) > 1 else code


def _field(field: Mapping[str, Any]) -> tuple[str, ...]:
    takes_length = field["type"] in {"ascii", "bytes", "str", "bin"}
    return (
        field["name"],
        f"{field['type']} {field['width']}" if takes_length else field["type"],
        _place(field),
        field["dtype"],
        field["unit"] or "",
        "" if field["scale"] is None else str(field["scale"]),
        "" if field["null"] is None else repr(field["null"]),
        _meaning(field),
    )


def _place(field: Mapping[str, Any]) -> str:
    if field["path"] is None:
        return str(field["offset"])
    steps = (step["key"] if isinstance(step, dict) else step for step in field["path"])
    return ".".join(map(str, steps))


def _meaning(field: Mapping[str, Any]) -> str:
    meanings = [f"{value if value.strip() else repr(value)} {text}" for value, text in field["enum"].items()]
    meanings += [f"{mask} {name}" for mask, name in field["flags"].items()]
    omitted = len(meanings) - _MOST_MEANINGS
    said = [*meanings[:_MOST_MEANINGS], *([f"… and {omitted} more"] if omitted > 0 else [])]
    marks = [mark for mark in ("optional", "nullable") if field[mark]]
    return "; ".join(filter(None, (*marks, field["doc"], ", ".join(said))))
