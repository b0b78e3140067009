"""The built-in exchange: what a receiver needs opposite it, on one machine.

General layout: `config` says what and where, `source` has the packets of messages, `store` and `requests`
answer who missed something, and `exchange` joins them with the package's `Publisher`.
"""

from replay.exchange.config import ExchangeConfig
from replay.exchange.exchange import Exchange, ExchangeReport

__all__ = ["Exchange", "ExchangeConfig", "ExchangeReport"]
