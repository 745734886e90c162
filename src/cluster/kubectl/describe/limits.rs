//! What limits a namespace: ResourceQuotas and LimitRanges, and the Namespace that has them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Related,
    page::{Page, date, list, or, text},
};
use crate::cluster::kubectl::print::{json::sorted, quantity};

pub fn namespace(page: &mut Page, namespace: &Value, related: &Related) {
    let (metadata, status) = (&namespace["metadata"], &namespace["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Status", text(&status["phase"]));
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t------------------\t------\t-------");
    }
    for condition in list(&status["conditions"]) {
        let field = |key: &str| text(&condition[key]);
        let changed = date(&condition["lastTransitionTime"]);
        page.line(
            1,
            format!(
                "{}\t{}\t{changed}\t{}\t{}",
                field("type"),
                field("status"),
                field("reason"),
                field("message")
            ),
        );
    }
    page.line(0, "");
    match &related.quotas {
        Ok(quotas) => quotas_of(page, quotas),
        Err(error) => page.line(0, format!("Resource quotas could not be read: {error}")),
    }
    page.line(0, "");
    match &related.limit_ranges {
        Ok(ranges) => ranges_of(page, ranges),
        Err(error) => page.line(0, format!("Limit ranges could not be read: {error}")),
    }
}

fn quotas_of(page: &mut Page, quotas: &[Value]) {
    if quotas.is_empty() {
        return page.line(0, "No resource quota.");
    }
    page.line(0, "Resource Quotas");
    for quota in quotas {
        page.field(1, "Name", text(&quota["metadata"]["name"]));
        scopes(page, 1, quota, "* ");
        page.line(1, "Resource\tUsed\tHard");
        page.line(1, "--------\t---\t---");
        for (resource, hard) in quota["status"]["hard"].as_object().map(sorted).unwrap_or_default() {
            let used = or(&quota["status"]["used"][resource], "0");
            page.line(1, format!("{resource}\t{used}\t{}", text(hard)));
        }
    }
}

fn ranges_of(page: &mut Page, ranges: &[Value]) {
    if ranges.is_empty() {
        return page.line(0, "No LimitRange resource.");
    }
    page.line(0, "Resource Limits");
    page.line(0, " Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
    page.line(0, " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
    ranges.iter().for_each(|range| limits(page, range, " "));
}

pub fn limit_range(page: &mut Page, range: &Value) {
    page.field(0, "Name", text(&range["metadata"]["name"]));
    page.field(0, "Namespace", text(&range["metadata"]["namespace"]));
    page.line(0, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
    page.line(0, "----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
    limits(page, range, "");
}

fn limits(page: &mut Page, range: &Value, indent: &str) {
    const COLUMNS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for limit in list(&range["spec"]["limits"]) {
        let members = COLUMNS.iter().filter_map(|column| limit[*column].as_object());
        let resources: BTreeSet<&String> = members.flat_map(|amounts| amounts.keys()).collect();
        for resource in resources {
            let amounts = COLUMNS.map(|column| or(&limit[column][resource], "-"));
            page.line(0, format!("{indent}{}\t{resource}\t{}", text(&limit["type"]), amounts.join("\t")));
        }
    }
}

pub fn quota(page: &mut Page, quota: &Value) {
    page.field(0, "Name", text(&quota["metadata"]["name"]));
    page.field(0, "Namespace", text(&quota["metadata"]["namespace"]));
    scopes(page, 0, quota, " * ");
    page.line(0, "Resource\tUsed\tHard");
    page.line(0, "--------\t----\t----");
    for (resource, hard) in quota["status"]["hard"].as_object().map(sorted).unwrap_or_default() {
        let used = used_as(text(&quota["status"]["used"][resource]), text(hard));
        page.line(0, format!("{resource}\t{used}\t{}", text(hard)));
    }
}

/// What is used, in the units of the limit.
fn used_as(used: &str, hard: &str) -> String {
    let binary = hard.ends_with('i');
    match quantity::parse(used) {
        Some(amount) if used.ends_with('i') != binary => quantity::write(amount.ceil(), binary),
        Some(_) => used.into(),
        None => "0".into(),
    }
}

fn scopes(page: &mut Page, level: usize, quota: &Value, bullet: &str) {
    let mut scopes: Vec<&str> = list(&quota["spec"]["scopes"]).iter().map(text).collect();
    if scopes.is_empty() {
        return;
    }
    scopes.sort_unstable();
    page.field(level, "Scopes", scopes.join(", "));
    for scope in scopes {
        let meaning = match scope {
            "Terminating" => {
                "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before \
                 being actively terminated by the system."
            }
            "NotTerminating" => {
                "Matches all pods that do not have an active deadline. These pods usually include long running pods \
                 whose container command is not expected to terminate."
            }
            "BestEffort" => {
                "Matches all pods that do not have resource requirements set. These pods have a best effort quality \
                 of service."
            }
            "NotBestEffort" => {
                "Matches all pods that have at least one resource requirement set. These pods have a burstable or \
                 guaranteed quality of service."
            }
            _ => continue,
        };
        page.line(level, format!("{bullet}{meaning}"));
    }
}

#[cfg(test)]
mod tests {
    use super::used_as;

    #[test]
    fn what_is_used_is_written_like_its_limit() {
        for (used, hard, expected) in [
            ("512Mi", "1Gi", "512Mi"),
            ("0", "1Gi", "0"),
            ("", "10", "0"),
            ("1500m", "4", "1500m"),
            ("1024k", "1Gi", "1000Ki"),
            ("1Gi", "2G", "1073741824"),
        ] {
            assert_eq!(used_as(used, hard), expected, "{used} of {hard}");
        }
    }
}
