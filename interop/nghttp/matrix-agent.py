"""nghttp as a user agent of the matrix: it subscribes, monitors and acknowledges; `http_ece` decrypts the messages.

matrix-agent.py subscribe STATE    prints {"subscription":…}, keeps the rest in the file STATE
matrix-agent.py monitor STATE      prints {"message":…,"path":…,"encoding":…} for two messages on one held GET
"""

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from browser import Browser, print_message, run  # noqa: E402
from lib import ORIGIN, PATIENCE, PUSH, Wrong, expect, joined, link  # noqa: E402


class Nghttp:
    """`nghttp -v`, whose report is read as bytes: a body appears unchanged before the line about its DATA frame."""

    def __init__(self, url, *options):
        self.process = subprocess.Popen(
            ["nghttp", "--verbose", *options, url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.report = b""
        self.position = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(PATIENCE)

    def wait(self, pattern):
        """The first match from here on."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.compile(pattern).search(self.report, self.position)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Wrong(f"nghttp printed nothing like {pattern} in {PATIENCE:.0f} s, after {self.tail()}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Wrong(f"nghttp ended without a line like {pattern}, after {self.tail()}")
            self.report += data
        self.position = found.end()
        return found

    def tail(self):
        """The last statuses and frames, without bodies and details."""
        return [line.decode() for line in re.findall(rb"recv \(.*:status: \d+|recv [A-Z_]+ frame", self.report)[-8:]]

    def answer(self, stream=rb"\d+"):
        """Status and headers of the next response on a stream."""
        begin = self.position
        status = int(self.wait(rb"recv \(stream_id=%s\) :status: (\d+)\n" % stream)[1])
        self.wait(rb"recv HEADERS frame <[^>]*stream_id=%s>\n" % stream)
        lines = re.findall(
            rb"recv \(stream_id=%s\) ([\w-]+): (.*)\n" % stream, self.report[begin : self.position]
        )
        return status, joined((name.decode(), value.decode()) for name, value in lines)

    def body(self, stream):
        body = b""
        ended = False
        while not ended:
            frame = self.wait(
                rb"\[ *\d+\.\d+\] recv DATA frame <length=(\d+), flags=0x(\w+), stream_id=%s>\n" % stream
            )
            body += self.report[frame.start() - int(frame[1]) : frame.start()]
            ended = int(frame[2], 16) & 1
        return body

    def push(self):
        """The next push: path of the promise, status, headers and body."""
        path = self.wait(rb"recv \(stream_id=\d+\) :path: (\S+)\n")[1].decode()
        self.wait(rb"recv PUSH_PROMISE frame")
        stream = self.wait(rb"promised_stream_id=(\d+)\)\n")[1]
        status, headers = self.answer(stream)
        return path, status, headers, self.body(stream)


def subscribe(state):
    with Nghttp(f"{ORIGIN}/subscribe", "--header=:method: POST") as nghttp:
        status, headers = nghttp.answer()
    expect(status, 201, "status of a subscribe")
    Browser.make(state, headers["location"], link(headers, PUSH))


def monitor(state):
    browser = Browser.read(state)
    with Nghttp(browser.subscription) as nghttp:
        for _ in range(2):
            path, status, headers, body = nghttp.push()
            expect(status, 200, "pushed status")
            text = browser.decrypt(headers, body)
            with Nghttp(ORIGIN + path, "--header=:method: DELETE") as delete:
                expect(delete.answer()[0], 204, "status of an acknowledgement")
            print_message(text, path, headers)
        expect(nghttp.process.poll(), None, "end of the held GET")


run({"subscribe": subscribe, "monitor": monitor})
