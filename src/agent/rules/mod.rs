//! The built-in model `rules`: answers from the findings and the question, without any account. It gets the prompt
//! that every model gets, makes calls as they do and reports as they do. Deterministic: the same prompt, the same
//! reply.

mod answers;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    dossier, fence,
    relevance::{Relevant, sort},
};
use crate::{
    event::{CallId, Look, ToolCall},
    finding::{self, Finding, Resource, Severity},
    llm::{Live, Message, Model, ModelError, Prompt, Reply},
    redact::{Redacted, RedactedJson},
    text::words::Words,
};

/// What `llm.model` calls it.
pub const NAME: &str = "rules";

/// Faults that one answer names, of those asked about and of the others.
const MOST_ASKED: usize = 6;
const MOST_UNASKED: usize = 3;
/// Effects that are named with a fault.
const MOST_EFFECTS: usize = 3;
/// Faults whose evidence is looked at once more.
const MOST_LOOKS: usize = 3;

/// The model.
pub struct Rules;

#[async_trait]
impl Model for Rules {
    fn name(&self) -> &str {
        NAME
    }

    async fn complete(&self, prompt: &Prompt, _live: &dyn Live) -> Result<Reply, ModelError> {
        let made = prompt
            .messages
            .iter()
            .map(|m| if let Message::Model { calls, .. } = m { calls.len() } else { 0 });
        let (text, calls) = match Turn::read(&prompt.messages) {
            Some(turn) => turn.reply(),
            None => ("I have not looked at the cluster.".to_owned(), Vec::new()),
        };
        let first = made.sum::<usize>() + 1;
        let calls = calls
            .into_iter()
            .enumerate()
            .map(|(n, (tool, args))| ToolCall {
                id: CallId(format!("c{}", first + n)),
                tool: tool.to_owned(),
                args: RedactedJson::new(args),
            })
            .collect();
        Ok(Reply { text: Redacted::new(text), calls, ..Reply::default() })
    }
}

type Call = (&'static str, Value);

/// The turn under way, as the prompt shows it.
struct Turn<'a> {
    /// What is asked, in lower case, without the names of those who ask.
    question: String,
    /// The words of it that tell something.
    words: Words,
    look: &'a Look,
    findings: &'a [Finding],
    /// The faults that an earlier look had found, if there was one.
    earlier: Option<Vec<&'a str>>,
    /// The calls of this turn with their outputs, once they were made.
    calls: Vec<(&'a ToolCall, bool, &'a str)>,
    relevant: Relevant<'a>,
}

/// What a follow-up wants.
#[derive(Debug, PartialEq)]
enum Intent {
    /// The answer to a question.
    Diagnosis,
    /// How to mend it.
    Fix,
    /// Whether it is mended.
    Progress,
    /// What bears it out.
    Evidence,
    /// What a container says.
    Log,
    /// What was looked at.
    Checked,
    /// What is wrong beside it.
    Else,
}

impl<'a> Turn<'a> {
    fn read(messages: &'a [Message]) -> Option<Self> {
        let at = messages.iter().rposition(|m| matches!(m, Message::Scan { .. }))?;
        let (before, now) = messages.split_at_checked(at)?;
        let Some(Message::Scan { look, findings, .. }) = now.first() else { return None };
        let said = before.iter().rev().take_while(|m| matches!(m, Message::User(_))).chain(now);
        let question = said.filter_map(asked).collect::<Vec<_>>().join(" ");
        let words = Words::of(&question);
        let question = question.to_lowercase();
        let earlier = before.iter().rev().find_map(|m| match m {
            Message::User(text) => dossier::faults_of_superseded(text),
            Message::Scan { .. } | Message::Model { .. } | Message::Tool { .. } => None,
        });
        let calls =
            now.iter().filter_map(|m| if let Message::Model { calls, .. } = m { Some(calls) } else { None });
        let answers = |id: &CallId| {
            now.iter().find_map(|m| match m {
                Message::Tool { call, ok, output } if call == id => Some((*ok, fence::inside(output))),
                _ => None,
            })
        };
        let calls =
            calls.flatten().filter_map(|call| answers(&call.id).map(|(ok, out)| (call, ok, out))).collect();
        Some(Self { question, words, look, findings, earlier, calls, relevant: sort(findings, &look.about) })
    }

