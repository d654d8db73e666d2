from collections.abc import Callable

from playwright.sync_api import BrowserContext
from webpush_server_dev import Namespace
from webpush_server_dev.playwright import subscription_of, wait_for_notification

from conftest import Application

OpenBrowser = Callable[[], BrowserContext]

UNSUBSCRIBE = """async () => {
    const { pushManager } = await navigator.serviceWorker.ready;
    await (await pushManager.getSubscription()).unsubscribe();
}"""

def test_an_announcement_is_shown(push: Namespace, application: Application, open_browser: OpenBrowser) -> None:
    page = open_browser().new_page()
    application.turn_on_notifications(page)
    subscription = subscription_of(page, push)
    assert subscription
    application.announce(text="Dinner is ready", topic="dinner")
    message = push.wait_for_message(topic="dinner")
    assert message["subscription"] == subscription["id"]
    assert wait_for_notification(page, "Dinner")["body"] == "Dinner is ready"


def test_an_announcement_waits_for_a_closed_browser(
    push: Namespace, application: Application, open_browser: OpenBrowser
) -> None:
    context = open_browser()
    page = context.new_page()
    application.turn_on_notifications(page)
    subscription_of(page, push)
    context.close()
    application.announce(text="While you were away")
    page = open_browser().new_page()
    page.goto(application.url)
    wait_for_notification(page, "While you were away")
    push.wait_for_message()


def test_an_unsubscribed_browser_is_removed(push: Namespace, application: Application, open_browser: OpenBrowser) -> None:
    page = open_browser().new_page()
    application.turn_on_notifications(page)
    subscription_of(page, push)
    assert application.subscription_count() == 1
    page.evaluate(UNSUBSCRIBE)
    application.announce(text="Too late")
    assert push.wait_for_message(state="refused")["status"] == 410
    assert application.subscription_count() == 0


# Without a browser: virtual agents are faster, and the server can decrypt what they receive.


def subscribe(push: Namespace, application: Application, service: str = "fcm") -> dict:
    subscription = push.subscribe(application_server_key=application.key(), service=service)
    assert application.add_subscription(subscription) == 201
    return subscription


def test_an_announcement_is_sent_again_after_429(push: Namespace, application: Application) -> None:
    subscription = subscribe(push, application)
    push.fail(subscription, status=429, retry_after=1)
    application.announce(text="Second attempt")
    assert push.wait_for_message()["text"] == "Second attempt"
    assert [message["status"] for message in push.messages()] == [429, 201]


def test_an_announcement_expires(push: Namespace, application: Application) -> None:
    subscription = subscribe(push, application)
    push.offline(subscription)
    application.announce(text="Only today", ttl=24 * 3600)
    push.advance("25h")
    assert push.messages(subscription=subscription)[0]["state"] == "expired"


def test_every_vendor_accepts_an_announcement(push: Namespace, application: Application) -> None:
    for service in ("fcm", "mozilla", "apple", "wns"):
        subscribe(push, application, service)
    application.announce(text="To all")
    received = [push.wait_for_message(subscription=agent)["text"] for agent in push.subscriptions()]
    assert received == ["To all"] * 4


def test_other_hosts_are_not_accepted(application: Application) -> None:
    for endpoint in ("https://push.example.com/x", "http://fcm.googleapis.com/fcm/send/x", "https://localhost/x"):
        assert application.add_subscription({"endpoint": endpoint, "keys": {}}) == 400
