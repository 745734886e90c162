//! What the model `rules` says in words: that nothing is wrong, and the answers to follow-ups. Knows no prompt.

use serde_json::json;

use super::{Call, MOST_ASKED, MOST_LOOKS, Turn, command_of, log_command, pod_of, show, where_is};
use crate::{
    finding::{Finding, Severity},
    redact::Redacted,
    text::{
        forms::{forms, standing_out},
        words::Matches,
    },
};

/// Lines of a log that one answer quotes.
const MOST_LINES: usize = 6;
/// What has a log by its own name.
const HAVE_LOGS: [&str; 5] = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"];

/// A line as it stood in its log, without the number that it is shown with.
fn without_number(line: &str) -> &str {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.get(digits..).unwrap_or_default();
    let text = rest.strip_prefix(": ").or_else(|| rest.strip_prefix("- "));
    text.filter(|_| digits > 0).unwrap_or(line)
}

impl<'a> Turn<'a> {
    /// Names in the question that nothing has, and what may have been meant.
    pub(super) fn not_there(&self) -> String {
        let told = self.look.unknown.iter().map(|unknown| {
            let near: Vec<String> =
                unknown.near.iter().map(|near| format!("{} `{}`", near.kind, near.name)).collect();
            let meant =
                if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
            let end = if near.is_empty() { "." } else { "" };
            format!("There is nothing named `{}`{meant}{end} ", unknown.name)
        });
        told.collect()
    }

