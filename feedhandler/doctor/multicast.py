"""Multicast: whether groups can be joined, are heard where they come, and stay apart."""

from collections import Counter
from collections.abc import Iterator

from feedhandler.doctor.asked import Asked
from feedhandler.doctor.finding import Finding
from feedhandler.doctor.host import Host
from feedhandler.doctor.probe import Probe

_IPV4 = "proc/sys/net/ipv4"
_STRICT, _LOOSE = 1, 2


def findings(host: Host, probe: Probe, asked: Asked) -> Iterator[Finding]:
    """Look at multicast."""
    yield from _reverse_paths(host, asked)
    yield _memberships(host, asked)
    yield _sources(host, asked)
    yield from _routes(host, probe, asked)
    yield _bleed(probe)


def _reverse_paths(host: Host, asked: Asked) -> Iterator[Finding]:
    why = "strict filtering drops what comes from a sender that routing would answer by another interface"
    of_all = host.number(f"{_IPV4}/conf/all/rp_filter")
    if of_all is None:
        yield Finding(name="rp_filter", severity="unknown", state="not told here", why=why)
        return
    names = sorted(asked.interfaces) or [
        path.split("/")[5] for path in host.names(f"{_IPV4}/conf/*/rp_filter")
    ]
    # Documentation/networking/ip-sysctl.rst: the greater of "all" and the interface's own is used.
    values = {name: max(of_all, host.number(f"{_IPV4}/conf/{name}/rp_filter") or 0) for name in names}
    strict = [
        name for name, value in values.items() if value == _STRICT and name not in {"all", "default", "lo"}
    ]
    is_asked = bool(strict) and bool(asked.groups)
    yield Finding(
        name="rp_filter",
        severity="warning" if is_asked else "note" if strict else "fine",
        state=f"strict on {', '.join(strict)}" if strict else "strict on no interface",
        why=why,
        remedy=f"sysctl -w net.ipv4.conf.all.rp_filter={_LOOSE}" if strict else None,
    )


def _memberships(host: Host, asked: Asked) -> Finding:
    why = "a socket that joins more groups than this is refused; each line here has a socket of its own"
    most = host.number(f"{_IPV4}/igmp_max_memberships")
    if most is None:
        return Finding(name="igmp_max_memberships", severity="unknown", state="not told here", why=why)
    groups = len({group for group, _ in asked.groups})
    return Finding(
        name="igmp_max_memberships",
        severity="fine" if most >= 1 else "critical",
        state=f"{most} for a socket; {groups} groups are asked for, on a socket each",
        why=why,
        remedy=None if most >= 1 else "sysctl -w net.ipv4.igmp_max_memberships=20",
    )


def _sources(host: Host, asked: Asked) -> Finding:
    why = "a socket that names more sources of one group than this is refused"
    most = host.number(f"{_IPV4}/igmp_max_msf")
    if most is None:
        return Finding(name="igmp_max_msf", severity="unknown", state="not told here", why=why)
    is_enough = most >= asked.sources
    return Finding(
        name="igmp_max_msf",
        severity="fine" if is_enough else "critical",
        state=f"{most}; a line names {asked.sources} at most",
        why=why,
        remedy=None if is_enough else f"sysctl -w net.ipv4.igmp_max_msf={asked.sources}",
    )


def _routes(host: Host, probe: Probe, asked: Asked) -> Iterator[Finding]:
    why = "a group whose line names no interface is joined where routing says, which may be another network"
    by_name = Counter(interface for _, interface in asked.groups if interface is not None)
    for interface, count in sorted(by_name.items()):
        yield _interface(host, interface, count)
    for group in sorted({str(group) for group, interface in asked.groups if interface is None}):
        address = probe.source_address(next(ip for ip, _ in asked.groups if str(ip) == group))
        yield Finding(
            name=f"route {group}",
            severity="critical" if address is None else "note",
            state="there is none"
            if address is None
            else f"by the interface of {address}, since none is named",
            why=why,
            remedy="name the interface of each line, or: ip route add 224.0.0.0/4 dev INTERFACE",
        )
    if not asked.groups:
        yield Finding(name="route", severity="fine", state="no group is asked for", why=why)


def _interface(host: Host, interface: str, groups: int) -> Finding:
    state = host.text(f"sys/class/net/{interface}/operstate")
    # Interfaces may be named by an address; those are looked for when the feed opens.
    is_name = not interface[0].isdigit() and ":" not in interface
    is_missing = is_name and not host.exists(f"sys/class/net/{interface}")
    return Finding(
        name=f"interface {interface}",
        severity="critical" if is_missing or state == "down" else "fine",
        state="there is none of that name" if is_missing else f"{state or 'an address'}, {groups} lines",
        why="groups are joined on it",
        remedy=f"ip link set {interface} up" if state == "down" else None,
    )


def _bleed(probe: Probe) -> Finding:
    is_apart = probe.keeps_groups_apart()
    return Finding(
        name="group_bleed",
        severity="fine" if is_apart else "warning",
        state=f"IP_MULTICAST_ALL can{'' if is_apart else 'not'} be turned off",
        why="otherwise a socket hears every group on its port that any program on the host has joined",
    )
