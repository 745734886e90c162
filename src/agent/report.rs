//! Checks a report against the log: what it cites must be there, what it quotes must have been read, what it names
//! must have been seen. Pure.

use std::collections::BTreeMap;

use crate::{
    event::{CallId, Cause, Citation, Diagnosis, Entry, Event, ToolCall},
    finding::{Confidence, Evidence, Finding, Fix, Resource, Severity},
    redact::Redacted,
    text::one_line,
    tools::report::{Args, CauseArgs, ConfidenceArg},
};

/// The quotes that a cause shows.
const MOST_EVIDENCE: usize = 4;

/// The diagnosis that a call of `report` gives, or what is wrong with it in words that the model can mend.
pub fn check(call: &ToolCall, log: &[Entry]) -> Result<Diagnosis, String> {
    let args: Args = serde_json::from_value((*call.args).clone())
        .map_err(|e| format!("The report does not fit its schema: {e}."))?;
    if args.summary.trim().is_empty() {
        return Err("The summary is empty: say in one sentence what is broken because of what.".into());
    }
    let known = Known::of(log);
    let causes = args.causes.iter().map(|cause| known.check(cause)).collect::<Result<Vec<_>, _>>()?;
    Ok(Diagnosis {
        summary: Redacted::new(args.summary.trim()),
        causes,
        confidence: match args.confidence {
            None | Some(ConfidenceArg::Certain) => Confidence::Certain,
            Some(ConfidenceArg::Likely) => Confidence::Likely,
            Some(ConfidenceArg::Possible) => Confidence::Possible,
        },
        not_checked: args.not_checked.iter().map(Redacted::new).collect(),
    })
}

/// What the log has to rest a claim on.
struct Known<'a> {
    findings: BTreeMap<&'a str, &'a Finding>,
    /// Calls with what they looked at and what came back.
    calls: BTreeMap<&'a CallId, (&'a Redacted, &'a Redacted)>,
}

impl<'a> Known<'a> {
    fn of(log: &'a [Entry]) -> Self {
        let mut known = Self { findings: BTreeMap::new(), calls: BTreeMap::new() };
        for entry in log {
            match &entry.event {
                // A later scan counts its findings from one again: it takes the place of the earlier ones.
                Event::ClusterScanned { findings, .. } => {
                    known.findings =
                        findings.iter().map(|finding| (finding.id.0.as_str(), finding)).collect();
                }
                Event::ToolReturned { call, ok: true, output, gist, .. } => {
                    known.calls.insert(call, (gist, output));
                }
                Event::UserSaid { .. }
                | Event::TurnStarted { .. }
                | Event::ModelReplied { .. }
                | Event::ToolReturned { .. }
                | Event::Diagnosed { .. }
                | Event::TurnEnded { .. } => {}
            }
        }
        known
    }

    fn check(&self, args: &CauseArgs) -> Result<Cause, String> {
        let resource = parse_resource(&args.resource)?;
        if !self.has_seen(&resource) {
            return Err(format!(
                "Nothing in this conversation shows `{resource}`. Look at it before you name it, or name what you saw."
            ));
        }
        let rests_on = self.citations(args)?;
        let findings: Vec<&Finding> = rests_on
            .iter()
            .filter_map(|citation| match citation {
                Citation::Finding(id) => self.findings.get(id.0.as_str()).copied(),
                Citation::Call(_) => None,
            })
            .collect();
        let main = findings.iter().find(|finding| finding.resource == resource).or(findings.first());
        let mut evidence =
            args.quotes.iter().map(|quote| self.quote(quote)).collect::<Result<Vec<_>, _>>()?;
        for read in findings.iter().flat_map(|finding| &finding.evidence) {
            if evidence.len() < MOST_EVIDENCE && !evidence.iter().any(|e: &Evidence| e.text == read.text) {
                evidence.push(read.clone());
            }
        }
        Ok(Cause {
            container: args.container.clone().or_else(|| main.and_then(|finding| finding.container.clone())),
            code: main.map_or_else(|| "reported".to_owned(), |finding| finding.code.clone()),
            severity: main.map_or(Severity::Critical, |finding| finding.severity),
            summary: Redacted::new(args.summary.trim()),
            effects: args.effects.iter().map(|effect| Redacted::new(effect.trim())).collect(),
            evidence,
            fix: fix(args)?.or_else(|| main.and_then(|finding| finding.fix.clone())),
            rests_on,
            unasked: args.unasked,
            resource,
        })
    }

    fn citations(&self, args: &CauseArgs) -> Result<Vec<Citation>, String> {
        if args.rests_on.is_empty() {
            return Err(format!(
                "The cause on {} rests on nothing: cite findings or calls in rests_on.",
                args.resource
            ));
        }
        args.rests_on
            .iter()
            .map(|id| {
                if let Some(finding) = self.findings.get(id.as_str()) {
                    Ok(Citation::Finding(finding.id.clone()))
                } else if self.calls.contains_key(&CallId(id.clone())) {
                    Ok(Citation::Call(CallId(id.clone())))
                } else {
                    Err(format!(
                        "`{id}` is neither a finding nor an answered call. There are {}.",
                        self.ids()
                    ))
                }
            })
            .collect()
    }

    fn ids(&self) -> String {
        let ids: Vec<&str> =
            self.findings.keys().copied().chain(self.calls.keys().map(|call| call.0.as_str())).collect();
        if ids.is_empty() { "none yet".into() } else { ids.join(", ") }
    }

