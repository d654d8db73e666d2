"""A subject of `webpush-server conform sender`: sends with the package that the argument names."""

import base64
import io
import json
import os
import re
import sys
import urllib.request

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

API = os.environ["WEBPUSH_CONFORM_URL"]
KEY = ec.generate_private_key(ec.SECP256R1())
CONTACT = "interop@example.com"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


PUBLIC = base64url(KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
PRIVATE = base64url(KEY.private_numbers().private_value.to_bytes(32, "big"))


def subscription(name, query=""):
    with urllib.request.urlopen(f"{API}/subscriptions/{name}{query}") as response:
        return json.load(response)


def pywebpush(coding="aes128gcm"):
    from pywebpush import WebPushException, webpush

    def send(to, text, options):
        headers = {name: value for name, value in options.items() if name != "ttl"}
        claims = {"sub": f"mailto:{CONTACT}"}
        try:
            answer = webpush(
                to,
                text,
                vapid_private_key=PRIVATE,
                vapid_claims=claims,
                ttl=options.get("ttl", 0),
                headers=headers,
                content_encoding=coding,
                timeout=10,
            )
            return answer.status_code
        except WebPushException as error:
            return error.response.status_code

    return send


def webpush():
    import requests
    from webpush import WebPush, WebPushSubscription

    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sender = WebPush(private_key=io.BytesIO(pem), public_key=io.BytesIO(public), subscriber=CONTACT)

    def send(to, text, options):
        message = sender.get(text, WebPushSubscription.model_validate(to), ttl=options.get("ttl"))
        return requests.post(to["endpoint"], data=message.encrypted, headers=message.headers, timeout=10).status_code

    return send


def webpush_rs():
    import webpush_rs as library

    def send(to, text, options):
        keys = to["keys"]
        contact = f"mailto:{CONTACT}"
        try:
            return library.send_one(to["endpoint"], keys["p256dh"], keys["auth"], PRIVATE, contact, text.encode())
        except RuntimeError as error:
            code = re.search(r"code (\d+)", str(error))
            # Its error for 413 says only this.
            return code[1] if code else 413 if "payload size" in str(error) else str(error)

    return send


LIBRARIES = {"pywebpush": pywebpush, "webpush": webpush, "webpush_rs": webpush_rs}


def main(library, *arguments):
    send = LIBRARIES[library](*arguments)
    options = {"ttl": 60, "Urgency": "high", "Topic": "greeting"}
    restricted = subscription("new", f"?key={PUBLIC}")
    for text in ["grüß Gott", "x" * 600]:
        print(send(restricted, text, options))
    print(send(subscription("new"), "without options", {}))
    for name in ["404", "410", "413", "429", "500", "503"]:
        status = send(subscription(name), name, options)
        if str(status) != name:
            sys.exit(f"{name}: {status}")


main(*sys.argv[1:])
