"""Memory: the sockets' buffers, huge pages, and what moves pages while a feed runs."""

from collections.abc import Iterator

from feedhandler.doctor.asked import Asked
from feedhandler.doctor.finding import Finding
from feedhandler.doctor.host import Host
from feedhandler.doctor.probe import Probe

_PAGE_BYTES = 4096
_MUCH_SWAPPING = 10


def findings(host: Host, probe: Probe, asked: Asked) -> Iterator[Finding]:
    """Look at memory."""
    yield _receive_buffer(host, probe, asked)
    yield _udp_memory(host, asked)
    yield _drops(host)
    yield _huge_pages(host, asked)
    yield _transparent_huge_pages(host)
    yield _swap(host)


def _receive_buffer(host: Host, probe: Probe, asked: Asked) -> Finding:
    wanted = asked.wire.rcvbuf_bytes
    granted, most = probe.receive_buffer(wanted), host.number("proc/sys/net/core/rmem_max")
    limit = "" if most is None else f"; rmem_max is {most:,}"
    return Finding(
        name="rmem_max",
        severity="fine" if granted >= wanted else "warning",
        state=f"{granted:,} of {wanted:,} bytes are granted to a socket{limit}",
        why="it takes what comes while the receive thread does not run; what does not fit is lost",
        remedy=None if granted >= wanted else f"sysctl -w net.core.rmem_max={wanted}",
    )


def _udp_memory(host: Host, asked: Asked) -> Finding:
    name, why = "udp_mem", "all UDP sockets of the host share it; beyond it, datagrams are dropped"
    limits = (host.text("proc/sys/net/ipv4/udp_mem") or "").split()
    if len(limits) != 3:
        return Finding(name=name, severity="unknown", state="not told here", why=why)
    most = int(limits[2]) * _PAGE_BYTES
    needed = 2 * asked.sockets * asked.wire.rcvbuf_bytes
    pages = -(-needed // _PAGE_BYTES)
    return Finding(
        name=name,
        severity="fine" if most >= needed else "warning",
        state=f"{most:,} bytes, of which {asked.sockets} sockets may need {needed:,}",
        why=why,
        remedy=None if most >= needed else f'sysctl -w net.ipv4.udp_mem="{pages} {pages} {pages}"',
    )


def _drops(host: Host) -> Finding:
    why = "datagrams that the kernel had and did not give to a socket, of all programs since the host started"
    rows = [words for words in host.table("proc/net/snmp") if words and words[0] == "Udp:"]
    if len(rows) != 2:
        return Finding(name="udp_drops", severity="unknown", state="not told here", why=why)
    counters = dict(zip(rows[0][1:], map(int, rows[1][1:]), strict=False))
    names = ("RcvbufErrors", "MemErrors", "InCsumErrors")
    told = {name: counters[name] for name in names if counters.get(name)}
    return Finding(
        name="udp_drops",
        severity="note" if told else "fine",
        state=", ".join(f"{name} {count:,}" for name, count in told.items()) or "none",
        why=why,
    )


def _huge_pages(host: Host, asked: Asked) -> Finding:
    why = "a ring in huge pages needs fewer entries of the processor's address cache"
    sizes = {words[0].rstrip(":"): int(words[1]) for words in host.table("proc/meminfo") if len(words) > 1}
    free, page = sizes.get("HugePages_Free"), sizes.get("Hugepagesize", 2048) * 1024
    if free is None:
        return Finding(name="huge_pages", severity="unknown", state="not told here", why=why)
    needed = -(-asked.ring_bytes // page)
    lacks = asked.ring.huge_pages and free < needed
    verb = "needs" if asked.ring.huge_pages else "would need"
    return Finding(
        name="huge_pages",
        severity="warning" if lacks else "fine",
        state=f"{free:,} free of {page >> 20} MiB; the ring {verb} {needed}",
        why=why,
        remedy=f"sysctl -w vm.nr_hugepages={sizes.get('HugePages_Total', 0) + needed - free}"
        if lacks
        else None,
    )


def _transparent_huge_pages(host: Host) -> Finding:
    path = "sys/kernel/mm/transparent_hugepage"
    why = "with `always`, memory may be compacted while a page is touched, which takes milliseconds"
    enabled, defrag = _chosen(host.text(f"{path}/enabled")), _chosen(host.text(f"{path}/defrag"))
    if enabled is None:
        return Finding(name="transparent_huge_pages", severity="unknown", state="not told here", why=why)
    stalls = enabled == "always" and defrag == "always"
    return Finding(
        name="transparent_huge_pages",
        severity="warning" if stalls else "note" if enabled == "always" else "fine",
        state=f"{enabled}, defrag {defrag or 'not told'}",
        why=why,
        remedy=f"echo madvise > /{path}/enabled" if enabled == "always" else None,
    )


def _chosen(text: str | None) -> str | None:
    """Return the word in brackets, as in ``always [madvise] never``."""
    words = (text or "").split()
    return next((word.strip("[]") for word in words if word.startswith("[")), None)


def _swap(host: Host) -> Finding:
    spaces = host.table("proc/swaps")[1:]
    swappiness = host.number("proc/sys/vm/swappiness")
    is_bad = bool(spaces) and (swappiness is None or swappiness > _MUCH_SWAPPING)
    return Finding(
        name="swap",
        severity="warning" if is_bad else "note" if spaces else "fine",
        state=f"{len(spaces)} in use, swappiness {swappiness}" if spaces else "none",
        why="a page that was swapped out takes milliseconds to come back",
        remedy="swapoff -a" if spaces else None,
    )
