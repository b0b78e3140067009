"""Reports as tables for people: counts, gaps, percentiles, and the ledger with its sums."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import UnsetType as Unset
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.ledger import Ledger
from feedhandler.percentiles import Percentiles
from feedhandler.report import Report
from feedhandler.wire import WireLine

_MOST_GAPS = 10
_MOST_SESSIONS = 10


def report_tables(report: Report) -> RenderableType:
    """Draw a whole report."""
    parts: list[RenderableType] = [_summary(report), _types(report)]
    parts += [_sessions(report)] if report.sessions else []
    parts += [_gaps(report)] if report.gaps else []
    parts += [_malformed(report)] if report.malformed else []
    parts += [percentiles_table(report.latency_ns)] if report.latency_ns else []
    return Group(*parts, ledger_tables(report.ledger), *_pairing(report), *warnings(report))


def _pairing(report: Report) -> list[RenderableType]:
    """Say which streams were made lines of one channel, and how to say otherwise."""
    if isinstance(report.not_paired, str):
        return [Text.assemble(("lines: ", "bold"), f"not paired: {report.not_paired}\n")]
    if isinstance(report.paired, Unset) or not report.paired:
        return []
    table = plain_table(
        "paired: they carry the same packets", "channel", "lines", "equal", "different", words=2
    )
    for paired in report.paired:
        counts = (f"{paired.equal_payloads:,}", f"{paired.different_payloads:,}")
        table.add_row(paired.channel, ", ".join(paired.lines), *counts)
    return [table, Text("--channel NAME=GROUP:PORT,… says otherwise; --no-pair leaves each a channel\n")]


def percentiles_table(latency_ns: Mapping[str, Percentiles]) -> Table:
    """Draw the percentiles of each stage, in microseconds."""
    table = plain_table("latency, µs", "stage", "p50", "p90", "p99", "p99.9", "max", "count")
    order = ("wire", "decode", "batch", "total", "send", "gil", "processor")
    for stage in sorted(latency_ns, key=lambda name: order.index(name) if name in order else len(order)):
        values = latency_ns[stage]
        spans_ns = (values.p50, values.p90, values.p99, values.p99_9, values.max)
        table.add_row(stage, *(f"{span_ns / 1e3:,.1f}" for span_ns in spans_ns), f"{values.count:,}")
    return table


def ledger_tables(ledger: Ledger) -> RenderableType:
    """Draw the ledger: each row is a sum, and says whether it is right."""
    sums = (_expected_table(ledger), _seen_table(ledger), _messages_table(ledger), _lines_table(ledger))
    return Group(*sums, _line_units_table(ledger), _mismatches(ledger), redundancy_table(ledger))


def redundancy_table(ledger: Ledger) -> Table:
    """Draw what each line was good for: how often it was first, how much later, what it alone brought."""
    names = ("channel", "line", "won", "saved", "missed", "behind", "skew p50", "p99.9", "max", "last heard")
    table = plain_table("lines, µs behind the first copy", *names, words=2)
    for channel in ledger.channels:
        for line in channel.lines:
            units, skew = line.units, line.skew_ns
            spans_ns = (skew.p50, skew.p99_9, skew.max) if skew else ()
            counts = (units.saved, units.missed, units.behind)
            table.add_row(
                channel.name,
                line.name,
                f"{channel.win_rate(line):.1%}",
                *(f"{count:,}" for count in counts),
                *([f"{span_ns / 1e3:,.1f}" for span_ns in spans_ns] or ["—"] * 3),
                _time(line.last_heard_ns),
            )
    return table


def wire_table(lines: Iterable[WireLine]) -> Table:
    """Draw what became of the lines' sockets."""
    names = ("line", "address", "interface", "from", "buffer asked", "granted", "stamps", "drop counter")
    table = plain_table("sockets", *names, words=4)
    for line in lines:
        asked = "—" if line.rcvbuf_asked_bytes is None else f"{line.rcvbuf_asked_bytes:,}"
        granted = f"{line.rcvbuf_bytes // 2:,}"
        place = (line.address, line.interface or "—", ", ".join(line.sources) or "anybody")
        marks = (line.stamps, _yes(line.stats.socket_drops_read))
        table.add_row(line.name, *place, asked, granted, *marks)
    return table


def warnings(report: Report) -> list[RenderableType]:
    """Draw what was not granted in full."""
    return [Text.assemble(("warning: ", "yellow"), str(warning)) for warning in report.warnings or ()]


def facts(rows: Mapping[str, str | Text]) -> Table:
    """Draw names and what they are."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def plain_table(title: str, *columns: str, words: int = 1) -> Table:
    """Return an empty table whose first `words` columns are words, and the others numbers."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for number, column in enumerate(columns):
        is_word = number < words
        table.add_column(column, justify="left" if is_word else "right", no_wrap=is_word, overflow="fold")
    return table


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _verdict(is_right: bool) -> Text:
    return Text("✓", "green") if is_right else Text("✗ wrong", "bold red")


def _summary(report: Report) -> Table:
    lost = report.ledger.lost
    rate = report.messages / max(report.elapsed_s, 1e-9)
    rows: dict[str, str | Text] = {
        "protocol": report.protocol,
        "packets": f"{report.packets:,}",
        "datagrams": f"{report.datagrams:,} of {report.bytes:,} bytes",
        "messages": f"{report.messages:,}",
        "heartbeats": f"{report.heartbeats:,}",
        "duplicates": f"{report.duplicates:,}",
        "gaps": f"{len(report.gaps) + report.gaps_omitted:,}, {lost:,} lost",
        "malformed": f"{report.malformed:,}",
        "elapsed": f"{report.elapsed_s:.3f} s, {rate:,.0f} messages/s",
        "digest": report.digest,
    }
    if report.ring:
        used = f"{report.ring.high_water:,} of {report.ring.slots:,} slots at most"
        rows["ring"] = f"{used}, {report.ring.pages} pages"
    if report.truncated:
        rows["truncated"] = Text(report.truncated_detail or "yes", "yellow")
    return facts(rows)


