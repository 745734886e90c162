//! What of an object cannot be changed once it is there, and how the API server says so. Pure.

use serde_json::Value;

use super::super::status::Cause;

/// Something that stays as it is.
struct Fixed {
    kinds: &'static str,
    path: &'static str,
    /// Paths below it that may be changed.
    but_for: &'static [&'static str],
    /// Whether the API server fills in what a new whole leaves out.
    filled: bool,
    /// Only where this member of the stored object is true.
    given: Option<&'static str>,
    says: Says,
}

enum Says {
    /// `Invalid value: <the new one>: …`
    Invalid(&'static str),
    /// The same of the first item of the list beside it, whose name ends in `s`.
    InvalidFirst(&'static str),
    /// `Forbidden: …`
    Forbidden(&'static str),
}

use Says::{Forbidden, Invalid, InvalidFirst};

const IMMUTABLE: Says = Invalid("field is immutable");
const SEALED: Says = Forbidden("field is immutable when `immutable` is set");

const fn fixed(kinds: &'static str, path: &'static str, says: Says) -> Fixed {
    Fixed { kinds, path, but_for: &[], filled: true, given: None, says }
}

const fn exact(kinds: &'static str, path: &'static str, says: Says) -> Fixed {
    Fixed { filled: false, ..fixed(kinds, path, says) }
}

const FIXED: &[Fixed] = &[
    exact("DaemonSet Deployment ReplicaSet", "spec.selector", IMMUTABLE),
    Fixed {
        but_for: &[
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ],
        ..fixed(
            "StatefulSet",
            "spec",
            Forbidden(
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                 'minReadySeconds' are forbidden",
            ),
        )
    },
    Fixed {
        but_for: &[
            "containers[*].image",
            "initContainers[*].image",
            "activeDeadlineSeconds",
            "terminationGracePeriodSeconds",
            "schedulingGates",
            "tolerations",
        ],
        ..fixed(
            "Pod",
            "spec",
            Forbidden(
                "pod updates may not change fields other than \
                 `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                 `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
                 (allow it to be set to 1 if it was previously negative)",
            ),
        )
    },
    exact("Job", "spec.selector", IMMUTABLE),
    fixed("Job", "spec.template", IMMUTABLE),
    fixed("Job", "spec.completionMode", IMMUTABLE),
    fixed("Service", "spec.clusterIP", InvalidFirst("may not change once set")),
    Fixed {
        but_for: &["resources.requests.storage", "volumeAttributesClassName"],
        ..fixed(
            "PersistentVolumeClaim",
            "spec",
            Forbidden(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                 bound claims",
            ),
        )
    },
    Fixed { given: Some("immutable"), ..exact("ConfigMap Secret", "immutable", SEALED) },
    Fixed { given: Some("immutable"), ..exact("ConfigMap Secret", "data", SEALED) },
    Fixed { given: Some("immutable"), ..exact("ConfigMap", "binaryData", SEALED) },
    fixed("Secret", "type", IMMUTABLE),
    fixed("ClusterRoleBinding RoleBinding", "roleRef", Invalid("cannot change roleRef")),
    exact("StorageClass", "parameters", IMMUTABLE),
    fixed("StorageClass", "provisioner", IMMUTABLE),
    fixed("StorageClass", "reclaimPolicy", IMMUTABLE),
    fixed("StorageClass", "volumeBindingMode", IMMUTABLE),
    fixed("IngressClass", "spec.controller", IMMUTABLE),
    fixed("PriorityClass", "value", Forbidden("may not be changed in an update.")),
];

/// What a change of an object of one of Kubernetes' own kinds must not change. `whole` is for an object that stands in
/// the place of the stored one: much of what it leaves out, the API server fills in.
pub(super) fn changed(kind: &str, stored: &Value, object: &Value, whole: bool) -> Vec<Cause> {
    let of_kind = FIXED.iter().filter(|fixed| fixed.kinds.split(' ').any(|known| known == kind));
    let holds = |fixed: &&Fixed| fixed.given.is_none_or(|given| stored[given] == true);
    of_kind.filter(holds).filter_map(|fixed| fixed.broken(stored, object, whole)).collect()
}

impl Fixed {
    fn broken(&self, stored: &Value, object: &Value, whole: bool) -> Option<Cause> {
        let pointer = format!("/{}", self.path.replace('.', "/"));
        let part = |of: &Value| {
            let mut part = of.pointer(&pointer).cloned().unwrap_or_default();
            self.but_for.iter().for_each(|path| take_away(&mut part, path));
            part
        };
        let (old, new) = (part(stored), part(object));
        let is_as_it_was = if whole && self.filled { is_within(&new, &old) } else { old == new };
        // An address may be given once.
        let is_first = matches!(self.says, InvalidFirst(_)) && is_nothing(&old);
        if is_as_it_was || is_first {
            return None;
        }
        Some(match self.says {
            Invalid(words) => Cause::new(self.path, format!("Invalid value: {new}: {words}")),
            InvalidFirst(words) => {
                Cause::new(format!("{}s[0]", self.path), format!("Invalid value: [{new}]: {words}"))
            }
            Forbidden(words) => Cause::new(self.path, format!("Forbidden: {words}")),
        })
    }
}

fn take_away(value: &mut Value, path: &str) {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    if let Some(name) = step.strip_suffix("[*]") {
        let items = value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
        items.for_each(|item| take_away(item, rest));
    } else if rest.is_empty() {
        value.as_object_mut().map(|members| members.remove(step));
    } else if let Some(value) = value.get_mut(step) {
        take_away(value, rest);
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// Whether all that is given is as it was.
fn is_within(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            new.iter().all(|(key, value)| is_within(value, old.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Object(new), Value::Null) => new.values().all(|value| is_within(value, &Value::Null)),
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| is_within(new, old))
        }
        (new, old) => is_nothing(new) || new == old,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each merge patch is taken (``), or refused with words that begin so.
    fn check(kind: &str, stored: &Value, patches: &[(Value, &str)]) {
        for (patch, expected) in patches {
            let mut object = stored.clone();
            json_patch::merge(&mut object, patch);
            let found = changed(kind, stored, &object, false);
            assert_eq!(found.len(), usize::from(!expected.is_empty()), "{kind} {patch}: {found:?}");
            let said = found.first().map_or_else(String::new, ToString::to_string);
            assert!(said.starts_with(expected), "{kind} {patch}: {said}");
        }
    }

    #[test]
    fn workloads_and_pods_are_held() {
        let selecting = |label: &str| json!({"spec": {"selector": {"matchLabels": {"a": label}}}});
        let other = r#"spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable"#;
        check(
            "Deployment",
            &selecting("b"),
            &[(json!({"spec": {"replicas": 2}}), ""), (selecting("c"), other)],
        );
        let set = json!({"spec": {"serviceName": "a"}});
        let words =
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals',";
        let scaled = json!({"spec": {"replicas": 1, "template": {}}});
        check("StatefulSet", &set, &[(scaled, ""), (json!({"spec": {"serviceName": "b"}}), words)]);
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "x"}], "nodeName": "n"}});
        let words =
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`";
        let with = |container: Value| json!({"spec": {"containers": [container]}});
        let image = with(json!({"name": "a", "image": "y"}));
        check("Pod", &pod, &[(image, ""), (with(json!({"name": "a", "image": "x", "tty": true})), words)]);
    }

    #[test]
    fn other_objects_are_held() {
        let claim = json!({"spec": {"storageClassName": "a", "resources": {"requests": {"storage": "1Gi"}}}});
        let words = "spec: Forbidden: spec is immutable after creation except resources.requests";
        let larger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
        let class = json!({"spec": {"storageClassName": "b"}});
        check("PersistentVolumeClaim", &claim, &[(larger, ""), (class, words)]);
        let sealed = json!({"immutable": true, "data": {"a": "b"}});
        let words = "data: Forbidden: field is immutable when `immutable` is set";
        let labels = json!({"metadata": {"labels": {"a": "b"}}});
        check("ConfigMap", &sealed, &[(labels, ""), (json!({"data": {"a": "c"}}), words)]);
        check(
            "Secret",
            &sealed,
            &[(json!({"immutable": false}), "immutable: Forbidden: field is immutable when")],
        );
        check("ConfigMap", &json!({"data": {"a": "b"}}), &[(json!({"data": null, "immutable": true}), "")]);
        let address = || json!({"spec": {"clusterIP": "10.0.0.2"}});
        let words = r#"spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set"#;
        check("Service", &json!({"spec": {"clusterIP": "10.0.0.1"}}), &[(address(), words)]);
        check("Service", &json!({"spec": {"clusterIP": ""}}), &[(address(), "")]);
        let words = "parameters: Invalid value: null: field is immutable";
        check("StorageClass", &json!({"parameters": {"a": "b"}}), &[(json!({"parameters": null}), words)]);
    }

    #[test]
    fn what_a_new_whole_leaves_out_is_as_it_was() {
        let stored = json!({"spec": {"template": {"spec": {"dnsPolicy": "ClusterFirst", "containers": [{"name": "a"}]}}}});
        for (template, breaks) in [
            (json!({"spec": {"containers": [{"name": "a"}]}}), 0),
            (json!({"metadata": {"creationTimestamp": null}, "spec": {"containers": [{"name": "a"}]}}), 0),
            (json!({"spec": {"containers": [{"name": "b"}]}}), 1),
            (json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}), 1),
        ] {
            let object = json!({"spec": {"template": template}});
            assert_eq!(changed("Job", &stored, &object, true).len(), breaks, "{object}");
        }
        // Nobody fills in a selector.
        let selecting = |labels: Value| json!({"spec": {"selector": {"matchLabels": labels}}});
        let (stored, object) = (selecting(json!({"a": "b", "c": "d"})), selecting(json!({"a": "b"})));
        assert_eq!(changed("Deployment", &stored, &object, true).len(), 1);
    }
}
