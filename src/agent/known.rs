//! What a log has to rest a claim on: findings, outputs, what people said. Pure.

use std::collections::BTreeMap;

use crate::{
    event::{CallId, Citation, Entry, Event},
    finding::{Evidence, Finding, Resource},
    redact::Redacted,
    text::one_line,
};

/// What the log has to rest a claim on.
pub struct Known<'a> {
    findings: BTreeMap<&'a str, &'a Finding>,
    /// Calls that were carried out, with what they looked at and what came back.
    calls: BTreeMap<&'a CallId, (&'a Redacted, &'a Redacted)>,
    /// Everything that may be repeated, each on one line, in lower case.
    read: Vec<String>,
}

impl<'a> Known<'a> {
    /// What `log` has.
    pub fn of(log: &'a [Entry]) -> Self {
        let mut known = Self { findings: BTreeMap::new(), calls: BTreeMap::new(), read: Vec::new() };
        for entry in log {
            match &entry.event {
                // A later scan counts its findings from one again: it takes the place of the earlier ones.
                Event::ClusterScanned { findings, look } => {
                    known.findings =
                        findings.iter().map(|finding| (finding.id.0.as_str(), finding)).collect();
                    let objects = look.about.iter().map(ToString::to_string);
                    known.read.extend(objects.map(|object| object.to_lowercase()));
                    known.note(&look.cluster);
                    known.note(&look.namespaces.join(" "));
                    look.standing
                        .iter()
                        .chain(&look.read)
                        .chain(&look.unread)
                        .for_each(|text| known.note(text));
                    findings.iter().flat_map(texts_of).for_each(|text| known.note(&text));
                }
                Event::ToolReturned { call, ok, output, gist, .. } => {
                    known.note(gist);
                    known.note(output);
                    if *ok {
                        known.calls.insert(call, (gist, output));
                    }
                }
                Event::UserSaid { text, .. } => known.note(text),
                Event::Condensed { text: Some(text), .. } => known.note(text),
                Event::Diagnosed { diagnosis, .. } => {
                    for cause in &diagnosis.causes {
                        known.note(&cause.summary);
                        cause.evidence.iter().for_each(|evidence| known.note(&evidence.text));
                        cause.fix.iter().for_each(|fix| known.note(&fix.command));
                    }
                }
                // What the model itself says bears nothing out.
                Event::TurnStarted { .. }
                | Event::ModelReplied { .. }
                | Event::Doubted { .. }
                | Event::Condensed { text: None, .. }
                | Event::TurnEnded { .. } => {}
            }
        }
        known
    }

    fn note(&mut self, text: &str) {
        if !text.is_empty() {
            self.read.push(one_line(text).to_lowercase());
        }
    }

    /// Whether something that was read has these words, whole and in this order, however they were spaced.
    pub fn has_read(&self, words: &str) -> bool {
        let words = one_line(words).to_lowercase();
        self.read.iter().any(|text| has_word(text, &words))
    }

    /// Whether any output or finding has the object's name as a whole word.
    pub fn has_seen(&self, resource: &Resource) -> bool {
        let name = resource.name.to_lowercase();
        self.findings
            .values()
            .any(|finding| finding.resource == *resource || finding.seen_on.contains(resource))
            || self.read.iter().any(|text| has_word(text, &name))
    }

    /// The finding of that id.
    pub fn finding(&self, id: &str) -> Option<&'a Finding> {
        self.findings.get(id).copied()
    }

    /// What `id` names, or a sentence with the ids that there are.
    pub fn citation(&self, id: &str) -> Result<Citation, String> {
        if let Some(finding) = self.findings.get(id) {
            return Ok(Citation::Finding(finding.id.clone()));
        }
        let call = CallId(id.into());
        if self.calls.contains_key(&call) {
            return Ok(Citation::Call(call));
        }
        let ids: Vec<&str> =
            self.findings.keys().copied().chain(self.calls.keys().map(|call| call.0.as_str())).collect();
        let ids = if ids.is_empty() { "none yet".into() } else { ids.join(", ") };
        Err(format!("`{id}` is neither a finding nor an answered call. There are {ids}."))
    }

    /// A quote with where it was read.
    pub fn quote(&self, quote: &str) -> Result<Evidence, String> {
        let wanted = one_line(quote);
        for evidence in self.findings.values().flat_map(|finding| &finding.evidence) {
            if one_line(&evidence.text).contains(&wanted) {
                return Ok(Evidence::new(&evidence.source, quote.trim()));
            }
        }
        for (gist, output) in self.calls.values() {
            if one_line(output).contains(&wanted) {
                let source = gist.split(": ").next().unwrap_or_default();
                return Ok(Evidence::new(source, quote.trim()));
            }
        }
        Err(format!(
            "This quote is in no finding and no output, copy it word for word or leave it out: «{quote}»"
        ))
    }
}

/// What a finding says.
fn texts_of(finding: &Finding) -> Vec<String> {
    let mut texts = vec![finding.resource.to_string(), finding.summary.to_string()];
    texts.extend(finding.seen_on.iter().map(ToString::to_string));
    texts.extend(finding.container.clone());
    texts.extend(finding.evidence.iter().flat_map(|e| [e.source.to_string(), e.text.to_string()]));
    texts.extend(finding.fix.iter().flat_map(|fix| [fix.summary.to_string(), fix.command.to_string()]));
    texts
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
            let (begins, ends) = (word.chars().next(), word.chars().next_back());
            !(part_of_word(begins) && part_of_word(before) || part_of_word(ends) && part_of_word(after))
        })
}
