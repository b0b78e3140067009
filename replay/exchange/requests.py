"""Answers requests for messages by UDP: where gaps of receivers are filled from."""

import socket
import threading
import time

import msgspec

from feedhandler.address import Address
from replay.exchange.store import Store
from replay.wire import Wire

_LOOK_S = 0.05
"""Longest wait between two looks at whether it shall stop."""
_MOST_REQUEST_BYTES = 2_048


class Requests(msgspec.Struct, frozen=True):
    """What became of the requests: ``received = answered + refused``, by reason.

    Parameters
    ----------
    received
        Datagrams that came.
    answered
        Answers that were sent, one packet each.
    messages
        Messages in them.
    bytes
        Bytes of them.
    malformed
        No requests.
    other_session
        Of a session that is not this one.
    nothing_asked
        For no message.
    too_old
        For messages that are not kept any more, or never were.
    not_sent_yet
        For messages that are still to come.
    too_many
        More in a second than are answered.
    unreachable
        From where the system sends nothing to.
    """

    received: int = 0
    answered: int = 0
    messages: int = 0
    bytes: int = 0
    malformed: int = 0
    other_session: int = 0
    nothing_asked: int = 0
    too_old: int = 0
    not_sent_yet: int = 0
    too_many: int = 0
    unreachable: int = 0


class Allowance:
    """So many a second; what a quiet second leaves over is not saved.

    Parameters
    ----------
    per_second
        How many.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left_ns = 10**9
        self._last_ns = 0

    def take(self, now_ns: int) -> bool:
        """Tell whether one more is allowed at a time."""
        self._left_ns = min(10**9, self._left_ns + max(0, now_ns - self._last_ns))
        self._last_ns = max(self._last_ns, now_ns)
        cost_ns = 10**9 // self._per_second
        is_allowed = self._left_ns >= cost_ns
        self._left_ns -= cost_ns if is_allowed else 0
        return is_allowed


class RequestServer:
    """A thread that answers requests from a store.

    Parameters
    ----------
    address
        Where requests come to; port 0 lets the system choose.
    wire
        How requests are laid out.
    store
        What was sent.
    per_second
        Requests that are answered at most.

    Raises
    ------
    OSError
        The address is not to be had.
    """

    def __init__(self, address: Address, wire: Wire, store: Store, per_second: int) -> None:
        self._wire = wire
        self._store = store
        self._allowance = Allowance(per_second)
        self._counts = dict.fromkeys(Requests.__struct_fields__, 0)
        self._stop = threading.Event()
        family = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((str(address.ip), address.port))
        except OSError as error:
            self._socket.close()
            raise OSError(error.errno, f"requests: cannot bind to {address}: {error.strerror}") from error
        self._socket.settimeout(_LOOK_S)
        self.address = Address.of(*self._socket.getsockname()[:2])
        """Where requests come to."""
        self._thread = threading.Thread(target=self._serve, name="feedhandler-requests", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and give the address back."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def report(self) -> Requests:
        """Return what became of the requests so far."""
        return Requests(**self._counts)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                datagram, source = self._socket.recvfrom(_MOST_REQUEST_BYTES)
            except TimeoutError:
                continue
            except OSError:  # an answer before was refused, which a socket tells at its next call
                self._counts["unreachable"] += 1
                continue
            self._counts["received"] += 1
            self._counts[self._answer(datagram, source, time.time_ns())] += 1

    def _answer(self, datagram: bytes, source: tuple[str, int], now_ns: int) -> str:
        request = self._wire.read_request(datagram)
        if request is None:
            return "malformed"
        if not self._allowance.take(now_ns):
            return "too_many"
        found = self._store.answer(request, now_ns)
        if isinstance(found, str):
            return found
        packet, messages = found
        try:
            self._socket.sendto(packet, source)
        except OSError:
            return "unreachable"
        self._counts["messages"] += messages
        self._counts["bytes"] += len(packet)
        return "answered"
