#!/usr/bin/env bash
# Makes the practice cluster with k3d, or takes it away: create.sh [delete]
set -euo pipefail

name=practice
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "create.sh: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null 2>&1 || fail "$1 is missing. Install it: $2"
}

case "${1:-create}" in
create | delete) ;;
*) fail "unknown argument '$1'. Usage: create.sh [delete]" ;;
esac

need docker https://docs.docker.com/get-docker/
need k3d https://k3d.io/stable/#installation
docker info >/dev/null 2>&1 || fail "Docker does not answer. Start it, or check that you may use it (docker info)."

exists() {
    k3d cluster get "$name" >/dev/null 2>&1
}

if [ "${1:-create}" = delete ]; then
    exists || fail "there is no k3d cluster '$name'."
    k3d cluster delete "$name"
    exit 0
fi

need kubectl https://kubernetes.io/docs/tasks/tools/

if exists; then
    echo "The k3d cluster '$name' exists already: deploying to it."
    k3d kubeconfig merge "$name" --kubeconfig-merge-default --kubeconfig-switch-context >/dev/null
else
    k3d cluster create "$name" --wait --timeout 180s
fi
kubectl="kubectl --context k3d-$name --namespace default"

$kubectl apply -f "$here/faulty-deploy.yaml"

# Waits until a command prints something that matches, for at most four minutes: images must be pulled first.
wait_for() {
    local what=$1 pattern=$2 deadline=$((SECONDS + 240))
    shift 2
    echo "Waiting until $what"
    until "$@" 2>/dev/null | grep -Eqi "$pattern"; do
        [ "$SECONDS" -lt "$deadline" ] || {
            $kubectl get pods >&2
            fail "it did not happen within four minutes. See the pods above."
        }
        sleep 2
    done
}

restarts() {
    $kubectl get pods -l app=crashloop-app -o 'jsonpath={.items[*].status.containerStatuses[*].restartCount}'
}

ready() {
    $kubectl get pods -l app=faulty-app -o 'jsonpath={.items[*].status.containerStatuses[*].ready}'
}

# The page asks its API, and so complains in its log, only when somebody looks at it.
look_at_page() {
    $kubectl get --raw /api/v1/namespaces/default/services/faulty-app-service:http/proxy/ 2>&1 || true
}

wait_for "crashloop-app has crashed twice" '^([2-9]|[1-9][0-9])' restarts
wait_for "faulty-app runs" '^true true$' ready
wait_for "its page says that something is wrong" 'BAD|unavailable|503' look_at_page

cat <<EOF

The practice cluster is up, and broken as it should be (context k3d-$name).
  The page:      kubectl --context k3d-$name port-forward svc/faulty-app-service 8080:80
                 then http://localhost:8080
  Take it away:  $0 delete
EOF
