"""What the oracle finds: headers, messages, and why something cannot be used."""

from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from feedhandler.protocol import Message, Protocol

PacketKind = Literal["data", "heartbeat", "end_of_session"]


class Malformed(Exception):  # noqa: N818 — the name of its fate in the ledger
    """A packet or message that cannot be used, and why: the name of a reason in malformed.rs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BeyondOracle(Malformed):
    """A packet that the `msgpack` package gives up on for one value: its messages are not known."""


@dataclass(frozen=True)
class Header:
    """A packet's header; what the protocol does not have is None."""

    kind: PacketKind = "data"
    session: str | int | None = None
    sequence: int | None = None
    count: int | None = None
    send_time: int | None = None


@dataclass(frozen=True)
class Decoded:
    """A message that became a row."""

    code: str
    name: str
    fields: dict[str, Any]
    is_longer: bool = False
    """Longer than declared: of a newer version."""


@dataclass(frozen=True)
class Unknown:
    """A message of a type that the declaration does not have."""

    code: str


@dataclass(frozen=True)
class Refused:
    """A message that cannot be used."""

    reason: str


Outcome = Decoded | Unknown | Refused


@dataclass(frozen=True)
class Packet:
    """A packet and what became of each of its messages."""

    header: Header
    messages: tuple[Outcome, ...] = ()
    trailing_bytes: int = 0
    """Bytes behind the last message."""


def refuse(reason: str) -> NoReturn:
    """Refuse a packet or message, as an expression."""
    raise Malformed(reason)


def packet_kind(is_end_of_session: bool, is_heartbeat: bool, count: int | None) -> PacketKind:
    """Return what a packet is for."""
    if is_end_of_session:
        return "end_of_session"
    return "heartbeat" if is_heartbeat or count == 0 else "data"


def send_time(seconds: int | None, number: int | None) -> int | None:
    """Return a send time that may stand in two fields, the second of which is the nanoseconds."""
    return number if seconds is None or number is None else seconds * 1_000_000_000 + number


def only_message(protocol: Protocol) -> tuple[str, Message]:
    """Return the message of a protocol that has but one, which goes by its name."""
    (message,) = protocol.messages.values()
    return message.name, message
