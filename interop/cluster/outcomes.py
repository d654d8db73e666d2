"""What a history says about each message, connection and receipt. `checker` judges it."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(eq=False)
class Message:
    number: int
    sender: str
    subscription: str
    protocol: str
    node: str
    sent: float
    ttl: int
    topic: str | None
    wants_receipt: bool
    # accepted, refused or unknown; `None` if the sender was stopped before it knew.
    outcome: str | None = None
    # When the outcome was known.
    ended: float = float("inf")
    # The last part of the message's URL.
    id: str | None = None
    # Times and nodes of its deliveries.
    received: list = field(default_factory=list)
    # Events `acknowledged`.
    acknowledged: list = field(default_factory=list)
    # Events `receipt`.
    receipts: list = field(default_factory=list)

    @property
    def is_accepted(self):
        return self.outcome == "accepted"

    @property
    def latest_commit(self):
        """A node that was frozen may commit a message long after its sender has given it up."""
        return self.ended if self.is_accepted else float("inf")

    @property
    def first_received(self):
        return self.received[0][0] if self.received else None

    @property
    def expires(self):
        return self.sent + self.ttl


@dataclass(eq=False)
class Disconnection:
    client: str
    node: str
    at: float
    # Until the agent was connected again; `None` if it never was.
    seconds: float | None = None


class History:
    """The events of a run by what they are about."""

    def __init__(self, events):
        self.messages = {}
        self.disconnections = []
        # Anything that must never happen, in words.
        self.violations = []
        # Events `resumed` and `receipt` of each sender, in the order of time.
        self.receipt_streams = defaultdict(list)
        # Marks of the suite: begin and end of rows.
        self.marks = []
        self.end = events[-1]["at"] if events else 0.0
        away = {}
        by_id = {}
        late_receipts = []
        for event in events:
            match event["event"]:
                case "sent":
                    self.messages[event["number"]] = Message(
                        event["number"], event["client"], event["subscription"], event["protocol"], event["node"],
                        event["at"], event["ttl"], event.get("topic"), event["receipt"])
                case "accepted" | "refused" | "unknown" as outcome:
                    message = self.messages[event["number"]]
                    message.outcome, message.ended = outcome, event["at"]
                    if outcome == "accepted":
                        message.ttl, message.id = event["ttl"], event["message"]
                        by_id[message.id] = message
                case "received":
                    self.receive(event)
                case "acknowledged":
                    if message := self.messages.get(event["number"]):
                        message.acknowledged.append(event)
                case "resumed":
                    self.receipt_streams[event["client"]].append(event)
                case "receipt":
                    self.receipt_streams[event["client"]].append(event)
                    late_receipts.append(event)
                case "disconnected" if event["reason"] != "left":
                    away[event["client"]] = Disconnection(event["client"], event["node"], event["at"])
                    self.disconnections.append(away[event["client"]])
                case "connected":
                    if lost := away.pop(event["client"], None):
                        lost.seconds = event["at"] - lost.at
                case "damaged" | "forgotten":
                    self.violations.append(event)
                case "mark":
                    self.marks.append(event)
        # At the end, because a receipt may arrive before its message's 202 has been read.
        self.assign(late_receipts, by_id)

    def assign(self, receipts, by_id):
        """Gives receipts to their messages. A sender does not know the URLs of those of unknown outcome."""
        unknown = Counter(message.sender for message in self.messages.values()
                          if message.wants_receipt and message.outcome in ("unknown", None))
        strange = set()
        for event in receipts:
            if message := by_id.get(event["message"]):
                message.receipts.append(event)
            elif event["message"] not in strange:
                strange.add(event["message"])
                unknown[event["client"]] -= 1
                if unknown[event["client"]] < 0:
                    self.violations.append({**event, "event": "receipt for an unknown message"})

    def receive(self, event):
        message = self.messages.get(event["number"])
        if message is None:
            self.violations.append({**event, "event": "received, never sent"})
        elif message.subscription != event["subscription"]:
            self.violations.append({**event, "event": "received for another subscription"})
        else:
            message.received.append((event["at"], event["node"]))
