//! The dialect only reads: every trick that got a write past somebody's read-only mode is refused, and whatever is
//! accepted sends nothing but reads.

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use kubertnetes::cluster::kubectl::parse;
use proptest::{prelude::*, sample::select, test_runner::RngSeed};

use crate::support::only_reads::{Watched, offence};

/// Lines that change something, or that lead the real kubectl to another cluster, identity, file or program.
const TRICKS: &[&str] = &[
    // Writes, and writes that say they are none.
    "delete pod web",
    "delete pod web --dry-run=none",
    "delete pod web --dry-run=server",
    "apply -f - --dry-run=client",
    "create token default",
    "create deployment x --image=y --dry-run=client -o yaml",
    "run x --image=y --dry-run=client",
    "label pods --all a=b",
    "annotate pod web a-",
    "scale deploy/web --replicas=0",
    "set image deploy/web web=evil",
    "set env deploy/web --list",
    "patch pod web -p {}",
    "replace --force -f x",
    "edit deploy/web",
    "expose deploy web",
    "autoscale deploy web --max=9",
    "taint nodes --all a=b:NoSchedule",
    "cordon node-1",
    "uncordon node-1",
    "drain node-1 --dry-run=client",
    "certificate approve x",
    "rollout restart deploy/web",
    "rollout undo deploy/web",
    "rollout pause deploy/web",
    "rollout resume deploy/web",
    "rollout",
    "auth reconcile -f x.yaml",
    "auth reconcile --dry-run=none -f x.yaml",
    "wait --for=delete pod/web",
    // Into containers and nodes.
    "exec web -- sh",
    "exec -it deploy/web -- rm -rf /",
    "attach web",
    "cp web:/etc/passwd .",
    "debug node/node-1 -it --image=busybox",
    "port-forward web 8080",
    "proxy --port=0",
    "get --raw /api/v1/namespaces/default/pods/web/proxy/",
    "get pods --raw=/api/v1/namespaces/default/pods",
    "get pods --ra=/x",
    "get pod web --subresource=exec",
    "get pod web --subresource=proxy",
    "get pod web --subresource=../../x",
    "get pods/web/exec",
    "get pods web/exec",
    "get pods ../secrets/x",
    "get pods/..",
    "get pods web%2Fexec",
    "get pods 'web?watch=1'",
    "get 'pods/web?x=y'",
    "get 'pods?watch=true'",
    "get ../namespaces",
    "logs ../../nodes/n/proxy",
    "logs web -c ../x",
    "logs 'web?follow=true'",
    "top pod ../x",
    "describe pod web/exec",
    "events --for=pod/../x",
    // Another cluster or identity.
    "get pods --kubeconfig=/tmp/x",
    "get pods --kubeconfi=/tmp/x",
    "get pods --server=https://evil",
    "get pods -s https://evil",
    "get pods -shttps://evil",
    "get pods -Ashttps://evil",
    "get pods --token=x",
    "get pods --as=system:admin",
    "get pods --as system:admin",
    "get pods --as-gro=system:masters",
    "get pods --user=x",
    "get pods --context=prod",
    "get pods --cluster=prod",
    "get pods --insecure-skip-tls-verify",
    "get pods --certificate-authority=/x",
    "--kubeconfig /x get pods",
    "--server=https://evil get pods",
    "get -- pods --kubeconfig=/x --server=y",
    "config set-credentials x --token=y",
    "config set current-context prod",
    "config use-context prod",
    "config view --raw",
    // Files.
    "get -f /etc/passwd",
    "get --filename=/etc/passwd",
    "get -Rf /etc",
    "get -k /etc",
    "get pods -o go-template-file=/etc/passwd",
    "get pods -o jsonpath-file=/etc/passwd",
    "get pods -o custom-columns-file=/etc/passwd",
    "get pods -o templatefile=/etc/passwd",
    "get pods --template=/etc/passwd -o go-template-file",
    "get pods --cache-dir=/tmp/x",
    "get pods --profile=cpu --profile-output=/tmp/x",
    "cluster-info dump --output-directory=/tmp/x",
    "cluster-info dump",
    "diff -f x",
    "kustomize /etc",
    // Programs and shells.
    "VAR=x kubectl get pods",
    "KUBECONFIG=/tmp/x kubectl get pods",
    "KUBECTL_EXTERNAL_DIFF=evil kubectl diff -f x",
    "kubectl-evil get pods",
    "./kubectl get pods",
    "/tmp/kubectl get pods",
    "kubectl kubectl delete pod web",
    "k k delete pod web",
    "sudo kubectl get pods",
    "env kubectl get pods",
    "sh -c 'kubectl delete pod web'",
    "bash",
    "evil",
    "plugin list",
    "krew install x",
    "alpha events",
    "get pods; kubectl delete pod web",
    "get pods && kubectl delete pod web",
    "get pods || kubectl delete pod web",
    "get pods | xargs kubectl delete pod",
    "get pods & kubectl delete pod web",
    "get pods > /etc/passwd",
    "get pods >> ~/.bashrc",
    "get pods < /etc/passwd",
    "get pods $(kubectl delete pod web)",
    "get pods `kubectl delete pod web`",
    "get pods \"$(kubectl delete pod web)\"",
    "get pods ${IFS}x",
    "get pods <(id)",
    "get pods\nkubectl delete pod web",
    "get pods\r\nkubectl delete pod web",
    "get pods \\\n--kubeconfig=/x",
    "get pods 'a\nb'",
    "get pods\u{2028}kubectl delete pod web",
    "get pods\u{85}kubectl delete pod web",
    "get pods \u{b}x",
    // What looks like something else.
    "get pods \u{2014}raw=/x",
    "get pods \u{2013}-server=x",
    "get pods \u{2011}\u{2011}kubeconfig=/x",
    "get pods \u{ff0d}\u{ff0d}kubeconfig=/x",
    "\u{0434}elete pod web",
    "de\u{200b}lete pod web",
    "DELETE pod web",
    "Delete pod web",
    "get\u{a0}pods",
    "get p\u{200b}ods/w\0eb",
    "get pods\0--raw=/x",
    "\0",
    // What does not end.
    "get pods -w",
    "get pods --watch",
    "get pods --watch=1",
    "get pods --watch-only",
    "logs web -f",
    "logs web --follow",
    "events -w",
    "events --watch",
];

