//! Checks objects of Kubernetes' own kinds where no schema was recorded: by the types of Kubernetes 1.33. Pure.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, core::v1 as core,
    networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling,
    storage::v1 as storage,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::schema::Wrong;

/// What is wrong with an object; `None` where its kind is not known here.
pub(super) fn check(group: &str, version: &str, kind: &str, object: &Value) -> Option<Wrong> {
    let check: fn(&str, &Value) -> Wrong = match (group, version, kind) {
        ("", "v1", "ConfigMap") => by::<core::ConfigMap>,
        ("", "v1", "Endpoints") => by::<core::Endpoints>,
        ("", "v1", "LimitRange") => by::<core::LimitRange>,
        ("", "v1", "Namespace") => by::<core::Namespace>,
        ("", "v1", "Node") => by::<core::Node>,
        ("", "v1", "PersistentVolume") => by::<core::PersistentVolume>,
        ("", "v1", "PersistentVolumeClaim") => by::<core::PersistentVolumeClaim>,
        ("", "v1", "Pod") => by::<core::Pod>,
        ("", "v1", "ReplicationController") => by::<core::ReplicationController>,
        ("", "v1", "ResourceQuota") => by::<core::ResourceQuota>,
        ("", "v1", "Secret") => by::<core::Secret>,
        ("", "v1", "Service") => by::<core::Service>,
        ("", "v1", "ServiceAccount") => by::<core::ServiceAccount>,
        ("apps", "v1", "DaemonSet") => by::<apps::DaemonSet>,
        ("apps", "v1", "Deployment") => by::<apps::Deployment>,
        ("apps", "v1", "ReplicaSet") => by::<apps::ReplicaSet>,
        ("apps", "v1", "StatefulSet") => by::<apps::StatefulSet>,
        ("autoscaling", "v2", "HorizontalPodAutoscaler") => by::<autoscaling::HorizontalPodAutoscaler>,
        ("batch", "v1", "CronJob") => by::<batch::CronJob>,
        ("batch", "v1", "Job") => by::<batch::Job>,
        ("networking.k8s.io", "v1", "Ingress") => by::<networking::Ingress>,
        ("networking.k8s.io", "v1", "IngressClass") => by::<networking::IngressClass>,
        ("networking.k8s.io", "v1", "NetworkPolicy") => by::<networking::NetworkPolicy>,
        ("policy", "v1", "PodDisruptionBudget") => by::<policy::PodDisruptionBudget>,
        ("rbac.authorization.k8s.io", "v1", "ClusterRole") => by::<rbac::ClusterRole>,
        ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding") => by::<rbac::ClusterRoleBinding>,
        ("rbac.authorization.k8s.io", "v1", "Role") => by::<rbac::Role>,
        ("rbac.authorization.k8s.io", "v1", "RoleBinding") => by::<rbac::RoleBinding>,
        ("scheduling.k8s.io", "v1", "PriorityClass") => by::<scheduling::PriorityClass>,
        ("storage.k8s.io", "v1", "StorageClass") => by::<storage::StorageClass>,
        _ => return None,
    };
    Some(check(kind, object))
}

/// Reads the object as a type and writes it again: what is lost has no place in the type.
fn by<T: DeserializeOwned + Serialize>(kind: &str, object: &Value) -> Wrong {
    // The types know a null as nothing there.
    let read: Result<T, _> = serde_path_to_error::deserialize(object);
    match read.map(|typed| serde_json::to_value(&typed).unwrap_or_default()) {
        Ok(kept) => {
            let mut unknown = Vec::new();
            lost("", object, &kept, &mut unknown);
            Wrong { unknown, mistyped: None }
        }
        Err(error) => {
            let path = error.path().to_string();
            let why = error.into_inner().to_string();
            let mistyped = Some(format!("json: field {kind}.{path}: {why}"));
            Wrong { unknown: Vec::new(), mistyped }
        }
    }
}

/// The paths of what stands in one value and not in the other.
fn lost(path: &str, given: &Value, kept: &Value, found: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), kept) => {
            for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match kept.get(key) {
                    Some(kept) => lost(&path, value, kept, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (number, (given, kept)) in given.iter().zip(kept).enumerate() {
                lost(&format!("{path}[{number}]"), given, kept, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn built_in_kinds_are_checked_by_their_types() {
        let container = |extra: Value| {
            let mut container = json!({"name": "a", "image": "b"});
            container.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "creationTimestamp": null},
                "spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]}})
        };
        for (object, unknown, mistyped) in [
            (container(json!({})), vec![], ""),
            (
                container(json!({"env": [], "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})),
                vec![],
                "",
            ),
            (container(json!({"imag": "x"})), vec!["spec.containers[0].imag"], ""),
            (
                container(json!({"env": [{"name": "A", "val": "x"}]})),
                vec!["spec.containers[0].env[0].val"],
                "",
            ),
            (
                container(json!({"command": "sh"})),
                vec![],
                "json: field Pod.spec.containers[0].command: invalid type: string \"sh\"",
            ),
        ] {
            let wrong = check("", "v1", "Pod", &object).unwrap();
            assert_eq!(wrong.unknown, unknown, "{object}");
            assert!(wrong.mistyped.unwrap_or_default().starts_with(mistyped), "{object}");
        }
        assert!(check("shop.example.com", "v1", "Cart", &json!({})).is_none());
    }
}
