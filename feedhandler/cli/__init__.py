"""The command line of feedhandler: a command for each thing that the package does.

General layout: each command has a module of its own and does little more than call the package; `options`
holds what several of them take, `output` decides what goes to which stream, `tables` draws reports, and
`interrupts` makes Ctrl-C end things in order.

With ``--json``, standard output is exactly one JSON object; everything else goes to standard error. The exit
code is 0 on success, 1 on failure, 2 for a wrong command line or file, 130 after an interrupt; ``verify`` has
3 for a capture without a trailer.
"""

from collections.abc import Sequence

import typer

from feedhandler.cli import (
    bench,
    capture,
    check,
    decode,
    demo,
    doctor,
    exchange,
    generate,
    info,
    output,
    protocols,
    replay,
    run,
    verify,
)
from feedhandler.errors import (
    AddressError,
    FaultError,
    FeedhandlerError,
    FilterError,
    InvalidFileError,
    UnknownProtocolError,
)

app = typer.Typer(
    help="A low-latency UDP market-data feed handler.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    run.run,
    capture.capture,
    decode.decode,
    info.info,
    replay.replay,
    generate.generate,
    exchange.exchange,
    verify.verify,
    check.check,
    doctor.doctor,
    demo.demo,
):
    app.command()(command)
app.add_typer(protocols.app, name="protocols")
app.add_typer(bench.app, name="bench")

FAILURE, USAGE = 1, 2

_USAGE_ERRORS = (InvalidFileError, UnknownProtocolError, AddressError, FilterError, FaultError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code.

    Parameters
    ----------
    arguments
        The command line behind the program's name; that of the process if left out.
    """
    try:
        app(arguments, prog_name="feedhandler")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILURE
    except _USAGE_ERRORS as error:
        output.complain(error)
        return USAGE
    except (FeedhandlerError, OSError) as error:
        output.complain(error)
        return FAILURE
    return 0
