//! `kubertnetes kubectl`: what it prints, where, and how it exits.

use crate::support::binary::Home;

#[tokio::test]
async fn it_says_and_exits_as_kubectl_does() {
    let home = Home::new();
    for (words, code, stdout, stderr) in [
        (
            vec!["get", "deploy", "-o", "name"],
            0,
            "deployment.apps/crashloop-app\ndeployment.apps/faulty-app\n",
            "",
        ),
        (vec!["--", "get", "ns", "default", "-oname"], 0, "namespace/default\n", ""),
        (vec!["get", "svc", "faulty-app-service", "-o", "jsonpath={.spec.ports[0].port}"], 0, "80", ""),
        (vec!["get", "pods", "-n", "nowhere"], 0, "", "No resources found in nowhere namespace.\n"),
        (vec!["get", "pod", "nope"], 1, "", "Error from server (NotFound): pods \"nope\" not found\n"),
        (vec!["get", "foo"], 1, "", "error: the server doesn't have a resource type \"foo\"\n"),
    ] {
        let ended = home.run(&[&["--demo", "kubectl"], words.as_slice()].concat()).await;
        let seen = (ended.code, ended.stdout.as_str(), ended.stderr.as_str());
        assert_eq!(seen, (Some(code), stdout, stderr), "{words:?}");
    }
}

#[tokio::test]
async fn it_only_reads_and_needs_nothing_for_saying_so() {
    let home = Home::new().set("KUBERT_CLUSTER__KUBECONFIG", "/nowhere/config");
    let ended = home.run(&["kubectl", "delete", "pod", "web", "--dry-run=none"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended.stderr.starts_with("error: `delete` is not possible: this kubectl only reads"),
        "{}",
        ended.stderr
    );
    assert!(!home.path().join("k.db").exists(), "a command for kubectl has no use for the database");
}
