"""Protocols: what a declaration file says, loaded and checked.

Everything that decodes begins here: a protocol is loaded by the name of a shipped declaration or by the
path of one's own, and compiled once. To add a venue is to write such a file; ``docs/declarations.md`` says
how.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from os import PathLike
from pathlib import Path

import msgspec

from feedhandler._core import Plan
from feedhandler.errors import DeclarationError, UnknownProtocolError
from feedhandler.protocol.book import Book, read_book
from feedhandler.protocol.book_fields import check_fields
from feedhandler.protocol.codes import with_codes
from feedhandler.protocol.compile import compile_spec
from feedhandler.protocol.declaration import Declaration, Encoding
from feedhandler.protocol.framing import read_file_form, read_framing
from feedhandler.protocol.layout import lay_out
from feedhandler.protocol.message import Message
from feedhandler.protocol.sbe import Source, compile_schema, read_schema, read_sources
from feedhandler.protocol.spec import IntSpec, NoHeaderSpec, ProtocolSpec
from feedhandler.tables import Dtype, Tables
from feedhandler.toml import Place, nearest, parse, read_text, shown

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_SUFFIX = ".toml"
_MOST_LOADED = 32
_EPOCH_BYTES = 8
"""What nanoseconds since 1970 take."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A protocol: its messages, what is in them, and how they come.

    Parameters
    ----------
    name
        Name in the declaration, such as ``itch50``.
    encoding
        What messages are made of.
    messages
        Messages by name; of SBE, their groups as well.
    spec
        Framing, file form and layouts, every default resolved.
    title, version, specification
        What it is called, and the document it follows.
    book
        What the messages mean to an order book, where the declaration says so.
    """

    name: str
    encoding: Encoding
    messages: Mapping[str, Message]
    spec: ProtocolSpec
    title: str = ""
    version: str = ""
    specification: str = ""
    book: Book | None = None

    def spec_json(self) -> bytes:
        """Return `spec` as the JSON that Rust compiles to a plan."""
        return msgspec.json.encode(self.spec)

    @cached_property
    def plan(self) -> Plan:
        """The protocol compiled, once.

        Raises
        ------
        DeclarationError
            It is well formed, but more than the decoder can do.
        """
        try:
            return Plan(self.spec_json())
        except ValueError as error:
            raise DeclarationError(self.name, "", "a protocol that can be decoded", str(error)) from error

    @cached_property
    def tables(self) -> Tables:
        """The tables of a batch of this protocol, in the order of `messages`."""
        return Tables.of(self.plan)

    @property
    def has_send_time(self) -> bool:
        """Whether a packet's header says when it was sent, in nanoseconds since 1970."""
        header = self.spec.framing.header
        if isinstance(header, NoHeaderSpec) or header.send_time is None:
            return False
        is_wide = not isinstance(header.send_time, IntSpec) or header.send_time.width == _EPOCH_BYTES
        return is_wide or header.send_time_seconds is not None

    @property
    def dtypes(self) -> Mapping[str, Dtype]:
        """The numpy dtype of each message's table, by name of the message."""
        return self.tables.dtypes


def shipped() -> tuple[str, ...]:
    """Return the names of the protocols that come with the package."""
    files = (resources.files("feedhandler") / "protocols").iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def needs_schema(name: str) -> bool:
    """Return whether the messages of a shipped protocol are those of an SBE schema, which has to be given.

    Raises
    ------
    UnknownProtocolError
        No protocol of that name is shipped.
    """
    declared = declaration(name)
    return declared.encoding == "sbe" and declared.schema is None


def declaration(name: str) -> Declaration:
    """Return what the file of a shipped protocol says, as it stands there.

    Raises
    ------
    UnknownProtocolError
        No protocol of that name is shipped.
    """
    file = _shipped_file(name)
    return _declaration(file.read_text(encoding="utf-8"), file.name)


