#!/usr/bin/env python3
"""Checks histories of simulated runs. It knows nothing of the server but what its clients were promised.

Reads lines of JSON from standard input. A run begins with an event "run" and ends with "end". For each run it prints one
line: {"seed": …, "violations": [{"rule": …, "text": …}, …], "events": …, "deliveries": …, "t": …}. The exit code is 1 if
there were violations.

Events are compared by their order in the history, which is real: a run has one thread. Times are milliseconds.
"""

import json
import sys

# A message is sent again on the same stream after this time.
REDELIVERY = 60_000
# Messages with TTL 0 may wait this long for a slow session.
LIVE = 2_000
# Between the decision to send something and its arrival.
SLACK = 150
# A failed disk is tried again after a few seconds.
RECOVERY = 40_000
# Inboxes that were never monitored are removed after a day, and messages do not keep them.
IDLE = 24 * 3_600_000
NEVER = float("inf")

# Faults that may delay, repeat or refuse something. All others must not be noticed.
QUIET = {"vanish", "key-rotation", "restart", "short-reads", "slow-disk", "migration"}
WINDOWED = {"autopush", "chromium"}


class Message:
    def __init__(self, index, event):
        self.pushed, self.pushed_at = index, event["t"]
        self.subscription, self.topic = event["s"], event["topic"]
        self.ttl, self.urgency = event["ttl"] * 1000, event["urgency"]
        self.wants_receipt = event["receipt"]
        self.answered, self.answered_at, self.status = NEVER, NEVER, 0
        self.deliveries, self.acks, self.acked, self.receipts = [], [], [], []

    @property
    def is_accepted(self):
        return self.status in (201, 202)

    @property
    def may_be_stored(self):
        return self.is_accepted or self.status == 0 or self.status >= 500


class Connection:
    def __init__(self, index, event):
        self.opened, self.opened_at, self.closed_at = index, event["t"], NEVER
        self.agent, self.protocol, self.urgency = event["a"], event["protocol"], event["urgency"]
        self.received = {}
        self.latest_push = -1


