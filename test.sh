#!/usr/bin/env bash
# Runs everything that has to pass: fmt, clippy, doc, deny and the tests, on SQLite and on PostgreSQL.
# On Debian and its relatives it installs what is missing beyond the Rust toolchain (needs root or sudo); elsewhere it
# says what to install. Arguments go to `cargo test`, e.g. `./test.sh store` runs only the tests with that name.
set -euo pipefail
cd "$(dirname "$0")"

at_exit=(:)
trap 'cd /; for command in "${at_exit[@]}"; do eval "$command" || true; done' EXIT
. tests/foreign/servers.sh

say() { printf '\n== %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

postgres_bin() {
    local initdb
    initdb=$(command -v initdb || ls -1 /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 || true)
    if [ -n "$initdb" ]; then dirname "$(readlink -f "$initdb")"; fi
}

# What the build and the tests need beyond Rust: a C compiler and linker, and PostgreSQL.
install_packages() {
    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    [ -n "$(postgres_bin)" ] || missing+=(postgresql)
    [ ${#missing[@]} -gt 0 ] || return 0
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then
        say "installing ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "Please install ${missing[*]} (names of Debian's packages), then run this again." >&2
        exit 1
    fi
}

# A PostgreSQL of its own in a temporary folder, on a socket only, gone at the end.
start_postgres() {
    local bin folder
    bin=$(postgres_bin)
    folder=$(mktemp -d)
    local run=()
    if [ "$(id -u)" = 0 ]; then # it refuses to run as root
        chown nobody "$folder"
        run=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    cd "$folder"
    "${run[@]}" "$bin/initdb" -D "$folder/data" -U tests -A trust -E UTF8 --no-sync >/dev/null
    "${run[@]}" "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" start -o \
        "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c full_page_writes=off -c max_connections=200" \
        >/dev/null
    cd - >/dev/null
    at_exit+=("${run[*]} '$bin/pg_ctl' -D '$folder/data' -m immediate stop >/dev/null; rm -rf '$folder'")
    KUBERT_TEST_POSTGRES="postgres://tests@$(printf %s "$folder" | sed 's|/|%2F|g')"
    export KUBERT_TEST_POSTGRES
}

install_packages

if [ $# -eq 0 ]; then
    say "fmt"
    cargo fmt --check
    say "clippy"
    cargo clippy --locked --all-targets --quiet -- -D warnings
    say "doc"
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
    say "deny"
    command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
    cargo deny --log-level warn check bans licenses sources
fi

say "tests"
start_postgres
start_aimock || echo "aimock did not start: the tests against it are left out" >&2
cargo test --locked "$@"
