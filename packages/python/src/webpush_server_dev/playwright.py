"""For tests with Playwright's synchronous API, which is not a dependency: install `playwright` to use this module."""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, BrowserType, CDPSession, Page

from ._chromium import prepare_chromium_profile
from ._namespace import Json, Namespace

_SERVICE = {"service": "notifications"}
_POLL_MS = 100

_SUBSCRIBE = """async ({ applicationServerKey, serviceWorker }) => {
    if (serviceWorker) await navigator.serviceWorker.register(serviceWorker);
    const { pushManager } = await navigator.serviceWorker.ready;
    return (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })).toJSON();
}"""

_SUBSCRIPTION = """async () => {
    const { pushManager } = await navigator.serviceWorker.ready;
    return (await pushManager.getSubscription())?.toJSON() ?? null;
}"""


def launch(
    browser_type: BrowserType,
    push: Namespace,
    user_data_dir: str | os.PathLike[str],
    **options: Any,
) -> BrowserContext:
    """Starts Chromium with the push service of `push` and a profile that may show notifications.

    `options` are those of `launch_persistent_context`. Subscribing fails in the incognito contexts of `new_context()`.
    """
    prepare_chromium_profile(user_data_dir)
    if "executable_path" not in options:
        # The headless shell, which is the default, refuses notifications.
        options.setdefault("channel", "chromium")
    args = [*push.chromium_args, *options.pop("args", [])]
    # Playwright adds it. It may turn push off, although it does not in Chromium 156.
    ignored = ["--disable-background-networking", *options.pop("ignore_default_args", [])]
    context = browser_type.launch_persistent_context(
        os.fspath(user_data_dir), args=args, ignore_default_args=ignored, **options
    )
    _record(context.new_cdp_session(context.pages[0]))
    return context


def subscribe(page: Page, push: Namespace, *, application_server_key: str, service_worker: str | None = None) -> Json:
    """Subscribes a page, and adopts the subscription. Returns its JSON with `id`."""
    options = {"applicationServerKey": application_server_key, "serviceWorker": service_worker}
    return _adopt(push, page.evaluate(_SUBSCRIBE, options))


def subscription_of(page: Page, push: Namespace) -> Json | None:
    """Adopts the subscription that a page has made itself. Returns its JSON with `id`, or None if it has none."""
    subscription = page.evaluate(_SUBSCRIPTION)
    return subscription and _adopt(push, subscription)


def wait_for_notification(page: Page, text: str = "", *, timeout: float = 15) -> Json:
    """Waits until a page's service worker shows a notification whose title or body contains a text.

    Chromium records them. Asking the page with `getNotifications()` would be a race, because Chromium then forgets a
    notification that is just about to be on the screen.
    """
    address = urlsplit(page.url)
    origin = f"{address.scheme}://{address.netloc}/"
    shown: list[Json] = []

    def add(parameters: Json) -> None:
        event = parameters["backgroundServiceEvent"]
        if event["origin"] == origin and event["eventName"] == "Notification displayed":
            members = {entry["key"]: entry["value"] for entry in event["eventMetadata"]}
            shown.append({"title": members.get("Title", ""), "body": members.get("Body", ""), "tag": event["instanceId"]})

    session = page.context.new_cdp_session(page)
    session.on("BackgroundService.backgroundServiceEventReceived", add)
    _record(session)
    session.send("BackgroundService.startObserving", _SERVICE)
    end = time.monotonic() + timeout
    while True:
        for notification in shown:
            if text in notification["title"] or text in notification["body"]:
                session.detach()
                return notification
        if time.monotonic() >= end:
            raise AssertionError(f"no notification with {json.dumps(text)} in {timeout:g} s; shown: {json.dumps(shown)}")
        # Events arrive while Playwright waits.
        page.wait_for_timeout(_POLL_MS)


def _record(session: CDPSession) -> None:
    session.send("BackgroundService.setRecording", {**_SERVICE, "shouldRecord": True})


def _adopt(push: Namespace, subscription: Json) -> Json:
    return {**subscription, "id": push.adopt(subscription)["id"]}
