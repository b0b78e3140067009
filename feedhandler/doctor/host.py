"""The host as files tell it: ``/proc`` and ``/sys``, or a copy of them somewhere else."""

from collections.abc import Iterator
from pathlib import Path


class Host:
    """Reads what the kernel says of itself.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def text(self, path: str) -> str | None:
        """Return what a file says, without the white space around it; None where it cannot be read."""
        try:
            return (self._root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Return the number that a file holds; None where it cannot be read or holds none."""
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def link(self, path: str) -> str | None:
        """Return where a symbolic link points; None where there is none, or it may not be read."""
        try:
            return str((self._root / path).readlink())
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return (self._root / path).exists()

    def names(self, pattern: str) -> Iterator[str]:
        """Return the paths that match a pattern, in order."""
        for path in sorted(self._root.glob(pattern)):
            yield str(path.relative_to(self._root))

    def table(self, path: str) -> list[list[str]]:
        """Return the words of each line of a file; nothing where it cannot be read."""
        return [line.split() for line in (self.text(path) or "").splitlines()]


def processors(text: str) -> frozenset[int]:
    """Return the processors of a list such as ``0-3,8``, as the kernel writes it."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