class Run:
    """Reads one history, and collects violations."""

    def __init__(self, first):
        self.seed, self.skew, self.quota = first["seed"], first["skew"], first["quota"]
        self.violations = []
        self.messages, self.connections = {}, {}
        # Subscription: agent. Subscription: index of the first request to remove it, and of the confirmation.
        self.agents, self.unsubscribing, self.unsubscribed = {}, {}, {}
        self.most_urgent = {}
        self.forgotten = {}
        self.faults = []
        self.has_lied = False
        self.settled_at = NEVER
        self.deliveries = self.index = self.now = 0

    def violation(self, rule, text):
        self.violations.append({"rule": rule, "text": f"{text} (at {self.now} ms)"})

    def read(self, event):
        self.index += 1
        self.now = event["t"]
        getattr(self, "on_" + event["e"])(event)

    # What is read.

    def on_subscribed(self, event):
        self.agents[event["s"]] = event["a"]

    def on_unsubscribe(self, event):
        self.unsubscribing.setdefault(event["s"], self.index)

    def on_unsubscribed(self, event):
        if 200 <= event["status"] < 300:
            self.unsubscribed.setdefault(event["s"], self.index)

    def on_push(self, event):
        self.messages[event["m"]] = Message(self.index, event)

    def on_answer(self, event):
        message = self.messages[event["m"]]
        message.answered, message.answered_at, message.status = self.index, self.now, event["status"]
        granted = event.get("ttl")
        if granted is not None:
            if granted * 1000 > message.ttl:
                self.violation("ttl", f"message {event['m']} got a TTL of {granted} s, more than it asked for")
            message.ttl = min(message.ttl, granted * 1000)
        subscription = message.subscription
        if message.is_accepted and message.pushed > self.unsubscribed.get(subscription, NEVER):
            self.violation("removed", f"message {event['m']} was accepted for the removed subscription {subscription}")
        is_known = self.agents.get(subscription) not in self.forgotten
        if event["status"] in (404, 410) and subscription not in self.unsubscribing and is_known and not self.has_lied:
            self.violation("subscription", f"subscription {subscription} was lost: message {event['m']} got {event['status']}")
        if event["status"] >= 500 and not self.has_lied and self.is_calm(message.pushed_at - 1000, self.now):
            self.violation("refused", f"message {event['m']} got {event['status']} without a fault")

    def on_connect(self, event):
        self.connections[event["c"]] = Connection(self.index, event)
        self.note_urgency(event["a"], event["urgency"])

    def on_disconnect(self, event):
        self.connections[event["c"]].closed_at = self.now

    def on_min_urgency(self, event):
        self.note_urgency(self.connections[event["c"]].agent, event["urgency"])

    def note_urgency(self, agent, urgency):
        self.most_urgent[agent] = max(self.most_urgent.get(agent, 0), urgency)

    def on_ack(self, event):
        if event["m"] in self.messages:
            self.messages[event["m"]].acks.append((self.index, self.now, self.connections[event["c"]]))

    def on_acked(self, event):
        if event["m"] in self.messages and event["status"] in (200, 204, 404):
            self.messages[event["m"]].acked.append((self.index, self.now, event["status"]))

    def on_forgotten(self, event):
        self.forgotten[event["a"]] = self.index
        if not self.has_lied and self.now < IDLE:
            self.violation("agent", f"agent {event['a']} was forgotten")

    def on_fault(self, event):
        kind, at = event["kind"], event["at"]
        if kind == "endless-loop":
            self.violation("loop", "tasks wake each other forever")
        self.has_lied |= kind == "lying-disk"
        if not event["on"]:
            for fault in self.faults:
                if fault["kind"] == kind and fault["at"] == at and fault["until"] == NEVER:
                    fault["until"] = self.now + (RECOVERY if kind not in ("stall", "skew") else 0)
        else:
            lasts = kind not in ("power-cut", "crash", "vanish", "restart", "migration", "key-rotation")
            until = NEVER if lasts else self.now + RECOVERY
            if kind == "power-cut":
                # It is armed first, and happens when the disk is used.
                until = NEVER
                for fault in self.faults:
                    if fault["kind"] == kind:
                        fault["until"] = self.now + RECOVERY
            self.faults.append({"kind": kind, "at": at, "since": self.now, "until": until})

    def on_opened(self, event):
        if event["error"] is not None and not self.has_lied:
            self.violation("open", f"node {event['node']} does not start: {event['error']}")

    def on_settle(self, event):
        self.settled_at = self.now
        for fault in self.faults:
            fault["until"] = min(fault["until"], self.now + RECOVERY)

    def on_remaining(self, event):
        if event["n"] > 0 and not self.has_lied:
            self.violation("stuck", f"{event['n']} messages of agent {event['a']} are still stored at the end")

    def is_calm(self, since, until, agent=None):
        """True if no fault may have been noticed by the service, or by the agent."""
        for fault in self.faults:
            is_other = fault["kind"] in QUIET or (fault["kind"] == "stall" and fault["at"] != agent)
            if not is_other and fault["since"] <= until and since <= fault["until"]:
                return False
        return True

    def was_stalled(self, connection):
        return any(
            fault["kind"] == "stall" and fault["at"] == connection.agent and connection.opened_at <= fault["until"]
            for fault in self.faults
        )

    # Deliveries.

    def on_deliver(self, event):
        self.deliveries += 1
        m, connection = event["m"], self.connections[event["c"]]
        message = self.messages.get(m)
        if message is None:
            return self.violation("invented", f"connection {event['c']} received a message that nobody sent")
        if self.agents.get(message.subscription) != connection.agent:
            self.violation("misdirected", f"message {m} reached agent {connection.agent}")
        if event["s"] is not None and event["s"] != message.subscription:
            self.violation("misdirected", f"message {m} reached subscription {event['s']}")
        if not message.may_be_stored:
            self.violation("refused", f"message {m} was delivered although it got {message.status}")
        if connection.protocol not in WINDOWED and message.urgency < connection.urgency:
            self.violation("urgency", f"message {m} is less urgent than agent {connection.agent} wants")
        if connection.opened > self.unsubscribed.get(message.subscription, NEVER):
            self.violation("removed", f"message {m} of the removed subscription {message.subscription} was delivered")
        self.check_ttl(m, message, connection)
        self.check_order(m, message, connection)
        self.check_repetition(m, message, connection)
        self.check_ended(m, message, connection)
        self.check_replaced(m, message, connection)
        connection.received[m] = self.now
        if message.ttl > 0:
            connection.latest_push = max(connection.latest_push, message.pushed)
        message.deliveries.append((self.index, self.now, connection))

    def check_ttl(self, m, message, connection):
        """The TTL begins at the latest with the response, so the rule is exact to SLACK if all clocks are right."""
        end = message.answered_at + message.ttl + 2 * self.skew + (LIVE if message.ttl == 0 else 0)
        if self.now > end + SLACK and not self.was_stalled(connection):
            self.violation("ttl", f"message {m} was delivered {self.now - end} ms after its TTL")

    def check_order(self, m, message, connection):
        is_first = not message.deliveries and message.ttl > 0
        excluded = message.urgency < self.most_urgent.get(connection.agent, 0)
        if is_first and not excluded and message.is_accepted and message.answered < connection.latest_push:
            self.violation("order", f"message {m} was delivered after one that was sent later")

    def check_repetition(self, m, message, connection):
        before = connection.received.get(m)
        if before is None:
            return
        if connection.protocol in WINDOWED or message.ttl == 0:
            self.violation("repeated", f"message {m} was delivered twice on one connection")
        elif self.now - before < REDELIVERY - SLACK and self.skew == 0 and not self.was_stalled(connection):
            self.violation("repeated", f"message {m} was sent again after {self.now - before} ms")

    def check_ended(self, m, message, connection):
        if self.has_lied:
            return
        for index, at, status in message.acked:
            late = self.now > at + SLACK and self.is_calm(at, self.now, connection.agent)
            if connection.opened > index or late:
                return self.violation("returned", f"message {m} was delivered again after its acknowledgement got {status}")
        for _, at, acked_on in message.acks:
            # The service has read it, and had time to record it.
            is_processed = acked_on.protocol in WINDOWED and acked_on.closed_at >= at + 1000
            if is_processed and connection.opened_at >= at + 1000 and self.is_calm(at - 1000, self.now, connection.agent):
                return self.violation("returned", f"message {m} was delivered again after its acknowledgement")

    def check_replaced(self, m, message, connection):
        if message.topic is None or self.has_lied:
            return
        for newer in self.messages.values():
            is_newer = (
                newer.is_accepted
                and newer.subscription == message.subscription
                and newer.topic == message.topic
                and message.answered < newer.pushed
            )
            if not is_newer or newer is message:
                continue
            late = self.now > newer.answered_at + SLACK and self.is_calm(newer.answered_at, self.now, connection.agent)
            if connection.opened > newer.answered or late:
                return self.violation("topic", f"message {m} was delivered after it had been replaced")

    # Receipts.

    def on_receipt(self, event):
        m, status = event["m"], event["status"]
        message = self.messages[m]
        if not message.wants_receipt:
            return self.violation("receipt", f"nobody wanted a receipt for message {m}")
        if any(other != status for other, _, _ in message.receipts):
            self.violation("receipt", f"message {m} has receipts that contradict each other")
        named = {r for _, r, _ in message.receipts if r is not None}
        if event["r"] is not None and named - {event["r"]} and not self.has_lied:
            self.violation("receipt", f"message {m} has two receipts")
        if status == 204 and not message.acks:
            self.violation("receipt", f"the receipt of message {m} says that it was delivered")
        if status == 410 and not self.may_have_failed(message) and not self.has_lied:
            self.violation("receipt", f"the receipt of message {m} says that it was not delivered")
        message.receipts.append((status, event["r"], self.index))

    def may_have_failed(self, message):
        has_expired = self.now >= message.pushed_at + message.ttl - 2 * self.skew - SLACK
        is_removed = message.subscription in self.unsubscribing or self.agents.get(message.subscription) in self.forgotten
        return has_expired or is_removed or self.may_exceed_quota(message)

    def may_exceed_quota(self, message):
        agent = self.agents.get(message.subscription)
        to_agent = sum(self.agents.get(other.subscription) == agent for other in self.messages.values())
        return to_agent > self.quota

    # The end.

    def on_end(self, event):
        if self.has_lied or self.settled_at == NEVER:
            return
        for m, message in self.messages.items():
            if not message.is_accepted:
                continue
            if message.ttl > 0 and not message.deliveries and not self.may_have_ended(message):
                self.violation("lost", f"message {m} got {message.status} and was never delivered")
            if message.status == 202 and not message.receipts and self.owes_receipt(message):
                self.violation("receipt", f"message {m} has ended, and its receipt was lost")

    def may_be_replaced(self, message):
        if message.topic is None:
            return False
        return any(
            newer is not message
            and newer.may_be_stored
            and newer.subscription == message.subscription
            and newer.topic == message.topic
            and newer.answered > message.pushed
            for newer in self.messages.values()
        )

    def may_have_ended(self, message):
        # Agents are connected for some time after the faults have ended.
        has_expired = message.pushed_at + message.ttl - 2 * self.skew < self.settled_at + REDELIVERY
        is_removed = message.subscription in self.unsubscribing or self.agents.get(message.subscription) in self.forgotten
        return has_expired or is_removed or self.may_be_replaced(message) or self.may_exceed_quota(message)

    def owes_receipt(self, message):
        if any(status == 204 for _, _, status in message.acked if self.is_of_rfc8030(message)):
            return True
        if self.may_be_replaced(message):
            return False
        in_time = self.now - 10_000
        acknowledged = any(
            at < in_time and connection.closed_at >= at + 1000 and at > self.settled_at
            for _, at, connection in message.acks
        )
        expired = message.answered_at + message.ttl + 2 * self.skew + RECOVERY < self.now
        removed = message.answered < self.unsubscribed.get(message.subscription, -1)
        return acknowledged or expired or removed

    def is_of_rfc8030(self, message):
        return all(connection.protocol not in WINDOWED for _, _, connection in message.acks)

    def result(self):
        return {
            "seed": self.seed,
            "violations": self.violations,
            "events": self.index,
            "deliveries": self.deliveries,
            "t": self.now,
        }


def check(events):
    """Returns the violations of one run."""
    run = None
    for event in events:
        if event["e"] == "run":
            run = Run(event)
        else:
            run.read(event)
    return run.violations


def main():
    run, failed = None, False
    for line in sys.stdin:
        event = json.loads(line)
        if event["e"] == "run":
            run = Run(event)
            continue
        run.read(event)
        if event["e"] == "end":
            failed |= bool(run.violations)
            print(json.dumps(run.result()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
