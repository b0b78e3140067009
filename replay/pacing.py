"""When datagrams are sent."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Pacing:
    """How datagrams are spread over time; made by `original`, `rate` or `max`.

    Deadlines are absolute, counted from one start: errors never add up, and a datagram that left late delays
    none behind it.

    Parameters
    ----------
    speed
        How many times as fast as recorded.
    packets_per_second
        A steady rate instead.
    """

    speed: float | None = None
    packets_per_second: float | None = None

    @classmethod
    def original(cls, speed: float = 1.0) -> Self:
        """As recorded, or `speed` times as fast.

        A datagram whose time goes backwards is sent right behind its predecessor; none after it is shifted.
        """
        return cls(speed=speed)

    @classmethod
    def rate(cls, packets_per_second: float) -> Self:
        """At a steady rate, whatever was recorded."""
        return cls(packets_per_second=packets_per_second)

    @classmethod
    def max(cls) -> Self:
        """As fast as the kernel takes them, which is faster than most receivers do."""
        return cls()
