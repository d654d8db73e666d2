"""A subscription with the keys that a browser would have made, kept in a file, for the agents of the matrix."""

import base64
import json
import os
import re
import sys
import traceback
from pathlib import Path

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lib import Wrong


class Browser:
    def __init__(self, subscription, private_value, auth):
        self.subscription = subscription
        self.key = ec.derive_private_key(private_value, ec.SECP256R1())
        self.auth = auth

    @classmethod
    def read(cls, file):
        state = json.loads(Path(file).read_text())
        return cls(state["subscription"], int(state["private"], 16), bytes.fromhex(state["auth"]))

    @classmethod
    def make(cls, file, subscription, push):
        """Writes the file and prints what senders need."""
        private_value = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        browser = cls(subscription, private_value, os.urandom(16))
        state = {"subscription": subscription, "private": f"{private_value:x}", "auth": browser.auth.hex()}
        Path(file).write_text(json.dumps(state))
        public = browser.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": base64url(public), "auth": base64url(browser.auth)}
        print_line({"subscription": {"endpoint": push, "keys": keys}})

    def decrypt(self, headers, body):
        coding = headers.get("content-encoding")
        # The parameters that aesgcm has in header fields are in the body for aes128gcm.
        more = {}
        if coding == "aesgcm":
            more = {"salt": parameter(headers, "encryption", "salt"), "dh": parameter(headers, "crypto-key", "dh")}
        text = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version=coding, **more)
        return text.decode()


def print_message(text, path, headers):
    print_line({"message": text, "path": path, "encoding": headers.get("content-encoding")})


def print_line(value):
    """As `listen --json` and `send --json` print it: no spaces, UTF-8."""
    print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def parameter(headers, name, key):
    found = re.search(rf"(?:^|[;,\s]){key}=([\w-]+)", headers.get(name, ""))
    if not found:
        raise Wrong(f"no {key} in {name}: {headers.get(name)!r}")
    return base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def run(commands):
    """Runs the command given on the command line, with its file."""
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        commands[sys.argv[1]](sys.argv[2])
    except Wrong as error:
        sys.exit(str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        sys.exit(f"{type(error).__name__} at {where.name}:{where.lineno}: {error}")
