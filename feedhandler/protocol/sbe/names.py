"""From the names of a schema to those of tables and columns: snake case, each once."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from feedhandler.protocol.meaning import SNAKE_CASE
from feedhandler.protocol.message import LEADING_COLUMNS, PARENT
from feedhandler.protocol.sbe.schema import MessageElement
from feedhandler.toml import Place, shown

_BEFORE_WORD = re.compile(r"([A-Z]+)([A-Z][a-z])")
_BEHIND_WORD = re.compile(r"([a-z0-9])([A-Z])")


def snake(name: str, place: Place) -> str:
    """Return a name in snake case: ``NoMDEntries`` becomes ``no_md_entries``.

    Raises
    ------
    InvalidFileError
        No name can be made of it.
    """
    spaced = _BEHIND_WORD.sub(r"\1_\2", _BEFORE_WORD.sub(r"\1_\2", name))
    found = re.sub("_+", "_", spaced).strip("_").lower()
    if not SNAKE_CASE.fullmatch(found):
        raise place.error("a name of letters, digits and underscores", shown(name))
    return found


def message_names(messages: Iterable[MessageElement]) -> Mapping[int, str]:
    """Return the name of each message's table, by template id.

    Where venues write the template id behind a name, as in ``MDIncrementalRefreshBook46``, it is left out, so
    that the name stays when the id changes. Of several messages that would then have one name the one with
    the greatest id has it.
    """
    whole = {message.id: snake(message.name, message.place) for message in messages}
    short = {id_: name.removesuffix(str(id_)).rstrip("_") or name for id_, name in whole.items()}
    owners: dict[str, int] = {}
    # The last to claim a name has it: who is called so in full, or else the newest.
    for id_ in sorted(short, key=lambda id_: (whole[id_] == short[id_], id_)):
        owners[short[id_]] = id_
    return {id_: name if owners[name] == id_ else whole[id_] for id_, name in short.items()}


class Columns:
    """Names of the columns of one table, each given out once."""

    def __init__(self) -> None:
        self._taken = Counter((*LEADING_COLUMNS, PARENT))

    def take(self, name: str) -> str:
        """Return the name, with a number behind it where another column has it."""
        free = name
        while free in self._taken:
            self._taken[name] += 1
            free = f"{name}_{self._taken[name]}"
        self._taken[free] += 1
        return free
