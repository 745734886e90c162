//! What the words and flags of each verb mean.

use super::{Refusal, flags::Parsed, refused};
use crate::cluster::kubectl::{
    command::{
        ApiResources, CanI, Describe, Events, Filter, Form, Get, Logs, Plain, Question, Rollout, Since,
        Source, Subject, Top, Where,
    },
    print::{columns::CustomColumns, jsonpath::Template},
};

type Read<T> = Result<T, Refusal>;

pub fn get(parsed: &Parsed) -> Read<Get> {
    no_watching(parsed)?;
    let subject = subject("get", &parsed.words)?;
    let filter = filter(parsed);
    let place = place(parsed)?;
    check_bulk(&subject, &filter, &place)?;
    let sort_by = parsed.some("sort-by").map(|path| template(&path, Template::parse_relaxed)).transpose()?;
    let subresource = parsed.some("subresource");
    if let Some(name) = subresource.as_deref().filter(|name| !["status", "scale", "resize"].contains(name)) {
        return Err(Refusal::new(format!("--subresource is status, scale or resize, not `{name}`.")));
    }
    if subresource.is_some() && matches!(subject, Subject::Kinds(_)) {
        return Err(Refusal::new("--subresource is read of one object; name it."));
    }
    Ok(Get {
        subject,
        place,
        filter,
        form: form(parsed)?,
        sort_by,
        labels: parsed.on("show-labels"),
        label_columns: parsed.list("label-columns"),
        headers: !parsed.on("no-headers"),
        kinds_shown: parsed.on("show-kind"),
        managed_fields: parsed.on("show-managed-fields"),
        ignore_not_found: parsed.on("ignore-not-found"),
        subresource,
    })
}

pub fn describe(parsed: &Parsed) -> Read<Describe> {
    let subject = subject("describe", &parsed.words)?;
    let (place, filter) = (place(parsed)?, filter(parsed));
    check_bulk(&subject, &filter, &place)?;
    let events = parsed.switched("show-events").unwrap_or(true);
    Ok(Describe { subject, place, labels: filter.labels, events })
}

pub fn logs(parsed: &Parsed) -> Read<Logs> {
    if parsed.on("follow") {
        return Err(refused::known_flag("follow"));
    }
    let (source, inline) = source(parsed)?;
    let container = match (parsed.some("container"), inline) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new("Name the container once: with -c or after the pod."));
        }
        (flag, inline) => flag.or(inline),
    };
    let all_containers = parsed.on("all-containers");
    if let Some(container) = container.as_deref().filter(|_| all_containers) {
        return Err(Refusal::new(format!(
            "--all-containers and the container `{container}` exclude each other; leave one out."
        )));
    }
    let tail = parsed.number("tail")?;
    if tail.is_some_and(|tail| tail < -1) {
        return Err(Refusal::new("--tail is a number of lines, or -1 for all of them."));
    }
    let limit_bytes = parsed.number("limit-bytes")?;
    let limit_bytes = limit_bytes
        .map(|bytes| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0))
        .map(|bytes| bytes.ok_or_else(|| Refusal::new("--limit-bytes is greater than 0.")))
        .transpose()?;
    Ok(Logs {
        source,
        place: place(parsed)?,
        container: container.map(|name| path_segment("container", name)).transpose()?,
        all_containers,
        all_pods: parsed.on("all-pods"),
        previous: parsed.on("previous"),
        timestamps: parsed.on("timestamps"),
        prefix: parsed.on("prefix") || parsed.on("all-pods"),
        ignore_errors: parsed.on("ignore-errors"),
        tail,
        since: since(parsed)?,
        limit_bytes,
    })
}

fn source(parsed: &Parsed) -> Read<(Source, Option<String>)> {
    let object = |word: &str| -> Read<Source> {
        let (kind, name) = word.split_once('/').unwrap_or(("pods", word));
        Ok(Source::Object { kind: kind_name(kind)?, name: path_segment("name", name.into())? })
    };
    match (parsed.words.as_slice(), parsed.some("selector")) {
        ([], Some(labels)) => Ok((Source::Labels(labels), None)),
        ([word], None) => Ok((object(word)?, None)),
        ([kind, name], None) if is_log_kind(kind) => Ok((object(&format!("{kind}/{name}"))?, None)),
        ([word, container], None) => Ok((object(word)?, Some(container.clone()))),
        ([_, ..], Some(_)) => Err(Refusal::new("logs takes either a pod or a selector (-l); leave one out.")),
        _ => Err(Refusal::new(
            "logs needs one pod or workload: `logs POD [-c CONTAINER]`, `logs deploy/NAME` or `logs -l app=NAME`.",
        )),
    }
}

