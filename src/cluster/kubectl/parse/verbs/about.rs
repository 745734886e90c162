//! Verbs that ask what the cluster is, has, uses and allows: `explain`, `api-resources`, `version`, `top` and
//! `auth can-i`.

use super::{Read, filter, kind_name, nothing_more, path_segment, place};
use crate::cluster::kubectl::{
    command::{ApiResources, CanI, Explain, Plain, Question, Top},
    parse::{Refusal, flags::Parsed},
};

pub fn explain(parsed: &Parsed) -> Read<Explain> {
    match parsed.value("output") {
        None | Some("plaintext") => {}
        Some("plaintext-openapiv2") => {
            return Err(Refusal::new(
                "-o plaintext-openapiv2 is not possible: schemas are read as OpenAPI v3 here; leave -o out.",
            ));
        }
        Some(other) => return Err(Refusal::new(format!("explain prints -o plaintext, not `{other}`."))),
    }
    let [word] = parsed.words.as_slice() else {
        return Err(Refusal::new(
            "explain needs one kind, with a field or without: `explain pods` or `explain deploy.spec.strategy`.",
        ));
    };
    kind_name(word.split(['.', '[']).next().unwrap_or_default())?;
    Ok(Explain {
        word: word.clone(),
        api_version: parsed.some("api-version"),
        recursive: parsed.on("recursive"),
    })
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
