"""The beginning of a declaration: a file that loads as it is, with a comment on whatever is to be changed.

``feedhandler protocols new`` writes it; ``docs/add_a_venue.md`` goes on from there.
"""

import re
from importlib import resources
from pathlib import Path

from feedhandler.toml import shown

_NAME = 'name = "my-venue"'
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def write_skeleton(file: Path) -> None:
    """Write a declaration that is to be filled in. The protocol is named after the file.

    Raises
    ------
    FileExistsError
        There is such a file, which is left as it is.
    OSError
        It cannot be written.
    """
    text = (resources.files("feedhandler.protocol") / "skeleton.toml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as into:
            into.write(text.replace(_NAME, f'name = "{_name_of(file)}"', 1))
    except FileExistsError:
        raise FileExistsError(f"expected the name of a new file, found {shown(str(file))}") from None


def _name_of(file: Path) -> str:
    """Return the file's name as a protocol can be named."""
    name = _NOT_IN_NAMES.sub("-", file.stem.lower()).strip("-")
    return name if name[:1].isalpha() else f"venue-{name}".rstrip("-")
