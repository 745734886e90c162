//! A command and its output in a few words, for people who look on. Pure; reads only what was asked and what was said.

use super::{
    command::{Command, Filter, Form, Question, Source, Subject, Verb, Where},
    output::Output,
};
use crate::{redact::Redacted, text::shorten};

/// The longest sentence that is quoted of an error, in characters.
const LONGEST: usize = 90;

/// What is looked at: "pods in `default`", "log of `faulty-app` / `web`".
pub fn looking(command: &Command, default_namespace: &str) -> Redacted {
    let place = |place: &Where| match place.namespace(default_namespace) {
        Some(namespace) => format!(" in `{namespace}`"),
        None => " in all namespaces".into(),
    };
    let words = match &command.verb {
        Verb::Get(get) => format!("{}{}{}", subject(&get.subject), place(&get.place), filter(&get.filter)),
        Verb::Describe(describe) => {
            let labels = Filter { labels: describe.labels.clone(), fields: None };
            format!("{}{}, in detail", subject(&describe.subject), place(&describe.place)) + &filter(&labels)
        }
        Verb::Logs(logs) => {
            let whose = match &logs.source {
                Source::Object { name, .. } => format!("`{name}`"),
                Source::Labels(labels) => format!("pods with `{labels}`"),
            };
            let container = logs.container.as_ref().map(|name| format!(" / `{name}`")).unwrap_or_default();
            let before = if logs.previous { " before its last restart" } else { "" };
            format!("log of {whose}{container}{before}")
        }
        Verb::Events(events) => match &events.about {
            Some((kind, name)) => format!("events of {} `{name}`", singular(kind)),
            None => format!("events{}", place(&events.place)),
        },
        Verb::Top(top) if top.nodes => "what nodes use".into(),
        Verb::Top(top) => format!("what pods{} use", place(&top.place)),
        Verb::ApiResources(_) | Verb::ApiVersions => "the kinds that the cluster has".into(),
        Verb::Version(_) | Verb::ClusterInfo => "the cluster's version".into(),
        Verb::Explain(asked) => format!("what `{}` is made of", asked.word),
        Verb::Rollout(rollout) => {
            let what = if rollout.history { "changes" } else { "rollout" };
            format!("{what} of {} `{}`", singular(&rollout.kind), rollout.name)
        }
        Verb::CanI(asked) => match &asked.question {
            Question::Everything => format!("what may be done{}", place(&asked.place)),
            Question::Url { verb, path } => format!("whether `{verb} {path}` is allowed"),
            Question::Resource { verb, resource, .. } => {
                format!("whether `{verb} {resource}` is allowed{}", place(&asked.place))
            }
        },
    };
    let picked =
        command.pipe.pattern().map(|pattern| format!(", lines with `{}`", shorten(pattern, LONGEST)));
    Redacted::new(words + &picked.unwrap_or_default())
}

fn filter(filter: &Filter) -> String {
    let filters: Vec<&str> =
        [&filter.labels, &filter.fields].into_iter().flatten().map(String::as_str).collect();
    if filters.is_empty() { String::new() } else { format!(" with `{}`", filters.join(",")) }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Kinds(kinds) => kinds.iter().map(|kind| plural(kind)).collect::<Vec<_>>().join(", "),
        Subject::Named { kind, names } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {}", if names.len() > 1 { plural(kind) } else { singular(kind) }, names.join(", "))
        }
        Subject::Pairs(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(kind, name)| format!("{} `{name}`", singular(kind))).collect();
            pairs.join(", ")
        }
    }
}

