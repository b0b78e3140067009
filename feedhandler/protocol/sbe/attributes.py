"""Attributes of a schema's elements, each read as what it must be."""

from collections.abc import Sequence
from typing import TypeVar, cast, get_args

from feedhandler.protocol.sbe.schema import Presence
from feedhandler.protocol.sbe.xml import Element
from feedhandler.toml import nearest, shown

Word = TypeVar("Word", bound=str)


def text(element: Element, name: str) -> str:
    """Return an attribute that must be there."""
    value = element.attributes.get(name)
    if not value:
        raise element.place.error(f"the attribute {name} of {element.name}", "none")
    return value


def number(element: Element, name: str, limit: int) -> int:
    """Return an attribute that must be there, a number of at most `limit`."""
    text(element, name)
    value = maybe_number(element, name, limit)
    assert value is not None
    return value


def maybe_number(element: Element, name: str, limit: int) -> int | None:
    """Return an attribute that is a number of at most `limit`, where it is there."""
    value = element.attributes.get(name)
    if value is None:
        return None
    digits = value.strip()
    if not (digits.isascii() and digits.isdecimal() and int(digits[:20]) <= limit):
        raise element.place.error(f"{name} of {element.name}: 0 to {limit}", shown(value))
    return int(digits)


def word(element: Element, name: str, words: Sequence[Word], default: Word) -> Word:
    """Return an attribute that is one of some words."""
    value = element.attributes.get(name, default)
    if value not in words:
        expected = f"{name} of {element.name}: one of {', '.join(words)}"
        raise element.place.error(expected, shown(value), nearest(value, words))
    return cast(Word, value)


def presence(element: Element) -> Presence | None:
    """Return what an element says about being there."""
    if "presence" not in element.attributes:
        return None
    words: tuple[Presence, ...] = get_args(Presence)
    return word(element, "presence", words, "required")
