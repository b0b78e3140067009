"""Section: what one kind of result has to say in the report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Final, NamedTuple

from feedhandler.bench.machine import Machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_COLUMNS: Final = 138
_NOT_PLAIN: Final = ("|", "#", "- ", "![", "**")
"""How a block begins that is a table, a heading, a list, a plot or a warning."""


class Section(NamedTuple):
    """What one kind of result has to say.

    Parameters
    ----------
    text
        Markdown, without a heading. It shows a plot as ``![…](benchmarks/NAME.png)``.
    plots
        Figures by the name that their file has, without ``.png``.
    readme
        Markdown for the README, whose plots are at ``docs/benchmarks/NAME.png``; empty where there is none.
    """

    text: str
    plots: Mapping[str, "Figure"] = {}
    readme: str = ""


class Kind(NamedTuple):
    """A kind of result.

    Parameters
    ----------
    name
        How its files begin, and the command of `feedhandler bench` that makes them.
    title
        Heading of its section.
    render
        Makes the section of its files: their names without ``.json``, and what is in them.
    """

    name: str
    title: str
    render: Callable[[Sequence[tuple[str, bytes]]], Section]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table whose first `words` columns are words, and the others numbers."""
    marks = ["---" if place < words else "---:" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, marks, *rows))


def filled(markdown: str) -> str:
    """Return Markdown whose paragraphs are of even length; what is no plain paragraph stays as it is."""
    blocks = markdown.split("\n\n")
    return "\n\n".join(block if block.startswith(_NOT_PLAIN) else _fill(block) for block in blocks)


def _fill(paragraph: str) -> str:
    return fill(" ".join(paragraph.split()), _COLUMNS, break_long_words=False, break_on_hyphens=False)


def conditions(machine: Machine, rounds: int, seconds: float | None, loop: str) -> str:
    """Return where and how something was measured, in a sentence or two.

    Without `seconds`, each contender does its work once in a round.
    """
    governor = f"governor {machine.governor}" if machine.governor else "governor not known"
    cpu = f"{machine.cpu}, {machine.cores} cores at {machine.core_ghz} GHz ({governor})"
    versions = f"Linux {machine.kernel}, Python {machine.python}, {machine.build_profile} build"
    each = "" if seconds is None else f" of {seconds:g} s for each contender"
    turns = f"{rounds} round{'s' if rounds != 1 else ''}{each}"
    return f"{cpu}, load {machine.load}; {versions}. {turns}, in turn; loop {loop}."