/// The short names that people type, and the plurals that they stand for.
const SHORT: &[(&str, &str)] = &[
    ("po", "pods"),
    ("svc", "services"),
    ("deploy", "deployments"),
    ("rs", "replicasets"),
    ("sts", "statefulsets"),
    ("ds", "daemonsets"),
    ("cm", "configmaps"),
    ("ns", "namespaces"),
    ("no", "nodes"),
    ("ev", "events"),
    ("ep", "endpoints"),
    ("ing", "ingresses"),
    ("pvc", "persistentvolumeclaims"),
    ("pv", "persistentvolumes"),
    ("sa", "serviceaccounts"),
    ("cj", "cronjobs"),
    ("hpa", "horizontalpodautoscalers"),
    ("netpol", "networkpolicies"),
    ("quota", "resourcequotas"),
    ("pdb", "poddisruptionbudgets"),
    ("sc", "storageclasses"),
    ("crd", "customresourcedefinitions"),
    ("limits", "limitranges"),
    ("all", "workloads and services"),
];

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if let Some((_, plural)) = SHORT.iter().find(|(short, _)| *short == kind) {
        return (*plural).into();
    }
    if kind.ends_with("ss") {
        return kind + "es";
    }
    if kind.contains('.') || kind.ends_with('s') {
        return kind;
    }
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

fn singular(kind: &str) -> String {
    let kind = plural(kind);
    if kind.ends_with("endpoints") || kind.contains('.') {
        return kind;
    }
    if let Some(stem) = kind.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let long = kind.ends_with("sses") || kind.ends_with("xes");
    kind.strip_suffix(if long { "es" } else { "s" }).unwrap_or(&kind).to_owned()
}

/// What came of it: "12 pods, 3 not Running", "40 lines, 38 with errors", "not found".
pub fn gist(command: &Command, output: &Output) -> Redacted {
    let (out, err) = (output.stdout.as_str(), output.stderr.as_str());
    if out.is_empty() {
        return Redacted::new(nothing(&command.verb, err));
    }
    let lines = || out.lines().filter(|line| !line.is_empty()).count();
    let words = match &command.verb {
        // Remarks are not among them.
        _ if !command.pipe.is_empty() => {
            count(out.lines().filter(|line| !line.is_empty() && !line.starts_with('(')).count(), "line")
        }
        Verb::Get(get) => match &get.form {
            Form::Table { .. } => rows(&get.subject, out, get.headers),
            Form::Name => count(lines(), "object"),
            _ => count(lines(), "line"),
        },
        Verb::Describe(_) => described(out),
        Verb::Logs(_) => log(out),
        Verb::Explain(_) => match out.split_once("\nFIELDS:\n") {
            Some((_, fields)) => count(fields.lines().filter(|line| line.contains("\t<")).count(), "field"),
            None => first_line(out.lines().find(|line| line.starts_with("FIELD:")).unwrap_or(out)),
        },
        Verb::Events(events) if matches!(events.form, Form::Table { .. }) => {
            let events_count = lines() - usize::from(events.headers && lines() > 0);
            let warnings =
                out.lines().filter(|line| line.split_whitespace().any(|word| word == "Warning")).count();
            with(count(events_count, "event"), warnings, |warnings| count(warnings, "warning"))
        }
        Verb::Rollout(rollout) if rollout.history => count(lines().saturating_sub(2), "revision"),
        // That it goes on is in the line.
        Verb::Rollout(_) => return Redacted::new(first_line(out)),
        Verb::Version(_) | Verb::ClusterInfo | Verb::CanI(_) => first_line(out),
        _ => count(lines().saturating_sub(1), "line"),
    };
    let failed = if output.code != 0 && !err.is_empty() { ", some could not be read" } else { "" };
    Redacted::new(format!("{words}{failed}"))
}

/// Nothing on standard output: why.
fn nothing(verb: &Verb, err: &str) -> String {
    let last = err.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    if last.contains("(NotFound)") {
        return "not found".into();
    }
    if last.contains("(Forbidden)") {
        return "not allowed".into();
    }
    if last.starts_with("No resources found") || last.starts_with("No events found") {
        return if only_warnings(verb) { "no warnings" } else { "none" }.into();
    }
    if last.contains("the server doesn't have a resource type") {
        return "the cluster has no such kind".into();
    }
    if last.starts_with("Unable to connect") || last.starts_with("The connection to the server was refused") {
        return "the cluster does not answer".into();
    }
    match verb {
        Verb::Logs(_) if !last.starts_with("Error") && !last.starts_with("error") => "empty".into(),
        _ if last.is_empty() => "nothing".into(),
        _ => first_line(last.strip_prefix("error: ").unwrap_or(last)),
    }
}

