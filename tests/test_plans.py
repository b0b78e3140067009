"""The plans that the core crate's tests and fuzzers read are those of the declarations."""

from plans import FOLDER, plans


def test_plans_are_up_to_date() -> None:
    stale = [
        file.name for file, content in plans().items() if not file.exists() or file.read_bytes() != content
    ]

    assert not stale, "run: python tests/plans.py"
    assert {file.name for file in FOLDER.iterdir()} == {file.name for file in plans()}
