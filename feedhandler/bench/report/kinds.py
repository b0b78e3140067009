"""Which kinds of result there are, in the order of the report."""

from typing import Final

from feedhandler.bench.report import decode, files, latency, peers, receive, send, throughput
from feedhandler.bench.report.section import Kind

KINDS: Final = (
    Kind("peers", "Beside receivers in other languages", peers.render),
    Kind("latency", "How late Python has a message", latency.render),
    Kind("receive", "From the socket to Python, beside C programs that count and decode", receive.render),
    Kind("throughput", "The receive limit, and overload", throughput.render),
    Kind("decode", "Decoding", decode.render),
    Kind("files", "Whole files", files.render),
    Kind("send", "Sending", send.render),
)
