"""Tables: which of them a protocol fills, and the numpy dtype of each.

The one definition of a table's columns is its layout in the compiled plan; what is here is derived from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np
import numpy.typing as npt

from feedhandler._core import Layout, Plan, Rows

Table = npt.NDArray[np.void]
"""Rows of one type of message: a structured array of one dimension."""

Dtype = np.dtype[np.void]
"""Columns of a table: names, formats and offsets."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a protocol, one a message, in the order of its declaration.

    Parameters
    ----------
    names
        Names of the messages: a table's index to its name.
    indices
        A table's name to its index.
    dtypes
        A table's name to its dtype.
    """

    names: tuple[str, ...]
    indices: Mapping[str, int]
    dtypes: Mapping[str, Dtype]

    @staticmethod
    def of(plan: Plan) -> "Tables":
        """Return the tables that a plan fills."""
        dtypes = {name: dtype_of(layout) for name, _, layout in plan.tables}
        names = tuple(dtypes)
        indices = {name: index for index, name in enumerate(names)}
        return Tables(names, MappingProxyType(indices), MappingProxyType(dtypes))


def dtype_of(layout: Layout, hidden: Iterable[str] = ()) -> Dtype:
    """Return the dtype of a layout's rows.

    Parameters
    ----------
    layout
        Where the columns stand.
    hidden
        Columns to leave out; their bytes become padding.
    """
    columns = [column for column in layout.columns if column[0] not in hidden]
    return np.dtype(
        {
            "names": [name for name, _, _ in columns],
            "formats": [numpy_format for _, numpy_format, _ in columns],
            "offsets": [offset for _, _, offset in columns],
            "itemsize": layout.row_bytes,
        }
    )


def view_of(rows: Rows, dtype: Dtype) -> Table:
    """Return rows as an array, without a copy; it keeps their memory."""
    buffer = cast(memoryview, rows)  # typing has no word for a buffer before Python 3.12
    return np.frombuffer(buffer, dtype)
