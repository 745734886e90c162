//! Logs that are longer than any memory should be: the line is found and quoted, the memory does not grow with the log,
//! no prompt is longer than it may be.

use kubertnetes::llm::Provider;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::with_model;
use crate::support::{
    big_log::{BigLog, ERROR, NEEDLE, SECRET, kubeconfig},
    binary::{Ended, Home},
    llm::{Answer, Request, Script, ScriptedServer},
};

/// What a prompt carries of one output by default.
const OUTPUT_BYTES: usize = 12_000;

/// How many megabytes the log has: several times what is kept of it. More by `KUBERT_TEST_LOG_MEGABYTES`.
fn megabytes() -> usize {
    std::env::var("KUBERT_TEST_LOG_MEGABYTES").ok().and_then(|number| number.parse().ok()).unwrap_or(12)
}

/// A cluster with a long log, and a home whose program asks it.
struct Cluster {
    home: Home,
    kubeconfig: String,
    task: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    async fn with(megabytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(BigLog { megabytes }.serve(listener));
        let home = Home::new();
        let kubeconfig = kubeconfig(home.path(), &url);
        Self { home, kubeconfig, task }
    }

    /// Asks, and gives the answer and the megabytes of memory that it took at most.
    async fn ask(&self, model: &str, question: &str) -> (String, usize) {
        let args = ["--kubeconfig", &self.kubeconfig, "--model", model, "ask", "--json", question];
        let (ended, peak) = self.home.run_measured(&args).await;
        let Ended { code, stdout, stderr } = ended;
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        let answer: Value = serde_json::from_str(&stdout).unwrap();
        (answer["answer"].as_str().unwrap().to_owned(), peak >> 10)
    }
}

fn assert_no_secret(text: &str) {
    let secret = SECRET.split_once('=').unwrap().1;
    assert!(!text.contains(&secret[..8]), "{text}");
}

#[tokio::test]
async fn the_rules_find_a_line_in_a_log_of_any_length() {
    let cluster = Cluster::with(megabytes()).await;
    let mut peak = 0;
    for (question, line) in [
        ("What does the log of cluster-dns say about request 88-1402?", NEEDLE),
        ("cluster-dns: which zone was frozen, according to its log?", NEEDLE),
        ("Is there anything unusual in the log of cluster-dns?", ERROR),
    ] {
        let (answer, memory) = cluster.ask("rules", question).await;
        assert!(answer.contains(line), "{question}\n{answer}");
        assert_no_secret(&answer);
        peak = peak.max(memory);
    }
    let small = Cluster::with(1)
        .await
        .ask("rules", "What does the log of cluster-dns say about request 88-1402?")
        .await;
    assert!(small.0.contains(NEEDLE), "{}", small.0);
    assert!(peak < small.1 + 100, "{peak} MB, and {} MB on a small log", small.1);
}

/// Searches, in one of the ways that models have, and reports with the line as its quote.
fn play(request: &Request, search: &Value) -> Answer {
    let results = request.results();
    let Some((call, ok, output)) = results.last() else { return Answer::call("kubectl", search) };
    assert!(ok, "{output}");
    let quote =
        output.lines().find_map(|line| line.find("INFO query 00250017").and_then(|at| line.get(at..)));
    let cause = json!({
        "resource": "Deployment/kube-system/cluster-dns", "summary": "The zone `ledger` is frozen by request 88-1402.",
        "rests_on": [call], "quotes": [quote.unwrap_or("the line is not there")],
    });
    Answer::call("report", &json!({ "summary": "Request 88-1402 froze the zone.", "causes": [cause] }))
}

#[tokio::test]
async fn a_model_finds_a_line_in_a_log_of_any_length() {
    let cluster = Cluster::with(megabytes()).await;
    let log = "logs deploy/cluster-dns -n kube-system";
    for search in [
        json!({ "command": log, "grep": "88-14\\d+" }),
        json!({ "command": format!("{log} --tail=-1 | grep -i frozen | tail -n 5") }),
        json!({ "command": format!("{log} --tail=-1") }),
    ] {
        let wanted = search.clone();
        let server = ScriptedServer::start(Script::of(move |request| play(request, &wanted)));
        let home = with_model(Home::new(), &server, Provider::OpenAi);
        let args = [
            "--kubeconfig",
            &cluster.kubeconfig,
            "--model",
            "scripted",
            "ask",
            "--json",
            "what became of request 88-1402?",
        ];
        let ended = home.run(&args).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{search}: {}", ended.stdout);
        let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
        let evidence = answer["causes"][0]["evidence"][0].as_str().unwrap();
        assert!(evidence.ends_with(NEEDLE), "{search}: {evidence}");
        for request in server.requests() {
            let body = request.body.to_string();
            assert_no_secret(&body);
            for (_, _, output) in request.results() {
                let output = kubertnetes::agent::fence::inside(&output);
                assert!(output.len() <= OUTPUT_BYTES, "{search}: {}", output.len());
            }
        }
    }
}
