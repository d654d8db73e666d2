"""The package `pywebpush` as the application server; this script is the user agent that decrypts with `http_ece`."""

import base64
import os

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from pywebpush import WebPushException, webpush

from lib import Agent, Wrong, check, expect, finish

VAPID = Vapid()
VAPID.generate_keys()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Browser:
    """A subscription with the keys that a browser would have made."""

    def __init__(self):
        self.agent = Agent()
        self.subscription, push = self.agent.subscribe()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.info = {"endpoint": push, "keys": {"p256dh": base64url(public), "auth": base64url(self.auth)}}

    def send(self, text, **options):
        claims = {"sub": "mailto:interop@example.com"}
        return webpush(self.info, text, vapid_private_key=VAPID, vapid_claims=claims, ttl=60, timeout=10, **options)

    def decrypt(self, pushed):
        return http_ece.decrypt(pushed.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")


@check
def arrives():
    """a message is accepted, arrives and decrypts"""
    browser = Browser()
    browser.agent.start("GET", browser.subscription)
    answer = browser.send("grüß Gott", headers={"Urgency": "high", "Topic": "greeting"})
    expect(answer.status_code, 201, "status")
    pushed = browser.agent.next_push(0)
    expect(pushed.url, answer.headers["location"], "promised URL")
    expect(pushed.headers.get("content-encoding"), "aes128gcm", "content-encoding")
    expect(browser.decrypt(pushed).decode(), "grüß Gott", "text")


@check
def largest():
    """the largest message is accepted and decrypts"""
    browser = Browser()
    text = "x" * 3993  # 4096 bytes once encrypted
    expect(browser.send(text).status_code, 201, "status")
    _, [pushed] = browser.agent.outstanding(browser.subscription)
    expect(len(pushed.body), 4096, "bytes of the body")
    expect(browser.decrypt(pushed).decode(), text, "text")


@check
def gone():
    """a deleted subscription is a WebPushException with 404"""
    browser = Browser()
    expect(browser.agent.request("DELETE", browser.subscription).status, 204, "status of the deletion")
    try:
        browser.send("too late")
    except WebPushException as error:
        expect(error.response.status_code, 404, "status")
    else:
        raise Wrong("no exception")


finish()
