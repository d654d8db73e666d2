"""Serves the application: PORT, VAPID_PRIVATE_KEY (base64url), SUBSCRIPTIONS (a file)."""

import os

from .sender import Sender
from .server import create_server
from .subscription_list import SubscriptionList

subscriptions = SubscriptionList(os.environ.get("SUBSCRIPTIONS", "subscriptions.json"))
sender = Sender(subscriptions, os.environ["VAPID_PRIVATE_KEY"])
server = create_server(int(os.environ.get("PORT", "3000")), subscriptions, sender)
print(f"http://localhost:{server.server_port}", flush=True)
server.serve_forever()
