"""SBE schemas: FIX Simple Binary Encoding 1.0 messages, declared by the XML file that a venue gives out.

General layout, in the order a schema passes through: `xml` reads the file and what it includes, `schema` is
what it says, typed, as `reader` finds it; `names` makes columns and tables of its names, `leaves` values of
its types, `blocks` tables of its messages, and `compile` what Rust is given. What a schema becomes is
described for users in ``docs/sbe.md``. `feedhandler.protocol.loader` drives them all.
"""

from feedhandler.protocol.sbe.compile import Messages, compile_schema
from feedhandler.protocol.sbe.reader import read_schema
from feedhandler.protocol.sbe.xml import Source, read_sources

__all__ = ["Messages", "Source", "compile_schema", "read_schema", "read_sources"]
