//! Pods, and the templates that they are made from.

use serde_json::Value;

use super::{
    Related, container,
    page::{Page, date, list, number, or, text},
    volume,
};
use crate::cluster::kubectl::pods;

pub fn describe(page: &mut Page, pod: &Value, related: &Related) {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.some(0, "Priority", &spec["priority"]);
    page.some(0, "Priority Class Name", &spec["priorityClassName"]);
    page.some(0, "Runtime Class Name", &spec["runtimeClassName"]);
    page.some(0, "Service Account", &spec["serviceAccountName"]);
    match text(&spec["nodeName"]) {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format!("{node}/{}", text(&status["hostIP"]))),
    }
    if !status["startTime"].is_null() {
        page.field(0, "Start Time", date(&status["startTime"]));
    }
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    phase(page, pod);
    addresses(page, pod);
    if !list(&spec["initContainers"]).is_empty() {
        let statuses = &status["initContainerStatuses"];
        container::describe(page, "Init Containers", &spec["initContainers"], statuses, Some(pod), "");
    }
    container::describe(page, "Containers", &spec["containers"], &status["containerStatuses"], Some(pod), "");
    if !list(&spec["ephemeralContainers"]).is_empty() {
        let statuses = &status["ephemeralContainerStatuses"];
        container::describe(
            page,
            "Ephemeral Containers",
            &spec["ephemeralContainers"],
            statuses,
            Some(pod),
            "",
        );
    }
    conditions(page, pod);
    volume::describe(page, &spec["volumes"], "");
    page.field(0, "QoS Class", or(&status["qosClass"], "BestEffort"));
    page.pairs("Node-Selectors", &spec["nodeSelector"]);
    tolerations(page, "Tolerations", &spec["tolerations"]);
    spread(page, &spec["topologySpreadConstraints"], "");
    page.events(related.events.as_ref());
}

fn phase(page: &mut Page, pod: &Value) {
    let (metadata, status) = (&pod["metadata"], &pod["status"]);
    let over = matches!(text(&status["phase"]), "Failed" | "Succeeded");
    if metadata["deletionTimestamp"].is_null() || over {
        page.field(0, "Status", text(&status["phase"]));
    } else {
        let lasts = page.since(&metadata["deletionTimestamp"]);
        page.field(0, "Status", format!("Terminating (lasts {lasts})"));
        let grace = number(&metadata["deletionGracePeriodSeconds"]);
        page.field(0, "Termination Grace Period", format!("{grace}s"));
    }
    page.some(0, "Reason", &status["reason"]);
    page.some(0, "Message", &status["message"]);
    let seccomp = &pod["spec"]["securityContext"]["seccompProfile"];
    page.some(0, "SeccompProfile", &seccomp["type"]);
    page.some(0, "LocalhostProfile", &seccomp["localhostProfile"]);
}

fn addresses(page: &mut Page, pod: &Value) {
    let status = &pod["status"];
    page.field(0, "IP", text(&status["podIP"]));
    let addresses = list(&status["podIPs"]);
    if addresses.is_empty() {
        page.field(0, "IPs", "<none>");
    } else {
        page.line(0, "IPs:");
        addresses.iter().for_each(|address| page.field(1, "IP", text(&address["ip"])));
    }
    controller(page, pod);
    page.some(0, "NominatedNodeName", &status["nominatedNodeName"]);
}

/// Who made the object and keeps it as it is.
pub fn controller(page: &mut Page, object: &Value) {
    let owners = list(&object["metadata"]["ownerReferences"]);
    if let Some(owner) = owners.iter().find(|owner| owner["controller"] == true) {
        page.field(0, "Controlled By", format!("{}/{}", text(&owner["kind"]), text(&owner["name"])));
    }
}

fn conditions(page: &mut Page, pod: &Value) {
    let conditions = &pod["status"]["conditions"];
    let gates = list(&pod["spec"]["readinessGates"]);
    if !gates.is_empty() {
        page.put(0, "Readiness Gates:\n  Type\tStatus\n");
    }
    for gate in gates {
        let kind = text(&gate["conditionType"]);
        let status = pods::condition(pod, kind).map_or("<none>", |condition| text(&condition["status"]));
        page.line(1, format!("{kind} \t{status} "));
    }
    if !list(conditions).is_empty() {
        page.put(0, "Conditions:\n  Type\tStatus\n");
    }
    for condition in list(conditions) {
        page.line(1, format!("{} \t{} ", text(&condition["type"]), text(&condition["status"])));
    }
}

/// A pod template.
pub fn template(page: &mut Page, template: &Value) {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    page.line(0, "Pod Template:");
    page.pairs("  Labels", &metadata["labels"]);
    if metadata["annotations"].as_object().is_some_and(|annotations| !annotations.is_empty()) {
        page.annotations("  Annotations", &metadata["annotations"]);
    }
    page.some(1, "Service Account", &spec["serviceAccountName"]);
    if !list(&spec["initContainers"]).is_empty() {
        container::describe(page, "Init Containers", &spec["initContainers"], &Value::Null, None, "  ");
    }
    container::describe(page, "Containers", &spec["containers"], &Value::Null, None, "  ");
    volume::describe(page, &spec["volumes"], "  ");
    spread(page, &spec["topologySpreadConstraints"], "  ");
    page.some(1, "Priority Class Name", &spec["priorityClassName"]);
    page.pairs("  Node-Selectors", &spec["nodeSelector"]);
    tolerations(page, "  Tolerations", &spec["tolerations"]);
}

fn tolerations(page: &mut Page, name: &str, tolerations: &Value) {
    let mut tolerations: Vec<&Value> = list(tolerations).iter().collect();
    tolerations.sort_by_key(|toleration| text(&toleration["key"]));
    let texts: Vec<String> = tolerations.into_iter().map(toleration).collect();
    page.lines("", name, "\t", &texts);
}

fn toleration(toleration: &Value) -> String {
    let (key, value, effect) =
        (text(&toleration["key"]), text(&toleration["value"]), text(&toleration["effect"]));
    let mut out = key.to_owned();
    if !value.is_empty() {
        out.push_str(&format!("={value}"));
    }
    if !effect.is_empty() {
        out.push_str(&format!(":{effect}"));
    }
    if toleration["operator"] == "Exists" && value.is_empty() {
        out.push_str(if out.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        out.push_str(&format!(" for {seconds}s"));
    }
    out
}

fn spread(page: &mut Page, constraints: &Value, space: &str) {
    let mut constraints: Vec<&Value> = list(constraints).iter().collect();
    constraints.sort_by_key(|constraint| text(&constraint["topologyKey"]));
    if constraints.is_empty() {
        return;
    }
    let text_of = |constraint: &&Value| {
        let (key, when) = (text(&constraint["topologyKey"]), text(&constraint["whenUnsatisfiable"]));
        let selector = match constraint["labelSelector"].is_null() {
            true => String::new(),
            false => format!(" for selector {}", pods::label_selector(&constraint["labelSelector"])),
        };
        format!("{key}:{when} when max skew {} is exceeded{selector}", number(&constraint["maxSkew"]))
    };
    page.lines(
        space,
        "Topology Spread Constraints",
        "\t",
        &constraints.iter().map(text_of).collect::<Vec<_>>(),
    );
}
