"""A folder that bears a temporary name until what is in it is whole.

A full disk, an error or an interrupt leaves nothing behind that could be taken for a result.
"""

import secrets
import shutil
from pathlib import Path

from feedhandler.errors import SinkError


class Pending:
    """Files on their way to a place.

    Parameters
    ----------
    target
        Where they are to stand: one file as `target` itself, several in a folder of that name.

    Raises
    ------
    SinkError
        Something else stands there, or the folder it is in cannot be written to.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        _check_replaceable(target)
        self.folder = self._sibling("partial")
        try:
            self.folder.mkdir()
        except OSError as error:
            raise SinkError(
                str(target), f"cannot be written: {(error.strerror or str(error)).lower()}"
            ) from error

    def publish(self) -> None:
        """Put the files where they should be, in the place of what stands there."""
        files = list(self.folder.iterdir())
        result = files[0] if len(files) == 1 else self.folder
        if self._target.is_dir():
            replaced = self._sibling("replaced")
            self._target.rename(replaced)
            result.rename(self._target)
            shutil.rmtree(replaced)
        elif result.is_dir() and self._target.exists():
            self._target.unlink()
            result.rename(self._target)
        else:
            result.replace(self._target)
        self.discard()

    def discard(self) -> None:
        """Take away what has not been published."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sibling(self, why: str) -> Path:
        return self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.{why}")


def _check_replaceable(target: Path) -> None:
    """Refuse to replace a folder that holds anything but files of the target's kind."""
    if not target.is_dir():
        return
    for entry in target.iterdir():
        if entry.suffix != target.suffix or not entry.is_file():
            expected = f"expected a folder of {target.suffix} files that may be replaced"
            raise SinkError(str(target), f"{expected}, found {entry.name!r} in it")
