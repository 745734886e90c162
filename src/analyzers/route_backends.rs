//! Backends of HTTPRoutes that do not exist, may not be referred to or do not answer. Knows no particular controller.

use serde_json::json;

use crate::{
    cluster::state::gateway::{GROUP, GrantEnd, HttpRoute, Reference},
    finding::{Resource, Severity},
};

use k8s_openapi::{
    api::core::v1::{Service, ServicePort},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    change::Change,
    draft::{Draft, Rank},
    gateways::{condition, replacing},
    http_routes::{is_known, resource},
    index::{Index, name, namespace},
    lookalike::{akin, nearest},
    wiring::service_ports,
};

/// One backend of a route.
struct Backend<'a> {
    route: Resource,
    /// Its field path.
    field: String,
    /// The Service.
    wanted: &'a Reference,
    /// The Service's namespace.
    space: &'a str,
}

/// Every backend that is a Service and gets requests.
pub(super) fn check(index: &Index<'_>, route: &HttpRoute, drafts: &mut Vec<Draft>) {
    let home = namespace(&route.metadata);
    for (rule, content) in route.spec.rules.iter().enumerate() {
        for (place, wanted) in content.backend_refs.iter().enumerate() {
            if !wanted.is("", "Service") || wanted.weight == Some(0) {
                continue;
            }
            let backend = Backend {
                route: resource(route),
                field: format!("spec.rules[{rule}].backendRefs[{place}]"),
                wanted,
                space: wanted.namespace.as_deref().unwrap_or(home),
            };
            drafts.extend(not_permitted(index, route, &backend).or_else(|| fault(index, &backend)));
        }
    }
}

/// A backend in another namespace that no ReferenceGrant there allows: the controller answers 500 for it and sets
/// `ResolvedRefs` to `False` with `RefNotPermitted` (API reference, `BackendRef`, `ReferenceGrant`). Wrong where a
/// controller has ways of its own to allow it: then it says that all references are resolved, which is asked for.
fn not_permitted(index: &Index<'_>, route: &HttpRoute, backend: &Backend<'_>) -> Option<Draft> {
    let (home, space) = (namespace(&route.metadata), backend.space);
    let resolved = route.status.parents.iter().any(|parent| {
        let found = condition(&parent.conditions, "ResolvedRefs", &route.metadata);
        found.is_some_and(|found| found.status == "True")
    });
    let from = |end: &GrantEnd| {
        end.group == GROUP && end.kind == "HTTPRoute" && end.namespace.as_deref() == Some(home)
    };
    let to = |end: &GrantEnd| {
        let named = end.name.as_ref().is_none_or(|called| *called == backend.wanted.name);
        end.group.is_empty() && end.kind == "Service" && named
    };
    let granted = index.state.reference_grants.iter().any(|grant| {
        namespace(&grant.metadata) == space
            && grant.spec.from.iter().any(from)
            && grant.spec.to.iter().any(to)
    });
    let unknown = !index.is_listed("referencegrants") || !is_known(index, space);
    if space == home || resolved || granted || unknown {
        return None;
    }
    let Backend { route: itself, field, wanted, .. } = backend;
    let sentence = format!(
        "HTTPRoute `{}` sends requests to Service `{}` of namespace `{space}`, where no ReferenceGrant lets routes of `{home}` do so.",
        itself.name, wanted.name
    );
    let grant = json!({"apiVersion": format!("{GROUP}/v1beta1"), "kind": "ReferenceGrant",
        "metadata": {"name": format!("routes-of-{home}"), "namespace": space},
        "spec": {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": home}],
            "to": [{"group": "", "kind": "Service", "name": wanted.name}]}});
    let draft = Draft::cause("route_backend_not_permitted", Severity::Critical, itself, sentence)
        .evidence(format!("{itself} {field}"), format!("name: {}, namespace: {space}", wanted.name))
        .about(format!("{space}/{}", wanted.name))
        .fix(
            "Allow it by a ReferenceGrant in that namespace.",
            format!("echo '{grant}' | kubectl apply -f -"),
        )
        .risk("Every HTTPRoute of that namespace may then send requests to the Service.");
    Some(draft)
}

