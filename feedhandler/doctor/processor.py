"""Processors: how fast they run, how deep they sleep, who else uses them, and what clock they have."""

from collections.abc import Iterator

from feedhandler.doctor.asked import Asked
from feedhandler.doctor.finding import Finding, Severity
from feedhandler.doctor.host import Host, processors

_CPU = "sys/devices/system/cpu"
_LONG_WAKE_UP_US = 20
_SLOW_CLOCKS = frozenset({"hpet", "acpi_pm", "jiffies", "refined-jiffies"})


def findings(host: Host, asked: Asked) -> Iterator[Finding]:
    """Look at the processors."""
    yield _governor(host)
    yield _idle_states(host)
    yield _clock_source(host)
    yield _isolated(host, asked)
    yield _stolen(host)


def _governor(host: Host) -> Finding:
    why = "a processor that saves power is slow to run at its full speed when a burst comes"
    found = {host.text(path) for path in host.names(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_governor")}
    if not found:
        state = "not told here, as on most virtual machines"
        return Finding(name="governor", severity="unknown", state=state, why=why)
    is_fine = found == {"performance"}
    return Finding(
        name="governor",
        severity="fine" if is_fine else "warning",
        state=", ".join(sorted(filter(None, found))),
        why=why,
        remedy=None if is_fine else "cpupower frequency-set -g performance",
    )


def _idle_states(host: Host) -> Finding:
    why = "a processor that sleeps deeply takes that long to wake up when a datagram comes"
    states = {
        path.rpartition("/")[0]: latency
        for path in host.names(f"{_CPU}/cpu[0-9]*/cpuidle/state[0-9]*/latency")
        if (latency := host.number(path)) is not None
    }
    if not states:
        state = "not told here, as on most virtual machines"
        return Finding(name="c_states", severity="unknown", state=state, why=why)
    slowest = max(
        (latency for state, latency in states.items() if not host.number(f"{state}/disable")), default=0
    )
    is_slow = slowest > _LONG_WAKE_UP_US
    return Finding(
        name="c_states",
        severity="warning" if is_slow else "fine",
        state=f"up to {slowest} µs to wake up",
        why=why,
        remedy=f"cpupower idle-set -D {_LONG_WAKE_UP_US}" if is_slow else None,
    )


def _clock_source(host: Host) -> Finding:
    path = "sys/devices/system/clocksource/clocksource0"
    why = "every stamp is a look at it; one that needs a system call or a device makes all of them late"
    current, available = (
        host.text(f"{path}/current_clocksource"),
        host.text(f"{path}/available_clocksource") or "",
    )
    if current is None:
        return Finding(name="clock_source", severity="unknown", state="not told here", why=why)
    has_better = current != "tsc" and "tsc" in available.split()
    severity: Severity = "critical" if current in _SLOW_CLOCKS else "note" if has_better else "fine"
    return Finding(
        name="clock_source",
        severity=severity,
        state=f"{current} of {available}",
        why=why,
        remedy=f"echo tsc > /{path}/current_clocksource" if has_better else None,
    )


def _isolated(host: Host, asked: Asked) -> Finding:
    isolated = processors(host.text(f"{_CPU}/isolated") or "")
    online = processors(host.text(f"{_CPU}/online") or "")
    why = "on a processor that the scheduler leaves alone, nothing takes the receive thread's time"
    cpu = asked.wire.cpu
    listed = ",".join(map(str, sorted(isolated))) or "none"
    if cpu is None:
        return Finding(
            name="isolated_cores", severity="note", state=f"{listed}; no processor is named", why=why
        )
    if online and cpu not in online:
        state = f"processor {cpu} is not there; there are {','.join(map(str, sorted(online)))}"
        return Finding(name="isolated_cores", severity="critical", state=state, why=why)
    is_alone = cpu in isolated
    return Finding(
        name="isolated_cores",
        severity="fine" if is_alone else "note",
        state=f"{listed}; the receive thread is to run on {cpu}",
        why=why,
        remedy=None if is_alone else f"boot with isolcpus={cpu} nohz_full={cpu} rcu_nocbs={cpu}",
    )


def _stolen(host: Host) -> Finding:
    why = "time in which the hypervisor ran something else is a stall that nothing in here can see or mend"
    total = next((words for words in host.table("proc/stat") if words and words[0] == "cpu"), [])
    if len(total) < 9:
        return Finding(name="stolen_time", severity="unknown", state="not told here", why=why)
    ticks = list(map(int, total[1:9]))
    share = ticks[7] / max(1, sum(ticks))
    return Finding(
        name="stolen_time",
        severity="fine" if ticks[7] == 0 else "note" if share < 0.001 else "warning",
        state=f"{share:.2%} since the host started",
        why=why,
    )
