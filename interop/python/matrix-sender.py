"""A sender of the matrix: `pywebpush`, requesting a receipt.

matrix-sender.py CODING SUBSCRIPTION TEXT [RECEIPTS]    prints {"status":…,"message":…,"receipt":…}

SUBSCRIPTION is a file; RECEIPTS a receipt subscription to use again.
"""

import json
import sys
from pathlib import Path

from py_vapid import Vapid01, Vapid02
from pywebpush import WebPushException, webpush

from browser import print_line
from lib import link

RECEIPT = "urn:ietf:params:push:receipt"

coding, file, text, *receipts = sys.argv[1:]
# The old coding with the old form of VAPID, whose key is in the same header field as that of the encryption.
vapid = Vapid01() if coding == "aesgcm" else Vapid02()
vapid.generate_keys()
try:
    answer = webpush(
        json.loads(Path(file).read_text()),
        text,
        vapid_private_key=vapid,
        vapid_claims={"sub": "mailto:interop@example.com"},
        ttl=60,
        timeout=10,
        content_encoding=coding,
        headers={"Prefer": "respond-async", **{"Link": f'<{url}>; rel="{RECEIPT}"' for url in receipts}},
    )
except WebPushException as error:
    sys.exit(str(error))
message = answer.headers.get("location")
receipt = link(answer.headers, RECEIPT) if "link" in answer.headers else None
print_line({"status": answer.status_code, "message": message, "receipt": receipt})
