//! Roles and bindings, and what follows from them for one user. Pure.

use std::collections::HashMap;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Ask, User, service_account};

/// All recorded roles and bindings.
#[derive(Default)]
pub(in super::super) struct Rbac {
    /// By namespace, empty for cluster roles, and name.
    roles: HashMap<(String, String), Vec<PolicyRule>>,
    /// Those of the cluster first.
    bindings: Vec<Binding>,
}

/// A binding of either kind.
struct Binding {
    /// `None` for a cluster role binding.
    namespace: Option<String>,
    name: String,
    role: RoleRef,
    subjects: Vec<Subject>,
}

/// Whether somebody may do something.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Decision {
    /// Yes, and by what.
    Allowed(String),
    /// No, and what went wrong while it was looked up; mostly empty.
    Denied(String),
}

/// The recorded objects that rights follow from.
#[derive(Default)]
pub(in super::super) struct Sources<'a> {
    pub(in super::super) roles: Vec<&'a RawValue>,
    pub(in super::super) cluster_roles: Vec<&'a RawValue>,
    pub(in super::super) role_bindings: Vec<&'a RawValue>,
    pub(in super::super) cluster_role_bindings: Vec<&'a RawValue>,
}

impl Rbac {
    /// Reads the recorded objects. One that can't be read gives no right.
    pub(in super::super) fn read(sources: &Sources<'_>) -> Self {
        let mut rbac = Self::default();
        for role in read::<ClusterRole>(&sources.cluster_roles) {
            let name = role.metadata.name.unwrap_or_default();
            rbac.roles.insert((String::new(), name), role.rules.unwrap_or_default());
        }
        for role in read::<Role>(&sources.roles) {
            let place = (role.metadata.namespace.unwrap_or_default(), role.metadata.name.unwrap_or_default());
            rbac.roles.insert(place, role.rules.unwrap_or_default());
        }
        rbac.bindings.extend(read::<ClusterRoleBinding>(&sources.cluster_role_bindings).map(|binding| {
            Binding {
                namespace: None,
                name: binding.metadata.name.unwrap_or_default(),
                role: binding.role_ref,
                subjects: binding.subjects.unwrap_or_default(),
            }
        }));
        rbac.bindings.extend(read::<RoleBinding>(&sources.role_bindings).map(|binding| Binding {
            namespace: Some(binding.metadata.namespace.unwrap_or_default()),
            name: binding.metadata.name.unwrap_or_default(),
            role: binding.role_ref,
            subjects: binding.subjects.unwrap_or_default(),
        }));
        rbac
    }

    /// Whether a user may do something.
    pub(in super::super) fn decide(&self, user: &User, ask: &Ask) -> Decision {
        if user.is_master() {
            return Decision::Allowed(String::new());
        }
        let namespace = match ask {
            Ask::Object { namespace, .. } => namespace.as_str(),
            Ask::Path { .. } => "",
        };
        let mut missing = Vec::new();
        for (binding, subject) in self.bindings_of(user, namespace) {
            match self.rules_of(binding) {
                Some(rules) if rules.iter().any(|rule| allows(rule, ask)) => {
                    return Decision::Allowed(binding.reason(subject));
                }
                Some(_) => {}
                None => missing.push(format!(
                    "{}.rbac.authorization.k8s.io {:?} not found",
                    binding.role.kind.to_lowercase(),
                    binding.role.name
                )),
            }
        }
        Decision::Denied(match missing.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        })
    }

    /// All rules that hold for a user in a namespace.
    pub(in super::super) fn rules_for(&self, user: &User, namespace: &str) -> Vec<&PolicyRule> {
        self.bindings_of(user, namespace)
            .filter_map(|(binding, _)| self.rules_of(binding))
            .flatten()
            .collect()
    }

    fn bindings_of<'a>(
        &'a self,
        user: &'a User,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Binding, &'a Subject)> {
        let here = self.bindings.iter().filter(move |binding| {
            binding.namespace.as_deref().is_none_or(|own| !own.is_empty() && own == namespace)
        });
        here.filter_map(|binding| {
            let own = binding.namespace.as_deref().unwrap_or_default();
            binding.subjects.iter().find(|subject| is(user, subject, own)).map(|subject| (binding, subject))
        })
    }

    fn rules_of(&self, binding: &Binding) -> Option<&Vec<PolicyRule>> {
        let namespace = match binding.role.kind.as_str() {
            "Role" => binding.namespace.clone()?,
            _ => String::new(),
        };
        self.roles.get(&(namespace, binding.role.name.clone()))
    }
}

