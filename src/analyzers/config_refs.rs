//! ConfigMaps, Secrets and their keys that pods refer to and that do not exist. Knows no values of Secrets.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::finding::{Evidence, Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{
        Index, Workload, event_time, is_live, is_ready, message, name, namespace, pod_resource, spec_path,
    },
    lookalike::nearest,
    settings::{config_map, secret_keys},
};

/// One reference of a pod spec to a ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    secret: bool,
    name: String,
    key: Option<String>,
    field: String,
    container: Option<String>,
}

impl Reference {
    fn kind(&self) -> &'static str {
        if self.secret { "Secret" } else { "ConfigMap" }
    }
}

/// A required ConfigMap or Secret, or a key of it, that does not exist: the kubelet does not start the container
/// (`CreateContainerConfigError`) or does not mount the volume (`FailedMount`); see "Configure a Pod to Use a
/// ConfigMap" and "Secrets". References marked `optional` are left out. A workload whose pods all run was started
/// before it went missing and is warned about. Wrong where Secrets may not be listed; then only what the kubelet
/// reports counts.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for workload in index.workloads() {
        let pods = index.pods_of(&workload.resource);
        let none = workload.desired == 0 && !pods.iter().any(|pod| is_live(pod));
        if none || workload.resource.kind == "Pod" && !pods.iter().any(|pod| is_live(pod)) {
            continue;
        }
        for reference in references(workload.pod) {
            drafts.extend(missing(index, workload, &reference));
        }
    }
}

fn missing(index: &Index<'_>, workload: &Workload<'_>, reference: &Reference) -> Option<Draft> {
    let space = workload.namespace();
    let said = kubelet_says(index, workload, reference);
    let listed = index.is_listed(if reference.secret { "secrets" } else { "configmaps" });
    let keys: Option<Vec<String>> = if reference.secret {
        secret_keys(index, space, &reference.name).map(|secret| secret.keys.clone())
    } else {
        let map = config_map(index, space, &reference.name);
        map.map(|map| {
            let text = map.data.iter().flatten().map(|(key, _)| key.clone());
            text.chain(map.binary_data.iter().flatten().map(|(key, _)| key.clone())).collect()
        })
    };
    if keys.is_none() && !listed && said.is_none() {
        return None;
    }
    let running = index.pods_of(&workload.resource).iter().all(|pod| is_ready(pod) || !is_live(pod));
    let severity = if running && said.is_none() { Severity::Warning } else { Severity::Critical };
    let draft = match (keys, &reference.key) {
        (None, _) => absent_object(index, workload, reference, severity),
        (Some(keys), Some(key)) if !keys.contains(key) => {
            absent_key(workload, reference, key, &keys, severity)
        }
        _ => return None,
    };
    let source = format!("{} {}.{}", workload.resource, spec_path(&workload.resource), reference.field);
    let quoted = match &reference.key {
        Some(key) => format!("name: {}, key: {key}", reference.name),
        None => format!("name: {}", reference.name),
    };
    let pods = index.pods_of(&workload.resource).iter().filter(|pod| is_live(pod) && !is_ready(pod));
    let draft = pods.fold(draft, |draft, pod| draft.seen_on(pod_resource(pod)));
    Some(draft.evidence_from(said).evidence(source, quoted).hurts(&workload.resource))
}

/// The whole object is missing. One that pods of another namespace have cannot be used here: references stay within a namespace.
fn absent_object(
    index: &Index<'_>,
    workload: &Workload<'_>,
    reference: &Reference,
    severity: Severity,
) -> Draft {
    let space = workload.namespace();
    let (kind, called) = (reference.kind(), &reference.name);
    let code = if reference.secret { "secret_missing" } else { "configmap_missing" };
    let near = if reference.secret {
        let names = index.state.secrets.iter().filter(|secret| secret.namespace == space);
        nearest(called, names.map(|secret| secret.name.as_str()))
    } else {
        let maps = index.state.config_maps.iter().filter(|map| namespace(&map.metadata) == space);
        nearest(called, maps.map(|map| name(&map.metadata)))
    };
    let elsewhere = index.state.secrets.iter().find(|secret| reference.secret && secret.name == *called);
    let similar = match (near, elsewhere) {
        (Some(near), _) => format!("; there is one named `{near}`"),
        (None, Some(other)) => {
            format!("; namespace `{}` has one, which pods of another cannot use", other.namespace)
        }
        (None, None) => String::new(),
    };
    let sentence = format!(
        "{kind} `{called}`, which {} `{}` needs, does not exist in namespace `{space}`{similar}.",
        workload.resource.kind, workload.resource.name
    );
    let key = reference.key.clone().unwrap_or_else(|| "<key>".to_owned());
    let flag = format!("--from-literal={key}=<value>");
    let command = if reference.secret {
        format!("kubectl -n {space} create secret generic {called} {flag}")
    } else {
        format!("kubectl -n {space} create configmap {called} {flag}")
    };
    let resource = Resource::namespaced(kind, space, called);
    Draft::cause(code, severity, &resource, sentence).fix(format!("Create {kind} `{called}`."), command)
}

