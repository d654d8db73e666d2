"""`nghttp -v` and its report, and Python's own HTTP/1.1 client as the application server."""

import http.client
import os
import queue
import re
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

PUSH = "urn:ietf:params:push"
PATIENCE = 10.0
ORIGIN = os.environ.get("WEBPUSH_ORIGIN") or sys.exit("WEBPUSH_ORIGIN is not set: run this by cargo xtask interop")

failed = []


class Wrong(Exception):
    """The server did not do what it should."""


def request(method, url, headers=None, body=None):
    """Sends one HTTP/1.1 request; returns status and headers (names in lower case, repeated ones joined)."""
    address = urlsplit(url)
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=os.environ["WEBPUSH_CA"])
        connection = http.client.HTTPSConnection(address.netloc, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE)
    try:
        connection.request(method, address.path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        joined = {}
        for name, value in answer.getheaders():
            joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
        return answer.status, joined
    finally:
        connection.close()


class Nghttp:
    """`nghttp -v` with its report read line by line as it arrives."""

    def __init__(self, url, *options):
        self.process = subprocess.Popen(
            ["nghttp", "--verbose", *options, url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode("latin-1").rstrip("\r\n"))
        self.lines.put(None)

    def wait(self, pattern):
        """The first match in a line from here on."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self.next_line(deadline, pattern)
            if line is None:
                raise Wrong(f"nghttp ended without a line like {pattern!r}, after {self.seen[-8:]}")
            found = re.search(pattern, line)
            if found:
                return found

    def finish(self):
        """Waits until nghttp ends by itself."""
        deadline = time.monotonic() + PATIENCE
        while self.next_line(deadline, "the end") is not None:
            pass
        self.process.wait(PATIENCE)

    def statuses(self):
        """All statuses reported so far, on any stream."""
        return re.findall(r":status: (\d+)$", "\n".join(self.seen), re.MULTILINE)

    def next_line(self, deadline, what):
        try:
            line = self.lines.get(timeout=max(0.001, deadline - time.monotonic()))
        except queue.Empty:
            raise Wrong(f"nghttp printed nothing like {what!r} in {PATIENCE:.0f} s, after {self.seen[-8:]}") from None
        if line is not None:
            self.seen.append(line)
        return line

    def push(self):
        """The next push: what was promised on which stream, status, headers and body, as nghttp reports them."""
        # nghttp names the stream of the GET in the lines of a promise, and the promised one only after them.
        found = self.wait(r"recv \(stream_id=(\d+)\) :method: (\w+)$")
        promise = {":method": found[2]}
        while True:
            found = self.wait(r"recv \(stream_id=\d+\) (:?[\w-]+): (.*)$|recv PUSH_PROMISE frame <.*stream_id=(\d+)>")
            if found[3]:
                break
            promise[found[1]] = found[2]
        promised = self.wait(r"promised_stream_id=(\d+)")[1]
        status = int(self.wait(rf"recv \(stream_id={promised}\) :status: (\d+)")[1])
        headers = {}
        while True:
            found = self.wait(
                rf"recv \(stream_id={promised}\) ([\w-]+): (.*)$|recv HEADERS frame <.*stream_id={promised}>"
            )
            if found[1] is None:
                break
            headers[found[1]] = found[2]
        # The body appears before the report of its DATA frame.
        body = self.wait(rf"^(.*)\[ *[\d.]+\] recv DATA frame <length=\d+, .*stream_id={promised}>")[1]
        return promise, status, headers, body

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def expect(actual, wanted, what):
    if actual != wanted:
        raise Wrong(f"{what}: {actual!r} instead of {wanted!r}")


def check(function):
    """Runs a check immediately; a failed one does not keep the next from running."""
    name = function.__doc__.strip()
    running = []
    try:
        function(lambda *arguments: running.append(Nghttp(*arguments)) or running[-1])
        print(f"ok    {name}")
    except Exception as error:
        failed.append(name)
        print(f"WRONG {name}: {error!r}" if not isinstance(error, Wrong) else f"WRONG {name}: {error}")
    finally:
        for nghttp in running:
            nghttp.stop()


def end():
    """Ends the script, with status 1 if a check failed."""
    sys.exit(1 if failed else 0)
