"""Runs faults one after the other under continuous load, and prints a row for each."""

import contextlib
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import history
import load
import summary
from cluster import pause, start_single
from faults import FAULTS, QUICK
from patroni import start_patroni
from processes import Stuck
from rows import BEGIN, END
from simple import start_simple

# For agents to come back after a fault, before the next one.
RECOVERY = 8.0


def add_cluster_arguments(parser):
    parser.add_argument("--server", required=True, type=Path, metavar="PROGRAM", help="webpush-server")
    parser.add_argument("--cluster", default="single", choices=["single", "simple", "patroni"],
                        help="single: one node with the embedded store; simple: nodes, a primary and standbys; "
                             "patroni: the cluster of contrib/cluster [default: %(default)s]")
    parser.add_argument("--nodes", type=int, default=3, help="nodes of simple [default: %(default)s]")
    parser.add_argument("--standbys", type=int, default=2, help="standbys of simple [default: %(default)s]")
    parser.add_argument("--namespaces", action="store_true",
                        help="with a network namespace for each program, so that they can be cut off (as root)")
    add_port_argument(parser)
    parser.set_defaults(spare_nodes=0, node_options=[])


def add_port_argument(parser):
    parser.add_argument("--port", type=int, default=21300, help="the first of the ports to use [default: %(default)s]")


def add_arguments(parser):
    add_cluster_arguments(parser)
    parser.add_argument("--only", metavar="FAULT,…", help="the faults to make, in this order [default: all]")
    parser.add_argument("--quick", action="store_true", help="only the faults for CI")
    parser.add_argument("--list", action="store_true", help="print the names of the faults and what they need")
    parser.add_argument("--minutes", type=float, default=10,
                        help="begin no fault after this time [default: %(default)s]")


def choose(arguments):
    """Returns the faults to make."""
    if not arguments.only and not arguments.quick:
        return FAULTS
    by_name = {fault.name: fault for fault in FAULTS}
    names = arguments.only.split(",") if arguments.only else QUICK
    if unknown := [name for name in names if name not in by_name]:
        sys.exit(f"no fault named {', '.join(unknown)}: see --list")
    return [by_name[name] for name in names]


def print_list():
    for fault in FAULTS:
        needs = f" (needs {', '.join(fault.needs)})" if fault.needs else ""
        print(f"{fault.name:24} {fault.title}{needs}")
    return True


def start_cluster(arguments, directory):
    start = {"single": start_single, "simple": start_simple, "patroni": start_patroni}[arguments.cluster]
    return start(arguments, directory)


@contextlib.contextmanager
def under_load(arguments):
    """A cluster, and a load that has begun. Logs are copied beside the histories."""
    # A suite in the background ignores SIGINT; either must remove what was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    # A node has a descriptor for each agent.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="webpush-cluster-")))
        stack.callback(copy_logs, scratch, Path(arguments.directory))
        cluster = start_cluster(arguments, scratch)
        stack.callback(cluster.stop)
        running = load.Load(arguments, cluster.addresses(), cluster.mcs_addresses())
        stack.callback(running.stop)
        running.start()
        yield cluster, running


def copy_logs(source, target):
    target.mkdir(parents=True, exist_ok=True)
    for log in source.glob("**/*.log"):
        (target / log.name.replace("data", log.parent.name)).write_bytes(log.read_bytes())


def run(arguments):
    if arguments.list:
        return print_list()
    faults = choose(arguments)
    with under_load(arguments) as (cluster, running):
        deadline = time.monotonic() + 60 * arguments.minutes
        left_out = make_faults(cluster, running, faults, running.directory, deadline)
        verdict = running.settle(arguments.settle)
    is_good = summary.print_verdict(verdict)
    for line in left_out:
        print(line)
    return is_good


def make_faults(cluster, running, faults, directory, deadline):
    """Returns lines about faults that were not made."""
    marks = history.Recorder(directory / "suite.jsonl")
    left_out = []
    pause(RECOVERY)
    for fault in faults:
        if lack := fault.lacks(cluster):
            # A fault that was asked for by its name must be made.
            left_out.append(f"not made: {fault.title}: needs {lack}")
            continue
        if time.monotonic() > deadline:
            left_out.append(f"not made: {fault.title}: the time is over")
            continue
        began = time.monotonic()
        print(f"{fault.title} …", file=sys.stderr, flush=True)
        marks.record("suite", "mark", mark=BEGIN, row=fault.title)
        more = {}
        try:
            more = fault.run(cluster) or {}
            cluster.wait_until_ready()
        except Stuck as error:
            more["stuck"] = str(error)
        pause(RECOVERY)
        marks.record("suite", "mark", mark=END, row=fault.title, **more)
        marks.flush()
        running.check_processes()
        print(f"  {time.monotonic() - began:.0f} s {more.get('stuck', '')}", file=sys.stderr, flush=True)
        if "stuck" in more:
            left_out.append(f"the cluster did not recover from {fault.title}: {more['stuck']}")
            break
    marks.close()
    return left_out
