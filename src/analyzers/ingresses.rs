//! Ingresses whose class, backends or TLS Secrets do not exist. Knows no particular ingress controller.

use jiff::SignedDuration;
use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};

use serde_json::{Value, json};

use crate::finding::{Confidence, Resource, Severity};

use super::{
    change::Change,
    draft::{Draft, Rank},
    index::{Index, name, namespace},
    lookalike::{akin, nearest},
    settings::secret_keys,
    wiring::service_ports,
};

const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for ingress in &index.state.ingresses {
        drafts.extend(class(index, ingress));
        for (host, field, backend) in backends(ingress) {
            drafts.extend(backend_fault(index, ingress, &host, &field, backend));
        }
        drafts.extend(certificates(index, ingress));
    }
}

fn resource(ingress: &Ingress) -> Resource {
    Resource::namespaced("Ingress", namespace(&ingress.metadata), name(&ingress.metadata))
}

/// Host, field path and backend of every path and of the default backend.
fn backends(ingress: &Ingress) -> Vec<(String, String, &IngressBackend)> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let mut all = Vec::new();
    if let Some(backend) = &spec.default_backend {
        all.push(("every host".to_owned(), "spec.defaultBackend".to_owned(), backend));
    }
    for (rule, content) in spec.rules.iter().flatten().enumerate() {
        let host = content.host.clone().unwrap_or_else(|| "every host".to_owned());
        let paths = content.http.as_ref().map(|http| http.paths.as_slice()).unwrap_or_default();
        for (path, content) in paths.iter().enumerate() {
            all.push((
                host.clone(),
                format!("spec.rules[{rule}].http.paths[{path}].backend"),
                &content.backend,
            ));
        }
    }
    all
}

/// An `ingressClassName` that no IngressClass has, or none at all where no class is the default: then no controller
/// serves the Ingress (concept "Ingress", section "Ingress class"). An address in the status, or the old class
/// annotation, shows that one does after all.
fn class(index: &Index<'_>, ingress: &Ingress) -> Option<Draft> {
    let itself = resource(ingress);
    let addresses =
        ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let served = addresses.is_some_and(|addresses| !addresses.is_empty());
    let annotated =
        ingress.metadata.annotations.as_ref().is_some_and(|notes| notes.contains_key(CLASS_ANNOTATION));
    if !index.is_listed("ingressclasses")
        || served
        || annotated
        || index.object_age(&ingress.metadata) < SignedDuration::from_secs(60)
    {
        return None;
    }
    let have: Vec<&str> = index.state.ingress_classes.iter().map(|class| name(&class.metadata)).collect();
    let offers = if have.is_empty() {
        "there is no IngressClass at all".to_owned()
    } else {
        format!("there is `{}`", have.join("`, `"))
    };
    let (sentence, found) = match ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref()) {
        Some(class) if !have.contains(&class) => (
            format!(
                "Ingress `{}` names the class `{class}`, which does not exist, so no controller serves it; {offers}.",
                itself.name
            ),
            class,
        ),
        Some(_) => return None,
        None => {
            let default = index.state.ingress_classes.iter().any(|class| {
                class
                    .metadata
                    .annotations
                    .as_ref()
                    .and_then(|notes| notes.get(DEFAULT_CLASS))
                    .map(String::as_str)
                    == Some("true")
            });
            if default {
                return None;
            }
            (
                format!(
                    "Ingress `{}` names no class and no IngressClass is the default, so no controller serves it; {offers}.",
                    itself.name
                ),
                "(none)",
            )
        }
    };
    let right = nearest(found, have.iter().copied()).or_else(|| have.first().copied()).unwrap_or("<class>");
    let patch = Change::merge(&itself, &json!({"spec": {"ingressClassName": right}}));
    Some(
        Draft::cause("ingress_class_missing", Severity::Critical, &itself, sentence)
            .evidence(format!("{itself} spec.ingressClassName"), found)
            .evidence(format!("{itself} status.loadBalancer"), "{}")
            .fix(format!("Use the class `{right}`."), patch),
    )
}