    fn reply(&self) -> (String, Vec<Call>) {
        match self.intent() {
            Intent::Fix => (self.fixes(), Vec::new()),
            Intent::Progress => (self.progress(), Vec::new()),
            Intent::Evidence => (self.evidence(), Vec::new()),
            Intent::Checked => (self.checked(), Vec::new()),
            Intent::Else => (self.anything_else(), Vec::new()),
            Intent::Log if self.calls.is_empty() => match self.log_call() {
                Some(call) => (String::new(), vec![call]),
                None => ("I see no pod that this is about; name one.".to_owned(), Vec::new()),
            },
            Intent::Log => (self.log_answer(), Vec::new()),
            Intent::Diagnosis if self.calls.is_empty() => (String::new(), self.looks()),
            Intent::Diagnosis => (String::new(), vec![("report", self.report())]),
        }
    }

    /// A first question wants a diagnosis, or to see a log; a later one may want a part of the diagnosis.
    fn intent(&self) -> Intent {
        let words: Vec<&str> = self.question.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
        let log = has(&["log", "logs", "logged"]);
        if log && has(&["show", "print", "give", "tail", "see"]) && !has(&["why", "wrong"]) {
            return Intent::Log;
        }
        if self.earlier.is_none() || !self.look.unknown.is_empty() {
            return Intent::Diagnosis;
        }
        if has(&["check", "checked", "look", "looked", "covered"]) && has(&["what", "which", "did", "you"]) {
            Intent::Checked
        } else if has(&["else", "other", "others", "more", "besides"]) {
            Intent::Else
        } else if log {
            Intent::Log
        } else if has(&[
            "fixed", "still", "now", "again", "better", "gone", "works", "resolved", "done", "healthy",
            "mended",
        ]) {
            Intent::Progress
        } else if self.relevant.asked.is_empty() {
            Intent::Diagnosis
        } else if has(&["fix", "mend", "repair", "solve", "how", "command", "patch"]) {
            Intent::Fix
        } else if has(&["why", "sure", "evidence", "proof", "prove", "know", "explain", "because"]) {
            Intent::Evidence
        } else {
            Intent::Diagnosis
        }
    }

    /// The faults that answer. What is only worth knowing answers where there is no fault, it is about the very object
    /// that was asked about, and something can be done: a CronJob that is suspended.
    fn asked(&self) -> impl Iterator<Item = &'a Finding> {
        let asked = || self.relevant.asked.iter().copied();
        let faults = asked().any(|finding| finding.severity < Severity::Notice);
        let about = &self.look.about;
        asked()
            .filter(move |finding| {
                // What is seen on some nodes only answers a question that names one of them.
                let mut nodes = finding.seen_on.iter().filter(|object| object.kind == "Node").peekable();
                let elsewhere = nodes.peek().is_some() && !nodes.any(|node| about.contains(node));
                let itself = about.contains(&finding.resource) && finding.fix.is_some() && !elsewhere;
                if faults { finding.severity < Severity::Notice } else { itself }
            })
            .take(MOST_ASKED)
    }

    fn unasked(&self) -> impl Iterator<Item = &'a Finding> {
        let critical = |finding: &&Finding| finding.severity == Severity::Critical;
        self.relevant.unasked.iter().copied().filter(critical).take(MOST_UNASKED)
    }

    /// Looks at what the faults are seen on, so that the report rests on more than the rules.
    fn looks(&self) -> Vec<Call> {
        let mut commands = Vec::new();
        for finding in self.asked().take(MOST_LOOKS) {
            let namespace = finding.resource.namespace.as_deref();
            if let Some(namespace) = namespace {
                push_new(&mut commands, format!("get pods -n {namespace}"));
            }
            push_new(&mut commands, look_at(finding));
        }
        if commands.is_empty() {
            for object in self.look.about.iter().filter(|object| object.namespace.is_some()).take(MOST_LOOKS)
            {
                push_new(&mut commands, show(object));
            }
            let place = self.look.about.first().map_or_else(|| "-A".to_owned(), where_is);
            push_new(&mut commands, format!("get pods {place}"));
            push_new(&mut commands, format!("events {place} --types=Warning"));
            commands.extend(self.whole_log());
        }
        commands.into_iter().map(|command| ("kubectl", json!({ "command": command }))).collect()
    }

    fn report(&self) -> Value {
        let cause = |finding: &Finding, unasked: bool| {
            let looked = look_at(finding);
            let calls =
                self.calls.iter().filter(|(call, ok, _)| *ok && command_of(call) == Some(looked.as_str()));
            let mut rests_on = vec![finding.id.0.clone()];
            rests_on.extend(calls.map(|(call, ..)| call.id.0.clone()));
            json!({
                "resource": slashed(&finding.resource),
                "container": finding.container,
                "summary": finding.summary,
                "effects": self.effects(finding),
                "rests_on": rests_on,
                "unasked": unasked,
            })
        };
        let causes: Vec<Value> = self
            .asked()
            .map(|finding| cause(finding, false))
            .chain(self.unasked().map(|finding| cause(finding, true)))
            .collect();
        let confidence = self.asked().map(|finding| finding.confidence).max().unwrap_or_default();
        json!({
            "summary": self.summary(),
            "causes": causes,
            "confidence": confidence,
            "not_checked": self.look.unread,
        })
    }

    /// What follows from a fault, nearest first.
    fn effects(&self, cause: &Finding) -> Vec<&'a Redacted> {
        let mut told: Vec<(usize, &Finding)> = Vec::new();
        for (place, effect) in finding::effects(cause, self.findings).into_iter().enumerate() {
            if !told.iter().any(|(_, known)| known.summary == effect.summary) {
                told.push((place, effect));
            }
        }
        // Where there are too many, those that were asked about stay, and that pods are too few says least.
        told.sort_by_key(|(_, effect)| {
            let plain = matches!(effect.code.as_str(), "workload_unavailable" | "rollout_stuck");
            plain && !self.look.about.contains(&effect.resource)
        });
        told.truncate(MOST_EFFECTS);
        told.sort_by_key(|(place, _)| *place);
        told.into_iter().map(|(_, effect)| &effect.summary).collect()
    }

    fn summary(&self) -> String {
        let mut asked = self.asked();
        let Some(first) = asked.next() else { return self.nothing_wrong() };
        let not_there = self.not_there();
        match asked.count() {
            0 => format!("{not_there}{}", first.summary),
            1 => format!("{not_there}{} A second fault is independent of it.", first.summary),
            more => format!("{not_there}{} {more} more faults are independent of it.", first.summary),
        }
    }
}

