"""The built-in exchange: what a receiver needs opposite it, on one machine.

General layout: `config` says what and where, `source` has the packets of messages, `schedule` says what is
sent when, `store` and `requests` answer who missed something, and `wire` knows the packets' layout.
"""

from replay.exchange.config import ExchangeConfig
from replay.exchange.exchange import Exchange, ExchangeReport

__all__ = ["Exchange", "ExchangeConfig", "ExchangeReport"]
