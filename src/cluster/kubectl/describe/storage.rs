//! PersistentVolumes and their classes and claims, ConfigMaps and Secrets.

use serde_json::Value;

use super::{
    Related,
    page::{
        LONGEST_ANNOTATION, Page, date, joined, list, or, pair_texts, pairs_inline, plain, shorten, text,
        truth,
    },
    volume,
};
use crate::cluster::kubectl::{print::json::sorted, secret};

pub fn claim(page: &mut Page, claim: &Value, related: &Related) {
    let (metadata, spec, status) = (&claim["metadata"], &claim["spec"], &claim["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "StorageClass", plain(&spec["storageClassName"]));
    if metadata["deletionTimestamp"].is_null() {
        page.field(0, "Status", text(&status["phase"]));
    } else {
        let lasts = page.since(&metadata["deletionTimestamp"]);
        page.field(0, "Status", format!("Terminating (lasts {lasts})"));
    }
    page.field(0, "Volume", text(&spec["volumeName"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Finalizers", format!("[{}]", joined(&metadata["finalizers"], " ")));
    let bound = !text(&spec["volumeName"]).is_empty();
    let (capacity, modes) = match bound {
        true => (plain(&status["capacity"]["storage"]), modes(&status["accessModes"])),
        false => (String::new(), String::new()),
    };
    page.field(0, "Capacity", capacity);
    page.field(0, "Access Modes", modes);
    page.some(0, "VolumeMode", &spec["volumeMode"]);
    let source = &spec["dataSource"];
    if !source.is_null() {
        page.line(0, "DataSource:");
        page.some(1, "APIGroup", &source["apiGroup"]);
        page.field(1, "Kind", text(&source["kind"]));
        page.field(1, "Name", text(&source["name"]));
    }
    let mut users: Vec<String> = related.pods.iter().filter(|pod| uses(pod, metadata)).map(name_of).collect();
    users.sort_unstable();
    page.lines("", "Used By", "\t", &users);
    conditions(page, status);
    page.events(related.events.as_ref());
}

pub fn volume(page: &mut Page, volume: &Value, related: &Related) {
    let (metadata, spec, status) = (&volume["metadata"], &volume["spec"], &volume["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Finalizers", format!("[{}]", joined(&metadata["finalizers"], " ")));
    let old_class = &metadata["annotations"]["volume.beta.kubernetes.io/storage-class"];
    page.field(
        0,
        "StorageClass",
        if old_class.is_null() { plain(&spec["storageClassName"]) } else { plain(old_class) },
    );
    if metadata["deletionTimestamp"].is_null() {
        page.field(0, "Status", text(&status["phase"]));
    } else {
        let lasts = page.since(&metadata["deletionTimestamp"]);
        page.field(0, "Status", format!("Terminating (lasts {lasts})"));
    }
    let claim = &spec["claimRef"];
    let claim = match claim.is_null() {
        true => String::new(),
        false => format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])),
    };
    page.field(0, "Claim", claim);
    page.field(0, "Reclaim Policy", text(&spec["persistentVolumeReclaimPolicy"]));
    page.field(0, "Access Modes", modes(&spec["accessModes"]));
    page.some(0, "VolumeMode", &spec["volumeMode"]);
    page.field(0, "Capacity", or(&spec["capacity"]["storage"], "0"));
    node_affinity(page, &spec["nodeAffinity"]["required"]);
    page.field(0, "Message", text(&status["message"]));
    page.line(0, "Source:");
    source(page, spec);
    page.events(related.events.as_ref());
}

fn node_affinity(page: &mut Page, required: &Value) {
    if required.is_null() {
        return page.field(0, "Node Affinity", "<none>");
    }
    page.field(0, "Node Affinity", "");
    let terms = list(&required["nodeSelectorTerms"]);
    page.field(1, "Required Terms", if terms.is_empty() { "<none>" } else { "" });
    for (number, term) in terms.iter().enumerate() {
        let expressions: Vec<String> = list(&term["matchExpressions"]).iter().map(expression).collect();
        page.lines("    ", &format!("Term {number}"), "\t", &expressions);
    }
}

/// `kubernetes.io/hostname in [node-1, node-2]`.
fn expression(expression: &Value) -> String {
    let (key, operator) = (text(&expression["key"]), text(&expression["operator"]).to_lowercase());
    match joined(&expression["values"], ", ") {
        values if values.is_empty() => format!("{key} {operator}"),
        values => format!("{key} {operator} [{values}]"),
    }
}

/// What the volume is made from: the one part of its spec that is of no other use.
fn source(page: &mut Page, spec: &Value) {
    const OTHERS: [&str; 3] = ["capacity", "claimRef", "nodeAffinity"];
    let mut parts = spec.as_object().into_iter().flatten();
    let found = parts.find(|(name, value)| value.is_object() && !OTHERS.contains(&name.as_str()));
    match found {
        Some((kind, csi)) if kind == "csi" => driver(page, csi),
        Some((kind, source)) => volume::source(page, &serde_json::json!({kind: source})),
        None => page.line(1, "<unknown>"),
    }
}

fn driver(page: &mut Page, csi: &Value) {
    page.field(2, "Type", "CSI (a Container Storage Interface (CSI) volume source)");
    page.field(2, "Driver", text(&csi["driver"]));
    page.field(2, "FSType", text(&csi["fsType"]));
    page.field(2, "VolumeHandle", text(&csi["volumeHandle"]));
    page.field(2, "ReadOnly", (csi["readOnly"] == true).to_string());
    let attributes = pair_texts(&csi["volumeAttributes"]);
    page.put(2, "VolumeAttributes:\t");
    if attributes.is_empty() {
        page.line(0, "<none>");
    }
    for (number, attribute) in attributes.iter().enumerate() {
        if number > 0 {
            page.put(4, "\t");
        }
        page.line(2, shorten(attribute, LONGEST_ANNOTATION));
    }
}

pub fn class(page: &mut Page, class: &Value, related: &Related) {
    let annotations = &class["metadata"]["annotations"];
    let is_default =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .iter()
            .any(|name| annotations[*name] == "true");
    page.field(0, "Name", text(&class["metadata"]["name"]));
    page.field(0, "IsDefaultClass", if is_default { "Yes" } else { "No" });
    page.field(0, "Annotations", pairs_inline(annotations));
    page.field(0, "Provisioner", text(&class["provisioner"]));
    page.field(0, "Parameters", pairs_inline(&class["parameters"]));
    let expands = &class["allowVolumeExpansion"];
    page.field(0, "AllowVolumeExpansion", if expands.is_null() { "<unset>" } else { truth(expands) });
    let options = list(&class["mountOptions"]);
    if options.is_empty() {
        page.field(0, "MountOptions", "<none>");
    } else {
        page.line(0, "MountOptions:");
    }
    options.iter().for_each(|option| page.line(1, text(option)));
    page.some(0, "ReclaimPolicy", &class["reclaimPolicy"]);
    page.some(0, "VolumeBindingMode", &class["volumeBindingMode"]);
    if !list(&class["allowedTopologies"]).is_empty() {
        page.field(0, "AllowedTopologies", "");
    }
    for (number, term) in list(&class["allowedTopologies"]).iter().enumerate() {
        let expressions = list(&term["matchLabelExpressions"]).iter();
        let expressions: Vec<String> = expressions
            .map(|it| format!("{} in [{}]", text(&it["key"]), joined(&it["values"], ", ")))
            .collect();
        page.lines("  ", &format!("Term {number}"), "\t", &expressions);
    }
    page.events(related.events.as_ref());
}

fn conditions(page: &mut Page, status: &Value) {
    if list(&status["conditions"]).is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage");
    page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for condition in list(&status["conditions"]) {
        let (kind, is) = (text(&condition["type"]), text(&condition["status"]));
        let (probed, changed) = (date(&condition["lastProbeTime"]), date(&condition["lastTransitionTime"]));
        let (reason, message) = (text(&condition["reason"]), text(&condition["message"]));
        page.line(1, format!("{kind} \t{is} \t{probed} \t{changed} \t{reason} \t{message}"));
    }
}

fn name_of(object: &Value) -> String {
    text(&object["metadata"]["name"]).into()
}

fn uses(pod: &Value, claim: &Value) -> bool {
    let mut volumes = list(&pod["spec"]["volumes"]).iter();
    volumes.any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim["name"])
        || list(&claim["ownerReferences"])
            .iter()
            .any(|owner| owner["kind"] == "Pod" && owner["uid"] == pod["metadata"]["uid"])
}

/// `RWO,ROX`.
fn modes(modes: &Value) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| list(modes).iter().any(|has| has == mode);
    let modes: Vec<&str> = short.into_iter().filter(|(mode, _)| has(mode)).map(|(_, short)| short).collect();
    modes.join(",")
}

pub fn config_map(page: &mut Page, map: &Value, related: &Related) {
    page.head(map);
    page.put(0, "\nData\n====\n");
    for (key, value) in map["data"].as_object().map(sorted).unwrap_or_default() {
        page.put(0, format!("{key}:\n----\n{}\n\n", text(value)));
    }
    page.put(0, "\nBinaryData\n====\n");
    for (key, value) in map["binaryData"].as_object().map(sorted).unwrap_or_default() {
        page.line(0, format!("{key}: {} bytes", secret::decoded_length(text(value))));
    }
    page.put(0, "\n");
    page.events(related.events.as_ref());
}

/// Keys and sizes, never values: not even of the tokens that kubectl shows.
pub fn secret(page: &mut Page, object: &Value) {
    page.head(object);
    page.field(0, "\nType", text(&object["type"]));
    page.put(0, "\nData\n====\n");
    for (key, value) in object["data"].as_object().map(sorted).unwrap_or_default() {
        page.field(0, key, format!("{} bytes", secret::decoded_length(text(value))));
    }
}
