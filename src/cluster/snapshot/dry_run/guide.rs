//! How lists and maps are merged, kind by kind: by the recorded schema, or where none was recorded, by the names
//! that fields have in Kubernetes' own kinds. Pure.

use serde_json::Value;

use super::schema::Node;

/// How a list is merged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// The new one replaces the old one.
    Atomic,
    /// Values that are not there are added.
    Set,
    /// Items are the same that have the same values under these keys.
    Keyed(Vec<String>),
}

/// Knows the merging below one place in an object.
#[derive(Clone, Copy)]
pub(super) enum Guide<'a> {
    /// By the schema of that place; `None` where the schema does not know it.
    Schema(Option<Node<'a>>),
    /// By the name of the field at that place.
    WellKnown(&'a str),
    /// Of a kind of which nothing is known: lists are replaced.
    Unknown,
}

/// The lists of Kubernetes' own kinds that are merged, with the keys that their items may have. The same name may
/// stand for lists of different items, such as the ports of containers and of services.
const KEYED: &[(&str, &[&str])] = &[
    ("addresses", &["type"]),
    ("claims", &["name"]),
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("drivers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("hostIPs", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("matchConditions", &["name"]),
    ("ownerReferences", &["uid"]),
    ("podIPs", &["ip"]),
    ("ports", &["containerPort", "port"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("secrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
    ("webhooks", &["name"]),
];
/// The lists of single values that are merged.
const SETS: &[&str] = &["finalizers", "podCIDRs"];

impl<'a> Guide<'a> {
    /// The place of a field.
    pub(super) fn field(self, name: &'a str) -> Self {
        match self {
            Self::Schema(node) => Self::Schema(node.and_then(|node| node.field(name))),
            Self::WellKnown(_) => Self::WellKnown(name),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The place of an item of a list.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Schema(node) => Self::Schema(node.and_then(Node::item)),
            Self::WellKnown(_) => Self::WellKnown(""),
            Self::Unknown => Self::Unknown,
        }
    }

    /// How a strategic merge patch merges the list at this place, whose items are such as these.
    pub(super) fn patched(self, items: &[Value]) -> Rule {
        match self {
            Self::Schema(Some(node)) => node.patched(),
            Self::Schema(None) | Self::Unknown => Rule::Atomic,
            Self::WellKnown(name) => well_known(name, items),
        }
    }

    /// How a server-side apply merges it.
    pub(super) fn applied(self, items: &[Value]) -> Rule {
        match self {
            Self::Schema(Some(node)) => node.applied(),
            Self::Schema(None) | Self::Unknown => Rule::Atomic,
            Self::WellKnown("ports") => {
                let rule = well_known("ports", items);
                // Here the protocol counts as well.
                match rule {
                    Rule::Keyed(key) => Rule::Keyed(key.into_iter().chain(["protocol".into()]).collect()),
                    rule => rule,
                }
            }
            Self::WellKnown(name) => well_known(name, items),
        }
    }

    /// Whether a server-side apply replaces the map at this place as a whole.
    pub(super) fn is_atomic_map(self) -> bool {
        match self {
            Self::Schema(node) => node.is_some_and(Node::is_atomic_map),
            Self::WellKnown(name) => {
                ["selector", "configMapKeyRef", "secretKeyRef", "fieldRef"].contains(&name)
            }
            Self::Unknown => false,
        }
    }
}

fn well_known(name: &str, items: &[Value]) -> Rule {
    if SETS.contains(&name) {
        return Rule::Set;
    }
    let keys = KEYED.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, keys)| *keys);
    let has = |key: &&&str| items.iter().any(|item| item.get(**key).is_some());
    keys.iter().find(has).map_or(Rule::Atomic, |key| Rule::Keyed(vec![(*key).into()]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn well_known_lists_are_merged_by_their_keys() {
        let root = Guide::WellKnown("");
        for (path, item, expected) in [
            ("spec.template.spec.containers", json!({"name": "a"}), Some("name")),
            ("spec.ports", json!({"port": 80}), Some("port")),
            ("spec.containers.ports", json!({"containerPort": 80}), Some("containerPort")),
            ("spec.containers.volumeMounts", json!({"mountPath": "/x", "name": "n"}), Some("mountPath")),
            ("spec.tolerations", json!({"key": "a"}), None),
            ("rules", json!({"verbs": ["get"]}), None),
            ("spec.containers.command", json!("sh"), None),
        ] {
            let guide = path.split('.').fold(root, Guide::field);
            let expected = expected.map_or(Rule::Atomic, |key| Rule::Keyed(vec![key.into()]));
            assert_eq!(guide.patched(&[item]), expected, "{path}");
        }
        assert_eq!(root.field("metadata").field("finalizers").patched(&[json!("x")]), Rule::Set);
        let ports = root.field("ports").applied(&[json!({"port": 80})]);
        assert_eq!(ports, Rule::Keyed(vec!["port".into(), "protocol".into()]));
        assert_eq!(Guide::Unknown.field("containers").patched(&[json!({"name": "a"})]), Rule::Atomic);
    }
}
