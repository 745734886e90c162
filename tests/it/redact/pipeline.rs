//! Whole conversations about clusters that are full of secrets: none of them reaches a model, the database, a post or
//! the log of the operator.

use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use kubertnetes::{
    agent::fence::inside,
    app::App,
    chat::{
        render::{answer, render},
        terminal::LIMITS,
    },
    config::Config,
    llm::Provider,
};
use serde_json::json;

use super::planted::{Planted, seen};
use crate::support::{
    cluster::scenario_folders,
    llm::{Answer, Request, Script, ScriptedServer},
};

/// What the operator's log has of our own crate.
#[derive(Clone, Default)]
struct OperatorsLog(Arc<Mutex<Vec<u8>>>);

impl Write for OperatorsLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to log, for all tests of this process.
fn operators_log() -> OperatorsLog {
    static LOG: OnceLock<OperatorsLog> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = OperatorsLog::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter("kubertnetes=debug")
            .with_writer(move || writer.clone())
            .try_init()
            .unwrap();
        log
    })
    .clone()
}

/// A conversation about the cluster at `snapshot`: everything that can be read of it afterwards, by where.
async fn conversation(
    snapshot: &Path,
    mut config: Config,
    questions: &[String],
) -> Vec<(&'static str, String)> {
    // Fails where another test has done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let log = operators_log();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("k.db");
    config.cluster.snapshot = Some(snapshot.to_path_buf());
    config.store.url = format!("sqlite://{}", database.display()).into();
    config.agent.turn.steps = Some(80);
    // Nothing is condensed: the last prompt has every output.
    config.agent.prompt_tokens = 10_000_000;
    let app = Arc::new(App::open(config).await.unwrap());
    let mut terminal = app.terminal();
    let mut places = Vec::new();
    for question in questions {
        let entries = terminal.ask(question, |_| ()).await.unwrap();
        places.push(("the answer", answer(&entries, LIMITS)));
        places.push(("the posts", format!("{:?}", render(&entries, LIMITS))));
        places.push(("the entries", format!("{entries:?}")));
    }
    for file in [database.clone(), database.with_extension("db-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        places.push(("the database", String::from_utf8_lossy(&bytes).into_owned()));
    }
    app.close().await;
    places.push(("the database", String::from_utf8_lossy(&std::fs::read(database).unwrap()).into_owned()));
    places.push(("the operator's log", String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned()));
    places
}

fn assert_unseen(places: &[(&str, String)], about: &str) {
    for (place, text) in places {
        let around = text.to_lowercase().find("kanari7z").map(|at| {
            text.chars()
                .skip(text.get(..at).map_or(0, |b| b.chars().count()).saturating_sub(200))
                .take(300)
                .collect::<String>()
        });
        assert_eq!(seen(text), 0, "{about}: {place} shows what was planted: {around:?}");
    }
}

fn defaults() -> Config {
    Config::from_env(None, &[], Some(std::collections::HashMap::new())).unwrap()
}

/// Everything by which a model gets to read much.
const COMMANDS: &[&str] = &[
    "get pods -n default -o yaml",
    "get pods -n default -o json",
    "get pods -n default -o jsonpath='{range .items[*]}{.spec.containers[0].env[?(@.name==\"DB_PASSWORD\")].value} {end}'",
    "get pods -n default -o custom-columns=E:.spec.containers[*].env,A:.spec.containers[*].args",
    "describe pods -n default",
    "get deployments -n default -o yaml",
    "describe deployments -n default",
    "get replicasets -n default -o json",
    "get secrets -n default",
    "get secrets -n default -o yaml",
    "get secret db-creds -n default -o json",
    "get secret db-creds -n default -o jsonpath='{.data}'",
    "describe secret db-creds -n default",
    "get configmaps -n default -o yaml",
    "get configmaps -n default -o json",
    "describe configmaps -n default",
    "get events -n default",
    "get events -n default -o yaml",
    "events -n default",
    "describe services -n default",
    "logs deploy/faulty-app -n default -c web",
    "logs deploy/faulty-app -n default --all-containers --tail=50",
    "logs deploy/crashloop-app -n default --previous",
];

/// The next call of a model that reads everything, and every output that was cut as well.
fn curious(request: &Request) -> Answer {
    let cut = regex::Regex::new("`read_output`, id `([^`]+)`").unwrap();
    let results = request.results();
    let outputs = || results.iter().flat_map(|(_, _, output)| cut.captures_iter(output));
    let mut ids: Vec<String> = outputs().map(|found| found[1].to_owned()).collect();
    ids.dedup();
    let body = request.body.to_string();
    // Each in two ways: from its beginning, and searched.
    let read = |id: &String| body.matches(&format!("\\\"id\\\":\\\"{id}\\\"")).count();
    if let Some(id) = ids.iter().find(|id| read(id) == 0) {
        return Answer::call("read_output", &json!({ "id": id, "lines": "1-400" }));
    }
    if let Some(id) = ids.iter().find(|id| read(id) == 1) {
        return Answer::call(
            "read_output",
            &json!({ "id": id, "grep": "password|token|key|secret", "context": 1 }),
        );
    }
    let is_asked = |command: &str| {
        let arguments = json!({ "command": command }).to_string();
        body.contains(&json!(arguments).to_string())
    };
    match COMMANDS.iter().find(|command| !is_asked(command)) {
        Some(command) => Answer::call("kubectl", &json!({ "command": command })),
        None => Answer::say("Done: both use `‹secret:DB_PASSWORD#1›`."),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_reaches_a_model_the_database_a_post_or_the_log() {
    let mut planted = Planted::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot"));
    let questions = [
        format!(
            "why is crashloop-app crashing? my password is {} and token={}",
            planted.secret(),
            planted.secret()
        ),
        format!("the app has DATABASE_URL=postgres://app:{}@db/x, is that wrong?", planted.secret()),
    ];
    let server = ScriptedServer::start(Script::of(curious));
    let config = Config { llm: server.config(Provider::OpenAi), ..defaults() };
    let mut places = conversation(&planted.path(), config, &questions).await;
    let requests = server.requests();
    places.extend(requests.iter().map(|request| ("a request to the model", request.body.to_string())));
    assert!(
        planted.secrets >= 100 && requests.len() > COMMANDS.len(),
        "{} {}",
        planted.secrets,
        requests.len()
    );
    assert_unseen(&places, "the practice cluster");

    // The pods share a password, and that can be seen.
    let last = requests.last().unwrap();
    let all: String = last.results().iter().map(|(_, _, output)| output.as_str()).collect();
    let both = last
        .results()
        .into_iter()
        .filter(|(_, ok, _)| *ok)
        .map(|(_, _, output)| inside(&output).to_owned())
        .find(|output| output.starts_with("‹secret:") && !output.contains('\n'));
    let both = both.expect("no answer to the jsonpath");
    let same: Vec<&str> = both.split_whitespace().collect();
    assert!(same.len() == 2 && same[0] == same[1] && same[0].starts_with("‹secret:DB_PASSWORD#"), "{both}");
    let tag = regex::Regex::new("‹secret:[0-9A-Za-z_.-]+#[0-9]*[a-z][0-9a-z]*›").unwrap();
    assert!(!tag.is_match(&all), "a placeholder has no number: {:?}", tag.find(&all));
    // Each kind of output was really read.
    for sign in [
        "‹secret:STRIPE_API_KEY#",
        "‹secret:client-key-data#",
        "Cookie: ‹secret:",
        "Bearer ‹secret:",
        "‹secret:auth-token#",
    ] {
        assert!(all.contains(sign), "nothing shows {sign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_planted_in_a_recorded_fault_reaches_anybody() {
    let mut secrets = 0;
    let folders = scenario_folders();
    for folder in &folders {
        let mut planted = Planted::of(&folder.join("snapshot"));
        let question = format!("what is broken here? DB_PASSWORD={}", planted.secret());
        let places = conversation(&planted.path(), defaults(), &[question]).await;
        assert_unseen(&places, &folder.display().to_string());
        secrets += planted.secrets;
    }
    assert!(folders.is_empty() || secrets > 1_000, "{secrets}");
}
