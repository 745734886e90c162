//! A scenario: a recorded cluster, a question, and what a right answer says. Reads folders, judges nothing.

use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;

use crate::text::one_line;

const FILE: &str = "scenario.yaml";

/// One scenario.
pub(super) struct Scenario {
    pub(super) folder: PathBuf,
    pub(super) id: String,
    pub(super) category: String,
    pub(super) question: String,
    /// Whether the right answer is that nothing has to be mended.
    pub(super) healthy: bool,
    pub(super) causes: Vec<Expected>,
    /// Of every list, one pattern has to match the answer.
    pub(super) facts: Vec<Vec<Regex>>,
    /// None of these may match the answer.
    pub(super) forbidden: Vec<Regex>,
}

/// Where a fix belongs, and the kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Expected {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) code: String,
}

#[derive(Deserialize)]
struct File {
    id: String,
    #[serde(default)]
    category: String,
    question: String,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    #[serde(default)]
    healthy: bool,
    #[serde(default)]
    root_causes: Vec<Expected>,
    #[serde(default)]
    facts: Vec<Vec<String>>,
    #[serde(default)]
    forbidden: Vec<String>,
}

/// The folders of the scenarios below `root` whose name contains `only`, in order; `root` may be a scenario itself. The
/// error is a sentence.
pub(super) fn folders(root: &Path, only: &str) -> Result<Vec<PathBuf>, String> {
    let listed =
        std::fs::read_dir(root).map_err(|e| format!("cannot read the folder {}: {e}", root.display()))?;
    let is_scenario = |path: &PathBuf| path.join(FILE).is_file();
    let mut found: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(is_scenario).collect();
    if root.join(FILE).is_file() {
        found.push(root.to_path_buf());
    }
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(only)));
    found.sort();
    if found.is_empty() {
        let named = if only.is_empty() { String::new() } else { format!(" with `{only}` in its name") };
        return Err(format!("{} has no folder with a {FILE}{named}", root.display()));
    }
    Ok(found)
}

impl Scenario {
    /// Reads the scenario of a folder. The error is a sentence.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let wrong = |what: String| format!("{}: {}", path.display(), one_line(&what));
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let pattern = |text: &String| {
            Regex::new(&format!("(?i){text}"))
                .map_err(|e| wrong(format!("`{text}` is no regular expression: {e}")))
        };
        let all = |texts: &Vec<String>| texts.iter().map(pattern).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            folder: folder.to_path_buf(),
            id: file.id,
            category: file.category,
            question: file.question,
            healthy: file.expect.healthy,
            causes: file.expect.root_causes,
            facts: file.expect.facts.iter().map(all).collect::<Result<_, _>>()?,
            forbidden: all(&file.expect.forbidden)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        Scenario::read(folder.path())
    }

    #[test]
    fn what_is_wrong_with_a_scenario_is_one_sentence() {
        for (text, said) in [
            ("id: a", "missing field"),
            ("id: a\nquestion: b\nexpect: {forbidden: ['(']}", "`(` is no regular expression"),
            (": :", "scenario.yaml"),
        ] {
            let error = read(text).err().unwrap();
            assert!(error.contains(said) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_folder_without_scenarios_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(folders(folder.path(), "").unwrap_err().ends_with("has no folder with a scenario.yaml"));
        assert!(folders(&folder.path().join("x"), "").unwrap_err().starts_with("cannot read the folder"));
    }
}