def _types(report: Report) -> Table:
    table = plain_table("messages", "type", "name", "count", words=2)
    for code, counted in sorted(report.by_type.items(), key=lambda item: -item[1].count):
        table.add_row(code, counted.name, f"{counted.count:,}")
    for unknown in report.unknown_types:
        table.add_row(unknown.code, Text("unknown", "yellow"), f"{unknown.count:,}")
    return table


def _sessions(report: Report) -> Table:
    table = plain_table("sessions", "channel", "session", "first", "last", words=2)
    for session in report.sessions[:_MOST_SESSIONS]:
        name = "—" if session.id is None else str(session.id)
        table.add_row(session.channel, name, f"{session.first:,}", f"{session.last:,}")
    _add_rest(table, len(report.sessions) - _MOST_SESSIONS)
    return table


def _gaps(report: Report) -> Table:
    table = plain_table("gaps", "channel", "cause", "first", "last", "lost", words=2)
    for gap in report.gaps[:_MOST_GAPS]:
        lost = gap.last - gap.first + 1
        table.add_row(gap.channel, gap.cause, f"{gap.first:,}", f"{gap.last:,}", f"{lost:,}")
    _add_rest(table, len(report.gaps) + report.gaps_omitted - _MOST_GAPS)
    return table


def _add_rest(table: Table, omitted: int) -> None:
    if omitted > 0:
        table.add_row(f"… and {omitted:,} more")


def _malformed(report: Report) -> Table:
    table = plain_table("malformed", "reason", "count", "a sample", words=1)
    for reason, count in report.malformed_by_reason.items():
        samples = [sample.bytes for sample in report.malformed_samples if sample.reason == reason]
        table.add_row(reason, f"{count:,}", samples[0][:48] if samples else "")
    return table


def _expected_table(ledger: Ledger) -> Table:
    causes = ("= delivered", "+ recovered", "+ lost: line", "+ socket", "+ ring", "+ malformed")
    table = plain_table(
        "ledger: sent to each channel", "channel", "unit", "expected", *causes, "sum", words=2
    )
    for channel in ledger.channels:
        units = channel.units
        causes_lost = (units.lost_line, units.lost_socket_buffer, units.lost_ring_full, units.lost_malformed)
        parts = (units.delivered, units.recovered, *causes_lost)
        table.add_row(channel.name, channel.unit, *_sum(channel.expected, parts))
    return table


def _seen_table(ledger: Ledger) -> Table:
    fates = ("= delivered", "+ recovered", "+ duplicate", "+ late", "+ stale", "+ unsequenced", "+ pending")
    table = plain_table("ledger: seen on all lines", "channel", "unit", "seen", *fates, "sum", words=2)
    for channel in ledger.channels:
        units = channel.units
        copies = (units.duplicate, units.late, units.stale, units.unsequenced)
        parts = (units.delivered, units.recovered, *copies, units.pending)
        table.add_row(channel.name, channel.unit, *_sum(units.seen, parts))
    return table


def _messages_table(ledger: Ledger) -> Table:
    fates = ("= rows", "+ unknown", "+ malformed", "+ filtered")
    table = plain_table("ledger: messages", "channel", "messages", *fates, "sum")
    for channel in ledger.channels:
        messages = channel.messages
        parts = (messages.rows, messages.unknown, messages.malformed, messages.filtered)
        table.add_row(channel.name, *_sum(messages.messages, parts))
    return table


def _lines_table(ledger: Ledger) -> Table:
    fates = ("= accepted", "+ duplicate", "+ stale", "+ quiet", "+ malformed", "+ other source", "+ pending")
    columns = ("channel", "line", "datagrams", *fates, "sum", "dropped")
    table = plain_table("ledger: datagrams of each line", *columns, words=2)
    for channel in ledger.channels:
        for line in channel.lines:
            quiet = line.heartbeats + line.ends_of_session
            unused = (line.malformed, line.other_source, line.pending)
            parts = (line.accepted, line.duplicate, line.stale, quiet, *unused)
            dropped = line.dropped_socket_buffer + line.dropped_ring_full
            table.add_row(channel.name, line.name, *_sum(line.datagrams, parts), f"{dropped:,}")
    return table


def _line_units_table(ledger: Ledger) -> Table:
    columns = ("channel", "line", "expected", "= brought", "+ missed", "+ lost", "+ behind", "sum")
    table = plain_table("ledger: expected on each line", *columns, words=2)
    for channel in ledger.channels:
        for line in channel.lines if channel.unit != "nothing" else ():
            units = line.units
            parts = (units.brought, units.missed, units.lost, units.behind)
            table.add_row(channel.name, line.name, *_sum(channel.expected, parts))
    return table


def _mismatches(ledger: Ledger) -> Text:
    verdict = _verdict(ledger.mismatches == 0)
    return Text.assemble(("ledger: ", "bold"), f"{ledger.mismatches:,} sums found wrong ", verdict, "\n")


def _time(ts_ns: int) -> str:
    if ts_ns == 0:
        return "never"
    return f"{datetime.fromtimestamp(ts_ns // 10**9, UTC):%H:%M:%S}.{ts_ns % 10**9 // 10**6:03}"


def _sum(total: int, parts: tuple[int, ...]) -> list[str | Text]:
    return [f"{total:,}", *(f"{part:,}" for part in parts), _verdict(total == sum(parts))]
