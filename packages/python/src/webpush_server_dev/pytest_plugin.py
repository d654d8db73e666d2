"""Fixtures for pytest: `push` for each test, and `push_server` for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from ._namespace import Namespace
from ._server import DevServer, start

_LONGEST_NAME = 64


@pytest.fixture(scope="session")
def push_server() -> Iterator[DevServer]:
    """A server for the session (for each worker of pytest-xdist), or that of `webpush-server dev -- pytest`."""
    server = start()
    yield server
    server.stop()


@pytest.fixture
def push(push_server: DevServer, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of its own for each test. Afterwards it is empty, and the clock of an own server is set back."""
    test = re.sub(r"[^A-Za-z0-9._-]", "-", request.node.name)
    name = f"{os.getpid()}-{test}"[:_LONGEST_NAME]
    namespace = push_server.namespace(name)
    yield namespace
    # The clock is shared with the tests of other processes if the server is.
    is_alone = not push_server.attached or "PYTEST_XDIST_WORKER" not in os.environ
    (push_server if is_alone else namespace).reset()


@pytest.fixture
def push_env(push: Namespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Sets the variables in this process, for an application that runs in it: `requests` reads them for each request."""
    for name, value in push.env.items():
        monkeypatch.setenv(name, value)
    return push.env
