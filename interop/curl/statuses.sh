#!/usr/bin/env bash
# Valid and invalid requests with curl, and the status of each. Arguments go to curl (--http1.1, --http2, …).
set -uo pipefail

: "${WEBPUSH_ORIGIN:?not set: run this by cargo xtask interop}"
curl=(curl --silent --show-error --max-time 10 "$@")
[[ -n ${WEBPUSH_CA:-} ]] && curl+=(--cacert "$WEBPUSH_CA")
case " $* " in
    *" --http1.1 "*) version=1.1 ;;
    *) version=2 ;;
esac

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0

wrong() {
    echo "WRONG $1"
    failed=1
}

# call ARGUMENTS…: leaves $status, and headers and body in files.
call() {
    : >"$directory/headers"
    : >"$directory/body"
    local written
    written=$("${curl[@]}" --output "$directory/body" --dump-header "$directory/headers" \
        --write-out '%{http_code} %{http_version}' "$@" 2>"$directory/error")
    status=${written%% *}
    [[ ${written##* } == "$version" ]] || wrong "HTTP/$version was asked for, curl got '$written': $(cat "$directory/error")"
}

# header NAME: its value in the last response (lines of a repeated header are joined).
header() {
    grep -i "^$1:" "$directory/headers" | sed 's/^[^:]*: *//' | tr -d '\r' | paste -sd, -
}

# expect STATUS NAME ARGUMENTS…
expect() {
    local wanted=$1 name=$2
    shift 2
    call "$@"
    if [[ $status != "$wanted" ]]; then
        wrong "$name: $status instead of $wanted: $(head -c 300 "$directory/body")"
        return
    fi
    if ((wanted >= 400)) && [[ $(header content-type) != application/problem+json* ]]; then
        wrong "$name: content-type '$(header content-type)' instead of application/problem+json"
        return
    fi
    echo "ok    $name: $wanted"
}

# expect_header NAME PATTERN: a glob that the header of the last response must match, ignoring case.
expect_header() {
    local value
    value=$(header "$1")
    shopt -s nocasematch
    # The pattern must not be quoted.
    # shellcheck disable=SC2053
    [[ $value == $2 ]] && echo "ok      $1: $value" || wrong "  $1: '$value' is not like '$2'"
    shopt -u nocasematch
}

# link RELATION: its target in the last response.
link() {
    header link | grep -o "<[^>]*>; rel=\"$1\"" | sed 's/^<\([^>]*\)>.*/\1/'
}

head -c 4096 /dev/urandom >"$directory/4096"
head -c 4097 /dev/urandom >"$directory/4097"
letters32=abcdefghijklmnopqrstuvwxyz-_0123
origin=$WEBPUSH_ORIGIN

expect 201 "subscribe" -X POST "$origin/subscribe"
subscription=$(header location)
push=$(link urn:ietf:params:push)
set=$(link urn:ietf:params:push:set)
[[ $subscription == "$origin"/subscription/* ]] || wrong "Location '$subscription'"
[[ $push == "$origin"/push/* ]] || wrong "push link '$push'"
[[ $set == "$origin"/subscription-set/* ]] || wrong "set link '$set'"
expect_header cache-control no-store

ok=(-X POST -H 'TTL: 60')
text=(--data-binary hello)

# Sends that are accepted
expect 201 "a plain send" "${ok[@]}" "${text[@]}" "$push"
expect_header location "$origin/message/*"
expect_header ttl 60
expect_header access-control-allow-origin '?*'
expect_header access-control-expose-headers '*location*'
message=$(header location)
expect 201 "an empty body" "${ok[@]}" "$push"
for path in wpush/v1 wpush/v2 wpush; do
    expect 201 "a plain send to /$path" "${ok[@]}" "${text[@]}" "$origin/$path/${push##*/}"
    expect_header location "$origin/message/*"
done
expect 201 "4096 bytes" "${ok[@]}" --data-binary "@$directory/4096" "$push"
expect 201 "TTL 0" -X POST -H 'TTL: 0' "${text[@]}" "$push"
expect 201 "TTL beyond 31 bits" -X POST -H 'TTL: 9999999999' "${text[@]}" "$push"
for urgency in very-low low normal high; do
    expect 201 "Urgency $urgency" "${ok[@]}" -H "Urgency: $urgency" "${text[@]}" "$push"
done
expect 201 "a Topic of 32 characters" "${ok[@]}" -H "Topic: $letters32" "${text[@]}" "$push"
expect 202 "respond-async" "${ok[@]}" -H 'Prefer: respond-async' "${text[@]}" "$push"
[[ $(link urn:ietf:params:push:receipt) == "$origin"/receipt-subscription/* ]] ||
    wrong "  receipt link: '$(header link)'"

# Sends that are refused
expect 400 "no TTL" -X POST "${text[@]}" "$push"
expect 400 "an empty TTL" -X POST -H 'TTL;' "${text[@]}" "$push"
expect 400 "TTL -1" -X POST -H 'TTL: -1' "${text[@]}" "$push"
expect 400 "TTL +1" -X POST -H 'TTL: +1' "${text[@]}" "$push"
expect 400 "TTL 1.5" -X POST -H 'TTL: 1.5' "${text[@]}" "$push"
expect 400 "TTL soon" -X POST -H 'TTL: soon' "${text[@]}" "$push"
expect 400 "two TTLs" -X POST -H 'TTL: 60' -H 'TTL: 60' "${text[@]}" "$push"
expect 400 "a list of TTLs" -X POST -H 'TTL: 60, 60' "${text[@]}" "$push"
expect 400 "two Urgencies" "${ok[@]}" -H 'Urgency: low' -H 'Urgency: high' "${text[@]}" "$push"
expect 400 "a list of Urgencies" "${ok[@]}" -H 'Urgency: low, high' "${text[@]}" "$push"
expect 400 "an unknown Urgency" "${ok[@]}" -H 'Urgency: urgent' "${text[@]}" "$push"
expect 400 "a Topic of 33 characters" "${ok[@]}" -H "Topic: ${letters32}x" "${text[@]}" "$push"
expect 400 "a Topic with other characters" "${ok[@]}" -H 'Topic: a.b' "${text[@]}" "$push"
expect 400 "an empty Topic" "${ok[@]}" -H 'Topic;' "${text[@]}" "$push"
expect 400 "two Topics" "${ok[@]}" -H 'Topic: a' -H 'Topic: b' "${text[@]}" "$push"
expect 413 "4097 bytes" "${ok[@]}" --data-binary "@$directory/4097" "$push"
expect 413 "4097 bytes of unknown length" "${ok[@]}" -T - "$push" <"$directory/4097"

# A response sent before the whole body was read is easily lost by a client that is still sending: curl 7.88 then
# reports a stream error and no status at all. That depends on timing, so the request is repeated many times.
lost=0
why=
for _ in {1..20}; do
    call "${ok[@]}" --data-binary "@$directory/4097" "$origin/push/nothing" >/dev/null
    [[ $status == 404 ]] || {
        lost=$((lost + 1))
        why=$(cat "$directory/error")
    }
done
((lost == 0)) && echo "ok    a refused send always shows its status: 404" ||
    wrong "a refused send shows no status in $lost of 20 tries: $why"

expect 403 "an invalid VAPID token" "${ok[@]}" -H 'Authorization: vapid t=a.b.c, k=d' "${text[@]}" "$push"

# Paths and methods
expect 404 "an unknown path" "$origin/nothing-here"
expect 404 "an unknown push URL" "${ok[@]}" "${text[@]}" "$origin/push/nothing"
expect 404 "a push URL with one character changed" "${ok[@]}" "${text[@]}" "${push%?}$([[ $push == *A ]] && echo B || echo A)"
expect 404 "the push token as a subscription" -X DELETE "$origin/subscription/${push##*/}"
expect 404 "the subscription token as a push URL" "${ok[@]}" "${text[@]}" "$origin/push/${subscription##*/}"
expect 404 "an unknown message" "$origin/message/nothing"
expect 200 "GET on a push URL" "$push?up=1"
expect 405 "PUT on a push URL" -X PUT "${text[@]}" "$push"
expect_header allow '*POST*'
expect 405 "GET on /subscribe" "$origin/subscribe"
expect_header allow '*POST*'
expect 405 "PUT on a message" -X PUT "${text[@]}" "$message"
expect_header allow '*DELETE*'
expect 405 "POST on a subscription" -X POST "$subscription"
expect_header allow '*GET*'

# Notifications of a Matrix homeserver
gateway=$origin/_matrix/push/v1/notify
expect 200 "GET on the Matrix gateway" "$gateway"
expect 200 "a notification" --json "{\"notification\":{\"devices\":[{\"pushkey\":\"$push\"}]}}" "$gateway"
[[ $(<"$directory/body") == '{"rejected":[]}' ]] || wrong "  its answer: $(<"$directory/body")"
expect 400 "something else" --json '{}' "$gateway"

# Preflight of a browser that sends to a push URL
call -X OPTIONS -H 'Origin: https://app.example' -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: authorization,content-encoding,ttl,urgency,topic' "$push"
[[ $status == 20[04] ]] && echo "ok    preflight: $status" || wrong "preflight: $status instead of 200 or 204"
expect_header access-control-allow-origin '?*'
expect_header access-control-allow-methods '*POST*'
for name in authorization content-encoding ttl urgency topic; do
    expect_header access-control-allow-headers "*$name*"
done

# curl does not support server push, over either version, so it cannot monitor
for url in "$subscription" "$set"; do
    expect 505 "monitoring without server push" "$url"
    expect 505 "monitoring without server push, wait=0" -H 'Prefer: wait=0' "$url"
done

# The message resource, and the end
expect 200 "reading a message" "$message"
[[ $(cat "$directory/body") == hello ]] || wrong "  the body is $(cat "$directory/body")"
expect 204 "acknowledging it" -X DELETE "$message"
expect 404 "reading it afterwards" "$message"
expect 204 "deleting the subscription" -X DELETE "$subscription"
expect 404 "deleting it again" -X DELETE "$subscription"
expect 404 "sending to it" "${ok[@]}" "${text[@]}" "$push"
expect 410 "sending to it by the path of autopush" "${ok[@]}" "${text[@]}" "$origin/wpush/v2/${push##*/}"
expect_header cache-control max-age=86400
[[ $(cat "$directory/body") == *'"errno":106'* ]] || wrong "  the body is $(cat "$directory/body")"
expect 404 "an unknown push URL of autopush" "${ok[@]}" "${text[@]}" "$origin/wpush/v1/nothing"

exit "$failed"
