//! Gateways of the Gateway API that no controller serves, or not as they are written. Knows no particular controller.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::{
    cluster::state::{
        SecretKeys,
        gateway::{Condition, Gateway, GatewayClass, Listener, ListenerStatus, Reference},
    },
    finding::{Resource, Severity},
};

use super::{
    change::Change,
    draft::{Draft, Rank},
    index::{Index, name, namespace},
    lookalike::{akin, nearest},
    settings::secret_keys,
};

/// A controller takes a moment to see what is new, and a load balancer some more.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// What Services that a controller makes for a Gateway are labelled with (GEP-1762).
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for gateway in index.state.gateways.iter().filter(|gateway| matters(index, gateway)) {
        let missing = class_missing(index, gateway);
        if missing.is_none() {
            drafts.extend(not_programmed(index, gateway));
        }
        drafts.extend(missing);
        drafts.extend(certificates(index, gateway));
    }
    drafts.extend(index.state.gateway_classes.iter().filter_map(|class| class_not_accepted(index, class)));
}

pub(super) fn resource(gateway: &Gateway) -> Resource {
    Resource::namespaced("Gateway", namespace(&gateway.metadata), name(&gateway.metadata))
}

/// Whether a Gateway is in what was looked at, or a route is that hangs on it.
fn matters(index: &Index<'_>, gateway: &Gateway) -> bool {
    let scope = &index.state.scope.namespaces;
    scope.is_empty()
        || scope.iter().any(|space| space == namespace(&gateway.metadata))
        || !routes(index, gateway).is_empty()
}

/// The HTTPRoutes that name a Gateway as their parent.
fn routes(index: &Index<'_>, gateway: &Gateway) -> Vec<Resource> {
    let names = |parent: &Reference, home: &str| {
        parent.name == name(&gateway.metadata)
            && parent.namespace.as_deref().unwrap_or(home) == namespace(&gateway.metadata)
    };
    let of = index.state.http_routes.iter().filter_map(|route| {
        let space = namespace(&route.metadata);
        let hangs = route.spec.parent_refs.iter().any(|parent| names(parent, space));
        hangs.then(|| Resource::namespaced("HTTPRoute", space, name(&route.metadata)))
    });
    of.collect()
}

/// The patch that puts a value in the place of the one at a field path.
pub(super) fn replacing(resource: &Resource, field: &str, value: &Value) -> Change {
    let path = field.replace(['.', '['], "/").replace(']', "");
    Change::json(resource, &json!([{"op": "replace", "path": format!("/{path}"), "value": value}]))
}

/// The condition of that type, unless it speaks of an older version of the object.
pub(super) fn condition<'c>(
    conditions: &'c [Condition],
    type_: &str,
    meta: &ObjectMeta,
) -> Option<&'c Condition> {
    let speaks_of_now = |condition: &&Condition| {
        condition.observed_generation.is_none_or(|seen| meta.generation.is_none_or(|now| seen >= now))
    };
    conditions.iter().find(|condition| condition.type_ == type_).filter(speaks_of_now)
}

/// What a condition says, else its one word for it.
pub(super) fn words(condition: &Condition) -> &str {
    let said = condition.message.trim().trim_end_matches('.');
    if said.is_empty() { &condition.reason } else { said }
}

/// `True`, `Unknown (Pending): Waiting for controller`.
pub(super) fn shown(condition: &Condition) -> String {
    format!("{} ({}): {}", condition.status, condition.reason, condition.message)
}

