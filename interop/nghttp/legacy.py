"""The legacy (2015) API (draft-thomson-webpush-http2) as `nghttp -v` reports it: every route and every error.

The reports are printed as a transcript, with long tokens cut: `cargo xtask interop --only legacy -v`.
"""

import json
import re
import tempfile

from report import ORIGIN, PUSH, Wrong, check, end, expect

REG = "urn:ietf:params:push:reg"
SUB = "urn:ietf:params:push:sub"
# The frames to report: all but those of settings, windows and priorities.
WORTH_SHOWING = re.compile(r"(recv|send) (\(|HEADERS|DATA|PUSH_PROMISE|PING|RST_STREAM)|^ +(:?[a-z-]+): |^\{")


def transcript(nghttp):
    """Prints a report; the runner shows lines that begin with "ok" only when asked to."""
    for line in nghttp.seen:
        if WORTH_SHOWING.search(line):
            print("ok       ", re.sub(r"([A-Za-z0-9_-]{8})[A-Za-z0-9_-]{30,}", r"\1…", line))


def exchange(nghttp, method, url, *options, body=None):
    """Sends one request; returns status, headers and body of the response."""
    with tempfile.NamedTemporaryFile() as data:
        if body is not None:
            data.write(body.encode())
            data.flush()
            options = (*options, f"--data={data.name}")
        run = nghttp(url, f"--header=:method: {method}", *options)
        run.finish()
    transcript(run)
    report = "\n".join(run.seen)
    statuses = re.findall(r"recv \(stream_id=(\d+)\) :status: (\d+)$", report, re.MULTILINE)
    expect(len(statuses), 1, f"answers to {method}")
    stream, status = statuses[0]
    headers = dict(re.findall(rf"recv \(stream_id={stream}\) ([\w-]+): (.*)$", report, re.MULTILINE))
    # nghttp writes a body as it arrives, before the line about its frame.
    content = re.search(rf"(?:^|\n)(.*)\[ *[\d.]+\] recv DATA frame <length=\d+, .*stream_id={stream}>", report)
    return int(status), headers, content[1] if content else ""


def links(headers):
    return {rel: target for target, rel in re.findall(r'<([^>]+)>; rel="([^"]+)"', headers.get("link", ""))}


def absolute(target):
    return ORIGIN + target if target.startswith("/") else target


def register(nghttp):
    status, headers, _ = exchange(nghttp, "POST", f"{ORIGIN}/devices")
    expect(status, 201, "status of a registration")
    return headers["location"], headers


def subscribe(nghttp, device):
    status, headers, _ = exchange(nghttp, "POST", f"{device}/channels")
    expect(status, 201, "status of a new channel")
    return absolute(links(headers)[PUSH]), headers["location"]


def put(nghttp, update, text, *options):
    status, headers, _ = exchange(nghttp, "PUT", update, *options, body=text)
    expect(status, 200, "status of a PUT")
    return headers


def expect_error(answer, status, message=""):
    got, headers, body = answer
    expect(got, status, "status")
    expect(headers.get("content-type"), "application/problem+json", "content-type")
    members = json.loads(body)
    expect(members["statusCode"], status, "statusCode")
    expect(members["error"] != "" and message in members["message"], True, f"members {members}")


def expect_push(pushed, channel, text):
    promise, status, headers, body = pushed
    expect(promise[":method"], "GET", "promised method")
    expect(ORIGIN + promise[":path"], channel, "promised path")
    expect((status, body), (200, text), "pushed status and body")
    return headers


@check
def registration(nghttp):
    """POST /devices: 201, Location, links of both drafts, max-age and private"""
    device, headers = register(nghttp)
    found = links(headers)
    expect(absolute(found[REG]), device, "registration link")
    expect(absolute(found[SUB]), f"{device}/channels", "subscribe link")
    expect(found["urn:ietf:params:push:monitor"], found[REG], "draft-01's monitor link")
    expect(found["urn:ietf:params:push:channel"], found[SUB], "draft-01's channel link")
    expect(bool(re.fullmatch(r"max-age=\d+, private", headers["cache-control"])), True, headers["cache-control"])