#[test]
fn every_known_trick_is_refused_in_one_sentence() {
    let mut wrong = Vec::new();
    for line in TRICKS {
        match parse(line).map_err(|refusal| refusal.to_string()) {
            Ok(command) => wrong.push(format!("{line:?} is accepted: {command:?}")),
            Err(sentence) if sentence.contains(char::is_control) => {
                wrong.push(format!("{line:?}: {sentence:?}"));
            }
            Err(sentence) if sentence.len() > 600 || !sentence.ends_with('.') => {
                wrong.push(format!("{line:?}: {sentence}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_line_of_a_megabyte_is_refused_without_being_read() {
    for filler in ["a", " ", "-", "'", "\\", "get ", "\u{1f600}", "{", "$("] {
        let line = format!("get pods {}x", filler.repeat((1 << 20) / filler.len()));
        let refusal = parse(&line).unwrap_err().to_string();
        assert!(refusal.len() < 600, "{filler:?}: {}", refusal.len());
    }
}

#[test]
fn the_rule_knows_an_offence() {
    for (method, uri) in [
        (Method::POST, "/api/v1/namespaces/default/pods"),
        (Method::DELETE, "/api/v1/namespaces/default/pods/web"),
        (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?dryRun=All"),
        (Method::GET, "/api/v1/namespaces/default/pods/web/exec?command=id"),
        (Method::GET, "/api/v1/nodes/node-1/proxy/run"),
        (Method::GET, "/api/v1/nodes/node-1/proxy"),
        (Method::GET, "/api/v1/namespaces/default/../../x"),
        (Method::GET, "/metrics"),
        (Method::GET, "/api/v1/pods?watch=true"),
    ] {
        assert!(offence(&method, uri).is_some(), "{method} {uri}");
    }
    for (method, uri) in [
        (Method::GET, "/api/v1/namespaces/default/pods/exec"),
        (Method::GET, "/api/v1/namespaces/proxy"),
        (Method::GET, "/apis/apps/v1/namespaces/default/deployments/web/scale"),
        (Method::GET, "/version"),
        (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
    ] {
        assert_eq!(offence(&method, uri), None, "{method} {uri}");
    }
}

/// What exists, what could exist, and what should never get through.
const WORDS: &[&str] = &[
    "pods",
    "po",
    "deploy",
    "deployments.apps",
    "svc",
    "services",
    "nodes",
    "secrets",
    "cm",
    "events",
    "all",
    "rs",
    "ns",
    "sa",
    "pods,svc",
    "deploy/faulty-app",
    "pod/x",
    "secret/faulty-app-token",
    "faulty-app",
    "crashloop-app",
    "node-1",
    "exec",
    "proxy",
    "delete",
    "get",
    "create",
    "list",
    "*",
    "/healthz",
    "-A",
    "-n",
    "default",
    "-ndefault",
    "--namespace=default",
    "-l",
    "app=x",
    "-o",
    "wide",
    "yaml",
    "json",
    "name",
    "-oname",
    "jsonpath={.items[*].metadata.name}",
    "custom-columns=A:.metadata.name",
    "--sort-by=.metadata.name",
    "--show-labels",
    "--no-headers",
    "-c",
    "web",
    "--tail=2",
    "-p",
    "--previous",
    "--all-containers",
    "--list",
    "--subresource=status",
    "--subresource",
    "--for",
    "pod/x",
    "--types=Warning",
    "--since=5m",
    "--timestamps",
    "--recursive",
    "--api-version=v1",
    "--ignore-not-found",
    "--chunk-size=1",
    "--field-selector=a=b",
    "--dry-run=none",
    "--raw",
    "/api",
    "--as=x",
    "--server",
    "-f",
    "-w",
    "--",
    "|",
    ";",
    "$(x)",
    "../x",
    "..",
    "a%2fb",
    "a?b=c",
    "a#b",
    "''",
];

/// A word of a command line.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(WORDS).prop_map(str::to_owned),
        1 => "[a-z./:@?*%-]{0,12}",
        1 => "--[a-z-]{1,16}(=[a-z/.]{0,8})?",
    ]
}

fn verb() -> impl Strategy<Value = &'static str> {
    select(vec![
        "get",
        "get",
        "get",
        "get pods",
        "get deploy",
        "describe",
        "describe pods",
        "logs",
        "logs deploy/faulty-app",
        "events",
        "top pods",
        "top nodes",
        "explain pods",
        "api-resources",
        "api-versions",
        "version",
        "cluster-info",
        "rollout status",
        "rollout history",
        "rollout restart",
        "auth can-i",
        "auth can-i --list",
        "auth reconcile",
        "auth whoami",
        "delete",
        "apply",
        "kubectl get",
        "k get",
        "config view",
    ])
}

static ACCEPTED: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicUsize = AtomicUsize::new(0);
static WATCHED: LazyLock<Watched> = LazyLock::new(Watched::new);

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default() })]

    fn accepted_lines_only_read(verb in verb(), words in proptest::collection::vec(word(), 0..5)) {
        let line = format!("{verb} {}", words.join(" "));
        if let Ok(command) = parse(&line) {
            ACCEPTED.fetch_add(1, Ordering::Relaxed);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (_, asked) = runtime.block_on(WATCHED.run(&command));
            ASKED.fetch_add(asked.len(), Ordering::Relaxed);
            for (method, uri) in asked {
                prop_assert_eq!(offence(&method, &uri), None, "{}", line);
            }
        }
    }
}

#[test]
fn whatever_is_accepted_sends_nothing_but_reads() {
    accepted_lines_only_read();
    let (accepted, asked) = (ACCEPTED.load(Ordering::Relaxed), ASKED.load(Ordering::Relaxed));
    assert!(
        accepted > 300 && asked > 1000,
        "{accepted} accepted, {asked} requests: too few to show anything"
    );
}