/// A backend Service that does not exist, or not with that port: the controller answers 502, 503 or 404 for it.
fn backend_fault(
    index: &Index<'_>,
    ingress: &Ingress,
    host: &str,
    field: &str,
    backend: &IngressBackend,
) -> Option<Draft> {
    let wanted = backend.service.as_ref()?;
    let itself = resource(ingress);
    let space = namespace(&ingress.metadata);
    let path = field.replace(['.', '['], "/").replace(']', "");
    let patch = |field: &str, value: Value| {
        Change::json(
            &itself,
            &json!([{"op": "replace", "path": format!("/{path}/service/{field}"), "value": value}]),
        )
    };
    let Some(service) = index.service(space, &wanted.name) else {
        if !index.is_listed("services") {
            return None;
        }
        let absent = absent_backend(index, &itself, host, field, &wanted.name);
        return Some(match absent.1 {
            Some(meant) => {
                absent.0.fix(format!("Send it to Service `{meant}`."), patch("name", json!(meant)))
            }
            None => absent.0.fix(format!("Create Service `{}`, or name one that exists.", wanted.name), ""),
        });
    };
    // What such a Service leads to is outside, and no endpoints tell of it.
    if service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        return None;
    }
    let port = wanted.port.as_ref()?;
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let fits = ports
        .iter()
        .any(|known| port.number == Some(known.port) || port.name.is_some() && port.name == known.name);
    if fits || ports.is_empty() {
        return backend_unready(ingress, host, &wanted.name, index.ready_endpoints(service));
    }
    let shown =
        port.number.map_or_else(|| port.name.clone().unwrap_or_default(), |number| number.to_string());
    let have: Vec<String> = service_ports(service).iter().map(|port| format!("`{port}`")).collect();
    let sentence = format!(
        "Ingress `{}` sends `{host}` to port `{shown}` of Service `{}`, which serves {}.",
        itself.name,
        wanted.name,
        have.join(", ")
    );
    let right = ports.first().map_or(0, |port| port.port);
    let command = if port.number.is_some() {
        patch("port/number", json!(right))
    } else {
        patch("port", json!({"number": right}))
    };
    Some(
        Draft::cause("ingress_backend_port_wrong", Severity::Critical, &itself, sentence)
            .evidence(format!("{itself} {field}.service.port"), shown)
            .evidence(format!("Service {space}/{} spec.ports", wanted.name), have.join(", ").replace('`', ""))
            .about(wanted.name.clone())
            .fix(format!("Send it to port `{right}`."), command),
    )
}

/// A backend that no Service of the namespace is, and the one that was probably meant.
fn absent_backend<'a>(
    index: &Index<'a>,
    itself: &Resource,
    host: &str,
    field: &str,
    wanted: &str,
) -> (Draft, Option<&'a str>) {
    let space = itself.namespace.as_deref().unwrap_or_default();
    let services = index.state.services.iter().filter(|service| namespace(&service.metadata) == space);
    let here: Vec<&str> = services.map(|service| name(&service.metadata)).collect();
    let relative = || here.iter().copied().find(|known| akin(known, wanted));
    let meant = nearest(wanted, here.iter().copied()).or_else(relative);
    let has = |names: &Vec<String>| names.iter().any(|known| known == wanted);
    let mut elsewhere =
        index.state.service_names.iter().filter(|(other, names)| *other != space && has(names));
    let similar = match (meant, elsewhere.next()) {
        (Some(meant), _) => format!("; `{meant}` does"),
        (None, Some((other, _))) => format!(
            " in namespace `{space}`; namespace `{other}` has one, but an Ingress reaches Services of its own namespace only"
        ),
        (None, None) => String::new(),
    };
    let sentence = format!(
        "Ingress `{}` sends `{host}` to Service `{wanted}`, which does not exist{similar}.",
        itself.name
    );
    let draft = Draft::cause("ingress_backend_missing", Severity::Critical, itself, sentence)
        .evidence(format!("{itself} {field}.service.name"), wanted)
        .about(wanted);
    (draft, meant)
}

/// The route is right and nothing answers behind it: a symptom.
fn backend_unready(ingress: &Ingress, host: &str, service: &str, ready: usize) -> Option<Draft> {
    if ready > 0 {
        return None;
    }
    let itself = resource(ingress);
    let sentence = format!(
        "Ingress `{}` cannot serve `{host}`: Service `{service}` has no ready endpoints.",
        itself.name
    );
    let backend = Resource::namespaced("Service", namespace(&ingress.metadata), service);
    let mut draft = Draft::cause("ingress_backend_unready", Severity::Warning, &itself, sentence)
        .blames(&backend)
        .about(service)
        .confidence(Confidence::Certain)
        .evidence(format!("EndpointSlices of {backend}"), "ready endpoints: 0");
    draft.rank = Rank::Route;
    Some(draft)
}

