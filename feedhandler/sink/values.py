"""Columns as people read them: text out of bytes, decimals out of scaled integers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from feedhandler.protocol import Field, Kind
from feedhandler.protocol.kinds import TEXTS

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

OCTETS = frozenset({Kind.BYTES, Kind.BIN})
"""Kinds whose values are bytes, and no text."""

_LAST_ASCII = 0x7F


def cells_of(column: Column, field: Field | None) -> Sequence[object]:
    """Return a column as people write it: text, decimals as text, bytes in hexadecimal, None where null.

    Parameters
    ----------
    column
        The values.
    field
        What they mean; None for a leading column.
    """
    cells = _cells(column, field)
    nulls = nulls_of(column, field)
    if nulls is None:
        return cells
    return [None if is_null else cell for cell, is_null in zip(cells, nulls.tolist(), strict=True)]


def text_of(column: Column, field: Field) -> npt.NDArray[np.str_]:
    """Return a column of bytes as text: UTF-8 where msgpack says so, otherwise a character a byte."""
    if not column.size:
        return np.empty(0, "U1")
    code_points = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)
    if field.kind is Kind.STR and code_points.max(initial=0) > _LAST_ASCII:
        return np.char.decode(column, "utf-8", "replace")
    width = code_points.shape[1]
    return code_points.astype(np.uint32).view(f"U{width}").reshape(-1)


def nulls_of(column: Column, field: Field | None) -> Mask | None:
    """Return where a column holds what stands for "there is none"; None where nothing does."""
    if field is None or field.null is None:
        return None
    mask: Mask = column == field.null
    return mask if mask.any() else None


def decimal_text(value: int, scale: int) -> str:
    """Return a scaled integer as a decimal number, all of its decimal places written."""
    digits = f"{abs(value):0{scale + 1}d}"
    return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def _cells(column: Column, field: Field | None) -> Sequence[object]:
    if field is not None and field.kind in TEXTS:
        text: list[str] = text_of(column, field).tolist()
        return text
    values: list[Any] = column.tolist()
    if field is not None and field.kind in OCTETS:
        return [value.hex() for value in values]
    if field is not None and field.scale:
        return [decimal_text(value, field.scale) for value in values]
    return values