/// Whether nothing but warnings was asked for: there may well be other events.
fn only_warnings(verb: &Verb) -> bool {
    let Verb::Events(events) = verb else { return false };
    !events.types.is_empty() && events.types.iter().all(|kind| kind.eq_ignore_ascii_case("warning"))
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.into();
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn with(words: String, number: usize, more: impl Fn(usize) -> String) -> String {
    if number == 0 { words } else { format!("{words}, {}", more(number)) }
}

/// The rows of a table, and how many of them are not as they should be.
fn rows(subject: &Subject, out: &str, headers: bool) -> String {
    let tables: Vec<&str> = out.split("\n\n").collect();
    let rows: usize = tables.iter().map(|table| table.lines().count() - usize::from(headers)).sum();
    let [table] = tables.as_slice() else { return count(rows, "object") };
    let bad = if headers { not_right(table) } else { None };
    let what = match subject {
        Subject::Kinds(kinds) => kinds.first().map(|kind| plural(kind)).unwrap_or_default(),
        Subject::Named { kind, .. } => plural(kind),
        Subject::Pairs(pairs) => pairs.first().map(|(kind, _)| plural(kind)).unwrap_or_default(),
    };
    let words = match rows {
        1 => match single(table) {
            Some(words) if headers => return words,
            _ => format!("1 {}", singular(&what)),
        },
        rows => format!("{rows} {what}"),
    };
    match bad {
        Some((bad, wanted)) if bad > 0 => format!("{words}, {bad} not {wanted}"),
        _ => words,
    }
}

/// The cells of one column, found by its header.
fn column<'a>(table: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let header = table.lines().next()?;
    let start = header.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = header.get(..*at).unwrap_or_default();
        let after = header.get(at + name.len()..).unwrap_or_default();
        (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '))
    })?;
    // Columns are counted in characters, and names may hold any.
    let start = header.get(..start)?.chars().count();
    let cell = |line: &'a str| {
        let at = line.char_indices().nth(start).map_or(line.len(), |(at, _)| at);
        line.get(at..).and_then(|rest| rest.split("   ").next()).unwrap_or_default().trim()
    };
    Some(table.lines().skip(1).map(cell).collect())
}

/// How many rows are not as they should be, and what they should be.
fn not_right(table: &str) -> Option<(usize, &'static str)> {
    if let Some(cells) = column(table, "STATUS") {
        let wanted = match cells.first() {
            Some(cell) if cells.iter().any(|cell| cell.starts_with("Ready")) || *cell == "NotReady" => {
                "Ready"
            }
            Some(_)
                if cells.iter().any(|cell| matches!(*cell, "Bound" | "Pending" | "Lost"))
                    && !table.contains("RESTARTS") =>
            {
                "Bound"
            }
            Some(_)
                if cells.iter().any(|cell| matches!(*cell, "Active" | "Terminating"))
                    && !table.contains("RESTARTS") =>
            {
                "Active"
            }
            _ => "Running",
        };
        let right = |cell: &&&str| {
            cell.split(',').next() == Some(wanted)
                || (wanted == "Running" && matches!(**cell, "Completed" | "Succeeded" | "Complete"))
        };
        return Some((cells.iter().filter(|cell| !right(cell)).count(), wanted));
    }
    let cells = column(table, "READY")?;
    Some((cells.iter().filter(|cell| !is_whole(cell)).count(), "ready"))
}

/// Whether `2/2` is all of it.
fn is_whole(cell: &str) -> bool {
    cell.split_once('/').is_none_or(|(is, wanted)| is == wanted)
}

