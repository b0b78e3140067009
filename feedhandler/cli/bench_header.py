"""The head of what ``feedhandler bench`` shows: where something was measured, and how."""

from rich.table import Table

from feedhandler.bench.machine import Machine
from feedhandler.cli.tables import facts


def where(machine: Machine, loop: str, how: str) -> Table:
    """Draw the machine, the kind of loop, and how often was measured."""
    return facts(
        {
            "processor": f"{machine.cpu}, {machine.core_ghz} GHz, governor {machine.governor or 'not known'}",
            "load": f"{machine.load} on {machine.cores} cores",
            "versions": f"Linux {machine.kernel}, Python {machine.python}, {machine.build_profile} build",
            "loop": f"{loop}, {how}",
        }
    )
