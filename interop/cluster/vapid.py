"""A VAPID header (RFC 8292) for senders to Chromium: ECDSA on P-256 with nothing but integers, once in a run."""

import base64
import hashlib
import json
import secrets
import time

# The curve of FIPS 186-4, D.1.2.3: field, order, and generator.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
HOURS = 12


def add(one, other):
    """Adds two points of the curve; `None` is the point at infinity."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) if one == other else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def multiply(number, point):
    result = None
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_key():
    """Returns a private key, and the public one as applications write it."""
    private = 1 + secrets.randbelow(N - 1)
    x, y = multiply(private, G)
    return private, base64url(b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))


def authorization(private, public, audience):
    """Returns a header that is valid for the length of any run."""
    claims = {"aud": audience, "exp": int(time.time()) + HOURS * 3600, "sub": "mailto:interop@example.com"}
    head = {"typ": "JWT", "alg": "ES256"}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    once = 1 + secrets.randbelow(N - 1)
    r = multiply(once, G)[0] % N
    s = pow(once, -1, N) * (digest + r * private) % N
    return f"vapid t={text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}, k={public}"