    /// Whether any output or finding has the object's name as a whole word.
    fn has_seen(&self, resource: &Resource) -> bool {
        self.findings
            .values()
            .any(|finding| finding.resource == *resource || finding.seen_on.contains(resource))
            || self.texts().any(|text| has_word(text, &resource.name))
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let of_findings = self.findings.values().flat_map(|finding| {
            std::iter::once(finding.summary.as_str())
                .chain(finding.evidence.iter().flat_map(|e| [e.source.as_str(), e.text.as_str()]))
        });
        let of_calls = self.calls.values().flat_map(|(gist, output)| [gist.as_str(), output.as_str()]);
        of_findings.chain(of_calls)
    }

    /// A quote with where it was read.
    fn quote(&self, quote: &str) -> Result<Evidence, String> {
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

fn fix(args: &CauseArgs) -> Result<Option<Fix>, String> {
    let command = args.fix_command.as_deref().unwrap_or_default().trim();
    let summary = args.fix_summary.as_deref().unwrap_or_default().trim();
    if command.is_empty() && summary.is_empty() {
        return Ok(None);
    }
    if let Some(at) = command.find('<')
        && command.get(at..).is_some_and(|rest| rest.contains('>'))
    {
        return Err(format!("The fix has a placeholder in it, fill it in: {command}"));
    }
    Ok(Some(Fix {
        summary: Redacted::new(summary),
        command: Redacted::new(command),
        risk: None,
        patches: Vec::new(),
    }))
}

/// `Kind/namespace/name`, `Kind namespace/name`, `Kind/name` or `Kind name`.
fn parse_resource(text: &str) -> Result<Resource, String> {
    let parts: Vec<&str> = text.split(['/', ' ']).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [kind, namespace, name] => Ok(Resource::namespaced(kind, namespace, name)),
        [kind, name] => Ok(Resource::global(kind, name)),
        _ => Err(format!("`{text}` names no object: write Kind/namespace/name, e.g. Deployment/shop/web.")),
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
            !part_of_word(before) && !part_of_word(after)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{event::Look, finding::FindingId, redact::RedactedJson};

    fn log() -> Vec<Entry> {
        let finding = Finding {
            id: FindingId("f1".into()),
            code: "image_tag_not_found".into(),
            severity: Severity::Warning,
            confidence: Confidence::Certain,
            resource: Resource::namespaced("Deployment", "shop", "web"),
            container: Some("app".into()),
            seen_on: vec![],
            summary: Redacted::new("The tag `v2` does not exist."),
            evidence: vec![Evidence::new("event", "manifest for web:v2 not found")],
            fix: Some(Fix {
                summary: Redacted::new("Use v1."),
                command: Redacted::new("kubectl x"),
                risk: None,
                patches: Vec::new(),
            }),
            because_of: vec![],
        };
        let returned = Event::ToolReturned {
            call: CallId("c1".into()),
            ok: true,
            output: Redacted::new("NAME    READY\nweb-1   0/1\n"),
            gist: Redacted::new("pods in `shop`: 1"),
            artifact: None,
            took_ms: 0,
        };
        [Event::ClusterScanned { look: Look::default(), findings: vec![finding] }, returned]
            .into_iter()
            .enumerate()
            .map(|(n, event)| Entry { seq: i64::try_from(n).unwrap() + 1, at_ms: 0, event })
            .collect()
    }

    fn report(cause: &Value) -> Result<Diagnosis, String> {
        let args = RedactedJson::new(json!({"summary": "`web` is down.", "causes": [cause]}));
        check(&ToolCall { id: CallId("c9".into()), tool: "report".into(), args }, &log())
    }

    fn refused(cause: &Value, expect: &str) {
        let why = report(cause).unwrap_err();
        assert!(why.contains(expect), "{why}");
    }

    #[test]
    fn a_sound_report_takes_over_what_the_finding_knows() {
        let cause = report(&json!({
            "resource": "Deployment/shop/web", "summary": "Wrong tag.", "rests_on": ["f1", "c1"], "quotes": ["web-1 0/1"]
        }))
        .unwrap()
        .causes
        .remove(0);
        assert_eq!((cause.code.as_str(), cause.severity), ("image_tag_not_found", Severity::Warning));
        assert_eq!(cause.container.as_deref(), Some("app"));
        assert_eq!(
            cause.evidence,
            [
                Evidence::new("pods in `shop`", "web-1 0/1"),
                Evidence::new("event", "manifest for web:v2 not found")
            ]
        );
        assert_eq!(cause.fix.unwrap().command.as_str(), "kubectl x");
    }

    #[test]
    fn what_was_not_seen_cited_or_read_is_refused() {
        refused(
            &json!({"resource": "Deployment/shop/api", "summary": "s", "rests_on": ["f1"]}),
            "Nothing in this conversation shows",
        );
        refused(
            &json!({"resource": "Deployment/shop/we", "summary": "s", "rests_on": ["f1"]}),
            "Nothing in this conversation shows",
        );
        refused(
            &json!({"resource": "Deployment/shop/web", "summary": "s", "rests_on": ["f7"]}),
            "`f7` is neither a finding nor",
        );
        refused(
            &json!({"resource": "Deployment/shop/web", "summary": "s", "rests_on": []}),
            "rests on nothing",
        );
        refused(
            &json!({"resource": "Deployment/shop/web", "summary": "s", "rests_on": ["f1"], "quotes": ["made up"]}),
            "in no finding and no output",
        );
        refused(&json!({"resource": "web", "summary": "s", "rests_on": ["f1"]}), "names no object");
        refused(
            &json!({"resource": "Deployment/shop/web", "summary": "s", "rests_on": ["f1"], "fix_command": "kubectl set image <NAME>"}),
            "placeholder",
        );
        refused(
            &json!({"resource": "Deployment/shop/web", "summary": "s", "rests_on": ["f1"], "certainty": 1}),
            "schema",
        );
    }
}
