//! Outputs that are longer than what is printed, and filters behind commands.

use kubertnetes::{
    cluster::kubectl::{Command, Kubectl, Limits, jsonpath, parse},
    text::words::Words,
};
use serde_json::json;

use super::wire::{answer, client, kubectl, pods, run};

const KEY_LINE: &str = "MIIEpAIBAAKCAQEA7bq3x0Zr1u5Yq9cKpT2wVnHfJ4sLdG8mEoRiXyAzQtUvBkWl";

/// A pod with two containers, which have written these logs, of which 20 kB are printed.
fn with_logs(first: String, second: String) -> Kubectl {
    let client = client(move |uri| {
        let log = if uri.contains("container=two") { second.clone() } else { first.clone() };
        let pod = json!({"kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"containers": [{"name": "one"}, {"name": "two"}]}});
        async move { answer(200, if uri.contains("/log?") { log } else { pod.to_string() }) }
    });
    kubectl(client).with_limits(Limits { output: 20_000, ..Limits::default() })
}

fn plain(name: &str) -> String {
    (0..2_000).map(|n| format!("INFO {name} query {n} answered in {} ms\n", n % 80)).collect()
}

fn looking_for(line: &str, question: &str) -> Command {
    parse(line).unwrap().looking_for(&Words::of(question))
}

#[tokio::test]
async fn each_of_several_long_logs_has_its_share() {
    let kubectl = with_logs(plain("red"), plain("blue"));
    let output = run(&kubectl, "logs web --all-containers --tail=-1").await;
    assert!(output.stdout.len() < 20_600, "{}", output.stdout.len());
    for line in ["INFO red query 0 ", "INFO red query 1999 ", "INFO blue query 0 ", "INFO blue query 1999 "] {
        assert!(output.stdout.contains(line), "{line}");
    }
    let notes: Vec<&str> = output.stdout.lines().filter(|line| line.contains("2000 lines in all")).collect();
    assert!(notes.len() == 2 && notes[0].starts_with("(one in web: "), "{notes:?}");
}

#[tokio::test]
async fn of_a_long_log_what_was_asked_for_is_kept_and_no_part_of_a_key() {
    let key = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n",
        format!("{KEY_LINE}\n").repeat(20)
    );
    let log = format!("{}{key}query 77-12 was put back\n{}", plain("red"), plain("red"));
    let kubectl = with_logs(log, String::new());
    let question = format!("what about 77-12 and {KEY_LINE}?");
    for line in ["logs web --tail=-1", "logs web | grep -n .", "logs web | grep -A 3 -B 30 77-12"] {
        let output = kubectl.run(&looking_for(line, &question)).await;
        assert!(output.stdout.contains("query 77-12 was put back\n"), "{line}");
        assert!(!output.stdout.contains(&KEY_LINE[..20]), "{line}");
    }
    let output = kubectl.run(&parse("logs web --tail=-1").unwrap()).await;
    assert!(output.stdout.contains(" left out)\n") && !output.stdout.contains(&KEY_LINE[..20]));
}

/// Whether a pattern matches would tell of a secret as well as the secret itself.
#[tokio::test]
async fn filters_see_what_is_shown_and_no_secret() {
    let kubectl = with_logs("login user=bob password=hunter2-x\n".into(), String::new());
    let guessed = run(&kubectl, "logs web | grep hunter2").await;
    assert_eq!(guessed.stdout.as_str(), "(0 of 1 lines match `hunter2`)\n");
    let shown = run(&kubectl, "logs web | grep -E 'password=.secret'").await;
    assert!(
        shown.stdout.starts_with("login user=bob password=‹secret:password#"),
        "{}",
        shown.stdout.as_str()
    );
    let pod = client(|_| async {
        answer(
            200,
            json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"password": "hunter2-x"}}).to_string(),
        )
    });
    let guessed = run(&super::wire::kubectl(pod), "get pod a -o yaml | grep hunter2").await;
    assert!(guessed.stdout.starts_with("(0 of "), "{}", guessed.stdout.as_str());
}

#[tokio::test]
async fn filters_work_behind_any_command() {
    let many = || client(|_| async { pods(&["one", "two", "three"], "") });
    for (line, expected) in [
        ("get pods -o name | grep t", "pod/two\npod/three\n(2 of 3 lines match `t`)\n"),
        ("get pods -o name | tail -n 1", "pod/three\n"),
        ("get pods -o name | grep -v one | wc -l", "2\n(2 of 3 lines do not match `one`)\n"),
    ] {
        assert_eq!(run(&kubectl(many()), line).await.stdout.as_str(), expected, "{line}");
    }
    let command = parse("get pods -o name").unwrap().grep("TWO|none".parse().unwrap(), 1);
    let output = kubectl(many()).run(&command).await;
    assert_eq!(output.stdout.as_str(), "(0 of 3 lines match `TWO|none`)\n");
}

/// Half an object can be read by nobody: a list that is too long has fewer of them, and its path can still be asked.
#[tokio::test]
async fn a_list_that_is_too_long_stays_whole_objects() {
    let names: Vec<String> = (0..400).map(|n| format!("pod-{n}")).collect();
    let client = move || {
        let names = names.clone();
        client(move |_| {
            let names = names.clone();
            async move { pods(&names.iter().map(String::as_str).collect::<Vec<_>>(), "") }
        })
    };
    for form in ["json", "yaml"] {
        let kubectl = kubectl(client()).with_limits(Limits { output: 20_000, ..Limits::default() });
        let output = run(&kubectl, &format!("get pods -o {form}")).await;
        assert!(output.stdout.len() < 20_200 && output.stdout.len() > 15_000, "{}", output.stdout.len());
        let found = jsonpath("{.items[*].metadata.name}", &output.stdout).unwrap();
        let count = found.split(' ').count();
        assert!(found.starts_with("pod-0 pod-1 "), "{found}");
        let note = format!("\n(the first {count} of 400 objects; narrow it");
        assert!(output.stdout.contains(&note), "{}", output.stdout.lines().last().unwrap());
        // What is filtered is filtered whole.
        let last = run(&kubectl, &format!("get pods -o {form} | grep pod-399")).await;
        assert!(last.stdout.contains("pod-399"), "{}", last.stdout.as_str());
    }
}
