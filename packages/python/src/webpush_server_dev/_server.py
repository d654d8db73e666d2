"""Starts `webpush-server dev`, or attaches to the one that runs this process."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO
from urllib.parse import quote

from ._namespace import Json, Namespace

_LOG_BYTES = 4_000


class DevServer(Namespace):
    """The server: its default namespace, and those of tests. Also a context manager that ends it."""

    def __init__(
        self,
        ready: Json,
        process: subprocess.Popen[bytes] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        super().__init__(ready["control"], ready)
        self._process = process
        self._log = log

    @property
    def attached(self) -> bool:
        """True if this process did not start the server, and so does not stop it."""
        return self._process is None

    def namespace(self, name: str) -> Namespace:
        """Returns a namespace, which exists from its first use."""
        return Namespace(f"{self.base}/ns/{quote(name, safe='')}", self.ready)

    def log(self) -> str:
        """Returns the end of the server's log, or nothing if it is attached."""
        return _end(self._log) if self._log else ""

    def stop(self) -> None:
        """Ends the server. Does nothing if it is attached or has ended."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe:
                pipe.close()
        self._log = None

    def __enter__(self) -> DevServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def find_program(binary: str | None = None) -> str:
    """Returns the path of the program: `binary`, the variable `WEBPUSH_DEV_BINARY`, or what `PATH` has."""
    named = binary or os.environ.get("WEBPUSH_DEV_BINARY")
    if named:
        if not os.path.exists(named):
            source = "the argument `binary`" if binary else "WEBPUSH_DEV_BINARY"
            raise FileNotFoundError(f"{source} names {named}, which does not exist")
        return named
    found = shutil.which("webpush-server")
    if found is None:
        raise FileNotFoundError(
            "cannot find the program webpush-server: install it so that it is on PATH, or set WEBPUSH_DEV_BINARY or "
            "the argument `binary` to its path"
        )
    return found


def start(
    *,
    binary: str | None = None,
    args: Sequence[str] = (),
    attach: bool = True,
    timeout: float = 10,
) -> DevServer:
    """Starts a server that ends with this process.

    Under `webpush-server dev -- COMMAND` it returns that server instead, unless `attach` is false.
    """
    if attach and "WEBPUSH_DEV" in os.environ:
        return DevServer(json.loads(os.environ["WEBPUSH_DEV"]))
    program = find_program(binary)
    log = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        [program, "dev", "--with-parent", *args],
        # It closes with this process, however that ends.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    assert process.stdout is not None
    line = _first_line(process.stdout, timeout)
    if line:
        return DevServer(json.loads(line), process, log)
    process.kill()
    status = process.wait()
    raise RuntimeError(f"{program} dev was not ready in {timeout:g} s (status {status}):\n{_end(log)}")


def _first_line(stream: IO[bytes], timeout: float) -> bytes:
    """Returns nothing if the stream ended or the time is over. The line is written at once."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return stream.readline() if selector.select(timeout) else b""


def _end(log: IO[bytes]) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _LOG_BYTES))
    return log.read().decode(errors="replace").strip()
