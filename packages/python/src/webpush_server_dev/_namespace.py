"""One namespace of the control API: the subscriptions, messages and faults of one test."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

from ._control import call
from ._report import describe_timeout

# JSON objects of the control API are dicts: docs/testing-web-push.md lists their members.
Json = dict[str, Any]
SubscriptionRef = str | Mapping[str, Any]
Service = Literal["local", "https", "fcm", "mozilla", "apple", "wns"]
State = Literal["accepted", "delivered", "refused", "lost", "expired", "replaced", "canceled", "dropped"]

# The server holds a long poll for at most a minute.
_LONGEST_WAIT_SECONDS = 30.0


class WaitTimeoutError(AssertionError):
    """No message matched in time. Its text says what arrived instead."""


class Namespace:
    def __init__(self, base: str, ready: Json) -> None:
        self.base = base
        self.ready = ready

    @property
    def env(self) -> dict[str, str]:
        """Variables that make an application send through the proxy."""
        return dict(self.ready["env"])

    @property
    def chromium_args(self) -> list[str]:
        return list(self.ready["chromium_args"])

    @property
    def firefox_prefs(self) -> Json:
        return dict(self.ready["firefox_prefs"])

    def subscribe(
        self,
        *,
        application_server_key: str | None = None,
        service: Service | None = None,
        name: str | None = None,
    ) -> Json:
        """Creates a virtual user agent, whose keys the server holds, with one subscription."""
        options = {"applicationServerKey": application_server_key, "service": service, "name": name}
        return self._call("POST", "/subscriptions", _without_none(options))

    def adopt(self, subscription: SubscriptionRef, *, name: str | None = None) -> Json:
        """Puts a browser's subscription, or its endpoint, into this namespace."""
        endpoint = subscription if isinstance(subscription, str) else subscription["endpoint"]
        return self._call("POST", "/subscriptions", _without_none({"endpoint": endpoint, "name": name}))

    def subscriptions(self) -> list[Json]:
        return self._call("GET", "/subscriptions")["subscriptions"]

    def subscription(self, subscription: SubscriptionRef) -> Json:
        return self._call("GET", f"/subscriptions/{self._id(subscription)}")

    def messages(
        self,
        *,
        subscription: SubscriptionRef | None = None,
        topic: str | None = None,
        urgency: str | None = None,
        text: str | None = None,
        state: State | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[Json]:
        filters = {"topic": topic, "urgency": urgency, "text": text, "state": state, "after": after, "limit": limit}
        return self._messages(subscription, filters)

    def message(self, id: str) -> Json:
        return self._call("GET", f"/messages/{quote(id, safe='')}")

    def wait_for_message(
        self,
        *,
        subscription: SubscriptionRef | None = None,
        topic: str | None = None,
        urgency: str | None = None,
        text: str | None = None,
        state: State = "delivered",
        after: int | None = None,
        timeout: float = 15,
    ) -> Json:
        """Waits for a message, also one that arrived before the call. `text` is for virtual agents only."""
        filters = {"state": state, "topic": topic, "urgency": urgency, "text": text, "after": after}
        end = time.monotonic() + timeout
        while True:
            wait = max(0.0, min(end - time.monotonic(), _LONGEST_WAIT_SECONDS))
            messages = self._messages(subscription, {**filters, "wait": f"{int(wait * 1000)}ms"}, wait=wait)
            if messages:
                return messages[0]
            if time.monotonic() >= end:
                raise WaitTimeoutError(describe_timeout(self, {**filters, "subscription": subscription}, timeout))

    def clear_messages(self) -> None:
        """Forgets the records of messages; subscriptions stay."""
        self._call("DELETE", "/messages")

    def fail(
        self,
        subscription: SubscriptionRef | None,
        *,
        status: int,
        times: int | None = 1,
        retry_after: int | None = None,
    ) -> Json:
        """Makes the next sends to a subscription fail; to any of this namespace if it is None."""
        return self.fault(subscription, status=status, times=times, retry_after=retry_after)

    def fault(
        self,
        subscription: SubscriptionRef | None = None,
        *,
        key: str | None = None,
        service: Service | None = None,
        topic: str | None = None,
        times: int | None = 1,
        status: int | None = None,
        retry_after: int | None = None,
        delay: str | None = None,
        outcome: Literal["lost", "duplicate", "reorder"] | None = None,
    ) -> Json:
        """Adds a fault for the next `times` sends; `times=None` is until it is removed."""
        fault = {
            "subscription": None if subscription is None else self._id(subscription),
            "key": key,
            "service": service,
            "topic": topic,
            "status": status,
            "retryAfter": retry_after,
            "delay": delay,
            "outcome": outcome,
        }
        return self._call("POST", "/faults", {**_without_none(fault), "times": times})

    def faults(self) -> list[Json]:
        return self._call("GET", "/faults")["faults"]

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def offline(self, subscription: SubscriptionRef | None = None) -> None:
        """Takes a virtual agent offline; all of this namespace without an argument. Close a browser instead."""
        self._set_online(subscription, False)

    def online(self, subscription: SubscriptionRef | None = None) -> None:
        self._set_online(subscription, True)

    def acknowledge(
        self,
        subscription: SubscriptionRef,
        code: Literal["delivered", "decryption-failed", "not-displayed", "never"],
    ) -> Json:
        """Sets with which code a virtual agent acknowledges."""
        return self._patch(subscription, {"acknowledge": code})

    def expire(self, subscription: SubscriptionRef) -> None:
        self._call("DELETE", f"/subscriptions/{self._id(subscription)}")

    def rotate(self, subscription: SubscriptionRef) -> Json:
        return self._call("POST", f"/subscriptions/{self._id(subscription)}/rotate")

    def advance(self, duration: str) -> Json:
        """Advances the clock of the whole server, for all namespaces: `"25h"`."""
        return self._call("POST", "/clock", {"advance": duration})

    def clock(self) -> Json:
        return self._call("GET", "/clock")

    def proxy_report(self) -> Json:
        """Requests that reached the proxy: how many were forwarded, and which were refused."""
        return self._call("GET", "/proxy")

    def reset(self) -> None:
        """Removes what belongs to this namespace; on a `DevServer`, everything, and sets the clock back."""
        self._call("POST", "/reset")

    def _messages(self, subscription: SubscriptionRef | None, filters: Json, *, wait: float = 0) -> list[Json]:
        query = _without_none(filters)
        if subscription is not None:
            query["subscription"] = self._id(subscription)
        return self._call("GET", f"/messages?{urlencode(query)}", wait=wait)["messages"]

    def _set_online(self, subscription: SubscriptionRef | None, online: bool) -> None:
        agents: list[SubscriptionRef] = [subscription] if subscription is not None else []
        if subscription is None:
            agents += [agent for agent in self.subscriptions() if agent["virtual"] and agent["state"] == "active"]
        for agent in agents:
            self._patch(agent, {"online": online})

    def _patch(self, subscription: SubscriptionRef, changes: Json) -> Json:
        return self._call("PATCH", f"/subscriptions/{self._id(subscription)}", changes)

    def _id(self, subscription: SubscriptionRef) -> str:
        """Returns the id of a subscription, an endpoint or an id; adopts a browser's subscription that is new here."""
        if isinstance(subscription, str) and "://" not in subscription:
            return subscription
        if not isinstance(subscription, str) and "id" in subscription:
            return subscription["id"]
        endpoint = subscription if isinstance(subscription, str) else subscription["endpoint"]
        known = (candidate for candidate in self.subscriptions() if candidate["endpoint"] == endpoint)
        return (next(known, None) or self.adopt(endpoint))["id"]

    def _call(self, method: str, path: str, body: object = None, *, wait: float = 0) -> Any:
        return call(method, f"{self.base}{path}", body, wait=wait)


def _without_none(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}
