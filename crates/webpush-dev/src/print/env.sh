# Starts the server for tests, and sets the variables for application servers in this shell:
#   webpush-server dev --print env > push.sh; . ./push.sh
# It ends with the shell. $WEBPUSH_DEV has its addresses as JSON; its control API is at $WEBPUSH_DEV_CONTROL.
WEBPUSH_DEV_READY="$(mktemp)"
webpush-server dev > "$WEBPUSH_DEV_READY" &
WEBPUSH_DEV_PID=$!
trap 'kill "$WEBPUSH_DEV_PID"; rm -f "$WEBPUSH_DEV_READY"' EXIT
until grep -q '}$' "$WEBPUSH_DEV_READY"; do
  kill -0 "$WEBPUSH_DEV_PID" || exit 1
  sleep 0.1
done
WEBPUSH_DEV="$(cat "$WEBPUSH_DEV_READY")"
WEBPUSH_DEV_CONTROL="$(sed 's/.*"control":"\([^"]*\)".*/\1/' "$WEBPUSH_DEV_READY")"
export WEBPUSH_DEV WEBPUSH_DEV_CONTROL
eval "$(curl --noproxy '*' -fsS "$WEBPUSH_DEV_CONTROL/env")"
