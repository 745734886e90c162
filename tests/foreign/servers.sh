# Model servers that others wrote, started in temporary folders; to be sourced. Each function sets what the tests read and
# adds to `at_exit` what stops it. Their versions are pinned: a newer one is tried by hand first.
AIMOCK_VERSION=1.43.0
LITELLM_VERSION=1.108.7

# Waits until `$1` is in the file `$2`.
wait_for() {
    local tries=0
    until grep -q "$1" "$2" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ]; then echo "no \"$1\" in $2:" >&2; cat "$2" >&2; return 1; fi
        sleep 0.1
    done
}

# aimock, from npm: seconds. Fails where there is no npm or the package cannot be had.
start_aimock() {
    command -v npm >/dev/null || { echo "no npm: the tests against aimock are left out" >&2; return 1; }
    local folder fixtures
    fixtures=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/aimock.json
    folder=$(mktemp -d)
    at_exit+=("rm -rf '$folder'")
    npm install --prefix "$folder" --no-audit --no-fund --silent "@copilotkit/aimock@$AIMOCK_VERSION" || return 1
    "$folder/node_modules/.bin/llmock" --port 0 --fixtures "$fixtures" >"$folder/log" 2>&1 &
    at_exit=("kill $! 2>/dev/null" "${at_exit[@]}")
    wait_for "listening on" "$folder/log" || return 1
    KUBERT_TEST_AIMOCK=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$folder/log")
    export KUBERT_TEST_AIMOCK
}

# LiteLLM's proxy in front of aimock, from PyPI: minutes, and some hundred megabytes.
start_litellm() {
    local folder config port
    config=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/litellm.yaml
    folder=$(mktemp -d)
    at_exit+=("rm -rf '$folder'")
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet "litellm[proxy]==$LITELLM_VERSION" || return 1
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    AIMOCK=$KUBERT_TEST_AIMOCK AIMOCK_OPENAI=$KUBERT_TEST_AIMOCK/v1 \
        "$folder/venv/bin/litellm" --config "$config" --host 127.0.0.1 --port "$port" >"$folder/log" 2>&1 &
    at_exit=("kill $! 2>/dev/null" "${at_exit[@]}")
    wait_for "startup complete" "$folder/log" || return 1
    export KUBERT_TEST_LITELLM="http://127.0.0.1:$port"
}
