//! HTTPRoutes of the Gateway API that hang on nothing, are not taken, or lead nowhere. Knows no particular controller.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    cluster::state::gateway::{Condition, GROUP, Gateway, HttpRoute, Listener, Reference},
    finding::{Resource, Severity},
};

use super::{
    change::Change,
    draft::{Draft, Rank},
    gateways::{self, condition, replacing, shown, words},
    index::{Index, name, namespace},
    lookalike::{akin, nearest},
    route_backends,
};

/// A controller takes a moment to see what is new.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for route in &index.state.http_routes {
        for (place, parent) in route.spec.parent_refs.iter().enumerate() {
            if parent.is(GROUP, "Gateway") {
                drafts.extend(parent_fault(index, route, place, parent));
            }
        }
        route_backends::check(index, route, drafts);
    }
}

pub(super) fn resource(route: &HttpRoute) -> Resource {
    Resource::namespaced("HTTPRoute", namespace(&route.metadata), name(&route.metadata))
}

/// Whether what is not there in a namespace can be taken to be absent. A recording may hold some namespaces alone:
/// then nothing at all is known of the others.
pub(super) fn is_known(index: &Index<'_>, space: &str) -> bool {
    let state = index.state;
    state.service_names.contains_key(space)
        || state.gateways.iter().any(|gateway| namespace(&gateway.metadata) == space)
        || state.http_routes.iter().any(|route| namespace(&route.metadata) == space)
        || state.config_maps.iter().any(|map| namespace(&map.metadata) == space)
        || !state.namespaces.is_empty()
            && !state.namespaces.iter().any(|known| name(&known.metadata) == space)
}

fn parent_fault(index: &Index<'_>, route: &HttpRoute, place: usize, parent: &Reference) -> Option<Draft> {
    let space = parent.namespace.as_deref().unwrap_or(namespace(&route.metadata));
    let there =
        |gateway: &&Gateway| name(&gateway.metadata) == parent.name && namespace(&gateway.metadata) == space;
    let Some(gateway) = index.state.gateways.iter().find(there) else {
        return gateway_missing(index, route, place, parent, space);
    };
    section_missing(route, place, parent, gateway).or_else(|| not_accepted(index, route, parent, gateway))
}

/// A `parentRefs` Gateway that does not exist: no controller answers for the route, and its status stays without that
/// parent (API reference, `ParentReference`). Wrong for a moment where the Gateway is made later, and where it is in a
/// namespace of which nothing was recorded, which is asked for.
fn gateway_missing(
    index: &Index<'_>,
    route: &HttpRoute,
    place: usize,
    parent: &Reference,
    space: &str,
) -> Option<Draft> {
    let is_young = index.object_age(&route.metadata) < SignedDuration::from_secs(60);
    if is_young || !index.is_listed("gateways") || !is_known(index, space) {
        return None;
    }
    let itself = resource(route);
    let all = || index.state.gateways.iter();
    let elsewhere = all().find(|gateway| name(&gateway.metadata) == parent.name);
    let here =
        || all().filter(|gateway| namespace(&gateway.metadata) == space).map(|found| name(&found.metadata));
    let meant = nearest(&parent.name, here()).or_else(|| here().find(|known| akin(known, &parent.name)));
    let field = format!("spec.parentRefs[{place}]");
    let (similar, fix) = match (elsewhere, meant) {
        (Some(gateway), _) => {
            let right = namespace(&gateway.metadata);
            (format!("; there is one in namespace `{right}`"), in_namespace(route, place, parent, right))
        }
        (None, Some(meant)) => {
            let patch = replacing(&itself, &format!("{field}.name"), &json!(meant));
            (format!("; there is `{meant}`"), (format!("Name Gateway `{meant}`."), patch))
        }
        (None, None) => {
            let fix = format!("Create Gateway `{}`, or name one that exists.", parent.name);
            (String::new(), (fix, Change::default()))
        }
    };
    let sentence = format!(
        "HTTPRoute `{}` hangs on Gateway `{}`, which does not exist in namespace `{space}`{similar}; nothing serves it.",
        itself.name, parent.name
    );
    let draft = Draft::cause("route_parent_missing", Severity::Critical, &itself, sentence)
        .evidence(format!("{itself} {field}"), format!("name: {}, namespace: {space}", parent.name))
        .about(parent.name.clone());
    Some(draft.fix(fix.0, fix.1))
}

