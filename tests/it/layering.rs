//! The architecture as tables: who may name whom, how long a file may be, where SQL may stand.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A room may name itself, `redact`, `clock`, `text` and the rooms listed after it. `all` stands for every room.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("redact", &[]),
    ("clock", &[]),
    ("text", &[]),
    ("telemetry", &[]),
    ("finding", &[]),
    ("event", &["finding"]),
    ("llm", &["event", "finding"]),
    ("store", &["event", "finding"]),
    ("worker", &["store"]),
    ("cluster", &["finding"]),
    ("analyzers", &["cluster", "finding"]),
    ("tools", &["event", "finding", "llm", "cluster", "analyzers"]),
    // Of `worker`, the agent and the chat know what work is, not who does it.
    ("agent", &["event", "finding", "llm", "store", "tools", "cluster", "analyzers", "worker"]),
    ("chat", &["event", "finding", "store", "worker"]),
    ("config", &["agent", "chat", "cluster", "llm", "serve", "store", "telemetry", "worker"]),
    ("app", &["agent", "chat", "cluster", "config", "finding", "llm", "store", "tools", "worker"]),
    ("serve", &["app", "chat", "store", "worker"]),
    ("replay", &["agent", "app", "chat", "config", "event", "llm", "tools"]),
    ("eval", &["analyzers", "app", "chat", "cluster", "config", "event", "finding"]),
    (
        "cli",
        &[
            "analyzers",
            "app",
            "chat",
            "cluster",
            "config",
            "eval",
            "event",
            "finding",
            "replay",
            "serve",
            "telemetry",
        ],
    ),
    ("main", &["cli"]),
];

/// Rooms in which nothing reads, writes, waits or asks the time.
const PURE: &[&str] = &[
    "redact",
    "text",
    "finding",
    "event",
    "analyzers",
    "agent/step",
    "agent/transcript",
    "agent/report",
    "agent/claims",
    "agent/condense",
    "agent/brief",
    "agent/fence",
    "agent/known",
    "agent/proposal",
    "agent/prose",
    "agent/repeats",
    "agent/scope",
    "agent/relevance",
    "agent/digest",
    "agent/dossier",
    "agent/prompt",
    "chat/render",
    "chat/markdown",
    "cluster/kubectl/parse",
    "cluster/kubectl/reread",
    "cluster/snapshot/access",
    "cluster/snapshot/capture/mask",
    "cluster/snapshot/dry_run",
    "cluster/snapshot/protobuf",
    "cluster/snapshot/watch",
];

#[test]
fn rooms_name_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut rooms = BTreeSet::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        if room == "lib" {
            continue;
        }
        rooms.insert(room.clone());
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the room `{room}` is not in the table", path.display()));
            continue;
        };
        for named in rooms_named(&text) {
            let everybodys = ["redact", "clock", "text"].contains(&named.as_str());
            if named != room && !everybodys && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{}: `{room}` may not use `{named}`", path.display()));
            }
        }
    }
    let known: BTreeSet<String> = MAY_NAME.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(known.is_subset(&rooms), "in the table but not there: {:?}", known.difference(&rooms));
}

#[test]
fn analyzers_know_the_state_and_not_the_api_server() {
    for (path, text) in sources().iter().filter(|(path, _)| room_of(path) == "analyzers") {
        for (at, _) in code(text).match_indices("crate::cluster::") {
            let rest = &code(text)[at + "crate::cluster::".len()..];
            assert!(rest.starts_with("state"), "{} names more of the cluster than its state", path.display());
        }
    }
}

#[test]
fn only_the_store_speaks_sql() {
    for (path, text) in sources().iter().filter(|(path, _)| room_of(path) != "store") {
        assert!(!text.contains("sqlx::"), "{} speaks SQL", path.display());
    }
}

#[test]
fn pure_rooms_do_no_io() {
    for (path, text) in sources() {
        let place = path.strip_prefix(root()).unwrap().with_extension("");
        // The runner of the cases is a test as a whole.
        if place.ends_with("case_files") || !PURE.iter().any(|pure| place.starts_with(pure)) {
            continue;
        }
        let code = code(&text);
        for io in [
            "async fn",
            ".await",
            "std::fs",
            "std::net",
            "std::env",
            "tokio::",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
        ] {
            assert!(!code.contains(io), "{}: a pure room has `{io}`", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_enough_to_read() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with what it is for", path.display()));
        }
        let lines = text.lines().count();
        if lines > 500 && !path.ends_with("tests.rs") {
            wrong.push(format!("{}: {lines} lines; 500 is the wall", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The first folder or file below `src`.
fn room_of(path: &Path) -> String {
    let place = path.strip_prefix(root()).unwrap().with_extension("");
    place.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
}

/// The text without comments and without its tests, which may name anything.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every `x` of `crate::x` and of `use crate::{x, y::z}`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(ident(rest));
            continue;
        };
        let (mut depth, mut at_start) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_start = true,
                c if at_start && depth == 0 && !c.is_whitespace() => {
                    named.insert(ident(&group[at..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    named
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
