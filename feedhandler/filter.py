"""Filter: which instruments' messages are wanted, checked against what a protocol calls instruments.

`feedhandler.config`, `feedhandler.reader` and the command line name instruments; Rust does the filtering,
before a row is written.
"""

from collections.abc import Iterator, Sequence

from feedhandler.errors import FilterError
from feedhandler.protocol import Field, Protocol
from feedhandler.protocol.kinds import INTEGERS, BuiltIn
from feedhandler.toml import shown

Instrument = str | int
"""An instrument: its symbol, or what messages name it by, which may be an integer."""

_DECLARE = "declare [book] with the key instrument, the field that names it"
_NOT_OF_SBE = "in SBE messages, entries of groups name instruments: select rows of their tables instead"
_BITS = 64


def compile_filter(instruments: Sequence[Instrument] | None, protocol: Protocol) -> list[Instrument] | None:
    """Return the instruments as Rust is given them; None where all are wanted.

    Raises
    ------
    FilterError
        There are none, or messages of the protocol cannot be told apart by one of them.
    """
    if instruments is None:
        return None
    if isinstance(instruments, str):
        raise FilterError("instruments in a sequence", shown(instruments), f"write [{instruments!r}]")
    if not instruments:
        raise FilterError("at least one instrument", "none", "without a filter, all are delivered")
    return [compile_instrument(instrument, protocol) for instrument in instruments]


def compile_instrument(instrument: Instrument, protocol: Protocol) -> Instrument:
    """Return an instrument as Rust is given it: text, or the 64 bits of an integer as an unsigned one.

    Raises
    ------
    FilterError
        Messages of the protocol cannot be told apart by it.
    """
    if not protocol.spec.instruments:
        expected = "a protocol whose declaration says where messages name their instrument"
        hint = _NOT_OF_SBE if protocol.encoding == "sbe" else _DECLARE
        raise FilterError(expected, f"{protocol.name}, whose does not", hint)
    if isinstance(instrument, str):
        _check_text(instrument, protocol)
        return instrument
    _check_number(instrument, protocol)
    return instrument % (1 << _BITS)


def instrument_of_text(text: str, protocol: Protocol) -> Instrument:
    """Return the instrument that a command line names: an integer where messages name it by one."""
    is_number = text.removeprefix("-").isdecimal() and any(_numbers(protocol))
    return int(text) if is_number else text


def _check_text(text: str, protocol: Protocol) -> None:
    limit = max((field.width for field in _texts(protocol)), default=0)
    if not limit:
        raise FilterError(f"an integer, as messages of {protocol.name} carry no symbols", shown(text))
    if not text or text != text.strip(" \0"):
        raise FilterError("text without spaces around it", shown(text))
    if len(text.encode()) > limit:
        raise FilterError(f"text of at most {limit} bytes, as symbols of {protocol.name} are", shown(text))


def _check_number(number: int, protocol: Protocol) -> None:
    limits = [BuiltIn(field.kind, field.width).limits for field in _numbers(protocol)]
    if not limits:
        raise FilterError(f"text, by which messages of {protocol.name} name instruments", shown(number))
    least, greatest = min(least for least, _ in limits), max(greatest for _, greatest in limits)
    if not least <= number <= greatest:
        raise FilterError(f"an integer from {least} to {greatest}", shown(number))


def _numbers(protocol: Protocol) -> Iterator[Field]:
    """Yield the fields that name instruments by an integer."""
    return (field for field in _fields(protocol) if field.kind in INTEGERS)


def _texts(protocol: Protocol) -> Iterator[Field]:
    """Yield the fields that name instruments by text, symbols among them."""
    return (field for field in _fields(protocol) if field.kind not in INTEGERS)


def _fields(protocol: Protocol) -> Iterator[Field]:
    for spec in protocol.spec.instruments:
        fields = protocol.messages[spec.message].fields
        yield fields[spec.column]
        if spec.symbol is not None:
            yield fields[spec.symbol]
