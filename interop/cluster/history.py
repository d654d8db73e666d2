"""Histories: what each client saw, one JSON object a line.

Every event has `at` (seconds of the monotonic clock, which all processes of a machine share), `wall` (seconds since
1970), `client` and `event`. README.md lists the events and their members.
"""

import json
import time
from pathlib import Path


class Recorder:
    """Appends events to a file. Call `flush` from time to time, and `close` at the end."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        # Taken once, so that a wall clock that is set during the run does not bend the history.
        self.offset = time.time() - time.monotonic()

    def record(self, client, event, at=None, **members):
        at = time.monotonic() if at is None else at
        head = {"at": round(at, 6), "wall": round(at + self.offset, 3), "client": client, "event": event}
        self.file.write(json.dumps({**head, **members}, separators=(",", ":")) + "\n")

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()


def read(directory):
    """Returns all events of the histories in a directory, in the order of time."""
    events = []
    for path in sorted(Path(directory).glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            # A process that is still writing may have left half a line at the end.
            events.extend(json.loads(line) for line in lines if line.endswith("\n"))
    events.sort(key=lambda event: event["at"])
    return events
