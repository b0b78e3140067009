"""Ways to the values in a msgpack message, and that they agree with one another.

`feedhandler.protocol.layout` calls this for messages of msgpack objects.
"""

from collections.abc import Sequence
from typing import Literal

from feedhandler.protocol.declaration import FieldTable, IntKey, Step
from feedhandler.protocol.kinds import Kind
from feedhandler.protocol.message import Field
from feedhandler.protocol.spec import IntKeySpec, StepSpec
from feedhandler.toml import Place, shown

Path = tuple[StepSpec, ...]

POSITION_LIMIT = 65_535
"""A plan has an entry for every position up to the last that is declared."""


def path_of(table: FieldTable, position: int, layout: Literal["array", "map"], place: Place) -> Path:
    """Return the way to a value: as declared, or by position or name in the message.

    Parameters
    ----------
    table
        The field as declared.
    position
        Where it stands among the fields.
    layout
        What a message is, where the field does not say.
    place
        The field, for errors.
    """
    if table.path is not None:
        steps = table.path if isinstance(table.path, tuple) else (table.path,)
        return tuple(_step(step, place.at("path")) for step in steps)
    if layout == "array":
        return (position,)
    if table.type == "reserved":
        raise place.at("type").error("no reserved field in a map, where unknown keys are skipped", "one")
    assert table.name is not None
    return (table.name,)


def _step(step: Step, place: Place) -> StepSpec:
    if isinstance(step, IntKey):
        return IntKeySpec(step.key)
    if isinstance(step, int) and not 0 <= step <= POSITION_LIMIT:
        hint = f"an integer key is {{ key = {step} }}"
        raise place.error(f"a position in an array, 0 to {POSITION_LIMIT}", shown(step), hint)
    return step


def check_null(field: Field, place: Place) -> None:
    """Check that a column has something to hold where the message has nothing."""
    if (field.optional or field.nullable) and field.null is None and field.kind in _NEED_NULL:
        raise place.error(
            f"the key null, which the column holds where there is no {field.name or 'value'}", "none"
        )


_NEED_NULL = frozenset({Kind.UINT, Kind.INT, Kind.TIMESTAMP})


def check_paths(fields: Sequence[tuple[Field, Place]]) -> None:
    """Check that no two fields of a message are one value, or make different things of the same container."""
    ends: dict[Path, str] = {}
    containers: dict[Path, tuple[str, str]] = {}
    for field, place in fields:
        path, name = field.path or (), field.name or "a reserved element"
        if path in ends:
            raise place.at("path").error("a value of its own", f"that of {ends[path]}")
        ends[path] = name
        for depth, step in enumerate(path):
            kind = "an array" if isinstance(step, int) else "a map"
            before, who = containers.setdefault(path[:depth], (kind, name))
            if before != kind:
                raise place.at("path").error(f"{before}, as {who} has it", kind)
    for field, place in fields:
        if (field.path or ()) in containers:
            inside = containers[field.path or ()][1]
            raise place.at("path").error("a value", f"what {inside} is found in")
