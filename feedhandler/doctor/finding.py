"""What the doctor says of one thing: its state, why it matters, and what mends it."""

from typing import Literal

import msgspec

Severity = Literal["fine", "unknown", "note", "warning", "critical"]
"""From the best to the worst. `unknown` is what cannot be seen from here; a `note` may be as it should be."""

SEVERITIES: tuple[Severity, ...] = ("fine", "unknown", "note", "warning", "critical")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Parameters
    ----------
    name
        What it is called, such as ``rmem_max``.
    severity
        How bad it is for what was asked.
    state
        What was found.
    why
        Why it matters.
    remedy
        The command that mends it; without it, there is none, or nothing to mend.
    """

    name: str
    severity: Severity
    state: str
    why: str
    remedy: str | None = None


def worst(findings: tuple[Finding, ...]) -> Severity:
    """Return the worst severity of all; that of nothing is ``fine``."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="fine")