    /// Where nothing is wrong and the question is about what a log says, or has a number or an identifier that is none of
    /// the cluster: all of it. The names of workloads stand for their pods.
    pub(super) fn whole_log(&self) -> Option<String> {
        let speaks = ["log", "logs", "logged", "sent", "lost", "missing", "happened"];
        let asks = !self.looked_for().is_empty()
            || self.question.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| speaks.contains(&word));
        let object = self
            .look
            .about
            .iter()
            .find(|object| HAVE_LOGS.contains(&object.kind.as_str()))
            .filter(|_| asks)?;
        Some(format!(
            "logs {}/{} {} --all-containers --tail=-1",
            object.kind.to_lowercase(),
            object.name,
            where_is(object)
        ))
    }

    /// The numbers, identifiers and quotations of the question that name nothing of the cluster.
    fn looked_for(&self) -> Vec<&str> {
        let unknown = self.look.unknown.iter().map(|unknown| unknown.name.as_str());
        let names: Vec<String> = self
            .look
            .about
            .iter()
            .map(|object| object.name.as_str())
            .chain(unknown)
            .map(str::to_lowercase)
            .collect();
        self.words.sure(|word| {
            let word = word.to_lowercase();
            names.iter().any(|name| name.contains(&word) || word.contains(name.as_str()))
        })
    }

    /// The lines of the logs that were read which have words of the question, and those which stand out, as the output
    /// tells them.
    fn lines_of_log(&self) -> String {
        let logs = self
            .calls
            .iter()
            .filter(|(call, ok, _)| *ok && command_of(call).is_some_and(|c| c.starts_with("logs ")));
        let (mut fitting, mut striking): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (_, _, output) in logs {
            let told = |line: &&str| !line.starts_with(['…', '(']);
            let lines: Vec<&str> = output.lines().filter(told).map(without_number).collect();
            let mut matches = Matches::new(&self.words);
            lines.iter().enumerate().for_each(|(at, line)| {
                matches.note(at, line);
            });
            fitting.extend(matches.best().into_iter().filter_map(|at| lines.get(at).copied()));
            let found = forms(lines.iter().copied());
            striking.extend(standing_out(&found, MOST_LINES).into_iter().map(|form| form.last));
        }
        let mut said: Vec<&str> = Vec::new();
        let mut quoted = |lines: Vec<&'a str>, what: &str| {
            let new: Vec<&str> =
                lines.into_iter().filter(|line| !said.contains(line)).take(MOST_LINES - said.len()).collect();
            said.extend(&new);
            let quotes: Vec<String> =
                new.iter().map(|line| format!("\n> {}", line.trim_start_matches(['>', ' ']))).collect();
            if quotes.is_empty() { String::new() } else { format!("\n{what}:{}", quotes.concat()) }
        };
        quoted(fitting, "These lines of its log have words of the question")
            + &quoted(striking, "These lines stand out in its log")
    }

    /// What was looked at in this turn.
    pub(super) fn checked(&self) -> String {
        let join = |items: &[Redacted]| items.iter().map(Redacted::as_str).collect::<Vec<_>>().join(", ");
        let place = if self.look.namespaces.is_empty() {
            "all namespaces".to_owned()
        } else {
            format!("the namespaces `{}`", self.look.namespaces.join("`, `"))
        };
        let mut text = format!(
            "I read {} of {place} in `{}` and held every rule against them: what pods and containers report, events, the ends of logs, references, Services, Ingresses, policies, storage, quotas, autoscalers, RBAC, webhooks, nodes and certificates.",
            join(&self.look.read),
            self.look.cluster
        );
        if !self.look.about.is_empty() {
            let about: Vec<String> =
                self.look.about.iter().map(|object| format!("{} `{}`", object.kind, object.name)).collect();
            text.push_str(&format!(" I took the question to be about {}.", about.join(", ")));
        }
        if !self.look.unread.is_empty() {
            text.push_str(&format!(" Not read: {}.", join(&self.look.unread)));
        }
        text
    }

    /// The faults that were not asked about, then what is only worth knowing.
    pub(super) fn anything_else(&self) -> String {
        let rest = self.relevant.unasked.iter().chain(self.relevant.asked.iter().skip(1)).copied();
        let (faults, notices): (Vec<&Finding>, Vec<&Finding>) =
            rest.partition(|finding| finding.severity < Severity::Notice);
        let list = |findings: &[&Finding]| -> String {
            findings
                .iter()
                .take(MOST_ASKED)
                .map(|f| format!("\n- **{}**: {}", f.resource, f.summary))
                .collect()
        };
        let mut text = match faults.len() {
            0 => "Nothing else is wrong in what I looked at.".to_owned(),
            1 => format!("One thing more is wrong:{}", list(&faults)),
            n => format!("{n} things more are wrong:{}", list(&faults)),
        };
        if !notices.is_empty() {
            text.push_str(&format!("\nWorth knowing:{}", list(&notices)));
        }
        text
    }

    pub(super) fn nothing_wrong(&self) -> String {
        let what = match self.look.about.as_slice() {
            [] => "anything I looked at".to_owned(),
            [one] => format!("`{}`", one.name),
            [first, ..] => format!("`{}` and what belongs to it", first.name),
        };
        let mut text = self.not_there();
        if !self.look.about.is_empty() || self.look.unknown.is_empty() {
            text.push_str(&format!("I found nothing wrong with {what}."));
        }
        text.push_str(&self.elsewhere());
        for sentence in &self.look.standing {
            text.push_str(&format!(" {sentence}"));
        }
        text.push_str(&self.lines_of_log());
        for notice in
            self.relevant.asked.iter().filter(|finding| finding.severity == Severity::Notice).take(3)
        {
            text.push_str(&format!(" {}", notice.summary));
        }
        for object in self.look.about.iter().filter(|object| object.namespace.is_some()).take(MOST_LOOKS) {
            let shown = show(object);
            let stands =
                self.calls.iter().find(|(call, ok, _)| *ok && command_of(call) == Some(shown.as_str()));
            if let Some((_, _, output)) = stands {
                text.push_str(&format!("\n```\n{}\n```", output.trim_end()));
            }
        }
        text
    }

    /// Objects that are in another namespace than the one that the question names.
    fn elsewhere(&self) -> String {
        let Some(named) = self.look.about.iter().find(|object| object.kind == "Namespace") else {
            return String::new();
        };
        let objects = self.look.about.iter().filter(|object| object.kind != "Namespace");
        let places: Vec<(&String, &String)> =
            objects.filter_map(|object| Some((&object.name, object.namespace.as_ref()?))).collect();
        match places.first() {
            Some((name, namespace)) if places.iter().all(|(_, place)| **place != named.name) => {
                format!(
                    " There is no `{name}` in namespace `{}`; it exists only in `{namespace}`.",
                    named.name
                )
            }
            _ => String::new(),
        }
    }

    pub(super) fn fixes(&self) -> String {
        let fixes: Vec<String> = self
            .asked()
            .map(|finding| match &finding.fix {
                Some(fix) => format!("**{}**: {}\n```\n{}\n```", finding.resource, fix.summary, fix.command),
                None => {
                    format!("**{}**: no single command mends this. {}", finding.resource, finding.summary)
                }
            })
            .collect();
        if fixes.is_empty() { self.nothing_wrong() } else { fixes.join("\n") }
    }

    pub(super) fn evidence(&self) -> String {
        let parts: Vec<String> = self
            .asked()
            .map(|finding| {
                let quotes: Vec<String> =
                    finding.evidence.iter().map(|e| format!("> {}: {}", e.source, e.text)).collect();
                format!("**{}**: {}\n{}", finding.resource, finding.summary, quotes.join("\n"))
            })
            .collect();
        if parts.is_empty() { self.nothing_wrong() } else { parts.join("\n") }
    }

    /// What has changed since the earlier look.
    pub(super) fn progress(&self) -> String {
        let earlier = self.earlier.clone().unwrap_or_default();
        let name = |finding: &Finding| format!("{} on {}", finding.code, finding.resource);
        let now: Vec<&Finding> = self.findings.iter().filter(|finding| finding.is_root()).collect();
        let still: Vec<&&Finding> = now.iter().filter(|f| earlier.contains(&name(f).as_str())).collect();
        let new: Vec<&&Finding> = now
            .iter()
            .filter(|f| !earlier.contains(&name(f).as_str()) && f.severity < Severity::Notice)
            .collect();
        let gone: Vec<&&str> = earlier.iter().filter(|was| !now.iter().any(|f| name(f) == ***was)).collect();
        let mut text = match (still.len(), gone.len()) {
            (0, 0) => "Nothing was wrong before".to_owned(),
            (0, _) => "What was wrong is gone".to_owned(),
            (1, 0) => "Not yet: the fault is still there".to_owned(),
            (n, 0) => format!("Not yet: all {n} faults are still there"),
            (n, gone) => format!("In part: {gone} gone, {n} still there"),
        };
        text.push_str(if new.is_empty() { "." } else { ", and something new is wrong." });
        for finding in still.iter().chain(&new) {
            text.push_str(&format!("\n- **{}**: {}", finding.resource, finding.summary));
        }
        text
    }

    pub(super) fn log_call(&self) -> Option<Call> {
        let named =
            self.look.about.iter().find(|object| {
                HAVE_LOGS.contains(&object.kind.as_str()) && self.question.contains(&object.name)
            });
        if let Some(object) = named {
            let container = self.containers().find(|container| self.question.contains(*container));
            let which =
                container.map_or("--all-containers".to_owned(), |container| format!("-c {container}"));
            let log =
                format!("logs {}/{} {} {which}", object.kind.to_lowercase(), object.name, where_is(object));
            let sought: Vec<String> = self.looked_for().into_iter().map(regex::escape).collect();
            return Some((
                "kubectl",
                match sought.is_empty() {
                    true => json!({ "command": format!("{log} --tail=40") }),
                    false => json!({ "command": log, "grep": sought.join("|") }),
                },
            ));
        }
        let named = |finding: &&&Finding| {
            finding.seen_on.iter().chain([&finding.resource]).any(|r| self.question.contains(&r.name))
                || finding.container.as_ref().is_some_and(|c| self.question.contains(c.as_str()))
        };
        let roots = || self.relevant.asked.iter().chain(&self.relevant.unasked);
        let finding = roots().find(named).or_else(|| roots().find(|f| pod_of(f).is_some()));
        let pod =
            finding.and_then(|f| pod_of(f)).or_else(|| self.look.about.iter().find(|r| r.kind == "Pod"))?;
        let container = finding.and_then(|f| f.container.as_deref());
        Some(("kubectl", json!({ "command": log_command(pod, container) })))
    }

    /// The containers that the findings name.
    fn containers(&self) -> impl Iterator<Item = &'a str> {
        self.findings.iter().filter_map(|finding| finding.container.as_deref())
    }

    pub(super) fn log_answer(&self) -> String {
        match self.calls.last() {
            Some((call, true, output)) => {
                let lines: Vec<&str> = output.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
                let what = if call.args.get("grep").is_some() {
                    "What that log has of it"
                } else {
                    "The end of that log"
                };
                format!("{what}:\n```\n{}\n```", tail.join("\n"))
            }
            Some((_, false, output)) => output.to_string(),
            None => String::new(),
        }
    }
}
