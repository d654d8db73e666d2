#!/usr/bin/env bash
# A sender of the matrix: curl over HTTP/2, requesting a receipt. node/matrix-encrypt.mjs encrypts the body.
#
#     matrix-sender.sh SUBSCRIPTION TEXT [RECEIPTS]    prints {"status":…,"message":…,"receipt":…}
set -euo pipefail

: "${WEBPUSH_CA:?not set: run this by cargo xtask interop}"
subscription=$1 text=$2 receipts=${3:-}
relation=urn:ietf:params:push:receipt
encrypt=$(dirname "${BASH_SOURCE[0]}")/../node/matrix-encrypt.mjs

endpoint=$(grep -o '"endpoint":"[^"]*"' "$subscription" | cut -d '"' -f 4)
headers=(--header 'TTL: 60' --header 'Content-Encoding: aes128gcm' --header 'Prefer: respond-async')
[[ -n $receipts ]] && headers+=(--header "Link: <$receipts>; rel=\"$relation\"")

head=$(node "$encrypt" "$subscription" "$text" |
    curl --silent --show-error --fail --max-time 10 --http2 --cacert "$WEBPUSH_CA" \
        --request POST "${headers[@]}" --data-binary @- --output /dev/null --dump-header - "$endpoint" | tr -d '\r')

status=$(sed -n '1s/^HTTP\/2 \([0-9]*\).*/\1/p' <<<"$head")
message=$(sed -n 's/^location: //Ip' <<<"$head")
receipt=$(sed -n "s/^link: .*<\([^>]*\)>; rel=\"$relation\".*/\1/Ip" <<<"$head")
printf '{"status":%s,"message":"%s","receipt":"%s"}\n' "$status" "$message" "$receipt"
