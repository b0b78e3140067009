"""Surroundings: whether this is the host itself, and whether the module is built to be measured."""

from collections.abc import Iterator

from feedhandler import _core
from feedhandler.doctor.finding import Finding
from feedhandler.doctor.host import Host

_CONTAINER_FILES = (".dockerenv", "run/.containerenv")


def findings(host: Host) -> Iterator[Finding]:
    """Look at the surroundings."""
    yield _container(host)
    yield _namespace(host)
    yield _build(_core.BUILD_PROFILE)


def _container(host: Host) -> Finding:
    words = host.text("proc/1/cgroup") or ""
    marks = ("docker", "kubepods", "containerd", "lxc")
    is_container = any(map(host.exists, _CONTAINER_FILES)) or any(mark in words for mark in marks)
    return Finding(
        name="container",
        severity="note" if is_container else "fine",
        state="in a container" if is_container else "no sign of one",
        why="settings of the kernel are the host's there, and quotas of processor time are stalls",
    )


def _namespace(host: Host) -> Finding:
    why = "another network namespace has interfaces, limits and counters of its own"
    own, first = host.link("proc/self/ns/net"), host.link("proc/1/ns/net")
    if own is None or first is None:
        return Finding(name="network_namespace", severity="unknown", state="not told here", why=why)
    is_same = own == first
    return Finding(
        name="network_namespace",
        severity="fine" if is_same else "note",
        state="that of the first process" if is_same else "not that of the first process",
        why=why,
    )


def _build(profile: str) -> Finding:
    is_release = profile == "release"
    return Finding(
        name="build",
        severity="fine" if is_release else "warning",
        state=profile,
        why="a debug build is many times slower",
        remedy=None if is_release else "make build",
    )
