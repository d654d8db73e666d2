# Starts the server for tests, and sets the variables for application servers in this shell:
#   webpush-server dev --print env > push.sh; . ./push.sh
# It ends with the shell. Its control API is at $WEBPUSH_DEV_CONTROL.
WEBPUSH_DEV_PORT="${WEBPUSH_DEV_PORT:-8090}"
webpush-server dev --port "$WEBPUSH_DEV_PORT" > /dev/null &
WEBPUSH_DEV_PID=$!
trap 'kill "$WEBPUSH_DEV_PID"' EXIT
export WEBPUSH_DEV_CONTROL="http://127.0.0.1:$WEBPUSH_DEV_PORT/dev"
eval "$(curl -fsS --retry 50 --retry-delay 1 --retry-connrefused "$WEBPUSH_DEV_CONTROL/env")"
