"""The HTTP server: pages, subscribing, and announcements."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .push_services import is_allowed
from .sender import Sender
from .subscription_list import SubscriptionList

STATIC = Path(__file__).parent.parent / "static"
FILES = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/worker.js": ("worker.js", "text/javascript"),
}


def create_server(port: int, subscriptions: SubscriptionList, sender: Sender) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/key":
                self._send_json(200, {"publicKey": sender.public_key})
            elif self.path == "/subscriptions":
                self._send_json(200, {"count": len(subscriptions.all())})
            elif self.path in FILES:
                name, content_type = FILES[self.path]
                self._send(200, content_type, (STATIC / name).read_bytes())
            else:
                self._send_json(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/subscriptions":
                self._subscribe(body)
            elif self.path == "/announcements":
                sender.send_to_all(body)
                self._send_json(202, {})
            else:
                self._send_json(404, {"error": "not found"})

        def _subscribe(self, subscription: dict) -> None:
            if is_allowed(subscription.get("endpoint")):
                subscriptions.add(subscription)
                self._send_json(201, {})
            else:
                self._send_json(400, {"error": "not a known push service"})

        def _send_json(self, status: int, body: dict) -> None:
            self._send(status, "application/json", json.dumps(body).encode())

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Requests are not logged."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
