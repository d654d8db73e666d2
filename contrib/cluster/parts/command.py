"""The command line of `local` and `namespaces`."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from . import network, software
from .cluster import KINDS, Cluster
from .failure import Failure
from .layout import Namespaces

STATE = "cluster.json"
DEFAULT_PORTS = 7100


def main(layout) -> None:
    options, server_options = parse(layout)
    try:
        if layout is Namespaces and os.geteuid() != 0:
            raise Failure("network namespaces need root")
        run(layout, options, server_options)
    except (Failure, OSError) as error:
        sys.exit(f"{layout.name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def parse(layout) -> tuple[argparse.Namespace, list[str]]:
    words, server_options = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, server_options = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(
        prog=layout.name,
        description="Runs three etcd, three PostgreSQL with Patroni, and three webpush-server behind HAProxy.",
        epilog="Members: etcd1 to etcd3, db1 to db3, node1 to node3, balancer. docs/cluster.md",
    )
    parser.add_argument("--directory", default=layout.default_directory, help="data and logs [default: %(default)s]")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start all members, or some; the last line printed is JSON for programs")
    start.add_argument("members", nargs="*", metavar="MEMBER")
    start.add_argument("--server", help="webpush-server to run [default: the newest build of this repository]")
    start.add_argument("--ports", type=int, help=f"first port, at the first start [default: {DEFAULT_PORTS}]")
    start.add_argument("--no-nodes", action="store_true", help="only etcd and PostgreSQL")
    start.usage = (
        f"{layout.name} start [MEMBER …] [--server PATH] [--ports N] [--no-nodes] [-- OPTION OF webpush-server …]"
    )
    stop = commands.add_parser("stop", help="stop all members, or some; data stays")
    stop.add_argument("members", nargs="*", metavar="MEMBER")
    status = commands.add_parser("status", help="show members, roles and PIDs")
    status.add_argument("--json", action="store_true", help="as the last line of start")
    logs = commands.add_parser("logs", help="show the log of a member")
    logs.add_argument("members", nargs=1, metavar="MEMBER")
    logs.add_argument("--follow", action="store_true", help="wait for more")
    commands.add_parser("remove", help="stop all members and delete the directory")
    if layout is Namespaces:
        machines = [*network.MACHINES, "outside"]
        partition = commands.add_parser("partition", help="drop packets between machines, silently")
        partition.add_argument("--from", dest="sources", nargs="+", required=True, choices=machines, metavar="MACHINE")
        partition.add_argument("--to", dest="targets", nargs="+", required=True, choices=machines, metavar="MACHINE")
        partition.add_argument("--one-way", action="store_true", help="let packets in the other direction through")
        heal = commands.add_parser("heal", help="end the partitions of machines, or all")
        heal.add_argument("machines", nargs="*", metavar="MACHINE")
    return parser.parse_args(words), server_options


def run(layout, options, server_options: list[str]) -> None:
    directory = Path(options.directory).resolve()
    match options.command:
        case "partition":
            network.partition(options.sources, options.targets, options.one_way)
            print("\n".join(network.partitions()))
            return
        case "heal":
            network.heal(options.machines or [*network.MACHINES])
            return
    if options.command == "start":
        cluster = create(layout, directory, options, server_options)
    elif (directory / STATE).exists():
        cluster = load(layout, directory)
    else:
        raise Failure(f"{directory} holds no cluster: create one with `{layout.name} start`")
    names = chosen(cluster, options)
    match options.command:
        case "start":
            cluster.start(names)
            print(json.dumps({"ready": True, **cluster.describe()}), flush=True)
        case "stop":
            cluster.stop(names)
        case "status":
            show(cluster.describe(), options.json)
        case "logs":
            tail = ["tail", "--lines=100", *(["--follow"] if options.follow else [])]
            subprocess.run([*tail, str(directory / "log" / f"{names[0]}.log")], check=False)
        case "remove":
            cluster.remove()


def create(layout, directory: Path, options, server_options: list[str]) -> Cluster:
    """Creates the cluster, or changes how the nodes of an existing one are started."""
    path = directory / STATE
    software.check(layout.programs)
    if path.exists():
        state = json.loads(path.read_text())
        if options.ports not in (None, state["ports"]):
            raise Failure(f"the cluster in {directory} has the ports from {state['ports']}, which are in its URLs")
    else:
        has_balancer = software.find("haproxy") is not None
        if not has_balancer:
            print("without haproxy, the origin is that of node1", file=sys.stderr)
        state = {"ports": options.ports or DEFAULT_PORTS, "balancer": has_balancer, "server": None, "options": []}
    state["no_nodes"] = options.no_nodes
    if not options.no_nodes:
        if options.server or not state["server"]:
            state["server"] = software.server(options.server)
        if server_options:
            state["options"] = server_options
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(state))
    cluster = Cluster(directory, layout(state["ports"]), state)
    cluster.create()
    return cluster


def load(layout, directory: Path) -> Cluster:
    state = json.loads((directory / STATE).read_text())
    return Cluster(directory, layout(state["ports"]), state)


def chosen(cluster: Cluster, options) -> list[str]:
    """Returns the members that a command names; without names, all."""
    known = [member.name for member in cluster.members if member.kind != "balancer" or cluster.has_balancer()]
    named = getattr(options, "members", [])
    for name in named:
        if name not in known:
            raise Failure(f"there is no member {name}, only {', '.join(known)}")
    if named or options.command != "start" or not options.no_nodes:
        return named or known
    return [name for name in known if name.startswith(tuple(KINDS[:2]))]


def show(description: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(description))
        return
    members = [*description["etcd"], *description["postgres"], *description["nodes"]]
    if description["balancer"]:
        members.append(description["balancer"])
    print(f"{'member':<10}{'PID':>8}  {'state':<16}address")
    for member in members:
        state = member.get("role") or ("running" if member["pid"] else "stopped")
        address = member.get("url") or member["superuser_url"]
        print(f"{member['name']:<10}{member['pid'] or '-':>8}  {state:<16}{address}")
    if description["network"] == Namespaces.name:
        for line in network.partitions():
            print(f"no packets {line}")
