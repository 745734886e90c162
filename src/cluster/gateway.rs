//! The kinds of the Gateway API (`gateway.networking.k8s.io`), with those fields that the rules read. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, de::IgnoredAny};

/// The group of these kinds.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// An object of the Gateway API.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Item<Spec, Status> {
    /// Its name, namespace, age and labels.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: Spec,
    /// What its controller says.
    #[serde(default)]
    pub status: Status,
}

/// One thing that a controller says. Not every one of them fills in all that the API asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about, e.g. `Accepted`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// The generation of the object that it speaks of.
    pub observed_generation: Option<i64>,
}

/// Which controller serves the Gateways of a class.
pub type GatewayClass = Item<GatewayClassSpec, GatewayClassStatus>;
/// Where traffic comes in.
pub type Gateway = Item<GatewaySpec, GatewayStatus>;
/// Which Service gets which requests.
pub type HttpRoute = Item<HttpRouteSpec, HttpRouteStatus>;
/// Which other namespaces may refer to objects of this one.
pub type ReferenceGrant = Item<ReferenceGrantSpec, IgnoredAny>;

/// What a GatewayClass wants.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayClassSpec {
    /// The controller, e.g. `example.com/gateway-controller`.
    pub controller_name: String,
}

/// What is said of a GatewayClass.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GatewayClassStatus {
    /// `Accepted` and others.
    pub conditions: Vec<Condition>,
}

/// What a Gateway wants.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// The name of its GatewayClass.
    pub gateway_class_name: String,
    /// The ports that it listens at.
    pub listeners: Vec<Listener>,
}

/// One port of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// What routes call it by: `sectionName`.
    pub name: String,
    /// The hostname that it serves; `None`: every one.
    pub hostname: Option<String>,
    /// Where its certificates are.
    pub tls: ListenerTls,
    /// Which routes it takes.
    pub allowed_routes: AllowedRoutes,
}

/// The certificates of a listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerTls {
    /// Mostly Secrets.
    pub certificate_refs: Vec<Reference>,
}

/// Which routes a listener takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AllowedRoutes {
    /// From where they may come.
    pub namespaces: RouteNamespaces,
}

/// The namespaces from which a listener takes routes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteNamespaces {
    /// `All`, `Selector`, `None` or `Same`, which is the default.
    pub from: Option<String>,
}

/// What is said of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GatewayStatus {
    /// `Accepted`, `Programmed` and others.
    pub conditions: Vec<Condition>,
    /// What is said of its listeners.
    pub listeners: Vec<ListenerStatus>,
}

/// What is said of a listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerStatus {
    /// The listener.
    pub name: String,
    /// `Accepted`, `Conflicted`, `Programmed`, `ResolvedRefs` and others.
    pub conditions: Vec<Condition>,
}

/// What an HTTPRoute wants.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteSpec {
    /// The Gateways that it hangs on.
    pub parent_refs: Vec<Reference>,
    /// The hostnames that it serves; none: those of the listeners.
    pub hostnames: Vec<String>,
    /// Where requests go.
    pub rules: Vec<RouteRule>,
}

/// Where some requests go.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteRule {
    /// The Services that share them.
    pub backend_refs: Vec<Reference>,
}

/// What is said of an HTTPRoute.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpRouteStatus {
    /// What the controller of each parent says.
    pub parents: Vec<RouteParentStatus>,
}

/// What the controller of one parent says of a route.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteParentStatus {
    /// The parent, as the route has it.
    pub parent_ref: Reference,
    /// `Accepted`, `ResolvedRefs` and others.
    pub conditions: Vec<Condition>,
}

/// Another object, as parents, backends and certificates are referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reference {
    /// Its group; the default depends on what is referred to.
    pub group: Option<String>,
    /// Its kind; the default depends on what is referred to.
    pub kind: Option<String>,
    /// Its namespace; `None`: that of the object that refers to it.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Of a Gateway: one listener.
    pub section_name: Option<String>,
    /// The port of a Service or listener.
    pub port: Option<i32>,
    /// The share of the requests that a backend gets; `None`: 1.
    pub weight: Option<i32>,
}

impl Reference {
    /// Whether it refers to this kind, which is the default where none is named.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group.as_deref().is_none_or(|own| own == group)
            && self.kind.as_deref().is_none_or(|own| own == kind)
    }
}

/// What a ReferenceGrant allows.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    pub from: Vec<GrantEnd>,
    /// To what.
    pub to: Vec<GrantEnd>,
}

/// One end of a reference that is allowed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GrantEnd {
    /// The group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace of those who may refer.
    pub namespace: Option<String>,
    /// The one object that may be referred to; `None`: all of that kind.
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_has_the_defaults_of_the_api() {
        let route: HttpRoute = serde_json::from_value(json!({"metadata": {"name": "r"},
            "spec": {"parentRefs": [{"name": "edge", "sectionName": "https"}], "rules": [{}]}}))
        .unwrap();
        let parent = &route.spec.parent_refs[0];
        assert!(parent.is(GROUP, "Gateway") && parent.section_name.as_deref() == Some("https"));
        assert!(!Reference { kind: Some("Service".into()), ..parent.clone() }.is(GROUP, "Gateway"));
        assert!(route.status.parents.is_empty() && route.spec.rules[0].backend_refs.is_empty());
        let grant: ReferenceGrant = serde_json::from_value(json!({"metadata": {}, "spec": {
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "a"}], "to": [{"group": "", "kind": "Service"}]}}))
        .unwrap();
        assert_eq!((grant.spec.from[0].namespace.as_deref(), &grant.spec.to[0].name), (Some("a"), &None));
    }
}
