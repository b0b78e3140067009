"""What goes to which stream: results to standard output, everything else to standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, int], None]
"""Told how many bytes are done, and of how many (0 if nobody knows)."""

_PIPE_WIDTH = 160
"""Columns of a table that goes to a file or another program, where there is no terminal to ask."""

_PROGRESS_S = 0.1
"""Time between two changes of a progress bar."""


def result(json: object, for_people: RenderableType, *, as_json: bool) -> None:
    """Write the result of a command to standard output.

    Parameters
    ----------
    json
        The result for machines.
    for_people
        The result for people.
    as_json
        Who it is for.
    """
    if as_json:
        typer.echo(msgspec.json.encode(json))
    else:
        stdout().print(for_people)


def stdout() -> Console:
    """Return a console on standard output. It takes text as it is: names from the wire are no markup."""
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(width=_PIPE_WIDTH, markup=False, highlight=False)


def stderr() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, markup=False, highlight=False)


def note(text: object) -> None:
    """Write a line to standard error."""
    typer.echo(str(text), err=True)


def complain(error: BaseException) -> None:
    """Write what went wrong to standard error, in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror.partition(" (os error")[0]
        text = f"{error.filename}: {text}" if error.filename is not None else text
    note(f"feedhandler: {' '.join(text.split())}")


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """Show a progress bar on standard error where that is a terminal."""
    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        due_s = 0.0

        def advance(done_bytes: int, total_bytes: int) -> None:
            nonlocal due_s
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + _PROGRESS_S
                bar.update(task, completed=done_bytes, total=total_bytes or None)

        yield advance


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show on standard error, where that is a terminal, which step of something long is under way."""
    console = stderr()
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield status.update


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on standard error, where that is a terminal, that something goes on whose end nobody knows."""
    console = stderr()
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
