//! Nodes, with what the pods on them ask for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Related,
    page::{Page, date, joined, list, or, plain, text},
};
use crate::cluster::kubectl::print::{
    json::{sorted, sprint},
    quantity,
};

pub fn describe(page: &mut Page, node: &Value, related: &Related) {
    let (metadata, spec, status) = (&node["metadata"], &node["spec"], &node["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Roles", roles(metadata));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "CreationTimestamp", date(&metadata["creationTimestamp"]));
    taints(page, &spec["taints"]);
    page.field(0, "Unschedulable", (spec["unschedulable"] == true).to_string());
    lease(page, related.lease.as_ref());
    conditions(page, status);
    page.line(0, "Addresses:");
    for address in list(&status["addresses"]) {
        page.field(1, text(&address["type"]), text(&address["address"]));
    }
    for (name, key) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        let amounts = status[key].as_object().map(sorted).unwrap_or_default();
        if !amounts.is_empty() {
            page.line(0, format!("{name}:"));
        }
        amounts.into_iter().for_each(|(resource, amount)| page.field(1, resource, sprint(amount)));
    }
    system(page, &status["nodeInfo"]);
    page.some(0, "PodCIDR", &spec["podCIDR"]);
    if !list(&spec["podCIDRs"]).is_empty() {
        page.field(0, "PodCIDRs", joined(&spec["podCIDRs"], ","));
    }
    page.some(0, "ProviderID", &spec["providerID"]);
    match &related.pods_denied {
        true => page.field(0, "Pods", "not authorized"),
        false => allocation(page, status, &related.pods),
    }
    page.events(related.events.as_ref());
}

