"""nghttp, the client of nghttp2, as the user agent; the application server is Python's own HTTP/1.1 client."""

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
    """The server did something else than it should."""


def request(method, url, headers=None, body=None):
    """One HTTP/1.1 request; gives status and headers (names in lower case, repeated ones joined)."""
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


def subscribe():
    status, headers = request("POST", f"{ORIGIN}/subscribe")
    expect(status, 201, "status of a subscribe")
    links = {relation: uri for uri, relation in re.findall(r'<([^>]+)>; rel="([^"]+)"', headers["link"])}
    return headers["location"], links[PUSH]


def send(push, body):
    status, headers = request("POST", push, {"TTL": "60", "Content-Encoding": "aes128gcm"}, body)
    expect(status, 201, "status of a send")
    return headers["location"]


class Nghttp:
    """`nghttp -v` with its report read line by line as it comes."""

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
        # The body stands in front of the report of its DATA frame.
        body = self.wait(rf"^(.*)\[ *[\d.]+\] recv DATA frame <length=\d+, .*stream_id={promised}>")[1]
        return promise, status, headers, body

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def expect(actual, wanted, what):
    if actual != wanted:
        raise Wrong(f"{what}: {actual!r} instead of {wanted!r}")


def expect_push(pushed, message, push, text):
    promise, status, headers, body = pushed
    expect(promise.get(":method"), "GET", "promised method")
    expect(promise.get(":path"), message.removeprefix(ORIGIN), "promised path")
    expect(promise.get(":scheme"), urlsplit(ORIGIN).scheme, "promised scheme")
    expect(promise.get(":authority"), urlsplit(ORIGIN).netloc, "promised authority")
    expect(status, 200, "pushed status")
    expect(body, text, "pushed body")
    expect(f'<{push}>; rel="{PUSH}"' in headers.get("link", ""), True, f"push link in {headers.get('link')!r}")
    expect(headers.get("content-encoding"), "aes128gcm", "content-encoding")


def check(function):
    """Runs a check at once; a failed one does not keep the next from running."""
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


@check
def wait_zero(nghttp):
    """wait=0 pushes what is stored and ends with 200, then 204 once acknowledged"""
    subscription, push = subscribe()
    message = send(push, "stored before")
    monitor = nghttp(subscription, "--header=prefer: wait=0")
    expect_push(monitor.push(), message, push, "stored before")
    monitor.finish()
    # The answer to the GET may stand before the end of the push: once promised, a push goes its own way.
    expect([number for number in monitor.statuses() if number != "200"], [], "statuses other than 200")
    expect(len(monitor.statuses()), 2, "answers, of the GET and of the push")
    acknowledge = nghttp(message, "--header=:method: DELETE")
    acknowledge.wait(r":status: 204$")
    acknowledge.finish()
    empty = nghttp(subscription, "--header=prefer: wait=0")
    empty.wait(r":status: 204$")
    empty.finish()
    expect([line for line in empty.seen if "PUSH_PROMISE" in line], [], "promises after the acknowledgement")


@check
def held(nghttp):
    """a held monitor gets messages as they are sent"""
    subscription, push = subscribe()
    monitor = nghttp(subscription)
    monitor.wait(r"send HEADERS frame")
    for text in ("first", "second", "third"):
        message = send(push, text)
        expect_push(monitor.push(), message, push, text)


@check
def no_push(nghttp):
    """--no-push (SETTINGS_ENABLE_PUSH=0) gets 505 and no promise"""
    subscription, push = subscribe()
    send(push, "not for you")
    monitor = nghttp(subscription, "--no-push")
    monitor.wait(r":status: 505$")
    monitor.finish()
    expect([line for line in monitor.seen if "PUSH_PROMISE" in line], [], "promises")


@check
def subscribe_by_nghttp(nghttp):
    """a subscribe by nghttp is answered with 201, Location and link"""
    answer = nghttp(f"{ORIGIN}/subscribe", "--header=:method: POST")
    answer.wait(r":status: 201$")
    answer.finish()
    report = "\n".join(answer.seen)
    for pattern in (rf"location: {ORIGIN}/subscription/", rf'link: .*<{ORIGIN}/push/[^>]+>; rel="{PUSH}"'):
        if not re.search(pattern, report):
            raise Wrong(f"no line like {pattern!r}")


sys.exit(1 if failed else 0)
