"""The push services that subscriptions may lead to: a page could name any server of the internal network otherwise."""

from urllib.parse import urlsplit

HOSTS = {"fcm.googleapis.com", "jmt17.google.com", "updates.push.services.mozilla.com", "web.push.apple.com"}
SUFFIX = ".notify.windows.com"


def is_allowed(endpoint: object) -> bool:
    if not isinstance(endpoint, str):
        return False
    url = urlsplit(endpoint)
    host = url.hostname or ""
    return url.scheme == "https" and url.port is None and (host in HOSTS or host.endswith(SUFFIX))
