"""The shipped protocols as Rust is given them, for the core crate's own tests and fuzzers.

They stand in the crate as files, so that it can be tested without Python. ``python tests/plans.py`` writes
them.
"""

from pathlib import Path

import msgspec

from feedhandler.protocol import load, needs_schema, shipped

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "crates" / "feedhandler-core" / "tests" / "plans"
SCHEMAS = ROOT / "tests" / "schemas"
BOOK = ROOT / "feedhandler" / "bench" / "book.xml"
EXAMPLE = ROOT / "configs" / "protocols" / "crypto_trades.toml"


def plans() -> dict[Path, bytes]:
    """Return the files and what should stand in them."""
    whole = [load(name) for name in shipped() if not needs_schema(name)]
    protocols = [
        *whole,
        load("cme-mdp3", BOOK),
        load(SCHEMAS / "everything.toml"),
        load(EXAMPLE),
    ]
    return {FOLDER / f"{protocol.name}.json": pretty(protocol.spec_json()) for protocol in protocols}


def pretty(json: bytes) -> bytes:
    """Return JSON as people read it."""
    return msgspec.json.format(json, indent=1) + b"\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, content in plans().items():
        file.write_bytes(content)
