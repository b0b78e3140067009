"""The instrument: what sends a feed, so that one can be received.

`Capture` is what is replayed, `Pacing` says when, `Faults` what is done to it on the way, and `Sender` sends
it; `truth` and `verify` hold a receiver's report against what was done. `Generator` makes a synthetic market,
as a capture or packet by packet, `Feed` sends it live on lines A and B, and `Exchange` is a whole venue. What
is sent stays on this machine unless the sender is told otherwise.
"""

from replay.capture import Capture
from replay.exchange import Exchange, ExchangeConfig
from replay.faults import Faults
from replay.feed import Feed
from replay.generator import Generator
from replay.pacing import Pacing
from replay.pcap import Datagram, write_pcap
from replay.sender import Replayed, Sender, Sent

__all__ = [
    "Capture",
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
