"""What a sender of benchmarks says, made up."""

from hdrh.histogram import HdrHistogram

from feedhandler.bench.sender import Sent


def sent(packets: int, late_ns: int) -> Sent:
    """Return what is told of packets that were all equally late."""
    late = HdrHistogram(1, 60_000_000_000, 3)
    late.record_value(late_ns, packets)
    return Sent(
        sent=(packets,),
        refused=0,
        scheduled=packets,
        packets=packets,
        messages=7 * packets,
        warm_up=(0, 0),
        elapsed_s=1.0,
        retries=0,
        lateness=late.encode().decode(),
    )