/// Names the namespace of a parent; one that the route names besides may not be named twice.
fn in_namespace(route: &HttpRoute, place: usize, parent: &Reference, right: &str) -> (String, Change) {
    let path = format!("/spec/parentRefs/{place}");
    let mut others = route.spec.parent_refs.iter();
    let is_named = others.any(|other| other.name == parent.name && other.namespace.as_deref() == Some(right));
    if is_named {
        let patch = json!([{"op": "remove", "path": path}]);
        return (
            "Drop this parent: the other one is named besides.".into(),
            Change::json(&resource(route), &patch),
        );
    }
    let patch = json!([{"op": "add", "path": format!("{path}/namespace"), "value": right}]);
    (format!("Name the namespace `{right}`."), Change::json(&resource(route), &patch))
}

/// A `sectionName` that no listener of the Gateway has: the route is not attached, with the reason `NoMatchingParent`
/// (API reference, `ParentReference`).
fn section_missing(route: &HttpRoute, place: usize, parent: &Reference, gateway: &Gateway) -> Option<Draft> {
    let wanted = parent.section_name.as_deref()?;
    let have: Vec<&str> = gateway.spec.listeners.iter().map(|listener| listener.name.as_str()).collect();
    if have.contains(&wanted) {
        return None;
    }
    let itself = resource(route);
    let sentence = format!(
        "HTTPRoute `{}` hangs on listener `{wanted}` of Gateway `{}`, which has {}; nothing serves it.",
        itself.name,
        parent.name,
        if have.is_empty() { "no listener".to_owned() } else { format!("`{}`", have.join("`, `")) }
    );
    let field = format!("spec.parentRefs[{place}].sectionName");
    let draft = Draft::cause("route_parent_missing", Severity::Critical, &itself, sentence)
        .evidence(format!("{itself} {field}"), wanted)
        .evidence(format!("{} spec.listeners", gateways::resource(gateway)), have.join(", "))
        .about(format!("{}/{wanted}", parent.name));
    let only = || have.first().copied().filter(|_| have.len() == 1);
    Some(match nearest(wanted, have.iter().copied()).or_else(only) {
        Some(right) => {
            draft.fix(format!("Name the listener `{right}`."), replacing(&itself, &field, &json!(right)))
        }
        None => draft.fix("Name one of its listeners, or leave sectionName out.", ""),
    })
}

