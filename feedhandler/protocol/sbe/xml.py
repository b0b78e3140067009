"""XML to elements that know their line, with what other files include put in its place.

Only elements, attributes and text: a document type, and with it every entity of its own, is refused, so that
a small file cannot become a large one. `feedhandler.protocol.sbe.reader` gives the elements their meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from feedhandler.errors import DeclarationError
from feedhandler.toml import Place, shown

FILE_LIMIT_BYTES = 16 << 20
"""The largest schemas of exchanges have some hundred thousand bytes."""
_INCLUDES_LIMIT = 64
_DEPTH_LIMIT = 32
_XINCLUDE = "http://www.w3.org/2001/XInclude"
_SEPARATOR = " "


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a schema: its name, as it was given, and what stands in it."""

    file: str
    data: bytes


@dataclass(slots=True)
class Element:
    """An element: its name without the namespace, what it says, and where it stands."""

    name: str
    attributes: Mapping[str, str]
    place: Place
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name that its author gave it, for errors."""
        return self.attributes.get("name", "")


def read_sources(path: Path) -> tuple[Source, ...]:
    """Read a schema's file and those that it includes, each once, its own first.

    Raises
    ------
    DeclarationError
        One of them cannot be read, or is not XML as it is allowed here.
    """
    sources = {str(path): _read(path, Place(str(path), DeclarationError))}
    waiting = [path]
    while waiting:
        including = waiting.pop(0)
        for path_of_other, place in _includes(sources[str(including)]):
            if str(path_of_other) in sources:
                continue
            if len(sources) > _INCLUDES_LIMIT:
                raise place.error(f"at most {_INCLUDES_LIMIT} included files", "more")
            sources[str(path_of_other)] = _read(path_of_other, place)
            waiting.append(path_of_other)
    return tuple(sources.values())


def _read(path: Path, place: Place) -> Source:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise place.error(
            "a readable file", f"{shown(str(path))}: {(error.strerror or str(error)).lower()}"
        ) from error
    if len(data) > FILE_LIMIT_BYTES:
        raise place.error(f"at most {FILE_LIMIT_BYTES} bytes of schema", "more")
    return Source(str(path), data)


def parse(sources: Sequence[Source]) -> Element:
    """Return the root element of the first source, others being put where they are included.

    Raises
    ------
    DeclarationError
        One of them is not XML as it is allowed here, or they include each other without end.
    """
    return _Tree({source.file: source for source in sources}).root(sources[0], including=())


def _includes(source: Source) -> Sequence[tuple[Path, Place]]:
    found: list[tuple[Path, Place]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == f"{_XINCLUDE}{_SEPARATOR}include":
            place = _place(source, parser)
            found.append((_included(source, attributes, place), place))

    parser = _parser(source)
    parser.StartElementHandler = start
    _run(parser, source)
    return found


def _included(source: Source, attributes: Mapping[str, str], place: Place) -> Path:
    href = attributes.get("href", "")
    if not href or ":" in href or Path(href).is_absolute():
        raise place.error("the path of a file beside this one to include", shown(href))
    if attributes.get("parse", "xml") != "xml":
        raise place.error("parse = 'xml'", shown(attributes["parse"]))
    return Path(source.file).parent / href


@dataclass(slots=True)
class _Tree:
    """Builds the elements of files that include each other."""

    sources: Mapping[str, Source]

    def root(self, source: Source, including: tuple[str, ...]) -> Element:
        """Return the root element of a file."""
        top = Element("", {}, Place(source.file, DeclarationError))
        stack = [top]

        def start(name: str, attributes: dict[str, str]) -> None:
            place = _place(source, parser)
            namespace, _, local = name.rpartition(_SEPARATOR)
            if len(stack) > _DEPTH_LIMIT:
                raise place.error(f"at most {_DEPTH_LIMIT} elements in each other", "more")
            if namespace == _XINCLUDE:
                element = self._include(source, attributes, place, including)
            else:
                own = {key: value for key, value in attributes.items() if _SEPARATOR not in key}
                element = Element(local, own, place.about(own.get("name", "")))
            stack[-1].children.append(element)
            stack.append(element)

        def text(data: str) -> None:
            stack[-1].text += data

        parser = _parser(source)
        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: stack.pop()
        parser.CharacterDataHandler = text
        _run(parser, source)
        return top.children[0]

    def _include(
        self, source: Source, attributes: Mapping[str, str], place: Place, including: tuple[str, ...]
    ) -> Element:
        other = str(_included(source, attributes, place))
        if other in {*including, source.file}:
            raise place.error("no file that includes itself", shown(attributes["href"]))
        return self.root(self.sources[other], (*including, source.file))


def _parser(source: Source) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True

    def refuse(*_: object) -> NoReturn:
        raise _place(source, parser).error("no document type: a schema has elements only", "one")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _place(source: Source, parser: expat.XMLParserType) -> Place:
    return Place(source.file, DeclarationError, f"line {parser.CurrentLineNumber}")


def _run(parser: expat.XMLParserType, source: Source) -> None:
    try:
        parser.Parse(source.data, True)
    except expat.ExpatError as error:
        place = Place(source.file, DeclarationError, f"line {error.lineno}")
        raise place.error("XML", f"what is none: {expat.ErrorString(error.code)}") from error
