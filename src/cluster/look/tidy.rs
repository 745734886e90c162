//! Makes objects small before they are kept. Lists within them are decoded with room for more, of which a pod has a
//! dozen; and a pod's status repeats a part of its spec. Pure.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Container, PodSpec, PodTemplateSpec},
};

use crate::cluster::state::Pod;

/// The most that is kept of one value of a ConfigMap, in bytes.
const VALUE_BYTES: usize = 64 << 10;

/// A pod without what its status repeats of its spec, and without room for more.
pub(super) fn pod(pod: &mut Pod) {
    spec(pod.spec.as_mut().and_then(Arc::get_mut));
    let Some(status) = &mut pod.status else { return };
    fit(&mut status.conditions);
    for statuses in [&mut status.container_statuses, &mut status.init_container_statuses] {
        for status in statuses.iter_mut().flatten() {
            (status.resources, status.allocated_resources, status.volume_mounts) = (None, None, None);
        }
        fit(statuses);
    }
    fit(&mut pod.metadata.owner_references);
}

/// A pod template without the room for more.
pub(super) fn template(template: Option<&mut PodTemplateSpec>) {
    spec(template.and_then(|template| template.spec.as_mut()));
}

fn spec(spec: Option<&mut PodSpec>) {
    let Some(spec) = spec else { return };
    spec.containers.iter_mut().for_each(container);
    spec.containers.shrink_to_fit();
    spec.init_containers.iter_mut().flatten().for_each(container);
    fit(&mut spec.init_containers);
    fit(&mut spec.volumes);
    for volume in spec.volumes.iter_mut().flatten() {
        if let Some(projected) = &mut volume.projected {
            fit(&mut projected.sources);
        }
    }
    fit(&mut spec.tolerations);
}

fn container(container: &mut Container) {
    fit(&mut container.env);
    fit(&mut container.env_from);
    fit(&mut container.ports);
    fit(&mut container.volume_mounts);
    fit(&mut container.args);
    fit(&mut container.command);
}

fn fit<T>(items: &mut Option<Vec<T>>) {
    if let Some(items) = items {
        items.shrink_to_fit();
    }
}

/// A ConfigMap with its long values cut.
pub(super) fn config_map(config_map: &mut ConfigMap) {
    for value in config_map.data.iter_mut().flat_map(BTreeMap::values_mut) {
        if value.len() > VALUE_BYTES {
            value.truncate(value.floor_char_boundary(VALUE_BYTES));
            value.push_str("\n[cut]");
        }
    }
    for value in config_map.binary_data.iter_mut().flat_map(BTreeMap::values_mut) {
        *value = ByteString(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_map_is_kept_short() {
        let mut map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "m"},
            "data": {"long": "ä".repeat(VALUE_BYTES), "short": "x"}, "binaryData": {"b": "AAAA"},
        }))
        .unwrap();
        config_map(&mut map);
        let data = map.data.as_ref().unwrap();
        assert_eq!(data["short"], "x");
        assert_eq!(data["long"].len(), VALUE_BYTES + "\n[cut]".len());
        assert!(map.binary_data.as_ref().unwrap()["b"].0.is_empty());
    }

    #[test]
    fn a_pod_keeps_what_is_its_own_and_no_room_for_more() {
        let status = json!({"name": "a", "ready": true, "restartCount": 2, "image": "i", "imageID": "j"});
        let own = json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "y"}]}], "volumes": [{"name": "v"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [status]},
        });
        let mut whole = own.clone();
        let repeated = &mut whole["status"]["containerStatuses"][0];
        repeated["allocatedResources"] = json!({"cpu": "1"});
        repeated["resources"] = json!({"limits": {"cpu": "1"}});
        repeated["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
        let mut small: Pod = serde_json::from_value(whole).unwrap();
        pod(&mut small);
        assert_eq!(small, serde_json::from_value(own).unwrap());
        assert_eq!(small.spec.unwrap().containers.capacity(), 1);
    }
}
