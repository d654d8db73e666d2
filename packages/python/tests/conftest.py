"""An application for the snippets of the documents: a page with a service worker, and a sender."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from py_vapid.utils import b64urlencode

from webpush_server_dev import Namespace

SENDER = """
import json, sys
from pywebpush import WebPushException, webpush
arguments = json.loads(sys.argv[1])
try:
    response = webpush(arguments["subscription"], arguments["text"], vapid_private_key=arguments["key"],
                       vapid_claims={"sub": "mailto:test@example.net"}, **arguments["options"])
except WebPushException as error:
    response = error.response
print(response.status_code)
"""

WORKER = b"""
self.addEventListener('push', (event) => event.waitUntil(self.registration.showNotification(event.data.text())));
"""


class Sender:
    """Sends with pywebpush from a process of its own, as an application would."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        vapid = Vapid()
        vapid.generate_keys()
        secret = vapid.private_key.private_numbers().private_value.to_bytes(32, "big")
        self.private_key = b64urlencode(secret)
        self.public_key = b64urlencode(vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def send(self, subscription: dict, text: str, **options: object) -> int:
        arguments = {"subscription": subscription, "text": text, "key": self.private_key}
        arguments["options"] = {"ttl": 600, **options}
        output = subprocess.run(
            [sys.executable, "-c", SENDER, json.dumps(arguments)],
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            check=True,
        )
        return int(output.stdout)


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_worker = self.path == "/worker.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_worker else "text/html")
        self.end_headers()
        self.wfile.write(WORKER if is_worker else b"<!doctype html><title>a page</title>")

    def log_message(self, format: str, *arguments: object) -> None:
        """Requests are not logged."""


class Application:
    def __init__(self, url: str, sender: Sender) -> None:
        self.url = url
        self.key = sender.public_key
        self._sender = sender

    def remind(self, subscription: dict) -> None:
        assert self._sender.send(subscription, "Dinner is ready", headers={"topic": "dinner"}) == 201


@pytest.fixture
def sender(push: Namespace) -> Sender:
    return Sender(push.env)


@pytest.fixture
def application(sender: Sender) -> Iterator[Application]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Application(f"http://localhost:{server.server_port}/", sender)
    server.shutdown()
    server.server_close()
