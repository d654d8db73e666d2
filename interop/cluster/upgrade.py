"""A rolling upgrade under load: nodes of two programs side by side at one database, and the way back."""

import json
from collections import Counter
from pathlib import Path

import history
import suite
import summary
from cluster import pause
from processes import Stuck
from rows import BEGIN, END

# Sessions move to other nodes within this time, after the balancer has noticed that their node drains.
DRAIN = ["--drain-delay", "2s", "--drain-window", "2s"]
# The load goes on for this time after each step.
TOGETHER = 4.0
# A program says this, and ends, if a newer one has changed the tables so that it cannot use them.
NEWER_TABLES = "and this program knows up to"
# Arguments of a cluster that is not chosen here.
CLUSTER = {"cluster": "simple", "nodes": 3, "spare_nodes": 1, "standbys": 1, "namespaces": False,
           "node_options": DRAIN, "health_checks": 0.5}


def add_arguments(parser):
    parser.add_argument("--from", dest="server", required=True, type=Path, metavar="PROGRAM", help="the old program")
    parser.add_argument("--to", dest="new", required=True, type=Path, metavar="PROGRAM", help="the new program")
    suite.add_port_argument(parser)


class Upgrade:
    """The steps. Each is a row of the report."""

    def __init__(self, cluster, marks):
        self.cluster, self.marks = cluster, marks

    def step(self, title, action):
        self.marks.record("upgrade", "mark", mark=BEGIN, row=title)
        action()
        pause(TOGETHER)
        self.marks.record("upgrade", "mark", mark=END, row=title)
        self.marks.flush()

    def start(self, node, program):
        node.use(program)
        self.marks.record("upgrade", "started", node=node.address, program=str(program))
        node.start()
        node.wait_until_ready()

    def replace(self, node, program):
        node.terminate()
        if status := node.process.returncode:
            raise Stuck(f"{node.name} ended with status {status} when it was drained: {node.last_line()}")
        self.start(node, program)

    def add_node(self, program):
        node = self.cluster.spares.pop(0)
        self.start(node, program)
        self.cluster.nodes.append(node)

    def go_back(self, nodes, old, new):
        """Returns what the old program says if it cannot use the tables of the new one."""
        for node in nodes:
            try:
                self.step(f"back to the old program: {node.name}", lambda node=node: self.replace(node, old))
            except Stuck:
                refusal = node.last_line()
                if NEWER_TABLES not in refusal:
                    raise
                self.start(node, new)
                return refusal
        return None


def run(arguments):
    old, new = arguments.server, arguments.new
    with suite.under_load(arguments) as (cluster, running):
        marks = history.Recorder(running.directory / "suite.jsonl")
        upgrade = Upgrade(cluster, marks)
        nodes = list(cluster.nodes)
        for node in nodes:
            marks.record("upgrade", "started", at=0, node=node.address, program=str(old))
        pause(TOGETHER)
        for node in nodes:
            upgrade.step(f"to the new program: {node.name}", lambda node=node: upgrade.replace(node, new))
        upgrade.step("one more node", lambda: upgrade.add_node(new))
        refusal = upgrade.go_back(nodes, old, new)
        marks.close()
        verdict = running.settle(arguments.settle)
    is_good = summary.print_verdict(verdict)
    if refusal:
        print(f"no way back: {refusal}")
    return all([is_good, print_errors(running.directory), print_programs(verdict, running.directory)])


def print_errors(directory):
    """Returns true if senders got no error but 503."""
    events = history.read(directory)
    errors = Counter(event["reason"] for event in events if event["event"] in ("refused", "unknown"))
    print(json.dumps({"errors of senders": errors.most_common()}))
    return all(reason.startswith("status 503 ") for reason in errors)


def print_programs(verdict, directory):
    """Returns true if messages that either program accepted were delivered by the other."""
    starts = [event for event in history.read(directory) if event["event"] == "started"]

    def program(node, at):
        return [event["program"] for event in starts if event["node"] == node and event["at"] <= at][-1]

    pairs = Counter((program(message.node, message.sent), program(node, at))
                    for message in verdict.messages.values() if message.is_accepted for at, node in message.received)
    for (accepted, delivered), count in sorted(pairs.items()):
        print(f"{count} messages accepted by {accepted} and delivered by {delivered}")
    return len(pairs) == 4