/// The state of a single row: "0/1 ready, CrashLoopBackOff".
fn single(table: &str) -> Option<String> {
    let cell =
        |name: &str| column(table, name).and_then(|cells| cells.first().map(|cell| (*cell).to_owned()));
    let ready = cell("READY").filter(|cell| cell.contains('/')).map(|cell| format!("{cell} ready"));
    let parts: Vec<String> = ready.into_iter().chain(cell("STATUS")).collect();
    if parts.is_empty() { None } else { Some(parts.join(", ")) }
}

/// How many objects were described; of a single one what it says of itself.
fn described(out: &str) -> String {
    let field = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let objects = out.lines().filter(|line| line.starts_with("Name:")).count();
    if objects > 1 {
        return count(objects, "object");
    }
    let events = out.split("\nEvents:").nth(1).unwrap_or_default();
    let warnings = events.lines().filter(|line| line.trim_start().starts_with("Warning")).count();
    let state = field("Status:").filter(|state| !state.is_empty()).or_else(|| field("Replicas:"));
    let state = state.unwrap_or_else(|| count(out.lines().count(), "line"));
    with(state, warnings, |warnings| count(warnings, "warning event"))
}

/// The lines of a log, and how many of them complain.
fn log(out: &str) -> String {
    const WORDS: &[&str] = &["error", "fatal", "panic", "exception", "critical", "traceback", "failed"];
    let lines: Vec<&str> = out.lines().collect();
    let complains = |line: &&&str| {
        let line = line.to_lowercase();
        WORDS.iter().any(|word| line.contains(word))
    };
    let errors = lines.iter().filter(complains).count();
    // Of a log that was too long a part is here.
    let all = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix('(')?.split_once(" lines in all, ")?.0.parse().ok());
    with(count(all.unwrap_or(lines.len()), "line"), errors, |errors| format!("{errors} with errors"))
}

#[cfg(test)]
mod tests {
    use super::{super::parse, Output, gist, looking};
    use crate::redact::Redacted;

    fn output(stdout: &str, stderr: &str, code: i32) -> Output {
        Output { stdout: Redacted::new(stdout), stderr: Redacted::new(stderr), code }
    }

    #[test]
    fn what_is_looked_at_is_said() {
        for (line, expected) in [
            ("get pods", "pods in `web`"),
            ("get po -A", "pods in all namespaces"),
            ("get pods,svc -n x -l app=a", "pods, services in `x` with `app=a`"),
            ("get deploy a", "deployment `a` in `web`"),
            ("get ingress a b", "ingresses `a`, `b` in `web`"),
            ("get pod/a svc/b", "pod `a`, service `b` in `web`"),
            ("get netpol x", "networkpolicy `x` in `web`"),
            ("get storageclass x", "storageclass `x` in `web`"),
            ("describe pod a", "pod `a` in `web`, in detail"),
            ("logs faulty-app -c web", "log of `faulty-app` / `web`"),
            ("logs deploy/a -p", "log of `a` before its last restart"),
            ("logs a | grep -i x | tail -5", "log of `a`, lines with `x`"),
            ("get pods | wc -l", "pods in `web`"),
            ("events --for pod/a", "events of pod `a`"),
            ("events", "events in `web`"),
            ("rollout status deploy/a", "rollout of deployment `a`"),
            ("explain deploy.spec", "what `deploy.spec` is made of"),
            ("auth can-i get pods", "whether `get pods` is allowed in `web`"),
        ] {
            assert_eq!(looking(&parse(line).unwrap(), "web").as_str(), expected, "{line}");
        }
    }