/// `logs pod web` for `logs pod/web`: kubectl would take `web` for a container of a pod named `pod`.
fn is_log_kind(word: &str) -> bool {
    [
        "pod",
        "pods",
        "po",
        "deployment",
        "deployments",
        "deploy",
        "statefulset",
        "statefulsets",
        "sts",
        "daemonset",
        "daemonsets",
        "ds",
        "replicaset",
        "replicasets",
        "rs",
        "job",
        "jobs",
        "service",
        "services",
        "svc",
    ]
    .contains(&word)
}

fn since(parsed: &Parsed) -> Read<Option<Since>> {
    match (parsed.some("since"), parsed.some("since-time")) {
        (Some(_), Some(_)) => Err(Refusal::new("Give --since or --since-time, not both.")),
        (Some(text), None) => {
            let seconds = duration(&text).filter(|seconds| *seconds > 0);
            seconds.map(|seconds| Some(Since::Seconds(seconds))).ok_or_else(|| {
                Refusal::new(format!("--since is a duration such as 30s, 5m or 1h30m, not `{text}`."))
            })
        }
        (None, Some(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(Since::Time(time.to_string()))),
            Err(_) => Err(Refusal::new(format!(
                "--since-time is a time such as 2026-01-31T15:04:05Z, not `{text}`."
            ))),
        },
        (None, None) => Ok(None),
    }
}

/// A Go duration in seconds, rounded.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| char != '.' && !char.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    // Rust rounds a float out of range to the nearest that fits; ten years are enough for any log.
    if !(0.5..3.2e8).contains(&seconds) {
        return None;
    }
    jiff::SignedDuration::try_from_secs_f64(seconds.round()).ok().map(|duration| duration.as_secs())
}

pub fn events(parsed: &Parsed) -> Read<Events> {
    no_watching(parsed)?;
    nothing_more("events", parsed)?;
    let about = match parsed.some("for") {
        None => None,
        Some(text) => match text.split_once('/') {
            Some((kind, name)) => Some((kind_name(kind)?, path_segment("name", name.into())?)),
            None => return Err(Refusal::new(format!("--for is kind/name, such as pod/{text}."))),
        },
    };
    let types = parsed.list("types");
    if let Some(wrong) = types.iter().find(|t| !["normal", "warning"].contains(&t.to_lowercase().as_str())) {
        return Err(Refusal::new(format!("--types is Normal, Warning or both, not `{wrong}`.")));
    }
    let form = form(parsed)?;
    if form == (Form::Table { wide: true }) {
        return Err(Refusal::new("events has no wide form; use `get events -o wide`."));
    }
    Ok(Events { place: place(parsed)?, about, types, headers: !parsed.on("no-headers"), form })
}

pub fn top(parsed: &Parsed) -> Read<Top> {
    let (what, name) = match parsed.words.as_slice() {
        [what] => (what, None),
        [what, name] => (what, Some(path_segment("name", name.clone())?)),
        _ => return Err(Refusal::new("top needs what to measure: `top pods` or `top nodes`.")),
    };
    let nodes = match what.as_str() {
        "node" | "nodes" | "no" => true,
        "pod" | "pods" | "po" => false,
        other => return Err(Refusal::new(format!("top measures pods or nodes, not `{other}`."))),
    };
    let by_memory = match parsed.value("sort-by") {
        None | Some("") => None,
        Some("cpu") => Some(false),
        Some("memory") => Some(true),
        Some(other) => return Err(Refusal::new(format!("top sorts by cpu or memory, not `{other}`."))),
    };
    Ok(Top {
        nodes,
        name,
        place: place(parsed)?,
        filter: filter(parsed),
        containers: parsed.on("containers"),
        headers: !parsed.on("no-headers"),
        by_memory,
    })
}

