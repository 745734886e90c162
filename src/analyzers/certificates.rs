//! TLS certificates in Secrets that are no longer valid, or soon. Knows the end of their validity, nothing else of them.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::PodSpec;

use crate::{
    cluster::state::SecretKeys,
    finding::{Resource, Severity},
};

use super::{
    draft::Draft,
    gateways,
    index::{Index, name, namespace},
};

/// Renewal is late when less than this is left: what renews by itself does it weeks before.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A certificate whose validity (RFC 5280 `notAfter`) has ended or ends within a week, in a Secret that a pod mounts or
/// an Ingress or Gateway serves. One that nothing uses is nobody's matter. Wrong where a server renews in memory.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for secret in &index.state.secrets {
        let Some(ends) = secret.certificates_expire.iter().min() else { continue };
        let left = ends.duration_since(index.state.taken_at);
        if left > SOON {
            continue;
        }
        let users = users(index, secret);
        if users.is_empty() {
            continue;
        }
        let resource = Resource::namespaced("Secret", &secret.namespace, &secret.name);
        let used = users.first().map(|user| format!("{} `{}`", user.kind, user.name)).unwrap_or_default();
        let (code, severity, when) = if left.is_negative() {
            ("tls_certificate_expired", Severity::Critical, "expired on")
        } else {
            ("tls_certificate_expiring", Severity::Warning, "expires on")
        };
        let day = ends.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let sentence =
            format!("The certificate in Secret `{}`, which {used} serves, {when} `{day}`.", secret.name);
        let command = format!(
            "kubectl -n {} create secret tls {} --cert=<new tls.crt> --key=<new tls.key> --dry-run=client -o yaml | kubectl apply -f -",
            secret.namespace, secret.name
        );
        let draft = Draft::cause(code, severity, &resource, sentence)
            .evidence(format!("{resource} data[tls.crt]"), format!("notAfter: {ends}"))
            .fix("Renew the certificate, replace the Secret and restart what serves it.", command);
        drafts.push(users.iter().fold(draft, Draft::hurts));
    }
}

/// The Ingresses and workloads that use the Secret, and the Services in front of those workloads.
fn users(index: &Index<'_>, secret: &SecretKeys) -> Vec<Resource> {
    let mut all = gateways::serving(index, secret);
    let here = |space: &str| space == secret.namespace;
    for ingress in index.state.ingresses.iter().filter(|ingress| here(namespace(&ingress.metadata))) {
        let entries = ingress.spec.as_ref().and_then(|spec| spec.tls.as_deref()).unwrap_or_default();
        if entries.iter().any(|entry| entry.secret_name.as_deref() == Some(&secret.name)) {
            all.push(Resource::namespaced("Ingress", &secret.namespace, name(&ingress.metadata)));
        }
    }
    for workload in index.workloads().iter().filter(|workload| here(workload.namespace())) {
        if mounts(workload.pod, &secret.name) {
            all.push(workload.resource.clone());
            let services = index.services_of(workload.namespace(), workload.labels);
            all.extend(
                services.iter().map(|service| {
                    Resource::namespaced("Service", &secret.namespace, name(&service.metadata))
                }),
            );
        }
    }
    all
}

fn mounts(spec: &PodSpec, secret: &str) -> bool {
    spec.volumes.iter().flatten().any(|volume| {
        let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        let mut projected = projected.filter_map(|source| source.secret.as_ref());
        volume.secret.as_ref().and_then(|source| source.secret_name.as_deref()) == Some(secret)
            || projected.any(|source| source.name == secret)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, log_of, named_deployment, roots, running};

    fn serving(expires: &str) -> Vec<Value> {
        let spec = json!({"volumes": [{"name": "tls", "secret": {"secretName": "front-tls"}}]});
        let mut objects = deployment(&json!({}), &running(true), &spec);
        objects.push(json!({"kind": "Secret", "metadata": {"name": "front-tls"}, "type": "kubernetes.io/tls", "keys": ["tls.crt", "tls.key"], "expires": [expires]}));
        objects
    }

    #[test]
    fn ends_of_validity() {
        for (expires, expected) in [
            ("2026-01-01T00:00:00Z", vec!["tls_certificate_expired Secret shop/front-tls"]),
            ("2026-01-05T00:00:00Z", vec!["tls_certificate_expiring Secret shop/front-tls"]),
            ("2026-03-01T00:00:00Z", vec![]),
        ] {
            assert_eq!(roots(serving(expires)), expected, "{expires}");
        }
    }

    #[test]
    fn an_expired_certificate_that_nothing_uses_is_nobodys_matter() {
        let mut objects = serving("2026-01-01T00:00:00Z");
        objects.drain(..3);
        assert_eq!(roots(objects), Vec::<String>::new());
    }

    #[test]
    fn a_clients_complaint_follows_from_it() {
        let mut objects = serving("2026-01-01T00:00:00Z");
        objects.push(json!({"kind": "Service", "metadata": {"name": "front"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 443}]}}));
        let client = json!({"args": ["curl https://front.shop.svc/x"]});
        objects.extend(named_deployment("sync", &client, &running(true), &json!({})));
        objects.push(log_of("sync-1", "app", "curl: (60) SSL certificate problem: certificate has expired"));
        assert_eq!(roots(objects.clone()), ["tls_certificate_expired Secret shop/front-tls"]);
        assert!(
            findings(objects)
                .iter()
                .any(|finding| finding.code == "tls_verification_failed" && !finding.is_root())
        );
    }
}
