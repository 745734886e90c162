//! Volumes in a description.

use serde_json::Value;

use super::page::{Page, list, or, plain, text};
use crate::cluster::kubectl::print::json::{sorted, sprint};

/// The volumes of a pod or, indented, of a template.
pub fn describe(page: &mut Page, volumes: &Value, space: &str) {
    if list(volumes).is_empty() {
        return page.line(0, format!("{space}Volumes:\t<none>"));
    }
    page.line(0, format!("{space}Volumes:"));
    for volume in list(volumes) {
        let indent = if space.is_empty() { "" } else { " " };
        page.line(1, format!("{indent}{}:", text(&volume["name"])));
        source(page, volume);
    }
}

/// What a volume is made from.
pub fn source(page: &mut Page, volume: &Value) {
    let found =
        volume.as_object().into_iter().flatten().find(|(name, value)| *name != "name" && value.is_object());
    let Some((kind, source)) = found else { return page.line(1, "<unknown>") };
    let optional = || (source["optional"] == true).to_string();
    let read_only = || (source["readOnly"] == true).to_string();
    let (description, fields): (&str, Vec<(&str, String)>) = match kind.as_str() {
        "hostPath" => (
            "HostPath (bare host directory volume)",
            vec![("Path", plain(&source["path"])), ("HostPathType", or(&source["type"], "<none>"))],
        ),
        "emptyDir" => (
            "EmptyDir (a temporary directory that shares a pod's lifetime)",
            vec![("Medium", plain(&source["medium"])), ("SizeLimit", or(&source["sizeLimit"], "<unset>"))],
        ),
        "secret" => (
            "Secret (a volume populated by a Secret)",
            vec![("SecretName", plain(&source["secretName"])), ("Optional", optional())],
        ),
        "configMap" => (
            "ConfigMap (a volume populated by a ConfigMap)",
            vec![("Name", plain(&source["name"])), ("Optional", optional())],
        ),
        "persistentVolumeClaim" => (
            "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
            vec![("ClaimName", plain(&source["claimName"])), ("ReadOnly", read_only())],
        ),
        "nfs" => (
            "NFS (an NFS mount that lasts the lifetime of a pod)",
            vec![
                ("Server", plain(&source["server"])),
                ("Path", plain(&source["path"])),
                ("ReadOnly", read_only()),
            ],
        ),
        "local" => (
            "LocalVolume (a persistent volume backed by local storage on a node)",
            vec![("Path", plain(&source["path"]))],
        ),
        "projected" => return projected(page, source),
        "downwardAPI" => return downward(page, source),
        other => return unknown(page, other, source),
    };
    page.field(2, "Type", description);
    fields.into_iter().for_each(|(name, value)| page.field(2, name, value));
}

fn projected(page: &mut Page, source: &Value) {
    page.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    for part in list(&source["sources"]) {
        let optional = |part: &Value| (part["optional"] == true).to_string();
        if !part["secret"].is_null() {
            page.field(2, "SecretName", text(&part["secret"]["name"]));
            page.field(2, "Optional", optional(&part["secret"]));
        } else if !part["downwardAPI"].is_null() {
            page.field(2, "DownwardAPI", "true");
        } else if !part["configMap"].is_null() {
            page.field(2, "ConfigMapName", text(&part["configMap"]["name"]));
            page.field(2, "Optional", or(&part["configMap"]["optional"], "false"));
        } else if !part["serviceAccountToken"].is_null() {
            page.field(2, "TokenExpirationSeconds", plain(&part["serviceAccountToken"]["expirationSeconds"]));
        }
    }
}

fn downward(page: &mut Page, source: &Value) {
    page.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
    page.line(2, "Items:");
    for item in list(&source["items"]) {
        let what = match item["fieldRef"].is_null() {
            false => text(&item["fieldRef"]["fieldPath"]),
            true => text(&item["resourceFieldRef"]["resource"]),
        };
        page.line(3, format!("{what} -> {}", text(&item["path"])));
    }
}

/// The rarer sources: what they say themselves.
fn unknown(page: &mut Page, kind: &str, source: &Value) {
    let mut chars = kind.chars();
    let first = chars.next().map(|char| char.to_ascii_uppercase());
    page.field(2, "Type", first.into_iter().chain(chars).collect::<String>());
    for (name, value) in source.as_object().map(sorted).unwrap_or_default() {
        let mut chars = name.chars();
        let first = chars.next().map(|char| char.to_ascii_uppercase());
        page.field(2, &first.into_iter().chain(chars).collect::<String>(), sprint(value));
    }
}
