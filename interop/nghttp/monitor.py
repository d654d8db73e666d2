"""nghttp, the client of nghttp2, as the user agent; the application server is Python's own HTTP/1.1 client."""

import re
from urllib.parse import urlsplit

from report import ORIGIN, PUSH, Wrong, check, end, expect, request


def subscribe():
    status, headers = request("POST", f"{ORIGIN}/subscribe")
    expect(status, 201, "status of a subscribe")
    links = {relation: uri for uri, relation in re.findall(r'<([^>]+)>; rel="([^"]+)"', headers["link"])}
    return headers["location"], links[PUSH]


def send(push, body):
    status, headers = request("POST", push, {"TTL": "60", "Content-Encoding": "aes128gcm"}, body)
    expect(status, 201, "status of a send")
    return headers["location"]


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


@check
def wait_zero(nghttp):
    """wait=0 pushes what is stored and ends with 200, then 204 once acknowledged"""
    subscription, push = subscribe()
    message = send(push, "stored before")
    monitor = nghttp(subscription, "--header=prefer: wait=0")
    expect_push(monitor.push(), message, push, "stored before")
    monitor.finish()
    # The response to the GET may appear before the end of the push: once promised, a push is independent of it.
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
    """a subscribe by nghttp returns 201, Location and link"""
    answer = nghttp(f"{ORIGIN}/subscribe", "--header=:method: POST")
    answer.wait(r":status: 201$")
    answer.finish()
    report = "\n".join(answer.seen)
    for pattern in (rf"location: {ORIGIN}/subscription/", rf'link: .*<{ORIGIN}/push/[^>]+>; rel="{PUSH}"'):
        if not re.search(pattern, report):
            raise Wrong(f"no line like {pattern!r}")


end()
