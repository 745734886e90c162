//! Services and Ingresses, with the endpoints that they lead to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Related,
    page::{Page, joined, list, number, or, pairs_inline, plain, text},
};

/// How many endpoints are named.
const MOST_ENDPOINTS: usize = 3;

pub fn service(page: &mut Page, service: &Value, related: &Related) {
    let spec = &service["spec"];
    page.head(service);
    page.field(0, "Selector", pairs_inline(&spec["selector"]));
    page.field(0, "Type", text(&spec["type"]));
    page.some(0, "IP Family Policy", &spec["ipFamilyPolicy"]);
    let or_none = |text: String| if text.is_empty() { "<none>".into() } else { text };
    page.field(0, "IP Families", or_none(joined(&spec["ipFamilies"], ",")));
    page.field(0, "IP", text(&spec["clusterIP"]));
    page.field(0, "IPs", or_none(joined(&spec["clusterIPs"], ",")));
    if !list(&spec["externalIPs"]).is_empty() {
        page.field(0, "External IPs", joined(&spec["externalIPs"], ","));
    }
    page.some(0, "Desired LoadBalancer IP", &spec["loadBalancerIP"]);
    page.some(0, "External Name", &spec["externalName"]);
    let balancers = list(&service["status"]["loadBalancer"]["ingress"]);
    if !balancers.is_empty() {
        let balancers: Vec<String> = balancers.iter().map(balancer).collect();
        page.field(0, "LoadBalancer Ingress", balancers.join(", "));
    }
    list(&spec["ports"]).iter().for_each(|port| port_lines(page, port, &related.endpoint_slices));
    page.field(0, "Session Affinity", text(&spec["sessionAffinity"]));
    page.some(0, "External Traffic Policy", &spec["externalTrafficPolicy"]);
    page.some(0, "Internal Traffic Policy", &spec["internalTrafficPolicy"]);
    if number(&spec["healthCheckNodePort"]) != 0 {
        page.some(0, "HealthCheck NodePort", &spec["healthCheckNodePort"]);
    }
    if !list(&spec["loadBalancerSourceRanges"]).is_empty() {
        page.field(0, "LoadBalancer Source Ranges", joined(&spec["loadBalancerSourceRanges"], ","));
    }
    page.some(0, "Traffic Distribution", &spec["trafficDistribution"]);
    page.events(related.events.as_ref());
}

fn balancer(ingress: &Value) -> String {
    match (text(&ingress["ip"]), text(&ingress["ipMode"])) {
        ("", _) => text(&ingress["hostname"]).into(),
        (ip, "") => ip.into(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

fn port_lines(page: &mut Page, port: &Value, slices: &[Value]) {
    let name = match text(&port["name"]) {
        "" => "<unset>",
        name => name,
    };
    let protocol = text(&port["protocol"]);
    page.field(0, "Port", format!("{name}\t{}/{protocol}", number(&port["port"])));
    page.field(0, "TargetPort", format!("{}/{protocol}", plain(&port["targetPort"])));
    page.some(0, "AppProtocol", &port["appProtocol"]);
    if number(&port["nodePort"]) != 0 {
        page.field(0, "NodePort", format!("{name}\t{}/{protocol}", number(&port["nodePort"])));
    }
    page.field(0, "Endpoints", endpoints(slices.iter(), text(&port["name"])));
}

/// The ready addresses behind the port of this name.
fn endpoints<'a>(slices: impl Iterator<Item = &'a Value>, port_name: &str) -> String {
    let mut found = Vec::new();
    let mut any = false;
    for slice in slices {
        any = true;
        let ready =
            list(&slice["endpoints"]).iter().filter(|endpoint| endpoint["conditions"]["ready"] != false);
        let addresses: Vec<&str> =
            ready.filter_map(|endpoint| list(&endpoint["addresses"]).first()).map(text).collect();
        let ports = list(&slice["ports"]);
        if ports.is_empty() {
            found.extend(addresses.iter().map(|address| (*address).to_owned()));
        }
        for port in ports.iter().filter(|port| text(&port["name"]) == port_name) {
            let number = number(&port["port"]);
            found.extend(addresses.iter().map(|address| match address.contains(':') {
                true => format!("[{address}]:{number}"),
                false => format!("{address}:{number}"),
            }));
        }
    }
    match found.len().saturating_sub(MOST_ENDPOINTS) {
        _ if !any => "<none>".into(),
        0 => found.join(","),
        more => {
            found.truncate(MOST_ENDPOINTS);
            format!("{} + {more} more...", found.join(","))
        }
    }
}

pub fn ingress(page: &mut Page, ingress: &Value, related: &Related) {
    let (metadata, spec) = (&ingress["metadata"], &ingress["spec"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.pairs("Labels", &metadata["labels"]);
    page.field(0, "Namespace", text(&metadata["namespace"]));
    let addresses: BTreeSet<String> =
        list(&ingress["status"]["loadBalancer"]["ingress"]).iter().map(balancer).collect();
    page.field(0, "Address", addresses.into_iter().collect::<Vec<_>>().join(","));
    page.field(0, "Ingress Class", or(&spec["ingressClassName"], "<none>"));
    let default = match spec["defaultBackend"].is_null() {
        true => "<default>".into(),
        false => backend(&spec["defaultBackend"], related),
    };
    page.field(0, "Default backend", &default);
    if !list(&spec["tls"]).is_empty() {
        page.line(0, "TLS:");
    }
    for tls in list(&spec["tls"]) {
        let hosts = joined(&tls["hosts"], ",");
        match text(&tls["secretName"]) {
            "" => page.line(1, format!("SNI routes {hosts}")),
            secret => page.line(1, format!("{secret} terminates {hosts}")),
        }
    }
    page.put(0, "Rules:\n  Host\tPath\tBackends\n");
    page.line(1, "----\t----\t--------");
    let rules: Vec<&Value> = list(&spec["rules"]).iter().filter(|rule| !rule["http"].is_null()).collect();
    if rules.is_empty() {
        page.line(1, format!("*\t*\t{default}"));
    }
    for rule in rules {
        page.line(1, format!("{}\t", if text(&rule["host"]).is_empty() { "*" } else { text(&rule["host"]) }));
        for path in list(&rule["http"]["paths"]) {
            page.line(2, format!("\t{} \t{}", text(&path["path"]), backend(&path["backend"], related)));
        }
    }
    page.annotations("Annotations", &metadata["annotations"]);
    page.events(related.events.as_ref());
}

fn backend(backend: &Value, related: &Related) -> String {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    if service.is_null() {
        let group = or(&resource["apiGroup"], "<none>");
        return format!(
            "APIGroup: {group}, Kind: {}, Name: {}",
            text(&resource["kind"]),
            text(&resource["name"])
        );
    }
    let (name, port) = (text(&service["name"]), &service["port"]);
    let shown = match number(&port["number"]) {
        0 => text(&port["name"]).to_owned(),
        number => number.to_string(),
    };
    let Some(found) = related.services.iter().find(|found| found["metadata"]["name"] == name) else {
        return format!("{name}:{shown} (<error: services {name:?} not found>)");
    };
    let ports = list(&found["spec"]["ports"]).iter();
    let wanted = ports.clone().find(|candidate| {
        let number = number(&port["number"]);
        if number == 0 { candidate["name"] == port["name"] } else { candidate["port"] == number }
    });
    let port_name = wanted.map(|port| text(&port["name"])).unwrap_or_default();
    let slices = related
        .endpoint_slices
        .iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name);
    format!("{name}:{shown} ({})", endpoints(slices, port_name))
}