def load(name_or_path: str | Path, schema: str | PathLike[str] | None = None) -> Protocol:
    """Load a protocol.

    Parameters
    ----------
    name_or_path
        The name of a shipped protocol, such as ``itch50``; or the path of a declaration: a `Path`, or text
        with a path separator in it or ``.toml`` at its end. A file is read each time, and what it says is
        worked out again only where it has changed.
    schema
        Path of the SBE schema that says what messages hold, where the declaration names none, or another.

    Raises
    ------
    UnknownProtocolError
        No protocol of that name is shipped.
    DeclarationError
        The declaration or the schema cannot be read or is wrong, or a schema is needed and there is none; the
        error says where, what was expected, what was found.

    Examples
    --------
    >>> load("itch50").messages["add_order"].fields["price"].scale
    4
    """
    if isinstance(name_or_path, Path) or "/" in name_or_path or name_or_path.endswith(_SUFFIX):
        path = Path(name_or_path)
        text, file, folder = read_text(path, Place(str(path), DeclarationError)), str(path), path.parent
    else:
        shipped_file = _shipped_file(name_or_path)
        text, file, folder = shipped_file.read_text(encoding="utf-8"), shipped_file.name, Path()
    declared = _declaration(text, file)
    return _declared(text, file, _schema(declared, folder, schema, Place(file, DeclarationError)))


@lru_cache(maxsize=_MOST_LOADED)
def _declaration(text: str, file: str) -> Declaration:
    return parse(text, Declaration, Place(file, DeclarationError))


@lru_cache(maxsize=_MOST_LOADED)
def _declared(text: str, file: str, schema: tuple[Source, ...]) -> Protocol:
    """Return the protocol that files declare: the same one for the same text, as it is immutable."""
    return resolve(_declaration(text, file), Place(file, DeclarationError), schema)


def _schema(
    declared: Declaration, folder: Path, given: str | PathLike[str] | None, place: Place
) -> tuple[Source, ...]:
    """Return the files of a protocol's schema: of the one that is given, or else declared."""
    if declared.encoding != "sbe":
        if declared.schema is None and given is None:
            return ()
        found = shown(declared.schema if given is None else str(given))
        raise place.at("schema").error("no schema, which only encoding = 'sbe' has", found)
    if given is not None:
        return read_sources(Path(given))
    if declared.schema is not None:
        return read_sources(folder / declared.schema)
    hint = "its messages are those of the schema file that the venue gives out: schema=PATH, or --schema PATH"
    raise place.at("schema").error("an SBE schema", "none", hint)


def _shipped_file(name: str) -> Traversable:
    names = shipped()
    if name not in names:
        raise UnknownProtocolError(name, names, nearest(name, names))
    return resources.files("feedhandler") / "protocols" / f"{name}{_SUFFIX}"


def resolve(declaration: Declaration, place: Place, schema: tuple[Source, ...] = ()) -> Protocol:
    """Return the protocol that a declaration describes, and a schema where its messages are of one.

    Raises
    ------
    InvalidFileError
        It cannot be meant.
    """
    if not _NAME.fullmatch(declaration.name):
        raise place.at("name").error("a name such as my-venue or itch50", shown(declaration.name))
    if declaration.encoding == "sbe":
        return _resolve_sbe(declaration, place, schema)
    messages = with_codes(lay_out(declaration, place), declaration, place)
    framing = read_framing(declaration, place)
    file = read_file_form(declaration, messages, place)
    book = read_book(declaration, messages, place)
    if book is not None:
        check_fields(book, messages, place.at("book"))
    return Protocol(
        name=declaration.name,
        encoding=declaration.encoding,
        messages=messages,
        spec=compile_spec(declaration, framing, file, messages, book),
        title=declaration.title,
        version=declaration.version,
        specification=declaration.specification,
        book=book,
    )


def _resolve_sbe(declaration: Declaration, place: Place, sources: tuple[Source, ...]) -> Protocol:
    """Return a protocol whose messages are those of a schema."""
    without = {
        "messages": declaration.messages,
        "common": declaration.common.fields,
        "discriminator": declaration.discriminator,
        "file": declaration.file,
        "book": declaration.book,
    }
    for key, value in without.items():
        if value:
            raise place.at(key).error("no such key beside encoding = 'sbe'", "one", "the schema says it")
    schema = read_schema(sources)
    messages = compile_schema(schema, declaration.data_bytes)
    version = f"schema {schema.id} version {schema.version}"
    return Protocol(
        name=declaration.name,
        encoding=declaration.encoding,
        messages=messages.tables,
        spec=ProtocolSpec(declaration.name, read_framing(declaration, place), None, messages.spec),
        title=declaration.title,
        version=f"{declaration.version}, {version}" if declaration.version else version,
        specification=declaration.specification,
    )
