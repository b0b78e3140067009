"""Network cards: their rings, interrupts and drops, and the queues between them and the sockets."""

from collections.abc import Iterator

from feedhandler.doctor.asked import Asked
from feedhandler.doctor.finding import Finding
from feedhandler.doctor.host import Host, processors
from feedhandler.doctor.probe import Probe

_NET = "sys/class/net"
_DROPS = ("rx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors")


def findings(host: Host, probe: Probe, asked: Asked) -> Iterator[Finding]:
    """Look at the network cards."""
    yield _backlog(host)
    yield _busy_poll(host, probe, asked)
    cards = [path.split("/")[3] for path in host.names(f"{_NET}/*/device")]
    used = [card for card in cards if not asked.interfaces or card in asked.interfaces]
    if not used:
        why = "its ring and its interrupts are where the first datagrams of a burst are lost"
        yield Finding(name="network_card", severity="unknown", state="there is none to be seen here", why=why)
    for card in used:
        yield _ring(probe, card)
        yield _coalescing(probe, card)
        yield _drops(host, card)
        yield _interrupts(host, asked, card)


def _backlog(host: Host) -> Finding:
    # net/core/net-procfs.c: the second column counts what did not fit the queue of a processor, the third how
    # often its budget was used up.
    rows = [
        [int(word, 16) for word in words] for words in host.table("proc/net/softnet_stat") if len(words) > 2
    ]
    dropped, squeezed = (sum(row[index] for row in rows) for index in (1, 2))
    limit = host.number("proc/sys/net/core/netdev_max_backlog")
    return Finding(
        name="backlog",
        severity="unknown" if not rows else "warning" if dropped else "fine",
        state=f"{dropped:,} dropped, budget used up {squeezed:,} times, room for {limit}",
        why="packets wait there between the card, or the loopback, and the sockets",
        remedy=f"sysctl -w net.core.netdev_max_backlog={max(10_000, 2 * (limit or 0))}" if dropped else None,
    )


def _busy_poll(host: Host, probe: Probe, asked: Asked) -> Finding:
    wanted, system_wide = asked.wire.busy_poll_us, host.number("proc/sys/net/core/busy_read")
    why = "a look at an empty socket then looks at the card itself, and saves waiting for its interrupt"
    if not wanted:
        state = f"not asked for; busy_read is {system_wide}"
        return Finding(name="busy_poll", severity="fine", state=state, why=why)
    is_granted = probe.grants_busy_poll(wanted)
    return Finding(
        name="busy_poll",
        severity="fine" if is_granted else "warning",
        state=f"{wanted} µs are {'granted' if is_granted else 'refused'}; busy_read is {system_wide}",
        why=why,
        remedy=None if is_granted else f"sysctl -w net.core.busy_read={wanted}, or grant CAP_NET_ADMIN",
    )


def _ring(probe: Probe, card: str) -> Finding:
    name, why = f"ring {card}", "a burst that does not fit the card's ring is lost before the kernel sees it"
    ring = probe.card_ring(card)
    if ring is None or ring.most == 0:
        return Finding(name=name, severity="unknown", state="its driver does not tell", why=why)
    is_full = ring.used >= ring.most
    return Finding(
        name=name,
        severity="fine" if is_full else "warning",
        state=f"{ring.used:,} of {ring.most:,} descriptors",
        why=why,
        remedy=None if is_full else f"ethtool -G {card} rx {ring.most}",
    )


def _coalescing(probe: Probe, card: str) -> Finding:
    name, why = f"coalescing {card}", "so long the card waits before it tells of a datagram"
    found = probe.coalescing(card)
    if found is None:
        return Finding(name=name, severity="unknown", state="its driver does not tell", why=why)
    waits = found.is_adaptive or found.receive_us > 0
    return Finding(
        name=name,
        severity="note" if waits else "fine",
        state=f"{found.receive_us} µs{', adaptive' if found.is_adaptive else ''}",
        why=why,
        remedy=f"ethtool -C {card} adaptive-rx off rx-usecs 0" if waits else None,
    )


def _drops(host: Host, card: str) -> Finding:
    counts = {name: host.number(f"{_NET}/{card}/statistics/{name}") or 0 for name in _DROPS}
    told = {name: count for name, count in counts.items() if count}
    return Finding(
        name=f"drops {card}",
        severity="warning" if told else "fine",
        state=", ".join(f"{name} {count:,}" for name, count in told.items()) or "none",
        why="packets that were lost before any socket, since the host started; no socket's counter has them",
    )


def _interrupts(host: Host, asked: Asked, card: str) -> Finding:
    name, cpu = f"interrupts {card}", asked.wire.cpu
    why = "an interrupt of the card on the receive thread's processor takes its time"
    numbers = [path.rpartition("/")[2] for path in host.names(f"{_NET}/{card}/device/msi_irqs/*")]
    lists = [host.text(f"proc/irq/{number}/smp_affinity_list") for number in numbers]
    allowed = frozenset().union(*(processors(text) for text in lists if text))
    if not allowed:
        return Finding(name=name, severity="unknown", state="not told here", why=why)
    is_shared = cpu is not None and cpu in allowed
    return Finding(
        name=name,
        severity="warning" if is_shared else "fine" if cpu is not None else "note",
        state=f"{len(numbers)} on processors {','.join(map(str, sorted(allowed)))}",
        why=why,
        remedy=f"write other processors than {cpu} to /proc/irq/{{{','.join(numbers)}}}/smp_affinity_list"
        if is_shared
        else None,
    )
