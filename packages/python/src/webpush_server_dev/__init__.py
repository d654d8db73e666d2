"""A local Web Push service for tests: starts `webpush-server dev` and wraps its control API."""

from ._chromium import prepare_chromium_profile
from ._control import ControlError
from ._namespace import Namespace, WaitTimeoutError
from ._server import DevServer, find_program, start

__all__ = [
    "ControlError",
    "DevServer",
    "Namespace",
    "WaitTimeoutError",
    "find_program",
    "prepare_chromium_profile",
    "start",
]
