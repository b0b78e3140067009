"""What the doctor says of hosts that are made up, and of this one."""

import json
import re
import subprocess
import sysconfig
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from feedhandler.config import RingConfig, WireConfig
from feedhandler.doctor import Asked, CardRing, Coalescing, Finding, Host, Severity, examine

COMMAND = Path(sysconfig.get_path("scripts")) / "feedhandler"
GROUP = ip_address("239.1.1.1")
CPU = "sys/devices/system/cpu"
CARD = "sys/class/net/eth0"
FULL_RING = CardRing(4096, 4096)
AT_ONCE = Coalescing(0, is_adaptive=False)


@dataclass(frozen=True)
class Answers:
    """A system that grants everything, but for what a test says."""

    most_buffer: int = 1 << 30
    busy_poll: bool = True
    apart: bool = True
    addresses: dict[str, str] = field(default_factory=dict)
    ring: CardRing | None = FULL_RING
    waits: Coalescing | None = AT_ONCE

    def receive_buffer(self, asked: int) -> int:
        return min(asked, self.most_buffer)

    def grants_busy_poll(self, microseconds: int) -> bool:
        return self.busy_poll and microseconds > 0

    def keeps_groups_apart(self) -> bool:
        return self.apart

    def source_address(self, group: IPv4Address | IPv6Address) -> str | None:
        return self.addresses.get(str(group))

    def card_ring(self, interface: str) -> CardRing | None:
        return self.ring if interface == "eth0" else None

    def coalescing(self, interface: str) -> Coalescing | None:
        return self.waits if interface == "eth0" else None


FINE = {
    "proc/1/cgroup": "0::/init.scope",
    "proc/sys/net/core/rmem_max": "1073741824",
    "proc/sys/net/core/netdev_max_backlog": "1000",
    "proc/sys/net/core/busy_read": "0",
    "proc/sys/net/ipv4/udp_mem": "1000000 1000000 1000000",
    "proc/sys/net/ipv4/igmp_max_memberships": "20",
    "proc/sys/net/ipv4/igmp_max_msf": "10",
    "proc/sys/net/ipv4/conf/all/rp_filter": "0",
    "proc/sys/net/ipv4/conf/eth0/rp_filter": "0",
    "proc/sys/vm/swappiness": "60",
    "proc/net/snmp": "Ip: A\nIp: 1\nUdp: InDatagrams RcvbufErrors MemErrors\nUdp: 5 0 0",
    "proc/net/softnet_stat": "0000000a 00000000 00000000\n0000000b 00000000 00000001",
    "proc/meminfo": "MemTotal: 1 kB\nHugePages_Total: 0\nHugePages_Free: 0\nHugepagesize: 2048 kB",
    "proc/swaps": "Filename Type Size Used Priority",
    "proc/stat": "cpu 1 2 3 4 5 6 7 0 0 0",
    "proc/irq/30/smp_affinity_list": "0-1",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/kernel/mm/transparent_hugepage/defrag": "always defer [madvise] never",
    f"{CPU}/online": "0-3",
    f"{CPU}/isolated": "2-3",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu0/cpuidle/state0/latency": "2",
    f"{CPU}/cpu0/cpuidle/state1/latency": "200",
    f"{CPU}/cpu0/cpuidle/state1/disable": "1",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet",
    f"{CARD}/operstate": "up",
    f"{CARD}/device/msi_irqs/30": "",
    f"{CARD}/statistics/rx_dropped": "0",
}
"""A host on which there is nothing to mend."""

ASKED = Asked(wire=WireConfig(cpu=2), groups=((GROUP, "eth0"),))


def examined(
    tmp_path: Path,
    changed: dict[str, str | None] | None = None,
    probe: Answers | None = None,
    asked: Asked = ASKED,
) -> dict[str, Finding]:
    for name, text in (FINE | (changed or {})).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text + "\n")
    for process in ("self", "1"):
        (tmp_path / f"proc/{process}/ns").mkdir(parents=True)
        (tmp_path / f"proc/{process}/ns/net").symlink_to("net:[1]")
    findings = examine(asked, Host(tmp_path), probe or Answers())
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def test_of_a_host_with_nothing_to_mend_all_is_fine(tmp_path: Path) -> None:
    findings = examined(tmp_path)
    findings.pop("build")  # the module under test may be a debug build
    assert {name: finding.state for name, finding in findings.items() if finding.severity != "fine"} == {}


