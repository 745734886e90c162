//! Reads what a server serves, as the two aggregated documents that a snapshot keeps: whole where the server has them,
//! else put together from the list of each group's version.

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{CaptureError, Unlisted, document, unreadable};
use crate::cluster::read::{ReadError, Reader};

/// What asks for all discovery in one document.
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
const JSON: &str = "application/json";
/// How many groups are read one by one at most.
const MOST_GROUPS: usize = 500;

/// The documents of `/api` and `/apis`.
pub(super) struct Documents {
    pub(super) core: Bytes,
    pub(super) apis: Bytes,
    /// The versions whose server could not tell.
    pub(super) unread: Vec<Unlisted>,
}

impl Documents {
    pub(super) async fn read(reader: &Reader<'_>, parallel: usize) -> Result<Self, CaptureError> {
        let mut unread = Vec::new();
        let core = one(reader, "api", parallel, &mut unread).await?;
        let apis = one(reader, "apis", parallel, &mut unread).await?;
        Ok(Self { core, apis, unread })
    }
}

async fn one(
    reader: &Reader<'_>,
    root: &str,
    parallel: usize,
    unread: &mut Vec<Unlisted>,
) -> Result<Bytes, CaptureError> {
    let content = document(reader, &format!("/{root}"), AGGREGATED).await.map_err(|e| unreadable(&e))?;
    let document: Value = serde_json::from_slice(&content)
        .map_err(|error| unreadable(&format!("/{root} can't be understood: {error}")))?;
    let mut groups = match document["kind"].as_str().unwrap_or_default() {
        "APIGroupDiscoveryList" => return Ok(content),
        "APIVersions" => vec![core_group(&document)],
        "APIGroupList" => list(&document["groups"]).iter().map(named_group).collect(),
        other => return Err(unreadable(&format!("/{root} is a {other:?} and does not tell of its API"))),
    };
    groups.truncate(MOST_GROUPS);
    let versions = groups.iter().flat_map(|group| group.versions.iter());
    let read = versions.map(|version| async move { (version, resources(reader, root, version).await) });
    let mut answers = stream::iter(read).buffered(parallel);
    let mut found = Vec::new();
    while let Some((version, resources)) = answers.next().await {
        found.push(match resources {
            Ok(resources) => {
                json!({"version": short(version), "resources": resources, "freshness": "Current"})
            }
            Err(error) => {
                unread.push(Unlisted::of(&format!("{root}/{version}"), None, &error)?);
                json!({"version": short(version), "freshness": "Stale"})
            }
        });
    }
    drop(answers);
    let mut found = found.into_iter();
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let versions: Vec<Value> = found.by_ref().take(group.versions.len()).collect();
            let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let whole = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    Ok(format!("{whole:#}\n").into())
}

/// A group of the API, and its versions as paths have them, the preferred one first.
struct Group {
    name: String,
    versions: Vec<String>,
}

fn core_group(document: &Value) -> Group {
    let versions = list(&document["versions"]).iter().filter_map(Value::as_str).map(str::to_owned);
    Group { name: String::new(), versions: versions.collect() }
}

fn named_group(group: &Value) -> Group {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let preferred = text(&group["preferredVersion"]["groupVersion"]);
    let mut versions: Vec<String> =
        list(&group["versions"]).iter().map(|version| text(&version["groupVersion"])).collect();
    versions.retain(|version| !version.is_empty());
    versions.sort_by_key(|version| *version != preferred);
    Group { name: text(&group["name"]), versions }
}

fn short(version: &str) -> &str {
    version.rsplit('/').next().unwrap_or(version)
}

async fn resources(reader: &Reader<'_>, root: &str, version: &str) -> Result<Vec<Value>, ReadError> {
    let content = document(reader, &format!("/{root}/{version}"), JSON).await?;
    let read: Value =
        serde_json::from_slice(&content).map_err(|error| ReadError::Garbled(error.to_string()))?;
    Ok(aggregated(list(&read["resources"])))
}

/// The entries of an `APIResourceList`, parts such as `pods/log` under what they are parts of.
fn aggregated(entries: &[Value]) -> Vec<Value> {
    let name = |entry: &Value| entry["name"].as_str().unwrap_or_default().to_owned();
    let mut resources = Vec::new();
    for entry in entries.iter().filter(|entry| !name(entry).contains('/')) {
        let scope = if entry["namespaced"] == true { "Namespaced" } else { "Cluster" };
        let mut resource = json!({
            "resource": entry["name"], "responseKind": response_kind(entry), "scope": scope,
            "singularResource": entry["singularName"], "verbs": entry["verbs"],
        });
        for key in ["shortNames", "categories"] {
            if !list(&entry[key]).is_empty() {
                resource[key] = entry[key].clone();
            }
        }
        let prefix = format!("{}/", name(entry));
        let parts = entries.iter().filter_map(|part| {
            let own = name(part).strip_prefix(&prefix)?.to_owned();
            Some(json!({"subresource": own, "responseKind": response_kind(part), "verbs": part["verbs"]}))
        });
        let parts: Vec<Value> = parts.collect();
        if !parts.is_empty() {
            resource["subresources"] = parts.into();
        }
        resources.push(resource);
    }
    resources
}

/// An entry names the group and version of its kind where they are not those of the list.
fn response_kind(entry: &Value) -> Value {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    json!({"group": text("group"), "version": text("version"), "kind": text("kind")})
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
