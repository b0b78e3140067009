"""Batch: the one object that crosses from Rust to Python, once for thousands of messages.

`feedhandler.feed` and `feedhandler.reader` hand out batches; processors and sinks take them.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from feedhandler import _core
from feedhandler.errors import UnknownMessageError
from feedhandler.protocol import Protocol
from feedhandler.tables import Table, dtype_of, view_of
from feedhandler.toml import nearest

_EVENT_DTYPE = dtype_of(_core.event_layout())
_ORDER_DTYPE = dtype_of(_core.order_layout(), hidden=["code"])


class Batch(Mapping[str, Table]):
    """Messages as columns: a mapping from the name of a message to a structured array of its rows.

    Every message of the protocol can be asked for; iteration, ``in`` and ``len`` know those that came. A
    table's leading columns are ``seq`` (u8), ``ts_recv_ns`` (u8, Unix epoch) and ``channel`` (u2); then come
    the message's own fields. Arrays are read-only views without a copy, and stay valid for as long as they
    are kept.

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
        """Iterate over the messages one by one, in the order of arrival.

        Every message becomes a Python object, at some microseconds each: for a look at the data. Where speed
        matters, work on the columns.
        """
        tables = {index: self[name] for name, index in self._tables.indices.items() if name in self}
        for index, row in self.order.tolist():
            yield self.names[index], tables[index][row]

    def _view(self, name: str) -> Table:
        index = self._tables.indices.get(name)
        if index is None:
            raise UnknownMessageError(name, self.protocol.name, self.names, nearest(name, self.names))
        rows = self.core.table(index)
        dtype = self._tables.dtypes[name]
        return np.empty(0, dtype) if rows is None else view_of(rows, dtype)
