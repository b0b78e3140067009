"""What a process says that is forked from this one."""

import os
import warnings
from collections.abc import Callable


def in_child(work: Callable[[], str]) -> str:
    """Return what `work` says in a process that is forked from this one."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, and that is the point
        child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:
            said = repr(error)
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as told:  # noqa: PTH123 — a descriptor
        said = told.read().decode()
    os.waitpid(child, 0)
    return said
