"""The application, in a process of its own, with the variables of the push service; and Chromium."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from py_vapid import Vapid
from py_vapid.utils import b64urlencode

from webpush_server_dev import Namespace
from webpush_server_dev.playwright import launch

ROOT = Path(__file__).parent.parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


class Application:
    def __init__(self, url: str) -> None:
        self.url = url

    def turn_on_notifications(self, page: Page) -> None:
        """Clicks the button, as a user does."""
        page.goto(self.url)
        page.click("button")
        page.wait_for_selector("output:not(:empty)")

    def announce(self, **announcement: object) -> None:
        assert self._post("/announcements", announcement) == 202

    def add_subscription(self, subscription: dict) -> int:
        return self._post("/subscriptions", subscription)

    def key(self) -> str:
        return self._get("/key")["publicKey"]

    def subscription_count(self) -> int:
        return self._get("/subscriptions")["count"]

    def _get(self, path: str) -> dict:
        with urlopen(self.url + path) as response:
            return json.load(response)

    def _post(self, path: str, body: dict) -> int:
        try:
            with urlopen(Request(self.url + path, data=json.dumps(body).encode())) as response:
                return response.status
        except HTTPError as error:
            return error.code


@pytest.fixture
def application(push: Namespace, tmp_path: Path) -> Iterator[Application]:
    vapid = Vapid()
    vapid.generate_keys()
    secret = vapid.private_key.private_numbers().private_value.to_bytes(32, "big")
    variables = {
        "PORT": "0",
        "SUBSCRIPTIONS": str(tmp_path / "subscriptions.json"),
        "VAPID_PRIVATE_KEY": b64urlencode(secret),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env={**os.environ, **push.env, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        yield Application(process.stdout.readline().strip())
        process.terminate()
    # No test reached a vendor, nor tried to.
    assert push.proxy_report()["refused"] == []


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def open_browser(push: Namespace, playwright: Playwright, tmp_path: Path) -> Iterator[Callable[[], BrowserContext]]:
    """Starts Chromium, with the same profile each time."""
    contexts = []

    def open_browser() -> BrowserContext:
        contexts.append(launch(playwright.chromium, push, tmp_path / "profile", executable_path=CHROMIUM))
        return contexts[-1]

    yield open_browser
    for context in contexts:
        context.close()
