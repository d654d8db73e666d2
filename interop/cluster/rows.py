"""Rows of a report: the verdict on the messages of a span of time."""

from dataclasses import dataclass, fields

# Marks with which a suite divides a history.
BEGIN, END = "begin", "end"


@dataclass
class Row:
    name: str
    accepted: int
    refused: int
    unknown: int
    lost: int
    # Lost because a stale standby was forced up: its operator chose to lose them.
    given_up: int
    twice: int
    after_acknowledgement: int
    disordered: int
    missing_receipts: int
    wrong_receipts: int
    violations: int
    # Longest time in which no message was accepted.
    pause: float
    # Agents that lost a connection, and the time until nearly all (p99) and all were back.
    disconnected: int
    back_p99: float
    back_all: float
    never_back: int

    @property
    def is_good(self):
        return not any((self.lost, self.after_acknowledgement, self.disordered, self.missing_receipts,
                        self.wrong_receipts, self.violations, self.never_back))


def percentile(values, share):
    """Returns the value that `share` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def make_row(verdict, name, spans):
    """Returns the row of the messages that were sent, and the agents that were lost, in spans of time."""
    history = verdict.history

    def is_inside(time):
        return any(begin <= time < end for begin, end in spans)

    inside = [message for message in history.messages.values() if is_inside(message.sent)]

    def count(numbers):
        return sum(message.number in numbers and message.number not in verdict.given_up for message in inside)

    lost_agents = [lost for lost in history.disconnections if is_inside(lost.at)]
    back = [lost.seconds for lost in lost_agents if lost.seconds is not None]
    return Row(
        name=name,
        accepted=sum(message.is_accepted for message in inside),
        refused=sum(message.outcome == "refused" for message in inside),
        unknown=sum(message.outcome in ("unknown", None) for message in inside),
        lost=count(verdict.lost),
        given_up=sum(message.number in verdict.lost and message.number in verdict.given_up for message in inside),
        twice=sum(message.number in verdict.repeated for message in inside),
        after_acknowledgement=count(verdict.after_acknowledgement),
        disordered=count(verdict.disordered),
        missing_receipts=count(verdict.missing_receipts),
        wrong_receipts=count(verdict.wrong_receipts),
        violations=sum(is_inside(violation["at"]) for violation in history.violations),
        pause=max((longest_pause(history, *span) for span in spans), default=0.0),
        disconnected=len(lost_agents),
        back_p99=percentile(back, 0.99),
        back_all=max(back, default=0.0),
        never_back=len(lost_agents) - len(back),
    )


def longest_pause(history, begin, end):
    """Returns the longest time without an accepted message, while there were senders."""
    sent = [message.sent for message in history.messages.values()]
    begin, end = max([begin, *sent[:1]]), min([end, *sent[-1:]])
    times = sorted(message.ended for message in history.messages.values()
                   if message.is_accepted and begin <= message.ended < end)
    return max(0.0, *(after - before for before, after in zip([begin, *times], [*times, end])))


def make_rows(verdict):
    """Returns a row for each pair of marks, and one for the rest."""
    history, rows, open_marks, spans = verdict.history, [], {}, []
    for mark in history.marks:
        if mark["mark"] == BEGIN:
            open_marks[mark["row"]] = mark["at"]
        elif mark["row"] in open_marks:
            span = open_marks.pop(mark["row"]), mark["at"]
            spans.append(span)
            rows.append(make_row(verdict, mark["row"], [span]))
    borders = [0.0, *(time for span in sorted(spans) for time in span), float("inf")]
    rest = list(zip(borders[::2], borders[1::2]))
    rows.append(make_row(verdict, "between the faults" if rows else "all", rest))
    return rows


COLUMNS = [
    ("fault", "name"), ("accepted", "accepted"), ("refused", "refused"), ("unknown", "unknown"), ("lost", "lost"),
    ("given up", "given_up"), ("delivered twice", "twice"), ("after its acknowledgement", "after_acknowledgement"),
    ("out of order", "disordered"), ("receipts missing", "missing_receipts"), ("receipts wrong", "wrong_receipts"),
    ("other", "violations"), ("seconds without service", "pause"), ("agents disconnected", "disconnected"),
    ("back, p99 s", "back_p99"), ("back, all s", "back_all"), ("never back", "never_back"),
]
assert {name for _, name in COLUMNS} == {field.name for field in fields(Row)}


def table(rows):
    """Returns a Markdown table."""
    lines = ["| " + " | ".join(title for title, _ in COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        values = (getattr(row, name) for _, name in COLUMNS)
        cells = (f"{value:.1f}" if isinstance(value, float) else str(value) for value in values)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