impl Binding {
    /// The API server's sentence about why something is allowed.
    fn reason(&self, subject: &Subject) -> String {
        let (kind, name) = match &self.namespace {
            None => ("ClusterRoleBinding", self.name.clone()),
            Some(namespace) => ("RoleBinding", format!("{}/{namespace}", self.name)),
        };
        let who = match &subject.namespace {
            Some(namespace) if subject.kind == "ServiceAccount" => format!("{}/{namespace}", subject.name),
            _ => subject.name.clone(),
        };
        format!(
            "RBAC: allowed by {kind} {name:?} of {} {:?} to {} {who:?}",
            self.role.kind, self.role.name, subject.kind
        )
    }
}

fn read<T: DeserializeOwned>(objects: &[&RawValue]) -> impl Iterator<Item = T> {
    objects.iter().filter_map(|object| serde_json::from_str(object.get()).ok())
}

/// Whether a binding's subject is this user; `own` is the binding's namespace.
fn is(user: &User, subject: &Subject, own: &str) -> bool {
    match subject.kind.as_str() {
        "User" => user.name == subject.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => service_account(&user.name).is_some_and(|(namespace, name)| {
            let wanted = subject.namespace.as_deref().filter(|namespace| !namespace.is_empty());
            name == subject.name && namespace == wanted.unwrap_or(own)
        }),
        _ => false,
    }
}

/// Whether a rule allows what is asked.
fn allows(rule: &PolicyRule, ask: &Ask) -> bool {
    let list = |list: &Option<Vec<String>>, wanted: &[&str]| {
        list.iter().flatten().any(|entry| wanted.contains(&entry.as_str()))
    };
    match ask {
        Ask::Path { verb, path } => {
            rule.verbs.iter().any(|known| known == "*" || known == verb)
                && rule.non_resource_urls.iter().flatten().any(|url| covers(url, path))
        }
        Ask::Object { verb, group, resource, name, .. } => {
            let part = resource.split_once('/').map(|(_, part)| format!("*/{part}"));
            rule.verbs.iter().any(|known| known == "*" || known == verb)
                && list(&rule.api_groups, &["*", group])
                && list(&rule.resources, &["*", resource, part.as_deref().unwrap_or(resource)])
                && (rule.resource_names.iter().flatten().next().is_none()
                    || list(&rule.resource_names, &[name]))
        }
    }
}

