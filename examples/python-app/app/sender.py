"""Sends announcements to all subscriptions."""

import logging
import threading

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from py_vapid.utils import b64urlencode
from pywebpush import WebPushException, webpush

from .subscription_list import SubscriptionList

HOUR = 3600
MAX_ATTEMPTS = 3
DEFAULT_RETRY_SECONDS = 30

log = logging.getLogger(__name__)


class Sender:
    def __init__(self, subscriptions: SubscriptionList, private_key: str) -> None:
        self._subscriptions = subscriptions
        self._vapid = Vapid.from_string(private_key)
        point = self._vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = b64urlencode(point)

    def send_to_all(self, announcement: dict) -> None:
        for subscription in self._subscriptions.all():
            self._send(subscription, announcement, 1)

    def _send(self, subscription: dict, announcement: dict, attempt: int) -> None:
        topic = announcement.get("topic")
        try:
            webpush(
                subscription,
                announcement["text"],
                vapid_private_key=self._vapid,
                # A new one each time: the library writes the audience into it.
                vapid_claims={"sub": "mailto:admin@example.net"},
                ttl=announcement.get("ttl", HOUR),
                headers={"Topic": topic} if topic else {},
                timeout=10,
            )
        except WebPushException as error:
            self._handle(error, subscription, announcement, attempt)

    def _handle(self, error: WebPushException, subscription: dict, announcement: dict, attempt: int) -> None:
        if error.response is None:
            log.error("cannot send: %s", error)
            return
        status = error.response.status_code
        if status in (404, 410):
            self._subscriptions.remove(subscription)
        elif (status == 429 or status >= 500) and attempt < MAX_ATTEMPTS:
            seconds = int(error.response.headers.get("retry-after", DEFAULT_RETRY_SECONDS))
            timer = threading.Timer(seconds, self._send, (subscription, announcement, attempt + 1))
            timer.daemon = True
            timer.start()
        else:
            log.error("cannot send: %s", status)
