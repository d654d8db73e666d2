"""Machines as network namespaces on one bridge, and partitions between them. Needs root.

A partition drops packets silently, as a broken network does: connections hang instead of being refused.
"""

import json
import subprocess
from pathlib import Path

from .failure import Failure

BRIDGE = "webpush-br"
#: The address of this machine on the bridge.
OUTSIDE = "10.89.7.1"
SUBNET = "10.89.7.0/24"
#: Machines with the last part of their address.
MACHINES = {"db1": 11, "db2": 12, "db3": 13, "node1": 21, "node2": 22, "node3": 23}
#: The nftables table of each namespace that holds its partitions.
TABLE = ["inet", "webpush"]


def namespace(machine: str) -> str:
    return f"webpush-{machine}"


def address(machine: str) -> str:
    return OUTSIDE if machine == "outside" else f"10.89.7.{MACHINES[machine]}"


def create(directory: Path) -> None:
    """Creates what is missing, for the cluster in a directory."""
    check_owner(directory)
    if BRIDGE not in links():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{OUTSIDE}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    existing = namespaces()
    for machine in MACHINES:
        if namespace(machine) in existing:
            continue
        name, veth = namespace(machine), f"wp-{machine}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", veth, "master", BRIDGE, "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "address", "add", f"{address(machine)}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")


def remove(directory: Path) -> None:
    """Removes namespaces and bridge; each veth pair goes with its namespace."""
    check_owner(directory)
    for name in namespaces() & {namespace(machine) for machine in MACHINES}:
        run("ip", "netns", "delete", name)
    if BRIDGE in links():
        run("ip", "link", "delete", BRIDGE)


def check_owner(directory: Path) -> None:
    """Fails if the cluster of another directory runs in the namespaces, of which a machine has one set."""
    for name in namespaces() & {namespace(machine) for machine in MACHINES}:
        for pid in run("ip", "netns", "pids", name).split():
            try:
                # Every process of a cluster works in its directory.
                other = Path(f"/proc/{pid}/cwd").readlink()
            except OSError:
                continue
            if not other.is_relative_to(directory):
                raise Failure(f"the network namespace {name} is in use by process {pid} in {other}: stop it first")


def partition(sources: list[str], targets: list[str], one_way: bool) -> None:
    """Drops packets from sources to targets, and unless `one_way` those in the other direction."""
    pairs = [(source, target) for source in sources for target in targets if source != target]
    if not one_way:
        pairs += [(target, source) for source, target in pairs]
    # At the receiver, or at the sender if the receiver is outside.
    for source, target in pairs:
        if target == "outside":
            drop(source, "output", "daddr", address(target))
        else:
            drop(target, "input", "saddr", address(source))


def drop(machine: str, chain: str, field: str, other: str) -> None:
    nft(machine, "add", "table", *TABLE)
    nft(machine, "add", "chain", *TABLE, chain, "{", "type", "filter", "hook", chain, "priority", "0", ";", "}")
    nft(machine, "add", "rule", *TABLE, chain, "ip", field, other, "drop")


def heal(machines: list[str]) -> None:
    """Ends every partition of these machines, and of others with them."""
    if set(machines) >= MACHINES.keys():
        for machine in machines:
            nft(machine, "add", "table", *TABLE)
            nft(machine, "delete", "table", *TABLE)
        return
    healed = {address(machine) for machine in machines}
    for machine in MACHINES:
        for handle, other in rules(machine):
            if machine in machines or other in healed:
                nft(machine, "delete", "rule", *TABLE, handle[0], "handle", str(handle[1]))


def partitions() -> list[str]:
    """Returns the directions in which packets are dropped."""
    names = {address(machine): machine for machine in [*MACHINES, "outside"]}
    found = []
    for machine in MACHINES:
        for (chain, _), other in rules(machine):
            pair = (names[other], machine) if chain == "input" else (machine, names[other])
            found.append(f"{pair[0]} -> {pair[1]}")
    return found


def rules(machine: str) -> list[tuple[tuple[str, int], str]]:
    """Returns chain, handle and address of each rule in a namespace."""
    if namespace(machine) not in namespaces():
        return []
    listed = run("ip", "netns", "exec", namespace(machine), "nft", "--json", "list", "ruleset")
    found = []
    for item in json.loads(listed)["nftables"]:
        rule = item.get("rule", {})
        for expression in rule.get("expr", []):
            if "match" in expression:
                found.append(((rule["chain"], rule["handle"]), expression["match"]["right"]))
    return found


def nft(machine: str, *arguments: str) -> None:
    run("ip", "netns", "exec", namespace(machine), "nft", *arguments)


def links() -> set[str]:
    return {link["ifname"] for link in json.loads(run("ip", "--json", "link") or "[]")}


def namespaces() -> set[str]:
    return {item["name"] for item in json.loads(run("ip", "--json", "netns") or "[]")}


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