/// A route that its parent does not take: `Accepted` is `False`, e.g. with `NotAllowedByListeners` or
/// `NoMatchingListenerHostname` (API reference, `RouteConditionReason`); or the controller of a Gateway says nothing
/// about it at all, which then mostly follows from the Gateway. Wrong where several controllers answer for one parent and
/// only another one takes the route: one that takes it is enough here.
fn not_accepted(
    index: &Index<'_>,
    route: &HttpRoute,
    parent: &Reference,
    gateway: &Gateway,
) -> Option<Draft> {
    if index.object_age(&route.metadata) < PATIENCE {
        return None;
    }
    let home = namespace(&route.metadata);
    let same = |other: &Reference| {
        other.name == parent.name
            && other.section_name == parent.section_name
            && other.port == parent.port
            && other.namespace.as_deref().unwrap_or(home) == parent.namespace.as_deref().unwrap_or(home)
    };
    let of = route.status.parents.iter().filter(|status| same(&status.parent_ref));
    let said: Vec<&Condition> =
        of.filter_map(|status| condition(&status.conditions, "Accepted", &route.metadata)).collect();
    if said.iter().any(|accepted| accepted.status == "True") {
        return None;
    }
    let (itself, edge) = (resource(route), gateways::resource(gateway));
    let Some(accepted) = said.iter().find(|accepted| accepted.status == "False") else {
        let sentence = format!(
            "HTTPRoute `{}` is not served: no controller has taken it up for Gateway `{}`.",
            itself.name, edge.name
        );
        let mut draft = Draft::cause("route_not_accepted", Severity::Critical, &itself, sentence)
            .likely()
            .blames(&edge)
            .about(parent.name.clone())
            .evidence(format!("{itself} status.parents"), format!("none for {edge}"));
        draft.rank = Rank::Route;
        return Some(draft);
    };
    let listeners: Vec<(usize, &Listener)> = gateway
        .spec
        .listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| parent.section_name.as_deref().is_none_or(|wanted| wanted == listener.name))
        .collect();
    let (why, fix) = match accepted.reason.as_str() {
        "NotAllowedByListeners" => not_allowed(&edge, home, &listeners),
        "NoMatchingListenerHostname" => no_hostname(route, &listeners),
        _ => {
            (words(accepted).to_owned(), ("Correct what the condition names.".to_owned(), Change::default()))
        }
    };
    let sentence = format!("Gateway `{}` does not take HTTPRoute `{}`: {why}.", edge.name, itself.name);
    let draft = Draft::cause("route_not_accepted", Severity::Critical, &itself, sentence)
        .about(parent.name.clone())
        .evidence(format!("{itself} status.parents[{}].conditions[Accepted]", parent.name), shown(accepted));
    let opens = accepted.reason == "NotAllowedByListeners" && !fix.1.command.is_empty();
    let draft = draft.fix(fix.0, fix.1);
    Some(if opens {
        draft.risk("Every route of that namespace may then hang on the listener.")
    } else {
        draft
    })
}

/// Why it is not taken, and what to do.
type Remedy = (String, (String, Change));

/// The listeners do not take routes of this namespace.
fn not_allowed(edge: &Resource, home: &str, listeners: &[(usize, &Listener)]) -> Remedy {
    let from = |listener: &Listener| listener.allowed_routes.namespaces.from.clone().unwrap_or("Same".into());
    let shown =
        |(_, listener): &(usize, &Listener)| format!("listener `{}` has `{}`", listener.name, from(listener));
    let have: Vec<String> = listeners.iter().map(shown).collect();
    let why = format!("allowedRoutes does not let routes of namespace `{home}` in ({})", have.join(", "));
    let closed = listeners.iter().find(|(_, listener)| from(listener) == "Same");
    let Some((at, listener)) = closed.filter(|_| edge.namespace.as_deref() != Some(home)) else {
        return (why, ("Let allowedRoutes of a listener take this route.".into(), Change::default()));
    };
    let namespaces =
        json!({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": home}}});
    let path = format!("/spec/listeners/{at}/allowedRoutes");
    // An operation below a field that is not there would be refused.
    let patch = match &listener.allowed_routes.namespaces.from {
        Some(_) => json!([{"op": "replace", "path": format!("{path}/namespaces"), "value": namespaces}]),
        None => json!([{"op": "add", "path": path, "value": {"namespaces": namespaces}}]),
    };
    let fix = format!("Let listener `{}` take routes of namespace `{home}`.", listener.name);
    (why, (fix, Change::json(edge, &patch)))
}

/// No hostname of the route is one that a listener serves.
fn no_hostname(route: &HttpRoute, listeners: &[(usize, &Listener)]) -> Remedy {
    let have: Vec<&str> = listeners.iter().filter_map(|(_, listener)| listener.hostname.as_deref()).collect();
    let why = format!(
        "its hostnames `{}` match none of `{}`",
        route.spec.hostnames.join("`, `"),
        have.join("`, `")
    );
    let slip = route.spec.hostnames.iter().enumerate().find_map(|(at, hostname)| {
        let right = nearest(hostname, have.iter().copied().filter(|known| !known.starts_with('*')))?;
        Some((at, right))
    });
    let fix = match slip {
        Some((at, right)) => (
            format!("Name the hostname `{right}`."),
            replacing(&resource(route), &format!("spec.hostnames[{at}]"), &Value::from(right)),
        ),
        None => {
            ("Use a hostname that a listener serves, or add a listener for it.".into(), Change::default())
        }
    };
    (why, fix)
}
