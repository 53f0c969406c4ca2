"""The node's link to the host, and what the host needs to route for it. Writes, as root.

The link and its routes vanish with the node's network namespace; the iptables rules and `ip_forward` are the
host's and are undone by `remove`.
"""

import json
import time
from ipaddress import IPv4Network
from pathlib import Path

from e2e.cluster.processes import Process
from e2e.cluster.shell import run, succeeds
from e2e.cluster.spec import ClusterSpec

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FORWARD_BEFORE = Path("/run/inferfleet/ip_forward")
"""What `ip_forward` was before the first cluster; gone after a reboot, as the change is."""
MARK = "inferfleet-cluster"
"""In the comment of every rule, so that they can be counted."""


def routed() -> list[IPv4Network]:
    """Networks that this host reaches by more than its default route. Reads."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "main"]))
    return [IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]


def rules(spec: ClusterSpec) -> list[list[str]]:
    """The host's iptables rules for one cluster, without the verb. Pure."""
    network, comment = str(spec.network), ["-m", "comment", "--comment", f"{MARK}-{spec.identity}"]
    return [
        ["nat", "POSTROUTING", "-s", network, "!", "-d", network, *comment, "-j", "MASQUERADE"],
        # Docker sets the FORWARD policy to DROP.
        ["filter", "FORWARD", "-s", network, *comment, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-d", network, *comment, "-j", "ACCEPT"],
    ]


def ensure(spec: ClusterSpec, holder: Process) -> None:
    """Connect the node that `holder` holds open; does nothing that is done already."""
    inside = ["nsenter", "--target", str(holder.pid), "--net", "ip"]
    if not succeeds([*inside, "link", "show", "eth0"]):
        # A link without its other end is that of a node before this one.
        succeeds(["ip", "link", "delete", spec.link_name])
        _add_link(spec, holder)
    run(["ip", "address", "replace", f"{spec.host_address}/{spec.link.prefixlen}", "dev", spec.link_name])
    run(["ip", "link", "set", spec.link_name, "up"])
    run([*inside, "address", "replace", f"{spec.node_address}/{spec.link.prefixlen}", "dev", "eth0"])
    run([*inside, "link", "set", "eth0", "up"])
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "route", "replace", "default", "via", str(spec.host_address)])
    run(["ip", "route", "replace", str(spec.network), "via", str(spec.node_address)])
    _forward(spec)


def remove(spec: ClusterSpec) -> None:
    """Undo what `ensure` did to the host, whatever of it is there."""
    for table, chain, *rule in rules(spec):
        while succeeds(["iptables", "-w", "-t", table, "-D", chain, *rule]):
            pass
    if succeeds(["ip", "link", "show", spec.link_name]):
        succeeds(["ip", "link", "delete", spec.link_name])
    if FORWARD_BEFORE.exists() and MARK not in run(["iptables-save"]):
        FORWARD.write_text(FORWARD_BEFORE.read_text())
        FORWARD_BEFORE.unlink()


def _add_link(spec: ClusterSpec, holder: Process) -> None:
    add = [
        "ip",
        "link",
        "add",
        spec.link_name,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        str(holder.pid),
    ]
    for _ in range(50):  # the kernel takes a moment to remove the link of a node that was just killed
        if succeeds(add):
            return
        time.sleep(0.1)
    run(add)


def _forward(spec: ClusterSpec) -> None:
    if FORWARD.read_text().strip() != "1":
        FORWARD_BEFORE.parent.mkdir(exist_ok=True)
        FORWARD_BEFORE.write_text(FORWARD.read_text())
        FORWARD.write_text("1\n")
    for table, chain, *rule in rules(spec):
        if not succeeds(["iptables", "-w", "-t", table, "-C", chain, *rule]):
            run(["iptables", "-w", "-t", table, "-I", chain, *rule])
