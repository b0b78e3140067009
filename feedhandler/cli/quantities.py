"""Sizes and times as people write them on a command line: ``1GiB``, ``60s``."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import typer

_SIZES: Mapping[str, int] = MappingProxyType(
    {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)
_TIMES_NS: Mapping[str, int] = MappingProxyType(
    {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
)
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def size_bytes(text: str) -> int:
    """Return the bytes that a text such as ``1GiB`` or ``500000`` says.

    Raises
    ------
    BadParameter
        It says none.
    """
    return _quantity(text, _SIZES, "B", "a size such as 1GiB or 500MB")


def time_ns(text: str) -> int:
    """Return the nanoseconds that a text such as ``60s`` or ``1.5`` (seconds) says.

    Raises
    ------
    BadParameter
        It says none.
    """
    return _quantity(text, _TIMES_NS, "s", "a time such as 60s or 1.5min")


def _quantity(text: str, units: Mapping[str, int], default: str, expected: str) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    unit = units.get(found[2] or default) if found else None
    if found is None or unit is None or float(found[1]) == 0:
        raise typer.BadParameter(f"expected {expected}, found {text!r}; units are {', '.join(units)}")
    return round(float(found[1]) * unit)
