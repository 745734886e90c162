//! Masking on captured clusters whose logs and manifests hold invented credentials, marked by the word CANARY.

mod numbers;
mod pipeline;
mod planted;

use std::{
    fs,
    path::{Path, PathBuf},
};

use kubertnetes::redact::{Redacted, RedactedJson};
use serde_json::Value;

use crate::support::shared;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The captured files below `scenarios` that end so.
fn captured(ending: &str) -> Option<Vec<PathBuf>> {
    let mut found = Vec::new();
    files(&shared("scenarios")?, &mut found);
    found.retain(|path| {
        path.to_string_lossy().contains("/snapshot/") && path.to_string_lossy().ends_with(ending)
    });
    assert!(!found.is_empty());
    Some(found)
}

/// A word of the invented credentials, in plain or in Base64.
fn canaries(text: &str) -> usize {
    ["CANARY", "Q0FOQVJZ", "NBTkFSW", "DQU5BUl", "Winter-2026", "7f3a91c2d4", "db-pass-55120"]
        .iter()
        .map(|sign| text.matches(sign).count())
        .sum()
}

#[test]
fn no_invented_credential_survives_in_a_log_and_other_lines_do() {
    let Some(logs) = captured(".log") else { return };
    let (mut before, mut lines, mut changed) = (0, 0, vec![]);
    for path in logs {
        let log = fs::read_to_string(&path).unwrap();
        before += canaries(&log);
        let masked = Redacted::new(&log);
        assert_eq!(canaries(&masked), 0, "{}", path.display());
        assert_eq!(masked.lines().count(), log.lines().count(), "{}", path.display());
        lines += log.lines().count();
        let differ = log.lines().zip(masked.lines()).filter(|(line, masked)| line != masked);
        changed.extend(differ.map(|(line, masked)| (line.to_owned(), masked.to_owned())));
    }
    assert!(before >= 3, "the logs hold no canary: {before}");
    for (line, masked) in &changed {
        assert!(canaries(line) > 0, "of {lines} lines this one was masked without need:\n{line}\n{masked}");
    }
    let (_, mailer) = changed.iter().find(|(line, _)| line.contains("smtp=")).unwrap();
    assert!(mailer.contains("smtp=smtp-relai:2525 api_key=‹secret:api_key#"), "{mailer}");
}

#[test]
fn no_invented_credential_survives_in_a_resource_as_data_or_as_text() {
    let Some(resources) = captured(".json") else { return };
    let mut before = 0;
    for path in resources {
        let text = fs::read_to_string(&path).unwrap();
        before += canaries(&text);
        let value: Value = serde_json::from_str(&text).unwrap();
        if canaries(&text) > 0 {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(canaries(&Redacted::new(&text)), 0, "{} as text", path.display());
            assert_eq!(canaries(&Redacted::new(&pretty)), 0, "{} as indented text", path.display());
        }
        let masked = RedactedJson::new(value.clone());
        assert_eq!(canaries(&masked.to_string()), 0, "{} as data", path.display());
        unharmed("", &value, &masked, &path);
    }
    assert!(before >= 3, "the resources hold no canary: {before}");
}

/// Whether all that differs was a secret: it held a canary, or lay in a Secret, or repeated what did.
fn unharmed(member: &str, before: &Value, after: &Value, path: &Path) {
    match (before, after) {
        (Value::Object(before), Value::Object(after))
            if before.get("kind").is_none_or(|kind| kind != "Secret") =>
        {
            assert_eq!(before.len(), after.len(), "{member} in {}", path.display());
            for (name, value) in before {
                unharmed(name, value, &after[name], path);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            before.iter().zip(after).for_each(|(before, after)| unharmed(member, before, after, path));
        }
        (Value::String(before), Value::String(after)) if before != after => {
            let known =
                canaries(before) > 0 || before == "only-for-test" || before.contains("POSTGRES_PASSWORD");
            let secret = before.contains("\"kind\":\"Secret\"") || path.ends_with("secrets.json");
            assert!(known || secret, "{member} in {}:\n{before}\n{after}", path.display());
        }
        _ => {}
    }
}
