//! HorizontalPodAutoscalers.

use serde_json::Value;

use super::{
    Related,
    page::{Page, date, list, number, or, plain, text},
};

pub fn describe(page: &mut Page, autoscaler: &Value, related: &Related) {
    let (metadata, spec, status) = (&autoscaler["metadata"], &autoscaler["spec"], &autoscaler["status"]);
    page.head(autoscaler);
    page.field(0, "CreationTimestamp", date(&metadata["creationTimestamp"]));
    let target = &spec["scaleTargetRef"];
    page.field(0, "Reference", format!("{}/{}", text(&target["kind"]), text(&target["name"])));
    page.field(0, "Metrics", "( current / target )");
    let current = list(&status["currentMetrics"]);
    for (position, metric) in list(&spec["metrics"]).iter().enumerate() {
        page.line(1, metric_line(metric, current.get(position).unwrap_or(&Value::Null)));
    }
    page.field(0, "Min replicas", or(&spec["minReplicas"], "<unset>"));
    page.field(0, "Max replicas", number(&spec["maxReplicas"]).to_string());
    let behavior = &spec["behavior"];
    if !behavior.is_null() {
        page.line(0, "Behavior:");
        direction(page, "Scale Up", &behavior["scaleUp"]);
        direction(page, "Scale Down", &behavior["scaleDown"]);
    }
    let (is, wanted) = (number(&status["currentReplicas"]), number(&status["desiredReplicas"]));
    page.field(0, &format!("{} pods", text(&target["kind"])), format!("{is} current / {wanted} desired"));
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tReason\tMessage");
        page.line(1, "----\t------\t------\t-------");
    }
    for condition in list(&status["conditions"]) {
        let field = |key: &str| text(&condition[key]);
        page.line(
            1,
            format!("{}\t{}\t{}\t{}", field("type"), field("status"), field("reason"), field("message")),
        );
    }
    page.events(related.events.as_ref());
}

fn metric_line(metric: &Value, current: &Value) -> String {
    let kind = text(&metric["type"]);
    let key = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return format!("<unknown metric type {kind:?}>"),
    };
    let (source, target, now) = (&metric[key], &metric[key]["target"], &current[key]["current"]);
    let average = !target["averageValue"].is_null();
    let amount = if average { "averageValue" } else { "value" };
    let values = format!("{} / {}", or(&now[amount], "<unknown>"), plain(&target[amount]));
    let name = text(&source["metric"]["name"]);
    let what = if average { "target average value" } else { "target value" };
    match kind {
        "External" => format!("{name:?} ({what}):\t{values}"),
        "Pods" => format!("{name:?} on pods:\t{values}"),
        "Object" => {
            let object = &source["describedObject"];
            format!("{name:?} on {}/{} ({what}):\t{values}", text(&object["kind"]), text(&object["name"]))
        }
        _ => {
            let container = match text(&source["container"]) {
                "" => String::new(),
                container => format!(" of container {container:?}"),
            };
            let subject = format!("resource {}{container} on pods", text(&source["name"]));
            if average {
                return format!("{subject}:\t{values}");
            }
            let now = match now["averageUtilization"].as_i64() {
                Some(percent) => format!("{percent}% ({})", plain(&now["averageValue"])),
                None => "<unknown>".into(),
            };
            let wanted = target["averageUtilization"].as_i64();
            let wanted = wanted.map_or_else(|| "<auto>".into(), |percent| format!("{percent}%"));
            format!("{subject}  (as a percentage of request):\t{now} / {wanted}")
        }
    }
}

fn direction(page: &mut Page, name: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    page.line(1, format!("{name}:"));
    if let Some(seconds) = rules["stabilizationWindowSeconds"].as_i64() {
        page.line(2, format!("Stabilization Window: {seconds} seconds"));
    }
    if list(&rules["policies"]).is_empty() {
        return;
    }
    page.line(2, format!("Select Policy: {}", or(&rules["selectPolicy"], "Max")));
    page.line(2, "Policies:");
    for policy in list(&rules["policies"]) {
        let (kind, value, period) =
            (text(&policy["type"]), plain(&policy["value"]), plain(&policy["periodSeconds"]));
        page.line(3, format!("- Type: {kind}\tValue: {value}\tPeriod: {period} seconds"));
    }
}
