"""Measures delivery between nodes, and how long agents take to come back when their node was killed."""

import json
import time
from collections import Counter

import suite
import summary
from cluster import pause
from history import Recorder, read
from rows import BEGIN, END

# The row of messages to agents that stay.
DELIVERY = "delivery"
# For agents to come back.
LIMIT = 60.0


def add_arguments(parser):
    suite.add_cluster_arguments(parser)
    parser.add_argument("--seconds", type=float, default=30, help="to measure delivery for [default: %(default)s]")


def run(arguments):
    # Agents stay until their node is killed, all with the first one if there are several.
    arguments.stay, arguments.forgetful = 1e9, 0
    # Questions of 10,000 agents would keep this machine busy.
    arguments.idle = max(arguments.idle, arguments.agents / 50)
    with suite.under_load(arguments) as (cluster, running):
        marks = Recorder(running.directory / "suite.jsonl")
        span(marks, DELIVERY, lambda: pause(arguments.seconds))
        if len(cluster.nodes) > 1:
            span(marks, "reconnect", lambda: reconnect(cluster, running.directory))
        marks.close()
        verdict = running.settle(arguments.settle)
    is_good = summary.print_verdict(verdict)
    begin, end = (mark["at"] for mark in verdict.history.marks if mark["row"] == DELIVERY)
    messages = [message for message in verdict.messages.values() if begin <= message.sent < end]
    print("\n".join(f"before the kill: {line}" for line in summary.latencies(messages)))
    refused = Counter(event["reason"] for event in read(running.directory) if event["event"] in ("refused", "unknown"))
    print(json.dumps({"refused or unknown": refused.most_common()}))
    return is_good


def span(marks, name, action):
    marks.record("measure", "mark", mark=BEGIN, row=name)
    action()
    marks.record("measure", "mark", mark=END, row=name)
    marks.flush()


def reconnect(cluster, directory):
    """Kills the first node, and waits until all of its agents are back."""
    cluster.nodes[0].kill()
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        pause(2)
        away = set()
        for event in read(directory):
            if event["event"] == "disconnected":
                away.add(event["client"])
            elif event["event"] == "connected":
                away.discard(event["client"])
        if not away:
            return
