"""What on this host spoils latency or loses packets, why it matters, and the command that mends it.

Nothing is changed, and nothing is sent. What cannot be seen from here is said to be unknown, never fine.
"""

from feedhandler.doctor import card, memory, multicast, processor, surroundings
from feedhandler.doctor.asked import Asked, asked_by
from feedhandler.doctor.finding import SEVERITIES, Finding, Severity, worst
from feedhandler.doctor.host import Host
from feedhandler.doctor.probe import CardRing, Coalescing, Probe, System

__all__ = [
    "SEVERITIES",
    "Asked",
    "CardRing",
    "Coalescing",
    "Finding",
    "Host",
    "Probe",
    "Severity",
    "System",
    "asked_by",
    "examine",
    "worst",
]


def examine(
    asked: Asked | None = None, host: Host | None = None, probe: Probe | None = None
) -> tuple[Finding, ...]:
    """Look at everything.

    Parameters
    ----------
    asked
        What the host is to be good for; the defaults of a configuration if left out.
    host, probe
        What is looked at; this host if left out.

    Returns
    -------
    tuple of Finding
        In the order in which data meets what they are about.
    """
    asked, host, probe = asked or Asked(), host or Host(), probe or System()
    return (
        *surroundings.findings(host),
        *card.findings(host, probe, asked),
        *multicast.findings(host, probe, asked),
        *memory.findings(host, probe, asked),
        *processor.findings(host, asked),
    )
