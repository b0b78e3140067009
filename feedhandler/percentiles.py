"""Percentiles: what a report tells of a histogram."""

import msgspec


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of a span of time, in nanoseconds."""

    p50: int
    p90: int
    p99: int
    p99_9: int
    p99_99: int
    max: int
    count: int