    #[test]
    fn what_came_of_it_is_said() {
        let pods = "NAME   READY   STATUS             RESTARTS      AGE\na      1/1     Running            0             5m\n\
                    b      0/1     CrashLoopBackOff   6 (95s ago)   5m\nc      0/1     Completed          0             5m\n";
        let deployments = "NAME   READY   UP-TO-DATE   AVAILABLE   AGE\na      1/1     1            1           5m\n\
                           b      0/1     1            0           5m\n";
        let one = "NAME   READY   STATUS             RESTARTS   AGE\nb      0/1     ImagePullBackOff   0          5m\n";
        let claims = "NAME   STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   AGE\na      Pending                                      fast           5m\nb      Bound     v1       1Gi        RWO            fast           5m\n";
        let events =
            "LAST SEEN   TYPE      REASON\n5m          Warning   BackOff\n6m          Normal    Pulled\n";
        let described = "Name:  a\nStatus:  Running\nEvents:\n  Warning  BackOff\n";
        let fields =
            "KIND: Pod\n\nFIELDS:\n  a\t<string>\n    Text.\n\n  b\t<[]Object> -required-\n    Text.\n\n";
        for (line, output, expected) in [
            ("get pods", output(pods, "", 0), "3 pods, 1 not Running"),
            ("get deploy", output(deployments, "", 0), "2 deployments, 1 not ready"),
            ("get pod b", output(one, "", 0), "0/1 ready, ImagePullBackOff"),
            ("get pvc", output(claims, "", 0), "2 persistentvolumeclaims, 1 not Bound"),
            ("get pods,deploy", output(&format!("{pods}\n{deployments}"), "", 0), "5 objects"),
            ("get pods --no-headers", output("a 1/1 Running 0 5m\nb 1/1 Running 0 5m\n", "", 0), "2 pods"),
            ("get pods -o name", output("pod/a\npod/b\n", "", 0), "2 objects"),
            ("logs a", output("ok\nERROR x\nconnection failed\n", "", 0), "3 lines, 2 with errors"),
            (
                "logs a",
                output("ok\nERROR x\n(50000 lines in all, 9 bytes)\n", "", 0),
                "50000 lines, 1 with errors",
            ),
            ("logs a | grep ok", output("ok\n(1 of 9 lines matches `ok`)\n", "", 0), "1 line"),
            ("events", output(events, "", 0), "2 events, 1 warning"),
            ("describe pod a", output(described, "", 0), "Running, 1 warning event"),
            ("rollout status deploy/a", output("rolled out\nas asked\n", "", 0), "rolled out"),
            ("rollout status deploy/a", output("Waiting\n", "error: timed out\n", 1), "Waiting"),
            ("explain po.spec", output(fields, "", 0), "2 fields"),
            ("explain po.kind", output("KIND: Pod\n\nFIELD: kind <string>\n", "", 0), "FIELD: kind <string>"),
        ] {
            assert_eq!(gist(&parse(line).unwrap(), &output).as_str(), expected, "{line}");
        }
    }

    #[test]
    fn why_nothing_came_of_it_is_said() {
        for (line, stderr, expected) in [
            ("get pod x", "Error from server (NotFound): pods \"x\" not found", "not found"),
            ("get pods", "No resources found in default namespace.", "none"),
            ("events", "No events found in default namespace.", "none"),
            ("events --types=Warning", "No events found in default namespace.", "no warnings"),
            ("events --types=Warning,Normal", "No events found in default namespace.", "none"),
            ("get pods", "Error from server (Forbidden): pods is forbidden", "not allowed"),
            (
                "get foo",
                "error: the server doesn't have a resource type \"foo\"",
                "the cluster has no such kind",
            ),
            ("get pods", "Unable to connect to the server: refused", "the cluster does not answer"),
            (
                "get pods",
                "The connection to the server was refused - did you specify the right host or port?",
                "the cluster does not answer",
            ),
            ("logs a", "Defaulted container \"a\" out of: a, b", "empty"),
            ("top pods", "error: Metrics API not available", "Metrics API not available"),
        ] {
            let output = output("", &format!("{stderr}\n"), 1);
            assert_eq!(gist(&parse(line).unwrap(), &output).as_str(), expected, "{line}");
        }
    }
}
