"""A verdict in words."""

import json

from rows import make_rows, percentile, table

# Examples that are shown of each kind.
EXAMPLES = 5


def milliseconds(values):
    return f"p50 {percentile(values, 0.5) * 1000:.1f} ms, p99 {percentile(values, 0.99) * 1000:.1f} ms"


def latencies(messages):
    """Returns lines about how long acceptance and delivery took."""
    accepted = [message.ended - message.sent for message in messages if message.is_accepted]
    lines = [f"accepted after {milliseconds(accepted)}"]
    for title, same in (("same node", True), ("another node", False)):
        taken = [message.received[0][0] - message.sent for message in messages
                 if message.is_accepted and message.received and (message.received[0][1] == message.node) == same]
        if taken:
            lines.append(f"received at {title} after {milliseconds(taken)} ({len(taken)} messages)")
    return lines


def print_verdict(verdict, rows=None):
    """Returns true if every row is good."""
    rows = make_rows(verdict) if rows is None else rows
    print(table(rows))
    print()
    messages = verdict.history.messages.values()
    immediate = [message for message in messages if message.is_accepted and message.ttl == 0]
    expired = sum(message.is_accepted and message.ttl > 0 and not message.received and verdict.is_expired(message)
                  for message in messages)
    print(f"{len(verdict.messages)} messages; of those with TTL 0, {sum(bool(m.received) for m in immediate)} of "
          f"{len(immediate)} arrived; {expired} expired; {len(verdict.replaced)} replaced by their topic")
    for outcome in ("unknown", "refused"):
        those = [message for message in messages if message.outcome == outcome]
        print(f"{sum(bool(message.received) for message in those)} of {len(those)} {outcome} ones arrived")
    for line in latencies(messages):
        print(line)
    kinds = {"lost": verdict.lost, "delivered after its acknowledgement": verdict.after_acknowledgement,
             "out of order": verdict.disordered, "receipt missing": verdict.missing_receipts,
             "receipt wrong": verdict.wrong_receipts}
    for kind, numbers in kinds.items():
        for number in sorted(numbers - verdict.given_up)[:EXAMPLES]:
            print(f"{kind}: {describe(verdict.messages[number])}")
    for violation in verdict.history.violations[:EXAMPLES]:
        print(json.dumps(violation))
    return all(row.is_good for row in rows)


def describe(message):
    """Returns what the history says about a message, in one line."""
    facts = [f"message {message.number} ({message.protocol}, TTL {message.ttl}"
             f"{', topic ' + message.topic if message.topic else ''}{', receipt' if message.wants_receipt else ''})",
             f"for {message.subscription}, sent to {message.node} at {message.sent:.3f}",
             f"{message.outcome} at {message.ended:.3f}"]
    facts += [f"received at {at:.3f} from {node}" for at, node in message.received]
    facts += [f"acknowledged at {event['at']:.3f} to {event['node']}" for event in message.acknowledged]
    facts += [f"receipt {event['status']} at {event['at']:.3f}" for event in message.receipts]
    return ", ".join(facts)
