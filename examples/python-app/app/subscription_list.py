"""The subscriptions, in a file."""

import json
import threading
from pathlib import Path


class SubscriptionList:
    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._lock = threading.Lock()
        stored = json.loads(self._file.read_text()) if self._file.exists() else []
        self._subscriptions = {subscription["endpoint"]: subscription for subscription in stored}

    def all(self) -> list[dict]:
        with self._lock:
            return list(self._subscriptions.values())

    def add(self, subscription: dict) -> None:
        with self._lock:
            self._subscriptions[subscription["endpoint"]] = subscription
            self._save()

    def remove(self, subscription: dict) -> None:
        with self._lock:
            self._subscriptions.pop(subscription["endpoint"], None)
            self._save()

    def _save(self) -> None:
        self._file.write_text(json.dumps(list(self._subscriptions.values())))