/// A `gatewayClassName` that no GatewayClass has: then no controller serves the Gateway (API reference, `GatewaySpec`;
/// guide "GatewayClass"). Wrong for a moment where the class is made after the Gateway, and where GatewayClasses
/// cannot be read, which is asked for.
fn class_missing(index: &Index<'_>, gateway: &Gateway) -> Option<Draft> {
    let wanted = gateway.spec.gateway_class_name.as_str();
    let have: Vec<&str> = index.state.gateway_classes.iter().map(|class| name(&class.metadata)).collect();
    let is_young = index.object_age(&gateway.metadata) < SignedDuration::from_secs(60);
    if have.contains(&wanted) || is_young || !index.is_listed("gatewayclasses") {
        return None;
    }
    let itself = resource(gateway);
    let offers = if have.is_empty() {
        "there is no GatewayClass at all".to_owned()
    } else {
        format!("there is `{}`", have.join("`, `"))
    };
    let sentence = format!(
        "Gateway `{}` names the class `{wanted}`, which does not exist, so no controller serves it; {offers}.",
        itself.name
    );
    let draft = Draft::cause("gateway_class_missing", Severity::Critical, &itself, sentence)
        .evidence(format!("{itself} spec.gatewayClassName"), wanted);
    let only = || have.first().copied().filter(|_| have.len() == 1);
    let draft = match nearest(wanted, have.iter().copied()).or_else(only) {
        Some(right) => draft.fix(
            format!("Use the class `{right}`."),
            Change::merge(&itself, &json!({"spec": {"gatewayClassName": right}})),
        ),
        None => draft.fix(format!("Install the controller that brings the class `{wanted}`."), ""),
    };
    Some(hurting(draft, index, gateway))
}

fn hurting(draft: Draft, index: &Index<'_>, gateway: &Gateway) -> Draft {
    routes(index, gateway).iter().fold(draft, Draft::hurts)
}

/// A class whose `Accepted` is not `True`: `False` where its controller cannot use it, `Unknown` with the reason
/// `Pending` as long as none has seen it, which is how the CRD makes it (`GatewayClassConditionStatus`). Wrong in the
/// first moments of a controller. A class that no Gateway names is only a notice: distributions bring spare ones.
fn class_not_accepted(index: &Index<'_>, class: &GatewayClass) -> Option<Draft> {
    let accepted = condition(&class.status.conditions, "Accepted", &class.metadata)?;
    if accepted.status == "True" || index.object_age(&class.metadata) < PATIENCE {
        return None;
    }
    let itself = Resource::global("GatewayClass", name(&class.metadata));
    let controller = &class.spec.controller_name;
    let (why, fix) = if accepted.status == "Unknown" {
        let fix = format!("Install or start the controller `{controller}`, or correct spec.controllerName.");
        (format!("no controller `{controller}` has taken it up"), fix)
    } else {
        let fix = "Correct what the controller names, mostly spec.parametersRef.".to_owned();
        (format!("its controller `{controller}` says: {}", words(accepted)), fix)
    };
    let users: Vec<&Gateway> = index
        .state
        .gateways
        .iter()
        .filter(|gateway| gateway.spec.gateway_class_name == itself.name && matters(index, gateway))
        .collect();
    let severity = if users.is_empty() { Severity::Notice } else { Severity::Critical };
    let sentence =
        format!("GatewayClass `{}` is not accepted, so none of its Gateways works: {why}.", itself.name);
    let draft = Draft::cause("gateway_class_missing", severity, &itself, sentence)
        .evidence(format!("{itself} status.conditions[Accepted]"), shown(accepted))
        .fix(fix, "");
    Some(
        users
            .into_iter()
            .fold(draft, |draft, gateway| hurting(draft.hurts(&resource(gateway)), index, gateway)),
    )
}