/// What a person said, without `name: ` before it.
fn asked(message: &Message) -> Option<&str> {
    match message {
        Message::User(said) if dossier::is_remark(said) => None,
        Message::User(said) => Some(said.split_once(": ").map_or(said.as_str(), |(_, text)| text)),
        Message::Scan { .. } | Message::Model { .. } | Message::Tool { .. } => None,
    }
}

fn push_new(commands: &mut Vec<String>, command: String) {
    if !commands.contains(&command) {
        commands.push(command);
    }
}

fn pod_of(finding: &Finding) -> Option<&Resource> {
    finding.seen_on.iter().chain([&finding.resource]).find(|resource| resource.kind == "Pod")
}

/// The command that shows what a finding speaks of: the log where it quotes one, the events of a pod, or the object.
fn look_at(finding: &Finding) -> String {
    let has_log = finding.evidence.iter().any(|evidence| evidence.source.starts_with("log of "));
    match pod_of(finding) {
        Some(pod) if has_log => log_command(pod, finding.container.as_deref()),
        Some(pod) => format!("events {} --for=pod/{}", where_is(pod), pod.name),
        None => show(&finding.resource),
    }
}

/// The command that shows how an object stands.
fn show(object: &Resource) -> String {
    format!("get {} {} {}", object.kind.to_lowercase(), object.name, where_is(object))
}

fn command_of(call: &ToolCall) -> Option<&str> {
    call.args.get("command").and_then(Value::as_str)
}

fn log_command(pod: &Resource, container: Option<&str>) -> String {
    let place = where_is(pod);
    match container {
        Some(container) => format!("logs {} {place} -c {container} --tail=40", pod.name),
        None => format!("logs {} {place} --all-containers --tail=40", pod.name),
    }
}

fn where_is(resource: &Resource) -> String {
    match (&resource.namespace, resource.kind.as_str()) {
        (Some(namespace), _) => format!("-n {namespace}"),
        (None, "Namespace") => format!("-n {}", resource.name),
        (None, _) => String::new(),
    }
}

fn slashed(resource: &Resource) -> String {
    match &resource.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", resource.kind, resource.name),
        None => format!("{}/{}", resource.kind, resource.name),
    }
}
