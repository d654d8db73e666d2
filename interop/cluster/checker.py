"""Judges a history: what was lost, repeated, reordered, and for how long there was no service.

Only what clients saw counts. Each rule is a function over the messages; README.md has them in words.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from outcomes import History


@dataclass
class Rules:
    # A delivery within this time after an acknowledgement was under way before it.
    grace: float = 2.0
    # An acknowledgement without a response counts as durable after this time of service without a pause.
    window: float = 5.0
    # Pause in the messages that a node accepts after which it may have been restarted, or its store replaced.
    pause: float = 1.0
    # A receipt for an expired message, or one with TTL 0, arrives within this time.
    receipt: float = 15.0
    # Messages that live shorter have no order: a node whose clock is ahead takes them for expired, another one may not.
    shortest_ttl: int = 60


class Verdict:
    """The numbers of the messages that broke a rule, by rule."""

    def __init__(self, events, rules=None):
        self.history, self.rules = History(events), rules or Rules()
        self.messages = self.history.messages
        self.by_topic = defaultdict(list)
        for message in self.messages.values():
            if message.topic and message.outcome != "refused":
                self.by_topic[message.subscription, message.topic].append(message)
        self.given_up = self.find_given_up()
        self.replaced = self.find_replaced()
        self.lost = {message.number for message in self.messages.values() if self.is_lost(message)}
        self.repeated = {message.number for message in self.messages.values() if len(message.received) > 1}
        self.services = self.find_services()
        self.after_acknowledgement = {
            number for number in self.repeated if self.is_sent_after_durable(self.messages[number])
        }
        self.disordered = self.find_disordered()
        self.missing_receipts = {message.number for message in self.messages.values() if self.lacks_receipt(message)}
        self.wrong_receipts = self.find_wrong_receipts()

    def find_given_up(self):
        """Returns the messages of which a standby that was forced up may have nothing, which its operator chose.

        Marks name the spans in which it was cut off: it has nothing that was accepted or acknowledged then, or of which
        a receipt was sent.
        """
        spans = [mark["given_up"] for mark in self.history.marks if "given_up" in mark]

        def is_given_up(message):
            times = [message.ended, *(event["at"] for event in message.acknowledged + message.receipts)]
            return any(begin <= time <= end for begin, end in spans for time in times)

        return {message.number for message in self.messages.values() if is_given_up(message)}

    # Loss

    def find_replaced(self):
        """Returns the messages that were never received and that a later one of their topic may have replaced.

        Two requests that overlap may be committed in either order, so each may have replaced the other, but one of
        them is left. Hence a message counts as replaced only if the chain of what may have replaced it ends with one
        that needs no excuse, or with one that was certainly sent later and is a loss by itself.
        """
        replaced = set()
        for messages in self.by_topic.values():
            # The others were received, may have expired, or were not confirmed.
            waiting = [message for message in messages
                       if message.is_accepted and not message.received and not self.is_expired(message)]
            missing = {message.number for message in waiting}
            settled = [message for message in messages if message.number not in missing]
            progress = True
            while progress:
                progress = False
                for message in list(waiting):
                    if any(other is not message and other.latest_commit > message.sent for other in settled):
                        waiting.remove(message)
                        settled.append(message)
                        replaced.add(message.number)
                        progress = True
            replaced.update(
                message.number for message in waiting if any(other.sent > message.ended for other in waiting))
        return replaced

    def is_expired(self, message):
        return message.expires <= self.history.end

    def is_lost(self, message):
        return (message.is_accepted and message.ttl > 0 and not message.received and not self.is_expired(message)
                and message.number not in self.replaced)

    # Repetition

    def find_services(self):
        """Returns for each node the times at which it accepted messages, and those at which agents lost it."""
        accepted, lost = defaultdict(list), defaultdict(list)
        for message in self.messages.values():
            if message.is_accepted:
                accepted[message.node].append((message.sent, message.ended))
        for disconnection in self.history.disconnections:
            lost[disconnection.node].append(disconnection.at)
        for times in (*accepted.values(), *lost.values()):
            times.sort()
        return accepted, lost

    def durable_at(self, acknowledgement):
        """Returns the time from which an acknowledgement is durable for certain; `None` if that is not known."""
        at = acknowledgement["at"]
        if acknowledgement["durable"]:
            return at
        accepted, lost = (times[acknowledgement["node"]] for times in self.services)
        previous = at
        for sent, ended in accepted[bisect_left(accepted, (at, 0.0)):]:
            if ended - previous > self.rules.pause:
                return None
            if sent >= at + self.rules.window:
                first_lost = bisect_left(lost, at)
                return None if first_lost < len(lost) and lost[first_lost] <= ended else ended
            previous = max(previous, ended)
        return None

    def is_sent_after_durable(self, message):
        times = [self.durable_at(acknowledgement) for acknowledgement in message.acknowledged]
        times += [receipt["at"] for receipt in message.receipts if receipt["status"] == 204]
        times = [time for time in times if time is not None]
        return bool(times) and message.received[-1][0] > min(times) + self.rules.grace

    # Order

    def find_disordered(self):
        """Returns messages that were first delivered after one that was sent when they had been accepted already."""
        by_subscription = defaultdict(list)
        for message in self.messages.values():
            if message.is_accepted and message.ttl >= self.rules.shortest_ttl and message.received:
                by_subscription[message.subscription].append(message)
        disordered = set()
        for messages in by_subscription.values():
            messages.sort(key=lambda message: message.first_received)
            last_sent = 0.0
            for message in messages:
                if message.ended < last_sent:
                    disordered.add(message.number)
                last_sent = max(last_sent, message.sent)
        return disordered

    # Receipts

    def lacks_receipt(self, message):
        if not message.is_accepted or not message.wants_receipt or message.receipts:
            return False
        others = self.by_topic[message.subscription, message.topic] if message.topic else []
        if any(other is not message and other.latest_commit > message.sent for other in others):
            return False
        # An acknowledgement without a response may be lost in an outage; its message waits for the next connection.
        if any(self.durable_at(acknowledgement) is not None for acknowledgement in message.acknowledged):
            return True
        return message.expires + self.rules.receipt <= self.history.end

    def find_wrong_receipts(self):
        """Returns messages with two receipts, or with one that came again although it had been acknowledged."""
        wrong = set()
        for message in self.messages.values():
            if len({(receipt["receipt"], receipt["status"]) for receipt in message.receipts}) > 1:
                wrong.add(message.number)
        numbers = {message.id: message.number for message in self.messages.values() if message.id}
        for events in self.history.receipt_streams.values():
            order, acknowledged = [], set()
            for event in events:
                if event["event"] == "resumed":
                    if event["receipt"] in order:
                        acknowledged.update(order[:order.index(event["receipt"]) + 1])
                elif event["receipt"] in acknowledged:
                    wrong.add(numbers.get(event["message"]))
                elif event["receipt"] not in order:
                    order.append(event["receipt"])
        wrong.discard(None)
        return wrong
