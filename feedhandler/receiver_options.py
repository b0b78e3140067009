"""A configuration as Rust is given it: the Python side of ``LiveOptions`` in the core crate.

It travels as JSON; what the numbers mean is said in `feedhandler.config`, and all are in nanoseconds here.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from feedhandler.config import BatchConfig, Config, WireConfig, first_grace_us

_NS_PER_US = 1_000
_NS_PER_S = 1_000_000_000


def receiver_options(config: Config, *, senders: bool = False) -> bytes:
    """Return the options of the receiver that a configuration asks for.

    Parameters
    ----------
    config
        What is received, and how.
    senders
        Whether the kernel is to be asked who has sent each datagram.
    """
    wire, ring, arbitrate, batch = config.wire, config.ring, config.arbitrate, config.batch
    slots, slot_bytes = ring.layout(wire.backend)
    options = {
        "channels": [channel.name for channel in config.channels],
        "lines": list(_lines(config)),
        "receive": {
            "mode": wire.mode,
            "backend": wire.backend,
            "wait": _wait(wire),
            "batch": wire.batch,
            "slot_bytes": slot_bytes,
            "slots": slots,
            "full": ring.full,
            "cpu": wire.cpu,
            "huge_pages": ring.huge_pages,
            "senders": senders,
        },
        "arbiter": {
            "grace_ns": first_grace_us(arbitrate.grace_us) * _NS_PER_US,
            "is_grace_adaptive": arbitrate.grace_us == "adaptive",
            "window_packets": arbitrate.window_packets,
            "window_bytes": arbitrate.window_bytes,
        },
        "batch_messages": batch.max_messages,
        "batch_age_ns": batch.max_age_us * _NS_PER_US,
        "wait": _wait(batch),
        "hlog": config.latency.hlog,
        "hlog_interval_ns": int(config.latency.interval_s * _NS_PER_S),
        "send_time": config.latency.send_time,
    }
    return msgspec.json.encode(options)


def _lines(config: Config) -> Iterator[dict[str, Any]]:
    for channel, each in enumerate(config.channels):
        for line, spec in enumerate(each.lines):
            yield {
                "channel": channel,
                "line": line,
                "name": spec.name,
                "address": str(spec.address),
                "interface": spec.interface,
                "rcvbuf_bytes": config.wire.rcvbuf_bytes,
                "sources": [str(source) for source in spec.sources],
                "join": spec.join,
                "hardware_stamps": config.wire.stamps == "hardware",
                "busy_poll_us": config.wire.busy_poll_us,
            }


def _wait(table: WireConfig | BatchConfig) -> str | dict[str, dict[str, int]]:
    return {"sleep": {"us": table.sleep_us}} if table.wait == "sleep" else table.wait
