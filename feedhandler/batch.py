"""Batch: the one object that crosses from Rust to Python, once for thousands of messages.

`feedhandler.feed` and `feedhandler.reader` hand out batches; processors and sinks take them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

import numpy as np

from feedhandler import _core
from feedhandler.errors import UnknownMessageError
from feedhandler.protocol import Protocol
from feedhandler.protocol.message import PARENT
from feedhandler.tables import Table, dtype_of, view_of
from feedhandler.toml import nearest

_EVENT_DTYPE = dtype_of(_core.event_layout())
_ORDER_DTYPE = dtype_of(_core.order_layout(), hidden=["code"])


class _Groups:
    """The rows of groups, told in the order of what they belong to.

    Parameters
    ----------
    batch
        Whose tables they are in.
    protocol
        Which tables belong to which.
    """

    def __init__(self, batch: "Batch", protocol: Protocol) -> None:
        self._tables: dict[str, list[tuple[str, Table, list[int]]]] = {}
        for name, rows in batch.items():
            parent = protocol.messages[name].parent
            if parent is not None:
                self._tables.setdefault(parent, []).append((name, rows, rows[PARENT].tolist()))

    def below(self, name: str, row: int) -> Iterator[tuple[str, np.void]]:
        """Yield the rows of the groups that belong to a row of a table, each with those of its own groups."""
        for group, rows, parents in self._tables.get(name, ()):
            for index in range(bisect_left(parents, row), bisect_right(parents, row)):
                yield group, rows[index]
                yield from self.below(group, index)


class Batch(Mapping[str, Table]):
    """Messages as columns: a mapping from the name of a message to a structured array of its rows.

    Every message of the protocol can be asked for; iteration, ``in`` and ``len`` know those that came. A
    table's leading columns are ``seq`` (u8), ``ts_recv_ns`` (u8, Unix epoch) and ``channel`` (u2); then come
    the message's own fields. Repeating groups of SBE messages are tables of their own, with the column
    ``parent`` (u4) in front of their fields: the row of the enclosing table that a row belongs to. Arrays are
    read-only views without a copy, and stay valid for as long as they are kept.

    Parameters
    ----------
    core
        The batch as Rust hands it over.
    protocol
        What its messages are of.

    Examples
    --------
    >>> trades = batch["trade"]  # doctest: +SKIP
    >>> (trades["price"] * trades["size"]).sum()  # doctest: +SKIP
    """

    __slots__ = ("_arrays", "_tables", "core", "protocol")

    def __init__(self, core: _core.Batch, protocol: Protocol) -> None:
        self.core = core
        """The batch as Rust hands it over: for `feedhandler.book`."""
        self.protocol = protocol
        """What its messages are of."""
        self._tables = protocol.tables
        self._arrays: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        """Return the rows of a message; an empty array where none came.

        Raises
        ------
        UnknownMessageError
            The protocol has no such message; a `KeyError`.
        """
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = self._view(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return (name for index, name in enumerate(self._tables.names) if self.core.table(index) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        index = self._tables.indices.get(name) if isinstance(name, str) else None
        return index is not None and self.core.table(index) is not None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        tables = ", ".join(f"{name} {len(rows)}" for name, rows in self.items())
        return f"<Batch of {self.size} messages: {tables or 'none'}; {len(self.events)} events>"

    @property
    def size(self) -> int:
        """Number of messages."""
        return self.core.size

    @property
    def queue_depth(self) -> int:
        """Slots of the ring in use when the batch was closed: datagrams, or runs of them; 0 for a file."""
        return self.core.queue_depth

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the protocol's messages: the column ``table`` of `order` to the name."""
        return self._tables.names

    @property
    def order(self) -> Table:
        """Arrival order over the tables: columns ``table`` (u2, an index of `names`) and ``row`` (u4)."""
        return view_of(self.core.order(), _ORDER_DTYPE)

    @property
    def events(self) -> Table:
        """What happened besides messages, in order.

        Columns: ``kind`` (`EventKind`), ``cause`` (`Cause`), ``channel``, ``line`` (65535: not of one
        line), ``first`` and ``last`` (sequence numbers), ``count``, ``ts_ns``, and ``position``: the index in
        `order` of the message that it precedes.
        """
        return view_of(self.core.events(), _EVENT_DTYPE)

    def rows(self) -> Iterator[tuple[str, np.void]]:
        """Iterate over the messages one by one, in the order of arrival; behind each, the rows of its groups.

        Every message becomes a Python object, at some microseconds each: for a look at the data. Where speed
        matters, work on the columns.
        """
        tables = {index: self[name] for name, index in self._tables.indices.items() if name in self}
        groups = _Groups(self, self.protocol)
        for index, row in self.order.tolist():
            yield self.names[index], tables[index][row]
            yield from groups.below(self.names[index], row)

    def _view(self, name: str) -> Table:
        index = self._tables.indices.get(name)
        if index is None:
            raise UnknownMessageError(name, self.protocol.name, self.names, nearest(name, self.names))
        rows = self.core.table(index)
        dtype = self._tables.dtypes[name]
        return np.empty(0, dtype) if rows is None else view_of(rows, dtype)
