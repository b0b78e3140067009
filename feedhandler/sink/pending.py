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
        _check_replaceable(target, target)
        self.folder = self._sibling("partial")
        try:
            self.folder.mkdir()
        except OSError as error:
            raise SinkError(
                str(target), f"cannot be written: {(error.strerror or str(error)).lower()}"
            ) from error

    def publish(self) -> None:
        """Put the files where they should be, in the place of what stands there.

        Raises
        ------
        SinkError
            Something else has come there meanwhile. It is left alone, and the files stand beside it.
        """
        files = list(self.folder.iterdir())
        result = files[0] if len(files) == 1 else self.folder
        if result.is_dir() or self._target.is_dir():
            self._replace_folder(result)
        else:
            result.replace(self._target)
        self.discard()

    def _replace_folder(self, result: Path) -> None:
        """Put the result into place where no single rename does: an interrupt leaves the one or the other."""
        replaced = self._sibling("replaced")
        try:
            if self._target.exists():
                self._target.rename(replaced)
                _check_replaceable(replaced, self._target)
            result.rename(self._target)
        except SinkError as error:
            replaced.rename(self._target)
            beside = self._target.with_stem(f"{self._target.stem}.{secrets.token_hex(4)}")
            result.rename(beside)
            raise SinkError(error.path, f"{error.reason}: the result is in {beside.name!r}") from None
        except BaseException:
            if replaced.exists() and not self._target.exists():
                replaced.rename(self._target)
            raise
        finally:
            _remove(replaced)

    def discard(self) -> None:
        """Take away what has not been published."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sibling(self, why: str) -> Path:
        return self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.{why}")


def _check_replaceable(folder: Path, target: Path) -> None:
    """Refuse to replace a folder that holds anything but files of the target's kind."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.suffix != target.suffix or not entry.is_file():
            expected = f"expected a folder of {target.suffix} files that may be replaced"
            raise SinkError(str(target), f"{expected}, found {entry.name!r} in it")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
