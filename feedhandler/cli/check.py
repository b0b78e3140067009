"""``feedhandler check``: whether a configuration would work here, and what would not be granted."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, warnings, wire_table
from feedhandler.config import Config
from feedhandler.config_file import load
from feedhandler.feed import Feed
from feedhandler.report import Report


def check(
    config: options.ConfigFile,
    *,
    no_sockets: Annotated[bool, typer.Option("--no-sockets", help="Read the files only.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Read a configuration and its protocol, open its sockets, and tell what was granted.

    Example: feedhandler check configs/itch50.toml
    """
    loaded = load(config)
    messages = len(loaded.protocol.dtypes)
    report = None if no_sockets else _opened(loaded)
    json = _description(loaded, messages) | _granted(report)
    output.result(json, _tables(loaded, messages, report), as_json=as_json)


def _opened(config: Config) -> Report:
    with Feed(msgspec.structs.replace(config, latency=type(config.latency)())) as feed:
        return feed.report()


def _description(config: Config, messages: int) -> dict[str, Any]:
    channels = [
        {
            "name": channel.name,
            "lines": [
                {
                    "name": line.name,
                    "address": str(line.address),
                    "interface": line.interface,
                    "sources": [str(source) for source in line.sources],
                    "join": line.join,
                }
                for line in channel.lines
            ],
        }
        for channel in config.channels
    ]
    stages = {
        name: getattr(config, name) for name in ("wire", "ring", "arbitrate", "filter", "batch", "latency")
    }
    return {"protocol": config.protocol.name, "messages": messages, "channels": channels, **stages}


def _granted(report: Report | None) -> dict[str, Any]:
    return {} if report is None else {"sockets": report.wire, "warnings": report.warnings}


def _tables(config: Config, messages: int, report: Report | None) -> RenderableType:
    lines = sum(len(channel.lines) for channel in config.channels)
    summary = facts(
        {
            "protocol": f"{config.protocol.name}, {messages} messages",
            "channels": f"{len(config.channels)}, with {lines} lines",
        }
    )
    if report is None:
        return Group(summary, _fine("the configuration can be used; no socket was opened"))
    return Group(summary, wire_table(report.wire or ()), *warnings(report), _fine("all sockets were opened"))


def _fine(text: str) -> Text:
    return Text.assemble(("✓ ", "green"), text)