pub fn api_resources(parsed: &Parsed) -> Read<ApiResources> {
    nothing_more("api-resources", parsed)?;
    let (names_only, wide) = match parsed.value("output") {
        None | Some("") => (false, false),
        Some("name") => (true, false),
        Some("wide") => (false, true),
        Some(other) => {
            return Err(Refusal::new(format!("api-resources prints -o wide or -o name, not `{other}`.")));
        }
    };
    let sort_by = parsed.some("sort-by");
    if let Some(other) = sort_by.as_deref().filter(|by| !["name", "kind"].contains(by)) {
        return Err(Refusal::new(format!("api-resources sorts by name or kind, not `{other}`.")));
    }
    Ok(ApiResources {
        group: parsed.value("api-group").map(Into::into),
        namespaced: parsed.switched("namespaced"),
        verbs: parsed.list("verbs"),
        categories: parsed.list("categories"),
        names_only,
        wide,
        headers: !parsed.on("no-headers"),
        sort_by,
    })
}

pub fn version(parsed: &Parsed) -> Read<Plain> {
    nothing_more("version", parsed)?;
    match parsed.value("output") {
        None | Some("") => Ok(Plain::Words),
        Some("yaml") => Ok(Plain::Yaml),
        Some("json") => Ok(Plain::Json),
        Some(other) => Err(Refusal::new(format!("version prints -o yaml or -o json, not `{other}`."))),
    }
}

pub fn rollout(parsed: &Parsed, history: bool) -> Read<Rollout> {
    let (kind, name) = match subject("rollout", &parsed.words)? {
        Subject::Named { kind, names } if names.len() == 1 => {
            (kind, names.into_iter().next().unwrap_or_default())
        }
        Subject::Pairs(pairs) if pairs.len() == 1 => pairs.into_iter().next().unwrap_or_default(),
        _ => return Err(Refusal::new("rollout needs one workload, such as deploy/web.")),
    };
    Ok(Rollout { history, kind, name, place: place(parsed)?, revision: parsed.number("revision")? })
}

pub fn can_i(parsed: &Parsed) -> Read<CanI> {
    let question = match parsed.words.as_slice() {
        [] if parsed.on("list") => Question::Everything,
        [verb, path] if path.starts_with('/') => Question::Url { verb: verb.clone(), path: path.clone() },
        [verb, resource, more @ ..] if more.len() < 2 => {
            let (resource, name) = match resource.split_once('/') {
                Some((resource, name)) => (resource, Some(name.to_owned())),
                None => (resource.as_str(), more.first().cloned()),
            };
            Question::Resource {
                verb: verb.clone(),
                resource: resource.into(),
                name,
                subresource: parsed.some("subresource"),
            }
        }
        _ => {
            return Err(Refusal::new(
                "auth can-i asks `auth can-i VERB RESOURCE`, such as `auth can-i get pods`, or `auth can-i --list`.",
            ));
        }
    };
    Ok(CanI { question, place: place(parsed)?, quiet: parsed.on("quiet"), headers: !parsed.on("no-headers") })
}

pub fn nothing_more(verb: &str, parsed: &Parsed) -> Read<()> {
    match parsed.words.first() {
        Some(word) if verb == "events" => Err(Refusal::new(format!(
            "events takes no words (`{word}`); write `events --for=kind/name`, or `get events` with a selector."
        ))),
        Some(word) => Err(Refusal::new(format!("{verb} takes no words (`{word}`); leave them out."))),
        None => Ok(()),
    }
}

fn no_watching(parsed: &Parsed) -> Read<()> {
    match ["watch", "watch-only"].into_iter().find(|name| parsed.on(name)) {
        Some(name) => Err(refused::known_flag(name)),
        None => Ok(()),
    }
}

fn filter(parsed: &Parsed) -> Filter {
    Filter { labels: parsed.some("selector"), fields: parsed.some("field-selector") }
}

fn place(parsed: &Parsed) -> Read<Where> {
    if parsed.on("all-namespaces") {
        return Ok(Where::Everywhere);
    }
    let Some(name) = parsed.some("namespace") else { return Ok(Where::Default) };
    let legal = name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if legal {
        return Ok(Where::In(name));
    }
    Err(Refusal::new(format!(
        "`{name}` cannot be a namespace: its name has letters, digits and hyphens only."
    )))
}

/// What a kubectl that lists and a kubectl that names refuse together.
fn check_bulk(subject: &Subject, filter: &Filter, place: &Where) -> Read<()> {
    if matches!(subject, Subject::Kinds(_)) {
        return Ok(());
    }
    if !filter.is_empty() {
        return Err(Refusal::new("Names and selectors exclude each other; leave one out."));
    }
    if *place == Where::Everywhere {
        return Err(Refusal::new(
            "One object cannot be read across all namespaces; give its namespace with -n, or list the kind with -A.",
        ));
    }
    Ok(())
}