fn roles(metadata: &Value) -> String {
    let labels = metadata["labels"].as_object().map(sorted).unwrap_or_default();
    let mut roles: Vec<&str> = labels
        .into_iter()
        .filter_map(|(name, value)| match name.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if name == "kubernetes.io/role" => Some(text(value)),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".into() } else { roles.join(",") }
}

fn taints(page: &mut Page, taints: &Value) {
    let mut taints: Vec<&Value> = list(taints).iter().collect();
    taints.sort_by_key(|taint| (text(&taint["effect"]), text(&taint["key"])));
    let text_of = |taint: &&Value| {
        let (key, value, effect) = (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
        if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
    };
    page.lines("", "Taints", "\t", &taints.iter().map(text_of).collect::<Vec<_>>());
}

fn lease(page: &mut Page, lease: Result<&Value, &String>) {
    let spec = match lease {
        Ok(lease) => &lease["spec"],
        Err(error) => return page.field(0, "Lease", format!("Failed to get lease: {error}")),
    };
    let time = |value: &Value| if value.is_null() { "<unset>".into() } else { date(value) };
    page.line(0, "Lease:");
    page.field(1, "HolderIdentity", or(&spec["holderIdentity"], "<unset>"));
    page.field(1, "AcquireTime", time(&spec["acquireTime"]));
    page.field(1, "RenewTime", time(&spec["renewTime"]));
}

fn conditions(page: &mut Page, status: &Value) {
    if list(&status["conditions"]).is_empty() {
        return;
    }
    page.put(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
    page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for condition in list(&status["conditions"]) {
        page.line(
            1,
            format!(
                "{} \t{} \t{} \t{} \t{} \t{}",
                text(&condition["type"]),
                text(&condition["status"]),
                date(&condition["lastHeartbeatTime"]),
                date(&condition["lastTransitionTime"]),
                text(&condition["reason"]),
                text(&condition["message"]),
            ),
        );
    }
}

fn system(page: &mut Page, about: &Value) {
    page.line(0, "System Info:");
    for (name, key) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.field(1, name, text(&about[key]));
    }
}

/// Amounts of resources by name.
type Amounts = BTreeMap<String, Amount>;

/// An amount and whether it is written in powers of two.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    value: f64,
    binary: bool,
}

impl Amount {
    fn parse(text: &str) -> Self {
        Self { value: quantity::parse(text).unwrap_or(0.0), binary: text.ends_with('i') }
    }

    fn plus(self, other: Self) -> Self {
        let binary = if self.value == 0.0 { other.binary } else { self.binary };
        Self { value: self.value + other.value, binary }
    }

    fn text(self) -> String {
        quantity::write(self.value, self.binary)
    }
}

fn allocation(page: &mut Page, status: &Value, pods: &[Value]) {
    let allocatable = match status["allocatable"].as_object() {
        Some(amounts) if !amounts.is_empty() => &status["allocatable"],
        _ => &status["capacity"],
    };
    page.field(0, "Non-terminated Pods", format!("({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let (mut all_requests, mut all_limits) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let (requests, limits) = (of_pod(pod, "requests"), of_pod(pod, "limits"));
        let cells = [("cpu", &requests), ("cpu", &limits), ("memory", &requests), ("memory", &limits)]
            .map(|(name, amounts)| share(amounts, name, allocatable));
        let metadata = &pod["metadata"];
        let age = page.since(&metadata["creationTimestamp"]);
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        page.line(1, format!("{namespace}\t{name}\t\t{}\t{age}", cells.join("\t")));
        add(&mut all_requests, requests);
        add(&mut all_limits, limits);
    }
    page.put(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    let names =
        allocatable.as_object().map(sorted).unwrap_or_default().into_iter().map(|(name, _)| name.as_str());
    let (huge, others): (Vec<&str>, Vec<&str>) = names
        .filter(|name| !["cpu", "memory", "ephemeral-storage", "pods"].contains(name))
        .partition(|name| name.starts_with("hugepages-"));
    for name in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge) {
        let cells = [&all_requests, &all_limits].map(|amounts| share(amounts, name, allocatable));
        page.line(1, format!("{name}\t{}", cells.join("\t")));
    }
    for name in others {
        let cells =
            [&all_requests, &all_limits].map(|amounts| amounts.get(name).copied().unwrap_or_default().text());
        page.line(1, format!("{name}\t{}", cells.join("\t")));
    }
}

/// `250m (12%)`.
fn share(amounts: &Amounts, name: &str, allocatable: &Value) -> String {
    let amount = amounts.get(name).copied().unwrap_or_default();
    let whole = quantity::parse(&plain(&allocatable[name])).unwrap_or(0.0);
    let percent = if whole == 0.0 { 0.0 } else { (amount.value / whole * 100.0).trunc() };
    format!("{} ({percent:.0}%)", amount.text())
}

fn add(sum: &mut Amounts, more: Amounts) {
    for (name, amount) in more {
        let total = sum.entry(name).or_default();
        *total = total.plus(amount);
    }
}

/// What the scheduler counts for a pod: its containers together, or the greediest step of its start.
fn of_pod(pod: &Value, key: &str) -> Amounts {
    let of = |container: &Value| {
        let amounts = container["resources"][key].as_object().map(sorted).unwrap_or_default();
        amounts
            .into_iter()
            .map(|(name, amount)| (name.clone(), Amount::parse(&plain(amount))))
            .collect::<Amounts>()
    };
    let mut total = Amounts::new();
    list(&pod["spec"]["containers"]).iter().for_each(|container| add(&mut total, of(container)));
    let (mut sidecars, mut start) = (Amounts::new(), Amounts::new());
    for container in list(&pod["spec"]["initContainers"]) {
        let mut step = of(container);
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, step.clone());
            step = sidecars.clone();
        } else {
            add(&mut step, sidecars.clone());
        }
        at_least(&mut start, step);
    }
    add(&mut total, sidecars);
    at_least(&mut total, start);
    let overhead = pod["spec"]["overhead"].as_object().map(sorted).unwrap_or_default();
    add(
        &mut total,
        overhead.into_iter().map(|(name, amount)| (name.clone(), Amount::parse(&plain(amount)))).collect(),
    );
    total
}

fn at_least(amounts: &mut Amounts, least: Amounts) {
    for (name, amount) in least {
        let entry = amounts.entry(name).or_default();
        if amount.value > entry.value {
            *entry = amount;
        }
    }
}
