//! PersistentVolumeClaims, ConfigMaps and Secrets.

use serde_json::Value;

use super::{
    Related,
    page::{Page, date, joined, list, plain, text},
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
