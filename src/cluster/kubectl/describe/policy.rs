//! What is allowed of pods: NetworkPolicies, PodDisruptionBudgets and PriorityClasses.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Related,
    page::{Page, joined, list, number, or, pairs_inline, plain, text},
};
use crate::cluster::kubectl::pods;

pub fn network(page: &mut Page, policy: &Value) {
    let (metadata, spec) = (&policy["metadata"], &policy["spec"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Created on", created(&metadata["creationTimestamp"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.line(0, "Spec:");
    let selected = match pods::label_selector(&spec["podSelector"]) {
        all if all.is_empty() => {
            "<none> (Allowing the specific traffic to all pods in this namespace)".into()
        }
        selector => selector,
    };
    page.line(1, format!("PodSelector:     {selected}"));
    traffic(page, spec, "Ingress", "ingress", ["from", "From", "source"]);
    traffic(page, spec, "Egress", "egress", ["to", "To", "destination"]);
    let types = joined(&spec["policyTypes"], ", ");
    page.line(1, format!("Policy Types: {}", if types.is_empty() { "<none>" } else { &types }));
}

/// `2026-11-23 03:30:50 +0000 UTC`.
fn created(time: &Value) -> String {
    let time = text(time).parse::<Timestamp>();
    time.map_or_else(|_| "<nil>".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string())
}

/// One direction; `peers` is what the rules call the other side, what a person does, and what it is.
fn traffic(page: &mut Page, spec: &Value, kind: &str, direction: &str, peers: [&str; 3]) {
    const INDENT: &str = "    ";
    if !list(&spec["policyTypes"]).iter().any(|found| found == kind) {
        return page.line(1, format!("Not affecting {direction} traffic"));
    }
    page.line(1, format!("Allowing {direction} traffic:"));
    let rules = list(&spec[direction]);
    if rules.is_empty() {
        let nobody = format!("<none> (Selected pods are isolated for {direction} connectivity)");
        return page.line(0, format!("{INDENT}{nobody}"));
    }
    let [key, name, side] = peers;
    for (position, rule) in rules.iter().enumerate() {
        if list(&rule["ports"]).is_empty() {
            page.line(0, format!("{INDENT}To Port: <any> (traffic allowed to all ports)"));
        }
        list(&rule["ports"]).iter().for_each(|port| page.line(0, format!("{INDENT}{}", port_text(port))));
        if list(&rule[key]).is_empty() {
            page.line(0, format!("{INDENT}{name}: <any> (traffic not restricted by {side})"));
        }
        for peer in list(&rule[key]) {
            page.line(0, format!("{INDENT}{name}:"));
            peer_lines(page, INDENT, peer);
        }
        if position + 1 < rules.len() {
            page.line(0, format!("{INDENT}----------"));
        }
    }
}

fn port_text(port: &Value) -> String {
    let protocol = or(&port["protocol"], "TCP");
    // kubectl writes the port that is no port.
    let number = or(&port["port"], "<nil>");
    match port["endPort"].as_i64() {
        None => format!("To Port: {number}/{protocol}"),
        Some(end) => format!("To Port Range: {number}-{end}/{protocol}"),
    }
}

fn peer_lines(page: &mut Page, indent: &str, peer: &Value) {
    let block = &peer["ipBlock"];
    let mut selected = false;
    for (key, name) in [("namespaceSelector", "NamespaceSelector"), ("podSelector", "PodSelector")] {
        if !peer[key].is_null() {
            page.line(1, format!("{indent}{name}: {}", selector(&peer[key])));
            selected = true;
        }
    }
    if !selected && !block.is_null() {
        page.line(1, format!("{indent}IPBlock:"));
        page.line(2, format!("{indent}CIDR: {}", text(&block["cidr"])));
        page.line(2, format!("{indent}Except: {}", joined(&block["except"], ", ")));
    }
}

fn selector(selector: &Value) -> String {
    let text = pods::label_selector(selector);
    if text.is_empty() { "<none>".into() } else { text }
}

pub fn disruption_budget(page: &mut Page, budget: &Value, related: &Related) {
    let (metadata, spec, status) = (&budget["metadata"], &budget["spec"], &budget["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    if !spec["minAvailable"].is_null() {
        page.field(0, "Min available", plain(&spec["minAvailable"]));
    } else if !spec["maxUnavailable"].is_null() {
        page.field(0, "Max unavailable", plain(&spec["maxUnavailable"]));
    }
    let selected = if spec["selector"].is_null() { "<unset>".into() } else { selector(&spec["selector"]) };
    page.field(0, "Selector", selected);
    page.line(0, "Status:");
    for (name, key) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        page.field(2, name, number(&status[key]).to_string());
    }
    page.events(related.events.as_ref());
}

pub fn priority_class(page: &mut Page, class: &Value, related: &Related) {
    page.field(0, "Name", text(&class["metadata"]["name"]));
    page.field(0, "Value", number(&class["value"]).to_string());
    page.field(0, "GlobalDefault", (class["globalDefault"] == true).to_string());
    page.field(0, "PreemptionPolicy", text(&class["preemptionPolicy"]));
    page.field(0, "Description", text(&class["description"]));
    page.field(0, "Annotations", pairs_inline(&class["metadata"]["annotations"]));
    page.events(related.events.as_ref());
}