@check
def held(nghttp):
    """GET /devices/…: each PUT is promised as GET of its channel, with the sender's headers"""
    device, _ = register(nghttp)
    monitor = nghttp(device)
    monitor.wait(r"send HEADERS frame")
    for text in ("first", "second"):
        channel, update = subscribe(nghttp, device)
        put(nghttp, update, text, "--header=content-encoding: aes128gcm", "--header=content-type: text/plain")
        headers = expect_push(monitor.push(), channel, text)
        expect(headers.get("content-encoding"), "aes128gcm", "content-encoding")
        expect(headers.get("content-type"), "text/plain", "content-type")
    transcript(monitor)


@check
def stored(nghttp):
    """PUT /updates/…: 200 and max-age; GET of the channel: the last message; wait=0: what is stored, until it was taken"""
    device, _ = register(nghttp)
    channel, update = subscribe(nghttp, device)
    expect(exchange(nghttp, "GET", channel)[0], 204, "a channel without a message")
    expect(put(nghttp, update, "old")["cache-control"], "max-age=86400", "how long it is kept")
    expect(put(nghttp, update, "new", "--header=ttl: 60")["cache-control"], "max-age=60", "how long it is kept")
    status, headers, body = exchange(nghttp, "GET", channel)
    expect((status, body, headers["content-type"]), (200, "new", "application/octet-stream"), "last message")
    monitor = nghttp(device, "--header=prefer: wait=0")
    monitor.finish()
    transcript(monitor)
    report = "\n".join(monitor.seen)
    expect(report.count("recv PUSH_PROMISE"), 2, "promises")
    expect(bool(re.search(rf'link: <{device.removeprefix(ORIGIN)}>; rel="{REG}"', report)), True, "registration link")
    # nghttp accepts a path once and resets its second promise, though all of it may have arrived by then. The first has
    # arrived, because nghttp has answered the PINGs; the second is redelivered.
    expect(monitor.statuses(), ["200"] * 2, "statuses of one push and the GET")
    expect(report.count("send RST_STREAM"), 1, "promises that nghttp has reset")
    again = nghttp(device, "--header=prefer: wait=0")
    expect_push(again.push(), channel, "new")
    again.finish()
    expect(again.statuses(), ["200"] * 2, "statuses of the other push and the GET")
    empty = nghttp(device, "--header=prefer: wait=0")
    empty.finish()
    transcript(empty)
    expect(empty.statuses(), ["204"], "statuses when there is nothing")


@check
def deleted(nghttp):
    """DELETE of a channel and of a device: 204, then 404 for them and their senders"""
    device, _ = register(nghttp)
    channel, update = subscribe(nghttp, device)
    expect(exchange(nghttp, "DELETE", channel)[0], 204, "DELETE of a channel")
    for method, url in (("DELETE", channel), ("GET", channel), ("PUT", update)):
        expect_error(exchange(nghttp, method, url), 404)
    expect(exchange(nghttp, "DELETE", device)[0], 204, "DELETE of a device")
    for method, url in (("DELETE", device), ("GET", device), ("POST", f"{device}/channels")):
        expect_error(exchange(nghttp, method, url), 404)


@check
def no_push(nghttp):
    """--no-push (SETTINGS_ENABLE_PUSH=0): 505 with the words of 2015"""
    device, _ = register(nghttp)
    for options in ((), ("--header=prefer: wait=0",)):
        answer = exchange(nghttp, "GET", device, "--no-push", *options)
        expect_error(answer, 505, "This client does not support HTTP/2 server push")


@check
def errors(nghttp):
    """unknown devices, forged keys, wrong methods and large bodies: 404, 405, 413"""
    device, _ = register(nghttp)
    channel, update = subscribe(nghttp, device)
    for method, url in (
        ("GET", f"{ORIGIN}/devices/any-string"),
        ("POST", f"{ORIGIN}/devices/any-string/channels"),
        ("DELETE", f"{ORIGIN}/devices/any-string/channels/any-string"),
        ("PUT", f"{ORIGIN}/updates/Fe26.2**0cdd607945dd1dffb7da0b0bf5f1a7da"),
        ("PUT", update[:-4] + "AAAA"),
    ):
        expect_error(exchange(nghttp, method, url), 404)
    for method, url in (("GET", f"{ORIGIN}/devices"), ("POST", update), ("PUT", channel)):
        expect_error(exchange(nghttp, method, url), 405)
    put(nghttp, update, "x" * 4096)
    expect_error(exchange(nghttp, "PUT", update, body="x" * 4097), 413)


end()
