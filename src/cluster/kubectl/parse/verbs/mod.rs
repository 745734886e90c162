//! What the words and flags of each verb mean. Here is what several verbs share; the verbs are in the files beside.

mod about;
mod logs;
mod objects;

use super::{Refusal, flags::Parsed, refused};
use crate::cluster::kubectl::{
    command::{Filter, Form, Plain, Subject, Where},
    print::{columns::CustomColumns, jsonpath::Template},
};

pub use self::{
    about::{api_resources, can_i, explain, top, version},
    logs::logs,
    objects::{describe, events, get, rollout},
};

type Read<T> = Result<T, Refusal>;

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