/// A Gateway whose `Accepted` or `Programmed` is not `True`, or one of whose listeners cannot be used (`Accepted`,
/// `ResolvedRefs` or `Programmed` is `False`, or `Conflicted` is `True`): the data plane does not listen there (API
/// reference, `GatewayConditionType`, `ListenerConditionType`). An `Unknown` counts once the controller had two
/// minutes. It follows from a class that is not accepted, a Secret that is missing and a balancer that has no address.
/// Wrong where a controller does not write conditions of this generation; those of an older one are left out.
fn not_programmed(index: &Index<'_>, gateway: &Gateway) -> Option<Draft> {
    if index.object_age(&gateway.metadata) < PATIENCE {
        return None;
    }
    let itself = resource(gateway);
    let conditions = &gateway.status.conditions;
    let of = |type_: &str| condition(conditions, type_, &gateway.metadata);
    let whole = ["Accepted", "Programmed"].into_iter().filter_map(of).find(|found| found.status != "True");
    let faulty: Vec<(&ListenerStatus, &Condition)> = gateway
        .status
        .listeners
        .iter()
        .filter_map(|listener| Some((listener, listener_fault(listener, &gateway.metadata)?)))
        .collect();
    let sentence = match (faulty.first(), whole) {
        (Some((listener, fault)), _) => format!(
            "Listener `{}` of Gateway `{}` cannot be used: {} ({}).",
            listener.name,
            itself.name,
            words(fault),
            fault.reason
        ),
        (None, Some(fault)) => {
            let state = if fault.type_ == "Accepted" { "accepted" } else { "programmed" };
            format!("Gateway `{}` is not {state}: {} ({}).", itself.name, words(fault), fault.reason)
        }
        (None, None) => return None,
    };
    let works_in_part = whole.is_none() && faulty.len() < gateway.spec.listeners.len();
    let severity = if works_in_part { Severity::Warning } else { Severity::Critical };
    let class = Resource::global("GatewayClass", &gateway.spec.gateway_class_name);
    let mut draft = Draft::symptom(Rank::Dependency, "gateway_not_programmed", severity, &itself, sentence)
        .blames(&class);
    for (listener, fault) in &faulty {
        let place = format!("{itself} status.listeners[{}].conditions[{}]", listener.name, fault.type_);
        draft = draft.evidence(place, shown(fault));
    }
    if let Some(fault) = whole {
        draft = draft.evidence(format!("{itself} status.conditions[{}]", fault.type_), shown(fault));
    }
    for service in made_for(index, gateway) {
        draft = draft.blames(&service);
    }
    let reason = faulty.first().map(|(_, fault)| *fault).or(whole).map_or("", |fault| fault.reason.as_str());
    Some(hurting(draft.fix(remedy(reason), ""), index, gateway))
}

fn listener_fault<'l>(listener: &'l ListenerStatus, meta: &ObjectMeta) -> Option<&'l Condition> {
    let wrong =
        [("Conflicted", "True"), ("ResolvedRefs", "False"), ("Accepted", "False"), ("Programmed", "False")];
    let found = |(type_, status)| {
        condition(&listener.conditions, type_, meta).filter(|condition| condition.status == status)
    };
    wrong.into_iter().find_map(found)
}

/// What to do about a reason that the API defines.
fn remedy(reason: &str) -> &'static str {
    match reason {
        "ProtocolConflict" => "Give the listeners that share the port one protocol, or ports of their own.",
        "HostnameConflict" => "Give each listener of the port a hostname of its own.",
        "InvalidCertificateRef" => "Name a TLS Secret that exists and holds `tls.crt` and `tls.key`.",
        "RefNotPermitted" => "Allow the reference by a ReferenceGrant in the namespace of the Secret.",
        "InvalidRouteKinds" => "Correct allowedRoutes.kinds of the listener.",
        "UnsupportedProtocol" => "Use a protocol that the controller supports.",
        "PortUnavailable" => "Use a port that is free.",
        "AddressNotAssigned" | "AddressNotUsable" | "UnsupportedAddress" => {
            "Correct spec.addresses, or see to it that the load balancer gets an address."
        }
        "Pending" => "See in its log why the controller does not take it up.",
        _ => "Correct what the condition names.",
    }
}

/// The Services that the controller made for a Gateway.
fn made_for(index: &Index<'_>, gateway: &Gateway) -> Vec<Resource> {
    let its = index.state.services.iter().filter(|service| {
        let label = service.metadata.labels.as_ref().and_then(|labels| labels.get(GATEWAY_NAME));
        namespace(&service.metadata) == namespace(&gateway.metadata)
            && label == gateway.metadata.name.as_ref()
    });
    its.map(|service| Resource::namespaced("Service", namespace(&service.metadata), name(&service.metadata)))
        .collect()
}