/// The object is there and lacks the key; a near key was probably meant.
fn absent_key(
    workload: &Workload<'_>,
    reference: &Reference,
    key: &str,
    keys: &[String],
    severity: Severity,
) -> Draft {
    let code = if reference.secret { "secret_key_missing" } else { "configmap_key_missing" };
    let (kind, called) = (reference.kind(), &reference.name);
    let near = nearest(key, keys.iter().map(String::as_str));
    let has = match (near, keys) {
        (Some(near), _) => format!("it has `{near}`"),
        (None, []) => "it is empty".to_owned(),
        (None, keys) => format!(
            "it has {}",
            keys.iter().take(8).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    let sentence = format!(
        "{kind} `{called}` has no key `{key}`, which {} `{}` reads: {has}.",
        workload.resource.kind, workload.resource.name
    );
    let draft = Draft::cause(code, severity, &workload.resource, sentence)
        .evidence(format!("{kind} {}/{called} keys", workload.namespace()), keys.join(", "))
        .about(format!("{called}/{key}"));
    let draft = match &reference.container {
        Some(container) => draft.container(container),
        None => draft,
    };
    match near {
        Some(near) => draft.fix(format!("Refer to the key `{near}`."), repoint(workload, reference, near)),
        None => {
            draft.fix(format!("Add the key `{key}` to {kind} `{called}`, or refer to one that exists."), "")
        }
    }
}

/// The JSON patch that names another key; only for a variable, whose field says its place.
fn repoint(workload: &Workload<'_>, reference: &Reference, key: &str) -> Change {
    if !super::index::is_editable(&workload.resource) || !reference.field.contains(".env[") {
        return Change::default();
    }
    let containers = [
        ("containers", Some(&workload.pod.containers)),
        ("initContainers", workload.pod.init_containers.as_ref()),
    ];
    for (list, containers) in containers {
        for (place, container) in containers.into_iter().flatten().enumerate() {
            let found = container
                .env
                .iter()
                .flatten()
                .position(|env| reference.field == env_field(list, container, &env.name));
            if let Some(env) = found {
                let what = if reference.secret { "secretKeyRef" } else { "configMapKeyRef" };
                let path = format!("{list}/{place}/env/{env}/valueFrom/{what}/key");
                return Change::pod_spec(&workload.resource, "replace", &path, Some(serde_json::json!(key)));
            }
        }
    }
    Change::default()
}

fn env_field(list: &str, container: &Container, variable: &str) -> String {
    format!("{list}[{}].env[{variable}].valueFrom", container.name)
}

/// The kubelet's message about the missing object, from an event or from a waiting container.
fn kubelet_says(index: &Index<'_>, workload: &Workload<'_>, reference: &Reference) -> Option<Evidence> {
    let lower = reference.kind().to_lowercase();
    let parts =
        [format!("{lower} \"{}\" not found", reference.name), format!("references non-existent {lower} key")];
    let key = reference.key.as_ref().map(|key| format!("couldn't find key {key} in"));
    let says = |text: &str| {
        parts.iter().any(|part| text.contains(part.as_str()))
            || key.as_ref().is_some_and(|key| text.contains(key.as_str()))
    };
    for pod in index.pods_of(&workload.resource).iter().filter(|pod| is_live(pod) && !is_ready(pod)) {
        let events = index.pod_events(pod);
        if let Some(event) =
            events.iter().rev().find(|event| says(message(event)) && event_time(event).is_some())
        {
            return Some(Evidence::new(
                format!("event on Pod {}/{}", namespace(&pod.metadata), name(&pod.metadata)),
                message(event),
            ));
        }
        if let Some(view) = index.containers_of(pod).iter().find(|view| says(view.waiting().1)) {
            return Some(Evidence::new(
                format!("Pod {}/{} status of {}", view.namespace(), name(&pod.metadata), view.name()),
                view.waiting().1,
            ));
        }
    }
    None
}

fn references(spec: &PodSpec) -> Vec<Reference> {
    let mut all = Vec::new();
    let containers = spec.init_containers.iter().flatten().map(|container| ("initContainers", container));
    for (list, container) in
        containers.chain(spec.containers.iter().map(|container| ("containers", container)))
    {
        of_container(list, container, &mut all);
    }
    for volume in spec.volumes.iter().flatten() {
        let field = format!("volumes[{}]", volume.name);
        let mut add = |secret: bool, called: Option<&String>, optional: Option<bool>, items: Vec<String>| {
            if let (Some(called), false) = (called, optional == Some(true)) {
                let reference = |key| Reference {
                    secret,
                    name: called.clone(),
                    key,
                    field: field.clone(),
                    container: None,
                };
                all.push(reference(None));
                all.extend(items.into_iter().map(|key| reference(Some(key))));
            }
        };
        let keys = |items: &Option<Vec<k8s_openapi::api::core::v1::KeyToPath>>| {
            items.iter().flatten().map(|item| item.key.clone()).collect()
        };
        if let Some(map) = &volume.config_map {
            add(false, Some(&map.name), map.optional, keys(&map.items));
        }
        if let Some(secret) = &volume.secret {
            add(true, secret.secret_name.as_ref(), secret.optional, keys(&secret.items));
        }
        for source in volume.projected.iter().filter_map(|projected| projected.sources.as_ref()).flatten() {
            if let Some(map) = &source.config_map {
                add(false, Some(&map.name), map.optional, keys(&map.items));
            }
            if let Some(secret) = &source.secret {
                add(true, Some(&secret.name), secret.optional, keys(&secret.items));
            }
        }
    }
    all
}

fn of_container(list: &str, container: &Container, all: &mut Vec<Reference>) {
    let mut add = |secret: bool, name: &str, key: Option<&String>, optional: Option<bool>, field: String| {
        if optional != Some(true) {
            let container = Some(container.name.clone());
            all.push(Reference { secret, name: name.to_owned(), key: key.cloned(), field, container });
        }
    };
    for env in container.env.iter().flatten() {
        let Some(from) = &env.value_from else { continue };
        let field = env_field(list, container, &env.name);
        if let Some(key) = &from.config_map_key_ref {
            add(false, &key.name, Some(&key.key), key.optional, field);
        } else if let Some(key) = &from.secret_key_ref {
            add(true, &key.name, Some(&key.key), key.optional, field);
        }
    }
    for from in container.env_from.iter().flatten() {
        let field = format!("{list}[{}].envFrom", container.name);
        if let Some(map) = &from.config_map_ref {
            add(false, &map.name, None, map.optional, field);
        } else if let Some(secret) = &from.secret_ref {
            add(true, &secret.name, None, secret.optional, field);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, event, findings, roots, running};

    fn blocked() -> Value {
        json!({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"keys\" not found"}}})
    }

    fn env(from: &Value) -> Value {
        json!({"env": [{"name": "KEY", "valueFrom": from}]})
    }

    #[test]
    fn a_missing_secret_is_the_thing_to_create() {
        let from = json!({"secretKeyRef": {"name": "keys", "key": "api"}});
        let objects = deployment(&env(&from), &blocked(), &json!({}));
        assert_eq!(roots(objects.clone()), ["secret_missing Secret shop/keys"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        assert_eq!(
            fix.command.as_str(),
            "kubectl -n shop create secret generic keys --from-literal=api=<value>"
        );
    }

    #[test]
    fn what_is_optional_or_there_is_no_fault() {
        for from in [
            json!({"secretKeyRef": {"name": "keys", "key": "api", "optional": true}}),
            json!({"secretKeyRef": {"name": "have", "key": "api"}}),
            json!({"configMapKeyRef": {"name": "map", "key": "A"}}),
        ] {
            let mut objects = deployment(&env(&from), &running(true), &json!({}));
            objects.push(json!({"kind": "Secret", "metadata": {"name": "have"}, "keys": ["api"]}));
            objects.push(json!({"kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"A": "1"}}));
            assert_eq!(roots(objects), Vec::<String>::new(), "{from}");
        }
    }

    #[test]
    fn a_key_in_another_case() {
        let from = json!({"configMapKeyRef": {"name": "map", "key": "smtp_host"}});
        let status = json!({"state": {"waiting": {"reason": "CreateContainerConfigError",
            "message": "couldn't find key smtp_host in ConfigMap shop/map"}}});
        let mut objects = deployment(&env(&from), &status, &json!({}));
        objects.push(json!({"kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"SMTP_HOST": "a"}}));
        assert_eq!(roots(objects.clone()), ["configmap_key_missing Deployment shop/web"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        assert!(fix.command.ends_with(r#""/spec/template/spec/containers/0/env/0/valueFrom/configMapKeyRef/key","value":"SMTP_HOST"}]'"#), "{}", fix.command.as_str());
    }

    #[test]
    fn a_volume_of_a_missing_config_map() {
        let spec = json!({"volumes": [{"name": "c", "configMap": {"name": "conf"}}]});
        let status = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        let mut objects = deployment(&json!({}), &status, &spec);
        objects.push(event(
            "Pod",
            "web-1",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"c\" : configmap \"conf\" not found",
        ));
        assert_eq!(roots(objects), ["configmap_missing ConfigMap shop/conf"]);
    }

    #[test]
    fn without_the_right_to_list_secrets_only_the_kubelet_counts() {
        let from = json!({"secretKeyRef": {"name": "keys", "key": "api"}});
        let unread = |status: &Value| {
            let objects = deployment(&env(&from), status, &json!({}));
            let mut state = super::super::fixture::state(&Value::Array(objects));
            state.unread.push(crate::redact::Redacted::new("secrets: forbidden"));
            super::super::analyze(&state).iter().filter(|finding| finding.code == "secret_missing").count()
        };
        assert_eq!(unread(&running(true)), 0);
        assert_eq!(unread(&blocked()), 1);
    }
}