/// A TLS Secret that does not exist or is not of the form that `kubernetes.io/tls` has: controllers then serve a
/// certificate of their own, which no client trusts. Wrong for the moment until cert-manager has made the Secret.
fn certificates(index: &Index<'_>, ingress: &Ingress) -> Vec<Draft> {
    let space = namespace(&ingress.metadata);
    let itself = resource(ingress);
    let entries = ingress.spec.as_ref().and_then(|spec| spec.tls.as_deref()).unwrap_or_default();
    if !index.is_listed("secrets") || index.object_age(&ingress.metadata) < SignedDuration::from_mins(2) {
        return Vec::new();
    }
    let wanted = entries.iter().filter_map(|entry| {
        Some((entry.secret_name.as_deref()?, entry.hosts.clone().unwrap_or_default().join("`, `")))
    });
    wanted
        .filter_map(|(called, hosts)| {
            let resource = Resource::namespaced("Secret", space, called);
            let command = format!("kubectl -n {space} create secret tls {called} --cert=<tls.crt> --key=<tls.key>");
            let draft = match secret_keys(index, space, called) {
                None => {
                    let others = index.state.secrets.iter().filter(|secret| secret.namespace == space).map(|secret| secret.name.as_str());
                    let similar = nearest(called, others).map(|near| format!("; there is one named `{near}`")).unwrap_or_default();
                    let sentence = format!("Secret `{called}`, from which Ingress `{}` takes the certificate for `{hosts}`, does not exist{similar}; clients get a certificate they do not trust.", itself.name);
                    Draft::cause("ingress_tls_secret_missing", Severity::Critical, &resource, sentence).fix("Create the TLS Secret.", command)
                }
                Some(secret) if !["tls.crt", "tls.key"].iter().all(|key| secret.keys.iter().any(|known| known == key)) => {
                    let sentence = format!("Secret `{called}`, from which Ingress `{}` takes the certificate for `{hosts}`, has no `tls.crt` and `tls.key`.", itself.name);
                    Draft::cause("ingress_tls_secret_invalid", Severity::Critical, &resource, sentence).fix("Recreate it as a TLS Secret.", command)
                }
                Some(_) => return None,
            };
            Some(draft.hurts(&itself).seen_on(itself.clone()).evidence(format!("{itself} spec.tls[].secretName"), called))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, roots, running};

    fn case(spec: &Value, more: Vec<Value>) -> Vec<Value> {
        let mut objects =
            deployment(&json!({"ports": [{"containerPort": 8080}]}), &running(true), &json!({}));
        objects.push(json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}));
        objects.push(json!({"kind": "EndpointSlice", "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]}));
        objects.push(json!({"kind": "IngressClass", "metadata": {"name": "edge"}}));
        objects.push(json!({"kind": "Ingress", "metadata": {"name": "site", "creationTimestamp": "2026-01-02T02:00:00Z"}, "spec": spec}));
        objects.extend(more);
        objects
    }

    fn spec(class: &str, service: &str, port: u16) -> Value {
        json!({"ingressClassName": class, "rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"number": port}}}}]}}]})
    }

    #[test]
    fn routes() {
        for (spec, expected) in [
            (spec("edge", "web", 80), vec![]),
            (spec("nginx", "web", 80), vec!["ingress_class_missing Ingress shop/site"]),
            (spec("edge", "webb", 80), vec!["ingress_backend_missing Ingress shop/site"]),
            (spec("edge", "web", 8081), vec!["ingress_backend_port_wrong Ingress shop/site"]),
        ] {
            assert_eq!(roots(case(&spec, vec![])), expected, "{spec}");
        }
    }

    #[test]
    fn the_patch_names_the_path() {
        let fix = findings(case(&spec("edge", "web", 8081), vec![])).remove(0).fix.unwrap();
        assert_eq!(
            fix.command.as_str(),
            r#"kubectl -n shop patch ingress/site --type json -p '[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/port/number","value":80}]'"#
        );
    }

    #[test]
    fn tls_secrets() {
        let mut with_tls = spec("edge", "web", 80);
        with_tls["tls"] = json!([{"hosts": ["a.example"], "secretName": "a-tls"}]);
        assert_eq!(roots(case(&with_tls, vec![])), ["ingress_tls_secret_missing Secret shop/a-tls"]);
        let good = json!({"kind": "Secret", "metadata": {"name": "a-tls"}, "type": "kubernetes.io/tls", "keys": ["tls.crt", "tls.key"]});
        assert_eq!(roots(case(&with_tls, vec![good])), Vec::<String>::new());
    }
}