/// A `certificateRefs` Secret that does not exist: the listener gets `ResolvedRefs` `False` with
/// `InvalidCertificateRef` and serves no TLS (API reference, `GatewayTLSConfig`). Known only where the Secrets of that
/// namespace were read. Wrong for the moment until cert-manager has made it.
fn certificates(index: &Index<'_>, gateway: &Gateway) -> Vec<Draft> {
    if !index.is_listed("secrets") || index.object_age(&gateway.metadata) < PATIENCE {
        return Vec::new();
    }
    let listeners = gateway.spec.listeners.iter().enumerate();
    let refs = listeners.flat_map(|(at, listener)| {
        let refs = listener.tls.certificate_refs.iter().enumerate();
        refs.map(move |(place, wanted)| {
            (format!("spec.listeners[{at}].tls.certificateRefs[{place}]"), listener, wanted)
        })
    });
    refs.filter_map(|(field, listener, wanted)| certificate(index, gateway, &field, listener, wanted))
        .collect()
}

fn certificate(
    index: &Index<'_>,
    gateway: &Gateway,
    field: &str,
    listener: &Listener,
    wanted: &Reference,
) -> Option<Draft> {
    let home = namespace(&gateway.metadata);
    let space = wanted.namespace.as_deref().unwrap_or(home);
    let scope = &index.state.scope.namespaces;
    let is_read = scope.is_empty() || scope.iter().any(|read| read == space);
    let there = || index.state.secrets.iter().filter(|secret| secret.namespace == space);
    // Of another namespace only those may be known that were recorded.
    let is_known = space == home || there().next().is_some();
    if !wanted.is("", "Secret") || !is_read || !is_known || secret_keys(index, space, &wanted.name).is_some()
    {
        return None;
    }
    let itself = resource(gateway);
    let secret = Resource::namespaced("Secret", space, &wanted.name);
    let tls: Vec<&str> = there().filter(|secret| is_tls(secret)).map(|secret| secret.name.as_str()).collect();
    let meant = nearest(&wanted.name, tls.iter().copied());
    let meant = meant.or_else(|| tls.iter().copied().find(|known| akin(known, &wanted.name)));
    let similar = meant.map(|meant| format!("; there is `{meant}`")).unwrap_or_default();
    let sentence = format!(
        "Secret `{}`, from which listener `{}` of Gateway `{}` takes its certificate, does not exist{similar}.",
        wanted.name, listener.name, itself.name
    );
    let draft = Draft::cause("gateway_tls_secret_missing", Severity::Critical, &secret, sentence)
        .hurts(&itself)
        .seen_on(itself.clone())
        .evidence(format!("{itself} {field}.name"), &wanted.name);
    let draft = match meant {
        Some(meant) => draft.fix(
            format!("Take the certificate from Secret `{meant}`, or create `{}`.", wanted.name),
            replacing(&itself, &format!("{field}.name"), &json!(meant)),
        ),
        None => draft.fix(
            "Create the TLS Secret.",
            format!("kubectl -n {space} create secret tls {} --cert=<tls.crt> --key=<tls.key>", wanted.name),
        ),
    };
    Some(hurting(draft, index, gateway))
}

fn is_tls(secret: &SecretKeys) -> bool {
    secret.type_ == "kubernetes.io/tls"
}

/// The Gateways that serve the certificate in a Secret.
pub(super) fn serving(index: &Index<'_>, secret: &SecretKeys) -> Vec<Resource> {
    let takes = |gateway: &&Gateway| {
        let home = namespace(&gateway.metadata);
        let mut refs = gateway.spec.listeners.iter().flat_map(|listener| &listener.tls.certificate_refs);
        refs.any(|wanted| {
            wanted.is("", "Secret")
                && wanted.name == secret.name
                && wanted.namespace.as_deref().unwrap_or(home) == secret.namespace
        })
    };
    index.state.gateways.iter().filter(takes).map(resource).collect()
}
