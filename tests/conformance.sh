#!/usr/bin/env bash
# Tests the wires against model servers that others wrote: aimock (npm), and LiteLLM's proxy (PyPI) unless `aimock` is said.
set -euo pipefail
cd "$(dirname "$0")/.."

at_exit=(:)
trap 'for command in "${at_exit[@]}"; do eval "$command" || true; done' EXIT
. tests/foreign/servers.sh
start_aimock
if [ "${1:-}" != aimock ]; then start_litellm; fi
cargo test --locked --test it foreign