/// A backend whose Service does not exist, has not that port, or has nobody to answer: the controller answers 500 or 503
/// for it (API reference, `HTTPBackendRef`, `RouteReasonBackendNotFound`). Of a Service in a namespace that was not
/// looked at only its name is known. What an `ExternalName` leads to is outside, and not known.
fn fault(index: &Index<'_>, backend: &Backend<'_>) -> Option<Draft> {
    let Backend { wanted, space, .. } = backend;
    let Some(service) = index.service(space, &wanted.name) else {
        return missing(index, backend);
    };
    if service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        return None;
    }
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let fits = wanted.port.is_none_or(|wanted| ports.iter().any(|port| port.port == wanted));
    if !fits && !ports.is_empty() {
        Some(wrong_port(backend, service, ports))
    } else {
        unready(index, backend, service)
    }
}

fn missing(index: &Index<'_>, backend: &Backend<'_>) -> Option<Draft> {
    let Backend { route: itself, field, wanted, space } = backend;
    let names = index.state.service_names.get(*space).map(Vec::as_slice).unwrap_or_default();
    if !index.is_listed("services") || names.contains(&wanted.name) || !is_known(index, space) {
        return None;
    }
    let mut here = names.iter().map(String::as_str);
    let meant = nearest(&wanted.name, here.clone()).or_else(|| here.find(|known| akin(known, &wanted.name)));
    let similar = meant.map(|meant| format!("; `{meant}` does")).unwrap_or_default();
    let sentence = format!(
        "HTTPRoute `{}` sends requests to Service `{}`, which does not exist in namespace `{space}`{similar}.",
        itself.name, wanted.name
    );
    let field = format!("{field}.name");
    let draft = Draft::cause("route_backend_missing", Severity::Critical, itself, sentence)
        .evidence(format!("{itself} {field}"), &wanted.name)
        .about(format!("{space}/{}", wanted.name));
    Some(match meant {
        Some(meant) => {
            draft.fix(format!("Send them to Service `{meant}`."), replacing(itself, &field, &json!(meant)))
        }
        None => draft
            .fix(format!("Create Service `{}`, or name one that exists.", wanted.name), Change::default()),
    })
}

fn wrong_port(backend: &Backend<'_>, service: &Service, ports: &[ServicePort]) -> Draft {
    let Backend { route: itself, field, wanted, space } = backend;
    let shown = wanted.port.unwrap_or_default();
    let have: Vec<String> = service_ports(service).iter().map(ToString::to_string).collect();
    let sentence = format!(
        "HTTPRoute `{}` sends requests to port `{shown}` of Service `{}`, which serves `{}`.",
        itself.name,
        wanted.name,
        have.join("`, `")
    );
    // Who names the port of the pods mostly means the Service's port that leads there.
    let leads_there = |port: &&ServicePort| port.target_port == Some(IntOrString::Int(shown));
    let right = ports.iter().find(leads_there).or_else(|| ports.first()).map_or(0, |port| port.port);
    let field = format!("{field}.port");
    Draft::cause("route_backend_port_wrong", Severity::Critical, itself, sentence)
        .evidence(format!("{itself} {field}"), shown.to_string())
        .evidence(format!("Service {space}/{} spec.ports", wanted.name), have.join(", "))
        .about(format!("{space}/{}", wanted.name))
        .fix(format!("Send them to port `{right}`."), replacing(itself, &field, &json!(right)))
}

/// The route is right and nothing answers behind it: a symptom.
fn unready(index: &Index<'_>, backend: &Backend<'_>, service: &Service) -> Option<Draft> {
    if index.ready_endpoints(service) > 0 || !index.is_listed("endpointslices") {
        return None;
    }
    let itself = &backend.route;
    let behind = Resource::namespaced("Service", namespace(&service.metadata), name(&service.metadata));
    let sentence = format!(
        "HTTPRoute `{}` cannot serve what it sends to Service `{}`, which has no ready endpoints.",
        itself.name, behind.name
    );
    let mut draft = Draft::cause("route_backend_unready", Severity::Warning, itself, sentence)
        .blames(&behind)
        .about(format!("{}/{}", backend.space, behind.name))
        .evidence(format!("{itself} {}.name", backend.field), &behind.name)
        .evidence(format!("EndpointSlices of {behind}"), "ready endpoints: 0");
    draft.rank = Rank::Route;
    Some(draft)
}
