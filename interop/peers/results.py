"""From a history to the row of a scenario. The rules for losses are those of the cluster's checker."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import history
from checker import Verdict

# Marks of the suite.
FAULT, REPAIR = "fault", "repair"


@dataclass
class Row:
    subject: str
    scenario: str
    accepted: int
    # Requests without 201.
    failed: int
    # Accepted, and never received, although each agent reconnected at the end.
    lost: int
    # Delivered on a later connection than the one on which they were acknowledged.
    again: int
    # Of these, those acknowledged for long, see the checker.
    again_settled: int
    # Agents that got another ID, and so lost their subscriptions.
    forgotten: int
    # From the repair until a message was accepted, one sent since was delivered, and all agents had been back, the
    # longest of all faults in seconds; `None` if that did not happen before the next fault, NaN without faults.
    accepts_after: float | None
    delivers_after: float | None
    agents_after: float | None
    # Agents without a connection at the end.
    absent: int
    # Programs that ended by themselves, as often as they did.
    ended: dict
    # Anything that must not happen: messages that nobody sent, a service that did not start.
    problems: list

    @property
    def is_kept(self):
        """Returns true if the service kept what it had confirmed, and recovered."""
        is_late = None in (self.accepts_after, self.delivers_after, self.agents_after)
        return not any((self.lost, self.again_settled, self.forgotten, self.absent, self.problems, is_late))


class Timeline:
    """Faults and repairs of a history, and what was back when."""

    def __init__(self, events, messages):
        self.events, self.messages = events, messages
        end = events[-1]["at"] if events else 0.0
        marks = [event for event in events if event["event"] == "mark"]
        faults = [mark["at"] for mark in marks if mark["mark"] == FAULT]
        repairs = [mark["at"] for mark in marks if mark["mark"] == REPAIR]
        # (fault, repair, next fault or end)
        self.spans = list(zip(faults, repairs, [*faults[1:], end]))

    def worst(self, measure):
        """Returns the longest time of all faults; `None` if one has none, NaN if there was no fault."""
        times = [measure(*span) for span in self.spans]
        return None if None in times else max(times, default=math.nan)

    def accepts_after(self, _, repair, until):
        times = [message.ended for message in self.messages.values() if message.is_accepted
                 and repair <= message.ended < until]
        return min(times) - repair if times else None

    def delivers_after(self, _, repair, until):
        times = [message.first_received for message in self.messages.values()
                 if message.sent >= repair and message.received and message.first_received < until]
        return min(times) - repair if times else None

    def agents_after(self, fault, repair, until):
        """Counts agents that lost their connection by the fault; they may be back before the repair."""
        lost, back = set(), {}
        for event in self.events:
            if not fault <= event["at"] < until:
                continue
            if event["event"] == "disconnected" and event["reason"] != "left":
                lost.add(event["client"])
            elif event["event"] == "connected" and event["client"] in lost:
                back.setdefault(event["client"], event["at"])
        if lost - set(back):
            return None
        return max(0.0, *(at - repair for at in back.values())) if back else 0.0


def again(events):
    """Returns the messages that were delivered on a later connection than one on which they were acknowledged."""
    acknowledged, found = {}, set()
    for event in events:
        if event["event"] == "acknowledged":
            acknowledged.setdefault(event["number"], event["connection"])
        elif event["event"] == "received" and event["number"] in acknowledged:
            if event["connection"] > acknowledged[event["number"]]:
                found.add(event["number"])
    return found


def absent(events):
    """Returns the agents without a connection at the end."""
    last = {}
    for event in events:
        if event["event"] in ("connected", "disconnected", "unreachable"):
            last[event["client"]] = event["event"]
    return {client for client, event in last.items() if event != "connected"}


def make_row(events, subject="", scenario="", problems=()):
    verdict = Verdict(events)
    messages = verdict.messages
    timeline = Timeline(events, messages)
    forgotten = {event["client"] for event in events if event["event"] == "forgotten"}
    ended = {}
    for event in events:
        if event["event"] in ("ended", "not-ended"):
            name = event["program"] + (" (killed)" if event["event"] == "not-ended" else "")
            ended[name] = ended.get(name, 0) + 1
    strange = [json.dumps(event) for event in verdict.history.violations if event["event"] != "forgotten"]
    return Row(
        subject=subject,
        scenario=scenario,
        accepted=sum(message.is_accepted for message in messages.values()),
        failed=sum(not message.is_accepted for message in messages.values()),
        lost=len(verdict.lost),
        again=len(again(events)),
        again_settled=len(verdict.after_acknowledgement),
        forgotten=len(forgotten),
        accepts_after=timeline.worst(timeline.accepts_after),
        delivers_after=timeline.worst(timeline.delivers_after),
        agents_after=timeline.worst(timeline.agents_after),
        absent=len(absent(events)),
        ended=ended,
        problems=[*problems, *strange],
    )


def is_settled(events):
    """Returns true if nothing is missing any more."""
    verdict = Verdict(events)
    in_flight = any(message.outcome is None for message in verdict.messages.values())
    return not (verdict.lost or in_flight or absent(events))


def read(directory):
    """Returns the row of a run."""
    run = json.loads((Path(directory) / "run.json").read_text())
    return make_row(history.read(directory), run["subject"], run["scenario"], run["problems"])


def seconds(value):
    if value is None:
        return "not before the next fault"
    return "–" if math.isnan(value) else f"{value:.1f}"


def table(rows):
    """Returns a Markdown table."""
    lines = ["| scenario | subject | accepted | not accepted | lost | delivered again | of these settled "
             "| agents forgotten | accepts after, s | delivers after, s | agents back after, s | agents absent "
             "| ended by themselves |", "|---" * 13 + "|"]
    for row in rows:
        ended = ", ".join(f"{name} {count}" for name, count in sorted(row.ended.items())) or "–"
        cells = [row.scenario, row.subject, row.accepted, row.failed, row.lost, row.again, row.again_settled,
                 row.forgotten, seconds(row.accepts_after), seconds(row.delivers_after), seconds(row.agents_after),
                 row.absent, ended]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [f"\n{row.scenario}, {row.subject}: {problem}" for row in rows for problem in row.problems[:5]]
    return "\n".join(lines)