@pytest.mark.parametrize(
    ("name", "changed", "severity", "remedy"),
    [
        ("backlog", {"proc/net/softnet_stat": "0a 0b 00"}, "warning", "netdev_max_backlog=10000"),
        ("udp_mem", {"proc/sys/net/ipv4/udp_mem": "1 2 3"}, "warning", 'udp_mem="4096 4096 4096"'),
        ("udp_drops", {"proc/net/snmp": "Udp: InDatagrams RcvbufErrors\nUdp: 5 7"}, "note", None),
        ("rp_filter", {"proc/sys/net/ipv4/conf/eth0/rp_filter": "1"}, "warning", "rp_filter=2"),
        ("rp_filter", {"proc/sys/net/ipv4/conf/all/rp_filter": "1"}, "warning", "rp_filter=2"),
        ("igmp_max_memberships", {"proc/sys/net/ipv4/igmp_max_memberships": "0"}, "critical", "=20"),
        ("interface eth0", {f"{CARD}/operstate": "down"}, "critical", "ip link set eth0 up"),
        ("swap", {"proc/swaps": "Filename\n/swap file 1 0 -2"}, "warning", "swapoff"),
        ("governor", {f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave"}, "warning", "-g performance"),
        ("c_states", {f"{CPU}/cpu0/cpuidle/state1/disable": "0"}, "warning", "idle-set"),
        ("isolated_cores", {f"{CPU}/isolated": ""}, "note", "isolcpus=2"),
        ("isolated_cores", {f"{CPU}/online": "0-1"}, "critical", None),
        ("stolen_time", {"proc/stat": "cpu 1 2 3 4 5 6 7 50 0 0"}, "warning", None),
        ("drops eth0", {f"{CARD}/statistics/rx_dropped": "3"}, "warning", None),
        ("interrupts eth0", {"proc/irq/30/smp_affinity_list": "0,2"}, "warning", "smp_affinity_list"),
        ("container", {"proc/1/cgroup": "0::/docker/1"}, "note", None),
        (
            "clock_source",
            {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"},
            "critical",
            "echo tsc",
        ),
        (
            "transparent_huge_pages",
            {
                "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
                "sys/kernel/mm/transparent_hugepage/defrag": "[always] defer never",
            },
            "warning",
            "echo madvise",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_mends_it(
    tmp_path: Path, name: str, changed: dict[str, str | None], severity: Severity, remedy: str | None
) -> None:
    finding = examined(tmp_path, changed)[name]
    assert finding.severity == severity, finding
    assert finding.why
    assert (finding.remedy is None) == (remedy is None)
    assert remedy is None or remedy in str(finding.remedy)


@pytest.mark.parametrize(
    ("name", "probe", "asked", "severity"),
    [
        ("rmem_max", Answers(most_buffer=212_992), ASKED, "warning"),
        ("group_bleed", Answers(apart=False), ASKED, "warning"),
        ("ring eth0", Answers(ring=CardRing(512, 4096)), ASKED, "warning"),
        ("ring eth0", Answers(ring=None), ASKED, "unknown"),
        ("coalescing eth0", Answers(waits=Coalescing(50, is_adaptive=False)), ASKED, "note"),
        ("busy_poll", Answers(busy_poll=False), Asked(wire=WireConfig(busy_poll_us=50)), "warning"),
        ("huge_pages", Answers(), Asked(ring=RingConfig(huge_pages=True)), "warning"),
        ("igmp_max_msf", Answers(), Asked(sources=11), "critical"),
        ("interface eth7", Answers(), Asked(groups=((GROUP, "eth7"),)), "critical"),
        ("route 239.1.1.1", Answers(), Asked(groups=((GROUP, None),)), "critical"),
        (
            "route 239.1.1.1",
            Answers(addresses={str(GROUP): "10.0.0.1"}),
            Asked(groups=((GROUP, None),)),
            "note",
        ),
    ],
)
def test_what_the_system_refuses_is_told(
    tmp_path: Path, name: str, probe: Answers, asked: Asked, severity: Severity
) -> None:
    assert examined(tmp_path, probe=probe, asked=asked)[name].severity == severity


def test_what_cannot_be_seen_is_unknown_and_never_fine(tmp_path: Path) -> None:
    findings = {finding.name: finding for finding in examine(Asked(), Host(tmp_path), Answers())}
    blind = (
        "governor",
        "c_states",
        "clock_source",
        "udp_mem",
        "udp_drops",
        "backlog",
        "huge_pages",
        "rp_filter",
    )
    assert {name: findings[name].severity for name in blind} == dict.fromkeys(blind, "unknown")


def test_this_host_is_examined_and_the_exit_code_says_how_it_is() -> None:
    done = subprocess.run(
        [COMMAND, "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    told = json.loads(done.stdout)
    codes = {"fine": 0, "unknown": 0, "note": 0, "warning": 3, "critical": 4}
    assert done.returncode == codes[told["severity"]], done.stderr
    assert {"rmem_max", "clock_source", "swap", "group_bleed"} <= {
        finding["name"] for finding in told["findings"]
    }
    people = subprocess.run([COMMAND, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    assert all(re.search(rf"\b{finding['name']}\b", people.stdout) for finding in told["findings"])


def test_a_configuration_says_what_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "feed.toml"
    config.write_text(
        'protocol = "msgpack"\n[wire]\nrcvbuf_bytes = 1_000\n[[channel]]\nname = "c"\n'
        '[[channel.line]]\nname = "A"\naddress = "239.1.1.1:20001"\ninterface = "nowhere0"\n'
    )
    done = subprocess.run(
        [COMMAND, "doctor", config, "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["interface nowhere0"]["severity"] == "critical"
    assert findings["rmem_max"]["severity"] == "fine"
    assert done.returncode == 4