fn subject(verb: &str, words: &[String]) -> Read<Subject> {
    let slashes = words.iter().filter(|word| word.contains('/')).count();
    if slashes > 0 && slashes < words.len() {
        return Err(Refusal::new(
            "Write kind/name everywhere or nowhere: `get pod/a svc/b` or `get pods a b`.",
        ));
    }
    if slashes > 0 {
        return words.iter().map(|word| pair(word)).collect::<Read<_>>().map(Subject::Pairs);
    }
    let Some((kinds, names)) = words.split_first() else {
        return Err(Refusal::new(format!(
            "{verb} needs a kind, such as `{verb} pods` or `{verb} deploy/web`."
        )));
    };
    let kinds: Vec<String> =
        kinds.split(',').filter(|kind| !kind.is_empty()).map(kind_name).collect::<Read<_>>()?;
    let names: Vec<String> =
        names.iter().map(|name| path_segment("name", name.clone())).collect::<Read<_>>()?;
    match (kinds.as_slice(), names.is_empty()) {
        ([], _) => Err(Refusal::new(format!("{verb} needs a kind, such as `{verb} pods`."))),
        (_, true) => Ok(Subject::Kinds(kinds)),
        ([kind], false) => Ok(Subject::Named { kind: kind.clone(), names }),
        (_, false) => {
            let of_kind = |kind: &String| {
                names.iter().map(move |name| (kind.clone(), name.clone())).collect::<Vec<_>>()
            };
            Ok(Subject::Pairs(kinds.iter().flat_map(of_kind).collect()))
        }
    }
}

fn pair(word: &str) -> Read<(String, String)> {
    match word.split('/').collect::<Vec<_>>().as_slice() {
        [kind, name] if !kind.is_empty() && !name.is_empty() && !kind.contains(',') => {
            Ok((kind_name(kind)?, path_segment("name", (*name).into())?))
        }
        _ => Err(Refusal::new(format!("`{word}` is not of the form kind/name."))),
    }
}

fn kind_name(kind: &str) -> Read<String> {
    let legal = kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind.len() <= 253
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if legal {
        return Ok(kind.into());
    }
    Err(Refusal::new(format!(
        "`{kind}` cannot be a kind; write for example pods, deploy or ingresses.networking.k8s.io."
    )))
}

/// A name that stays one segment of a path.
fn path_segment(what: &str, name: String) -> Read<String> {
    let legal = !matches!(name.as_str(), "" | "." | "..")
        && name.len() <= 253
        && !name.contains(['/', '%', '?', '#', '\\', ' ']);
    if legal {
        return Ok(name);
    }
    Err(Refusal::new(format!("`{name}` cannot be a {what} of a Kubernetes object.")))
}

fn template(text: &str, parse: fn(&str) -> Result<Template, String>) -> Read<Template> {
    parse(text).map_err(|error| Refusal::new(format!("error parsing jsonpath {text}, {error}")))
}

fn form(parsed: &Parsed) -> Read<Form> {
    let text = parsed.value("output").unwrap_or_default();
    let (name, argument) = text.split_once('=').unwrap_or((text, ""));
    let form = match name {
        "" => Form::Table { wide: false },
        "wide" => Form::Table { wide: true },
        "yaml" => Form::Plain(Plain::Yaml),
        "json" => Form::Plain(Plain::Json),
        "name" => Form::Name,
        "jsonpath" | "jsonpath-as-json" if argument.is_empty() => {
            return Err(Refusal::new("jsonpath needs a template: -o jsonpath='{.items[*].metadata.name}'."));
        }
        "jsonpath" | "jsonpath-as-json" => {
            Form::JsonPath { template: template(argument, Template::parse)?, as_json: name != "jsonpath" }
        }
        "custom-columns" => Form::CustomColumns(CustomColumns::parse(argument).map_err(|error| {
            Refusal::new(format!("{error}; write -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName."))
        })?),
        other => {
            return Err(Refusal::new(format!(
                "-o {other} is not possible; use wide, yaml, json, name, jsonpath=…, jsonpath-as-json=… or \
                 custom-columns=…."
            )));
        }
    };
    Ok(form)
}
