"""The instrument: what sends a feed, so that one can be received.

`Sender` replays files at their own pace or another, `Generator` makes a synthetic market, as a capture or
packet by packet, and `Feed` sends it live on lines A and B. What is sent stays on this machine unless the
sender is told otherwise.
"""

from replay.exchange import Exchange, ExchangeConfig
from replay.faults import Faults
from replay.feed import Feed
from replay.generator import Generator
from replay.pacing import Pacing
from replay.pcap import Datagram, write_pcap
from replay.sender import Replayed, Sender, Sent

__all__ = [
    "Datagram",
    "Exchange",
    "ExchangeConfig",
    "Faults",
    "Feed",
    "Generator",
    "Pacing",
    "Replayed",
    "Sender",
    "Sent",
    "write_pcap",
]
