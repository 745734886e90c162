//! Which flags each verb has, and how flags are told from words: as kubectl reads them, with those that redirect
//! the request refused by name.

use super::{Refusal, refused};

/// One flag of a verb.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    /// Whether it stands alone, meaning yes.
    pub switch: bool,
}

const fn value(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, switch: false }
}

const fn switch(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, switch: true }
}

pub const NAMESPACE: Flag = value("namespace", Some('n'));
const ALL_NAMESPACES: Flag = switch("all-namespaces", Some('A'));
const SELECTOR: Flag = value("selector", Some('l'));
const FIELDS: Flag = value("field-selector", None);
const OUTPUT: Flag = value("output", Some('o'));
const NO_HEADERS: Flag = switch("no-headers", None);
const CHUNK: Flag = value("chunk-size", None);
const SORT: Flag = value("sort-by", None);
const WATCH: Flag = switch("watch", Some('w'));

pub const GET: &[Flag] = &[
    NAMESPACE,
    ALL_NAMESPACES,
    SELECTOR,
    FIELDS,
    OUTPUT,
    SORT,
    switch("show-labels", None),
    value("label-columns", Some('L')),
    NO_HEADERS,
    switch("ignore-not-found", None),
    switch("show-kind", None),
    switch("show-managed-fields", None),
    value("subresource", None),
    CHUNK,
    switch("allow-missing-template-keys", None),
    WATCH,
    switch("watch-only", None),
];

pub const DESCRIBE: &[Flag] = &[NAMESPACE, ALL_NAMESPACES, SELECTOR, switch("show-events", None), CHUNK];

pub const LOGS: &[Flag] = &[
    NAMESPACE,
    SELECTOR,
    value("container", Some('c')),
    switch("all-containers", None),
    switch("all-pods", None),
    switch("previous", Some('p')),
    value("tail", None),
    value("since", None),
    value("since-time", None),
    switch("timestamps", None),
    switch("prefix", None),
    value("limit-bytes", None),
    switch("ignore-errors", None),
    value("max-log-requests", None),
    switch("follow", Some('f')),
];

pub const EVENTS: &[Flag] =
    &[NAMESPACE, ALL_NAMESPACES, value("for", None), value("types", None), OUTPUT, NO_HEADERS, CHUNK, WATCH];

pub const TOP: &[Flag] =
    &[NAMESPACE, ALL_NAMESPACES, SELECTOR, FIELDS, SORT, switch("containers", None), NO_HEADERS];

pub const API_RESOURCES: &[Flag] = &[
    value("api-group", None),
    switch("namespaced", None),
    value("verbs", None),
    value("categories", None),
    OUTPUT,
    NO_HEADERS,
    SORT,
    switch("cached", None),
];

pub const EXPLAIN: &[Flag] = &[NAMESPACE, value("api-version", None), switch("recursive", None), OUTPUT];

pub const VERSION: &[Flag] = &[OUTPUT, switch("client", None)];

pub const NONE: &[Flag] = &[NAMESPACE];

pub const ROLLOUT: &[Flag] = &[NAMESPACE, value("revision", None), WATCH, value("timeout", None)];

pub const CAN_I: &[Flag] = &[
    NAMESPACE,
    ALL_NAMESPACES,
    switch("list", None),
    switch("quiet", Some('q')),
    value("subresource", None),
    NO_HEADERS,
];

/// The words and flags of one command, told apart.
#[derive(Debug, Default)]
pub struct Parsed {
    pub words: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

impl Parsed {
    /// Tells them apart by the flags that `verb` has.
    pub fn read(verb: &str, words: Vec<String>, known: &'static [Flag]) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        let mut rest = words.into_iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                parsed.words.extend(rest);
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let flag = known.iter().find(|flag| flag.long == name);
                let flag = flag.ok_or_else(|| refused::long_flag(verb, name, known))?;
                parsed.keep(flag, value, &mut rest)?;
            } else if let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) {
                parsed.shorts(verb, shorts, known, &mut rest)?;
            } else {
                parsed.words.push(word);
            }
        }
        Ok(parsed)
    }

    /// `-A`, `-Aw`, `-nweb`, `-n=web`, `-n web`.
    fn shorts(
        &mut self,
        verb: &str,
        shorts: &str,
        known: &'static [Flag],
        rest: &mut std::vec::IntoIter<String>,
    ) -> Result<(), Refusal> {
        for (at, char) in shorts.char_indices() {
            let flag = known.iter().find(|flag| flag.short == Some(char));
            let flag = flag.ok_or_else(|| refused::short_flag(verb, char, known))?;
            let after = shorts.get(at + char.len_utf8()..).unwrap_or_default();
            if let Some(value) = after.strip_prefix('=') {
                return self.keep(flag, Some(value.into()), rest);
            }
            if !flag.switch && !after.is_empty() {
                return self.keep(flag, Some(after.into()), rest);
            }
            self.keep(flag, None, rest)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        flag: &Flag,
        value: Option<String>,
        rest: &mut std::vec::IntoIter<String>,
    ) -> Result<(), Refusal> {
        let value = match value {
            Some(value) => value,
            None if flag.switch => "true".into(),
            None => {
                rest.next().ok_or_else(|| Refusal::new(format!("--{} needs a value after it.", flag.long)))?
            }
        };
        if flag.switch && !["true", "false", "1", "0", "t", "f", "True", "False"].contains(&value.as_str()) {
            return Err(Refusal::new(format!("--{} is true or false, not `{value}`.", flag.long)));
        }
        self.flags.push((flag.long, value));
        Ok(())
    }

    /// The last value of a flag.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
    }

    /// A value that may not be empty.
    pub fn some(&self, long: &str) -> Option<String> {
        self.value(long).filter(|value| !value.is_empty()).map(Into::into)
    }

    /// All values of a flag that takes comma-separated ones and may be repeated.
    pub fn list(&self, long: &str) -> Vec<String> {
        let values = self.flags.iter().filter(|(name, _)| *name == long);
        values
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .map(Into::into)
            .collect()
    }

    /// Whether a switch is on; `None` where it was not given.
    pub fn switched(&self, long: &str) -> Option<bool> {
        self.value(long).map(|value| !matches!(value, "false" | "0" | "f" | "False"))
    }

    /// Whether a switch is on.
    pub fn on(&self, long: &str) -> bool {
        self.switched(long).unwrap_or(false)
    }

    /// The number that a flag is.
    pub fn number(&self, long: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.value(long) else { return Ok(None) };
        value
            .parse()
            .map(Some)
            .map_err(|_| Refusal::new(format!("--{long} is a whole number, not `{value}`.")))
    }
}
