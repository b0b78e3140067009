"""The page: every kind's section, what was not measured, and README's part between two marks."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from feedhandler.bench.report import charts
from feedhandler.bench.report.kinds import KINDS
from feedhandler.bench.report.section import Kind, Section, filled
from feedhandler.errors import FeedhandlerError

BEGIN: Final = "<!-- benchmarks: begin; make bench-report writes what is between -->"
END: Final = "<!-- benchmarks: end -->"
"""Marks around README's part."""

_HEAD: Final = """\
# Benchmarks

Sender and receiver are on one small machine, and datagrams go over loopback: read [what was not
measured](#what-was-not-measured) with every figure.

`make bench` measures, and keeps results in [benchmarks/results](benchmarks/results), each with its machine;
`make bench-report` writes this page and draws its plots from them. Every figure is a median over rounds in
which all contenders took turns, unless it says otherwise; ratios are of the same round. What was tried, and
where time goes, is in [performance](performance.md)."""

_NOT_MEASURED: Final = """\
## What was not measured

- **No network card.** Sender and receiver are on one machine and datagrams go over loopback: there is no
  wire, no interrupt of a card, no driver, no hardware stamp, no switch, no multicast. What a card adds or
  takes is not in any figure.
- **A small, shared machine.** Two virtual cores with neighbours that nobody here sees: one receives, the
  other sends. Neither is isolated, clock rates are not fixed, and the tail has what the hypervisor and
  other programs did. Where a contender did not get the whole of its processor, the figure says so. Compare
  ratios; do not take absolute figures for those of your machine.
- **One core.** Nothing here says how anything scales over more.
- **No kernel bypass** (DPDK, ef_vi, AF_XDP), ours or a peer's: all go through the kernel's sockets.
- **Minutes, not days.** Runs last seconds: what happens once an hour is not seen, and a maximum is that of
  a short run.
- **Made-up quotes.** One kind of message with realistic values, in datagrams of one length; a venue's mix
  differs."""


class NoResultsError(FeedhandlerError):
    """There is nothing to report, or it cannot be drawn."""


def write(results: Path, page: Path, readme: Path) -> tuple[Path, ...]:
    """Write page, plots, and README's part; return what was written.

    Parameters
    ----------
    results
        Folder of results.
    page
        The page; its plots are laid in a folder of its name without ``.md``.
    readme
        The README, if it has the marks `BEGIN` and `END`; what is between is replaced.

    Raises
    ------
    NoResultsError
        There are no results, one cannot be read, or matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise NoResultsError("plots need matplotlib: pip install 'feedhandler[plot]'")
    found = {kind: files for kind in KINDS if (files := _files(results, kind))}
    if not found:
        raise NoResultsError(
            f"{results}: expected results such as peers.json, found none; `make bench` makes them"
        )
    sections = {kind: _rendered(kind, files) for kind, files in found.items()}
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_page(sections))
    return (page, *_plots(page.with_suffix(""), sections.values()), *_readme(readme, sections))


def _files(results: Path, kind: Kind) -> list[tuple[str, bytes]]:
    paths = sorted({*results.glob(f"{kind.name}.json"), *results.glob(f"{kind.name}-*.json")})
    return [(path.stem, path.read_bytes()) for path in paths]


def _rendered(kind: Kind, files: Sequence[tuple[str, bytes]]) -> Section:
    try:
        return kind.render(files)
    except msgspec.DecodeError as error:
        names = ", ".join(f"{name}.json" for name, _ in files)
        raise NoResultsError(
            f"{names}: expected what `bench {kind.name} --out` writes, found {error}"
        ) from error


def _page(sections: dict[Kind, Section]) -> str:
    parts = [_HEAD]
    for kind in KINDS:
        section = sections.get(kind)
        there_is_none = f"There is no result: `feedhandler bench {kind.name}` was not kept."
        command = f"`feedhandler bench {kind.name}`"
        parts += [f"## {kind.title}", f"{command}. {section.text}" if section else there_is_none]
    parts.append(_NOT_MEASURED)
    return filled("\n\n".join(parts)) + "\n"


def _plots(folder: Path, sections: Iterable[Section]) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for section in sections:
        for name, figure in section.plots.items():
            charts.save(figure, str(folder / f"{name}.png"))
            yield folder / f"{name}.png"


def _readme(readme: Path, sections: dict[Kind, Section]) -> Iterator[Path]:
    if not readme.exists():
        return
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return
    told = "\n\n".join(section.readme for section in sections.values() if section.readme)
    readme.write_text(f"{before}{BEGIN}\n\n{filled(told) or 'Nothing was measured.'}\n\n{END}{after}")
    yield readme