/// Whether a rule's path covers a path: by itself, or as `/healthz/*`.
fn covers(url: &str, path: &str) -> bool {
    url == path || url.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::to_raw_value};

    use super::*;

    /// Two service accounts, a user and a group with a few roles.
    fn rbac() -> Rbac {
        let raw = |list: Value| {
            list.as_array().unwrap().iter().map(|v| to_raw_value(v).unwrap()).collect::<Vec<_>>()
        };
        let cluster_roles = raw(json!([
            {"metadata": {"name": "reader"}, "rules": [
                {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
                {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get"]},
                {"nonResourceURLs": ["/healthz", "/metrics/*"], "verbs": ["get"]}]},
            {"metadata": {"name": "one"}, "rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["*"]}]},
            {"metadata": {"name": "scaler"}, "rules": [{"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["patch"]}]},
            {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        ]));
        let roles = raw(json!([
            {"metadata": {"name": "reader", "namespace": "shop"}, "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]},
        ]));
        let to = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let cluster_role_bindings = raw(json!([
            {"metadata": {"name": "b1"}, "roleRef": to("ClusterRole", "reader"), "subjects": [to("Group", "dev")]},
            {"metadata": {"name": "b2"}, "roleRef": to("ClusterRole", "gone"), "subjects": [to("User", "eve")]},
        ]));
        let account = json!({"kind": "ServiceAccount", "name": "cart", "namespace": "shop"});
        let role_bindings = raw(json!([
            {"metadata": {"name": "b3", "namespace": "shop"}, "roleRef": to("Role", "reader"), "subjects": [account]},
            {"metadata": {"name": "b4", "namespace": "shop"}, "roleRef": to("ClusterRole", "one"),
             "subjects": [{"kind": "ServiceAccount", "name": "cart"}]},
            {"metadata": {"name": "b5", "namespace": "shop"}, "roleRef": to("ClusterRole", "all"), "subjects": [to("User", "ada")]},
            {"metadata": {"name": "b6", "namespace": "shop"}, "roleRef": to("ClusterRole", "scaler"), "subjects": [to("User", "sam")]},
        ]));
        let refs = |list: &'static [Box<RawValue>]| list.iter().map(AsRef::as_ref).collect();
        let leak = |list: Vec<Box<RawValue>>| refs(Vec::leak(list));
        Rbac::read(&Sources {
            roles: leak(roles),
            cluster_roles: leak(cluster_roles),
            role_bindings: leak(role_bindings),
            cluster_role_bindings: leak(cluster_role_bindings),
        })
    }

    fn decide(rbac: &Rbac, user: &User, line: &str) -> Decision {
        let words: Vec<&str> = line.split(' ').collect();
        let ask = match words.as_slice() {
            [verb, path] => Ask::Path { verb: (*verb).into(), path: (*path).into() },
            [verb, resource, namespace, name] => {
                let (group, resource) =
                    resource.split_once(':').map_or(("", *resource), |(group, rest)| (group, rest));
                let own = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
                Ask::Object {
                    verb: (*verb).into(),
                    group: group.into(),
                    resource: resource.into(),
                    namespace: own(namespace),
                    name: own(name),
                }
            }
            _ => panic!("{line}"),
        };
        rbac.decide(user, &ask)
    }

    #[test]
    fn rights_follow_from_roles_and_bindings() {
        let rbac = rbac();
        let dev = User::new("d", &["dev".into()]);
        let cart = User::new("system:serviceaccount:shop:cart", &[]);
        let other = User::new("system:serviceaccount:bank:cart", &[]);
        let (ada, sam) = (User::new("ada", &[]), User::new("sam", &[]));
        for (user, line, allowed) in [
            (&dev, "get pods shop p", true),
            (&dev, "list pods - -", true),
            (&dev, "watch pods - -", false),
            (&dev, "get pods/log shop p", true),
            (&dev, "get pods/exec shop p", false),
            (&dev, "get secrets shop s", false),
            (&dev, "get apps:deployments/scale shop d", true),
            (&dev, "get batch:jobs shop j", false),
            (&dev, "get /healthz", true),
            (&dev, "get /healthz/ping", false),
            (&dev, "get /metrics/x", true),
            (&dev, "post /healthz", false),
            (&cart, "get secrets shop s", true),
            (&cart, "get secrets bank s", false),
            (&cart, "get secrets - -", false),
            (&cart, "delete configmaps shop settings", true),
            (&cart, "delete configmaps shop others", false),
            (&cart, "list configmaps shop -", false),
            (&other, "get secrets shop s", false),
            (&other, "get configmaps shop settings", false),
            (&ada, "deletecollection apps:deployments shop -", true),
            (&ada, "list nodes - -", false),
            (&ada, "list pods bank -", false),
            (&sam, "patch apps:deployments/scale shop d", true),
            (&sam, "patch apps:deployments shop d", false),
            (&User::admin(), "delete nodes - n", true),
            (&User::admin(), "get /anything", true),
        ] {
            let decision = decide(&rbac, user, line);
            assert_eq!(
                matches!(decision, Decision::Allowed(_)),
                allowed,
                "{} {line}: {decision:?}",
                user.name
            );
        }
    }

    #[test]
    fn a_decision_says_what_it_follows_from() {
        let rbac = rbac();
        let cart = User::new("system:serviceaccount:shop:cart", &[]);
        let reason =
            r#"RBAC: allowed by RoleBinding "b3/shop" of Role "reader" to ServiceAccount "cart/shop""#;
        assert_eq!(decide(&rbac, &cart, "get secrets shop s"), Decision::Allowed(reason.into()));
        let dev = User::new("d", &["dev".into()]);
        let reason = r#"RBAC: allowed by ClusterRoleBinding "b1" of ClusterRole "reader" to Group "dev""#;
        assert_eq!(decide(&rbac, &dev, "list pods - -"), Decision::Allowed(reason.into()));
        let gone = r#"RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#;
        assert_eq!(decide(&rbac, &User::new("eve", &[]), "list pods - -"), Decision::Denied(gone.into()));
        assert_eq!(rbac.rules_for(&cart, "shop").len(), 2);
        assert_eq!(rbac.rules_for(&cart, "bank").len(), 0);
    }
}
