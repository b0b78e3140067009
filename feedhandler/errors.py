"""The exceptions of the package: one tree, context in attributes, one clear line as text.

A line says where, what was expected and what was found. Data from the wire never raises: it is counted.
"""

from collections.abc import Sequence


class FeedhandlerError(Exception):
    """Base of everything the package raises on purpose."""


class InvalidFileError(FeedhandlerError, ValueError):
    """A text file that a person wrote says something it may not say.

    Parameters
    ----------
    file
        The file, as it was named.
    where
        The key in it, such as ``messages.add_order.fields[3].width``; empty for the file as a whole.
    expected
        What may stand there.
    found
        What does.
    hint
        What to do about it, where that is known.
    subject
        The name of what stands there, such as a field's, where the key alone does not say it.
    """

    def __init__(  # noqa: PLR0917 — pickled by its positional arguments
        self, file: str, where: str, expected: str, found: str, hint: str = "", subject: str = ""
    ) -> None:
        super().__init__(file, where, expected, found, hint, subject)
        self.file = file
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        self.subject = subject

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        place += f" ({self.subject})" if self.subject else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: expected {self.expected}, found {self.found}{hint}"


class DeclarationError(InvalidFileError):
    """A protocol declaration is not well formed, or does not make sense."""


class ConfigError(InvalidFileError):
    """A configuration is not well formed, or asks for the impossible."""


class UnknownProtocolError(FeedhandlerError, LookupError):
    """No protocol of that name is shipped.

    Parameters
    ----------
    name
        What was asked for.
    shipped
        The names there are.
    hint
        The nearest of them, put as a question; empty where none is near.
    """

    def __init__(self, name: str, shipped: Sequence[str], hint: str = "") -> None:
        super().__init__(name, tuple(shipped), hint)
        self.name = name
        self.shipped = tuple(shipped)
        self.hint = hint

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return (
            f"unknown protocol {self.name!r}{hint}: expected one of {', '.join(self.shipped)}, "
            "or the path of a declaration ending in .toml"
        )


class UnknownMessageError(FeedhandlerError, KeyError):
    """A protocol has no message of that name.

    Parameters
    ----------
    name
        What was asked for.
    protocol
        Name of the protocol.
    messages
        The names there are.
    hint
        The nearest of them, put as a question; empty where none is near.
    """

    def __init__(self, name: str, protocol: str, messages: Sequence[str], hint: str = "") -> None:
        super().__init__(name, protocol, tuple(messages), hint)
        self.name = name
        self.protocol = protocol
        self.messages = tuple(messages)
        self.hint = hint

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        messages = ", ".join(self.messages)
        return f"no message {self.name!r} in {self.protocol}{hint}: expected one of {messages}"


class BookError(FeedhandlerError, ValueError):
    """Books cannot be kept with what they were given.

    Parameters
    ----------
    subject
        Which books.
    expected
        What was expected.
    found
        What was found.
    """

    def __init__(self, subject: str, expected: str, found: str) -> None:
        super().__init__(subject, expected, found)
        self.subject = subject
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, found {self.found}"


class UnknownInstrumentError(FeedhandlerError, KeyError):
    """Books have no instrument of that name: nothing about it has come in this session.

    Parameters
    ----------
    name
        What was asked for.
    channel
        The channel it was asked for on; None for any.
    hint
        The nearest symbol there is, put as a question; empty where none is near.
    """

    def __init__(self, name: str, channel: int | None = None, hint: str = "") -> None:
        super().__init__(name, channel, hint)
        self.name = name
        self.channel = channel
        self.hint = hint

    def __str__(self) -> str:
        place = "" if self.channel is None else f" on channel {self.channel}"
        hint = f" ({self.hint})" if self.hint else ""
        return f"no instrument {self.name!r}{place}{hint}: expected one that a message was about"


class AmbiguousInstrumentError(FeedhandlerError, LookupError):
    """More than one channel has an instrument of that name.

    Parameters
    ----------
    name
        What was asked for.
    channels
        The channels that have it.
    """

    def __init__(self, name: str, channels: Sequence[int]) -> None:
        super().__init__(name, tuple(channels))
        self.name = name
        self.channels = tuple(channels)

    def __str__(self) -> str:
        channels = ", ".join(map(str, self.channels))
        return (
            f"instrument {self.name!r}: expected one, found one on each of the channels {channels} "
            "(say which by channel=)"
        )


class FilterError(FeedhandlerError, ValueError):
    """Messages of a protocol cannot be filtered by an instrument.

    Parameters
    ----------
    expected
        What was expected.
    found
        What was found.
    hint
        What to do about it; empty where there is nothing more to say.
    """

    def __init__(self, expected: str, found: str, hint: str = "") -> None:
        super().__init__(expected, found, hint)
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"instruments: expected {self.expected}, found {self.found}{hint}"


class CaptureError(FeedhandlerError):
    """A capture file cannot be read.

    Parameters
    ----------
    file
        The file, as it was named.
    reason
        What is wrong with it.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


class WireError(FeedhandlerError):
    """A line cannot be received as it is configured.

    Parameters
    ----------
    subject
        The line, or what else it is about.
    doing
        What was being done, such as ``bind to 127.0.0.1:20001``.
    expected
        What was expected.
    found
        What was found.
    remedy
        What to do about it.
    """

    def __init__(self, subject: str, doing: str, expected: str, found: str, remedy: str) -> None:
        super().__init__(subject, doing, expected, found, remedy)
        self.subject = subject
        self.doing = doing
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        what = f"expected {self.expected}, found {self.found}"
        return f"{self.subject}: cannot {self.doing}: {what} ({self.remedy})"


class AddressError(FeedhandlerError, ValueError):
    """Text that should be an address and a port is not.

    Parameters
    ----------
    expected
        What was expected.
    found
        What was found.
    """

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}"


class SinkError(FeedhandlerError):
    """Results cannot be written where they should go.

    Parameters
    ----------
    path
        Where they should go.
    reason
        What is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class FaultError(FeedhandlerError, ValueError):
    """A fault that there is not, or that cannot be done to this feed."""


class SendError(FeedhandlerError):
    """Datagrams cannot be sent: a destination, pacing or file that will not do, or the kernel's refusal."""
