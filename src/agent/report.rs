//! Checks a report against the log: what it cites must be there, what it quotes must have been read, what it names
//! must have been seen. Pure.

use super::{
    claims::{self, Doubt},
    known::Known,
    proposal,
};
use crate::{
    event::{Cause, Citation, Diagnosis, Entry, ToolCall},
    finding::{Confidence, Evidence, Finding, Fix, Resource, Severity},
    redact::Redacted,
    tools::{
        report::{Args, CauseArgs, ConfidenceArg},
        unreadable,
    },
};

/// The quotes that a cause shows.
const MOST_EVIDENCE: usize = 4;

/// What a report comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What can be told of it; what is not borne out is left out or said to be doubtful.
    pub diagnosis: Diagnosis,
    /// What is wrong with it, for the model to mend.
    pub doubts: Vec<Doubt>,
}

/// What a call of `report` comes to. The error says why it cannot be read, in words that the model can mend.
pub fn check(call: &ToolCall, log: &[Entry]) -> Result<Checked, String> {
    if let Some(why) = unreadable(call) {
        return Err(why);
    }
    let args: Args = serde_json::from_value((*call.args).clone())
        .map_err(|e| format!("The report does not fit its schema: {e}."))?;
    if args.summary.trim().is_empty() {
        return Err("The summary is empty: say in one sentence what is broken because of what.".into());
    }
    let known = Known::of(log);
    let mut doubts = Vec::new();
    let commands: Vec<&str> = args.causes.iter().filter_map(|cause| cause.fix_command.as_deref()).collect();
    doubts.extend(claims::doubts(&args.summary, &commands.join("\n"), &known));
    let mut causes = Vec::new();
    for cause in &args.causes {
        causes.extend(checked(cause, &known, &mut doubts));
    }
    let untrue = doubts.iter().filter(|doubt| matches!(doubt, Doubt::Untrue(_)));
    let diagnosis = Diagnosis {
        summary: Redacted::new(args.summary.trim()),
        causes,
        confidence: match args.confidence {
            None | Some(ConfidenceArg::Certain) => Confidence::Certain,
            Some(ConfidenceArg::Likely) => Confidence::Likely,
            Some(ConfidenceArg::Possible) => Confidence::Possible,
        },
        not_checked: args.not_checked.iter().map(Redacted::new).collect(),
        doubts: untrue.map(|doubt| Redacted::new(doubt.words())).collect(),
    };
    Ok(Checked { diagnosis, doubts })
}

/// A cause with what bears it out; `None` where it names no object.
fn checked(args: &CauseArgs, known: &Known<'_>, doubts: &mut Vec<Doubt>) -> Option<Cause> {
    let mut doubt = |words: String| doubts.push(Doubt::Untrue(words));
    let resource = match parse_resource(&args.resource) {
        Ok(resource) => resource,
        Err(why) => {
            doubt(why);
            return None;
        }
    };
    if !known.has_seen(&resource) {
        doubt(format!(
            "Nothing in this conversation shows `{resource}`. Look at it before you name it, or name what you saw."
        ));
    }
    if args.rests_on.is_empty() {
        doubt(format!(
            "The cause on {} rests on nothing: cite findings or calls in rests_on.",
            args.resource
        ));
    }
    let (rests_on, unknown): (Vec<_>, Vec<_>) =
        args.rests_on.iter().map(|id| known.citation(id)).partition(Result::is_ok);
    unknown.into_iter().filter_map(Result::err).for_each(&mut doubt);
    let (quotes, made_up): (Vec<_>, Vec<_>) =
        args.quotes.iter().map(|quote| known.quote(quote)).partition(Result::is_ok);
    made_up.into_iter().filter_map(Result::err).for_each(&mut doubt);
    let fix = match fix(args) {
        Ok(fix) => fix,
        Err(why) => {
            doubt(why);
            None
        }
    };
    let command = args.fix_command.as_deref().unwrap_or_default();
    for text in std::iter::once(&args.summary).chain(&args.effects) {
        doubts.extend(claims::doubts(text, command, known));
    }
    let rests_on: Vec<Citation> = rests_on.into_iter().flatten().collect();
    Some(cause(args, resource, rests_on, quotes.into_iter().flatten().collect(), fix, known))
}

/// The cause, with what its findings know besides.
fn cause(
    args: &CauseArgs,
    resource: Resource,
    rests_on: Vec<Citation>,
    mut evidence: Vec<Evidence>,
    fix: Option<Fix>,
    known: &Known<'_>,
) -> Cause {
    let finding = |citation: &Citation| match citation {
        Citation::Finding(id) => known.finding(&id.0),
        Citation::Call(_) => None,
    };
    let findings: Vec<&Finding> = rests_on.iter().filter_map(finding).collect();
    let main = findings.iter().find(|finding| finding.resource == resource).or(findings.first());
    for read in findings.iter().flat_map(|finding| &finding.evidence) {
        if evidence.len() < MOST_EVIDENCE && !evidence.iter().any(|e: &Evidence| e.text == read.text) {
            evidence.push(read.clone());
        }
    }
    Cause {
        container: args.container.clone().or_else(|| main.and_then(|finding| finding.container.clone())),
        code: main.map_or_else(|| "reported".to_owned(), |finding| finding.code.clone()),
        severity: main.map_or(Severity::Critical, |finding| finding.severity),
        summary: Redacted::new(args.summary.trim()),
        effects: args.effects.iter().map(|effect| Redacted::new(effect.trim())).collect(),
        evidence,
        fix: fix.or_else(|| main.and_then(|finding| finding.fix.clone())),
        rests_on,
        unasked: args.unasked,
        resource,
    }
}

fn fix(args: &CauseArgs) -> Result<Option<Fix>, String> {
    let command = args.fix_command.as_deref().unwrap_or_default().trim();
    let summary = args.fix_summary.as_deref().unwrap_or_default().trim();
    if command.is_empty() && summary.is_empty() {
        return Ok(None);
    }
    if let Some(at) = command.find('<')
        && !command.contains("<<")
        && command.get(at..).is_some_and(|rest| rest.contains('>'))
    {
        return Err(format!("The fix has a placeholder in it, fill it in: {command}"));
    }
    proposal::check(command)?;
    Ok(Some(Fix {
        summary: Redacted::new(summary),
        command: Redacted::new(command),
        risk: proposal::risk(command).map(Redacted::new),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        event::{CallId, Event, Look},
        finding::FindingId,
        redact::RedactedJson,
    };

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
        let checked = check(&ToolCall { id: CallId("c9".into()), tool: "report".into(), args }, &log())?;
        match checked.doubts.first() {
            Some(doubt) => Err(doubt.words().to_owned()),
            None => Ok(checked.diagnosis),
        }
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
