"""Requests to the control API."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

# The variables of the server may be set in this process: they name its proxy, which is not for the control API.
_opener = build_opener(ProxyHandler({}))

_GRACE_SECONDS = 30


class ControlError(Exception):
    """A response of the control API that is not a success."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def call(method: str, url: str, body: object = None, *, wait: float = 0) -> Any:
    """Sends a request and returns the decoded JSON, or None without a body. `wait` is how long the server may take."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if data is None else {"content-type": "application/json"}
    request = Request(url, data=data, headers=headers, method=method)
    try:
        with _opener.open(request, timeout=wait + _GRACE_SECONDS) as response:
            text = response.read()
    except HTTPError as error:
        reason = _reason(error.read())
        raise ControlError(f"{method} {url} returned {error.code}: {reason}", error.code) from None
    except URLError as error:
        raise ConnectionError(f"cannot reach webpush-server dev at {url}: {error.reason}") from error
    return json.loads(text) if text else None


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
