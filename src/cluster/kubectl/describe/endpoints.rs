//! What a Service leads to, and what leads to it: EndpointSlices, Endpoints and IngressClasses.

use serde_json::Value;

use super::{
    Related,
    page::{Page, joined, list, or, plain, text},
};

pub fn slice(page: &mut Page, slice: &Value, related: &Related) {
    page.head(slice);
    page.field(0, "AddressType", text(&slice["addressType"]));
    if list(&slice["ports"]).is_empty() {
        page.line(0, "Ports: <unset>");
    } else {
        page.line(0, "Ports:");
        ports(page, 1, &slice["ports"]);
    }
    let endpoints = list(&slice["endpoints"]);
    page.line(0, if endpoints.is_empty() { "Endpoints: <none>" } else { "Endpoints:" });
    for endpoint in endpoints {
        page.line(1, format!("- Addresses:\t{}", or_none(joined(&endpoint["addresses"], ", "))));
        page.line(2, "Conditions:");
        page.field(3, "Ready", or(&endpoint["conditions"]["ready"], "<unset>"));
        page.field(2, "Hostname", or(&endpoint["hostname"], "<unset>"));
        let target = &endpoint["targetRef"];
        if !target.is_null() {
            page.field(2, "TargetRef", format!("{}/{}", text(&target["kind"]), text(&target["name"])));
        }
        page.field(2, "NodeName", or(&endpoint["nodeName"], "<unset>"));
        page.field(2, "Zone", or(&endpoint["zone"], "<unset>"));
    }
    page.events(related.events.as_ref());
}

fn ports(page: &mut Page, level: usize, ports: &Value) {
    page.line(level, "Name\tPort\tProtocol");
    page.line(level, "----\t----\t--------");
    for port in list(ports) {
        let name = match text(&port["name"]) {
            "" => "<unset>",
            name => name,
        };
        page.line(level, format!("{name}\t{}\t{}", or(&port["port"], "<unset>"), text(&port["protocol"])));
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".into() } else { text }
}

pub fn endpoints(page: &mut Page, endpoints: &Value, related: &Related) {
    page.head(endpoints);
    page.line(0, "Subsets:");
    for subset in list(&endpoints["subsets"]) {
        for (name, key) in [("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")] {
            let addresses: Vec<&str> =
                list(&subset[key]).iter().map(|address| text(&address["ip"])).collect();
            page.field(1, name, or_none(addresses.join(",")));
        }
        if !list(&subset["ports"]).is_empty() {
            page.line(1, "Ports:");
            ports(page, 2, &subset["ports"]);
        }
        page.line(0, "");
    }
    page.events(related.events.as_ref());
}

pub fn ingress_class(page: &mut Page, class: &Value, related: &Related) {
    let (metadata, parameters) = (&class["metadata"], &class["spec"]["parameters"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Controller", text(&class["spec"]["controller"]));
    if !parameters.is_null() {
        page.line(0, "Parameters:");
        if !parameters["apiGroup"].is_null() {
            page.field(1, "APIGroup", plain(&parameters["apiGroup"]));
        }
        page.field(1, "Kind", text(&parameters["kind"]));
        page.field(1, "Name", text(&parameters["name"]));
    }
    page.events(related.events.as_ref());
}
