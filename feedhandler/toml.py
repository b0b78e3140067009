"""TOML to frozen, typed structures, with errors that name the key.

Declarations and configurations are read through here, before any of their meaning is looked at. msgspec
checks the values; the walk around it exists because msgspec does not say under which key of a table a value
stood.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from feedhandler.errors import InvalidFileError

Structure = TypeVar("Structure", bound=msgspec.Struct)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MISMATCH = re.compile(r"Expected (?P<expected>.+?)(?:, got .+?)?(?: - at .+)?")
_NAMES = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, from which errors about it are made.

    Parameters
    ----------
    file
        The file, as it was named.
    failure
        The kind of error to make.
    where
        The key, such as ``messages.add_order.fields[3]``.
    subject
        The name of what stands there, where the key alone does not say it.
    """

    file: str
    failure: type[InvalidFileError]
    where: str = ""
    subject: str = ""

    def at(self, *steps: str | int) -> "Place":
        """Return the place that many keys or array positions further in."""
        where = self.where
        for step in steps:
            if isinstance(step, int):
                where += f"[{step}]"
            else:
                where += f".{_quoted(step)}" if where else _quoted(step)
        return replace(self, where=where)

    def about(self, subject: str) -> "Place":
        """Return the place with the name of what stands there."""
        return replace(self, subject=subject)

    def error(self, expected: str, found: str, hint: str = "") -> InvalidFileError:
        """Return the error that something else was expected here.

        Parameters
        ----------
        expected
            What may stand here.
        found
            What does, in words or by `shown`.
        hint
            What to do about it.
        """
        return self.failure(self.file, self.where, expected, found, hint, self.subject)


def _quoted(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else f'"{key}"'


def shown(value: object) -> str:
    """Return a value as an error shows it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest known name was meant; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def read(path: Path, structure: type[Structure], place: Place) -> Structure:
    """Read a TOML file into a structure.

    Parameters
    ----------
    path
        The file.
    structure
        What it holds.
    place
        The file as a whole, for errors.

    Raises
    ------
    InvalidFileError
        Of the kind that `place` makes: unreadable, not TOML, a key unknown or missing, a value of the wrong
        type.
    """
    return parse(read_text(path, place), structure, place)


def read_text(path: Path, place: Place) -> str:
    """Return what a file of text says; like `read`, which see for parameters and errors."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise place.error("UTF-8 text", f"byte {byte:#04x} at {error.start}") from error
    except OSError as error:
        raise place.error("a readable file", (error.strerror or str(error)).lower()) from error


def parse(text: str, structure: type[Structure], place: Place) -> Structure:
    """Parse TOML text into a structure; like `read`, which see for parameters and errors."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise place.error("TOML", f"what is none: {error}") from error
    converted: Structure = _convert(tables, structure, place)
    return converted


def _convert(value: object, annotation: Any, place: Place) -> Any:  # noqa: ANN401 — driven by annotations
    annotation = _present(annotation)
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _convert_table(value, annotation, place)
    if origin is tuple:
        items = _expect(value, list, "an array", place)
        return tuple(
            _convert(item, get_args(annotation)[0], _item(place.at(n), item)) for n, item in enumerate(items)
        )
    if origin is dict:
        table = _expect(value, dict, "a table", place)
        return {key: _convert(item, get_args(annotation)[1], place.at(key)) for key, item in table.items()}
    if origin is Literal:
        return _convert_choice(value, get_args(annotation), place)
    if origin is Union:
        return _convert_either(value, get_args(annotation), place)
    return _convert_leaf(value, annotation, place)


def _item(place: Place, item: object) -> Place:
    """Return the place of an array's item, with the name it has where it has one."""
    name = item.get("name") if isinstance(item, dict) else None
    return place.about(name) if isinstance(name, str) else place


def _present(annotation: Any) -> Any:  # noqa: ANN401 — driven by annotations
    """Return the annotation without ``None``, which TOML cannot say."""
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation
    return _union(part for part in get_args(annotation) if part is not NoneType)


def _union(parts: Iterable[Any]) -> Any:  # noqa: ANN401 — driven by annotations
    return Union[tuple(parts)]  # noqa: UP007 — built, not written


def _expect(value: object, kind: type, name: str, place: Place) -> Any:  # noqa: ANN401 — driven by annotations
    if not isinstance(value, kind):
        raise place.error(name, shown(value))
    return value


def _convert_table(value: object, structure: type[Structure], place: Place) -> Structure:
    table: Mapping[str, object] = _expect(value, dict, "a table", place)
    fields = _fields(structure)
    for key in table:
        if key not in fields:
            raise place.at(key).error(f"one of {', '.join(fields)}", "an unknown key", nearest(key, fields))
    for key, field in fields.items():
        if field.required and key not in table:
            raise place.error(f"the key {key}", "none")
    annotations = _annotations(structure)
    return structure(
        **{
            fields[key].name: _convert(item, annotations[fields[key].name], place.at(key))
            for key, item in table.items()
        }
    )


@cache
def _fields(structure: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(structure)}


@cache
def _annotations(structure: type[msgspec.Struct]) -> Mapping[str, Any]:
    return get_type_hints(structure, include_extras=True)


def _convert_choice(value: object, choices: tuple[Any, ...], place: Place) -> object:
    if value not in choices:
        hint = nearest(value, map(str, choices)) if isinstance(value, str) else ""
        raise place.error(f"one of {', '.join(map(repr, choices))}", shown(value), hint)
    return value


def _convert_either(value: object, parts: tuple[Any, ...], place: Place) -> object:
    """Convert what is one of some words, or of another type."""
    choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    if value in choices:
        return value
    others = _union(part for part in parts if get_origin(part) is not Literal)
    try:
        return _convert_leaf(value, others, place)
    except InvalidFileError as error:
        expected = ", or ".join([error.expected, *map(repr, choices)])
        raise place.error(expected, error.found, error.hint) from error


def _convert_leaf(value: object, annotation: Any, place: Place) -> object:  # noqa: ANN401 — driven by annotations
    try:
        return msgspec.convert(value, annotation, strict=True)
    except msgspec.ValidationError as error:
        match = _MISMATCH.fullmatch(str(error))
        expected = match["expected"] if match else str(error)
        raise place.error(_in_words(expected), shown(value)) from error


def _in_words(expected: str) -> str:
    """Return msgspec's ``int | str`` as a person would say it."""
    return re.sub(r"`([^`]+)`", lambda kinds: _join(kinds[1].split(" | ")), expected)


def _join(kinds: Iterable[str]) -> str:
    return " or ".join(_NAMES.get(kind, kind) for kind in kinds)
