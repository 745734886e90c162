//! Requests to the Kubernetes API that a ServiceAccount may not make. Knows Roles and bindings.

use k8s_openapi::api::rbac::v1::{PolicyRule, Subject};

use crate::finding::{Evidence, Resource, Severity};

use super::{
    change::Change,
    complaints::Denial,
    draft::Draft,
    index::{ContainerView, Index, name, namespace},
};

/// A denial in the API server's own words (`User "system:serviceaccount:…" cannot list resource "…"`, "Using RBAC
/// Authorization"), unless Roles and bindings allow it by now. Wrong where another authorizer denies it.
pub(super) fn forbidden(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    denial: &Denial,
    log: Evidence,
) -> Option<Draft> {
    if allowed(index, denial) {
        return None;
    }
    let account = Resource::namespaced("ServiceAccount", &denial.namespace, &denial.account);
    let group = if denial.group.is_empty() { String::new() } else { format!(".{}", denial.group) };
    let place =
        denial.within.as_ref().map_or("the whole cluster".to_owned(), |space| format!("namespace `{space}`"));
    let sentence = format!(
        "ServiceAccount `{}` may not `{}` `{}{group}` in {place}, which `{}` needs.",
        denial.account, denial.verb, denial.resource, view.owner.name
    );
    let field = format!("{} {}.serviceAccountName", view.owner, super::index::spec_path(&view.owner));
    if let Some(draft) = binding_fault(index, view, denial, &log) {
        return Some(draft);
    }
    Some(
        Draft::cause("rbac_forbidden", Severity::Critical, &account, sentence)
            .seen_on(view.pod_resource())
            .hurts(&view.owner)
            .about(format!("{} {} {:?}", denial.verb, denial.resource, denial.within))
            .evidence_from(Some(log))
            .evidence(field, &denial.account)
            .fix(format!("Grant `{}` on `{}`.", verbs(&denial.verb), denial.resource), grant(denial)),
    )
}

/// A binding that is there for this account and misses it: its subject is in another namespace, or its role does not exist.
/// Then the binding is what to mend, and a second role is not needed.
fn binding_fault(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    denial: &Denial,
    log: &Evidence,
) -> Option<Draft> {
    let space = denial.within.as_deref()?;
    let mut bindings =
        index.state.role_bindings.iter().filter(|binding| namespace(&binding.metadata) == space);
    let is_role = |kind: &str, called: &str| match kind {
        "Role" => index
            .state
            .roles
            .iter()
            .any(|role| name(&role.metadata) == called && namespace(&role.metadata) == space),
        _ => index.state.cluster_roles.iter().any(|role| name(&role.metadata) == called),
    };
    bindings.find_map(|binding| {
        let itself = Resource::namespaced("RoleBinding", space, name(&binding.metadata));
        let subjects = binding.subjects.as_deref().unwrap_or_default();
        let accounts = || subjects.iter().enumerate().filter(|(_, subject)| subject.kind == "ServiceAccount" && subject.name == denial.account);
        let elsewhere = accounts().find(|(_, subject)| subject.namespace.as_deref().unwrap_or(space) != denial.namespace);
        let role = &binding.role_ref;
        let (sentence, field, stands, todo, change) = if let Some((place, subject)) = elsewhere {
            let wrong = subject.namespace.as_deref().unwrap_or(space);
            (
                format!(
                    "RoleBinding `{}` is for the ServiceAccount `{}` of namespace `{wrong}`, but `{}` runs as that of `{}`, which may not `{}` `{}`.",
                    itself.name, denial.account, view.owner.name, denial.namespace, denial.verb, denial.resource
                ),
                format!("{itself} subjects[{place}].namespace"),
                wrong.to_owned(),
                format!("Bind the account of `{}`.", denial.namespace),
                Change::json(
                    &itself,
                    &serde_json::json!([{"op": "replace", "path": format!("/subjects/{place}/namespace"), "value": denial.namespace}]),
                ),
            )
        } else if accounts().next().is_some() && !is_role(&role.kind, &role.name) {
            (
                format!(
                    "RoleBinding `{}` gives ServiceAccount `{}` the {} `{}`, which does not exist, so it may not `{}` `{}`.",
                    itself.name, denial.account, role.kind, role.name, denial.verb, denial.resource
                ),
                format!("{itself} roleRef.name"),
                role.name.clone(),
                format!("Create the {} `{}`; a binding's roleRef cannot be changed.", role.kind, role.name),
                grant_role(denial, &role.name).into(),
            )
        } else {
            return None;
        };
        Some(
            Draft::cause("rbac_forbidden", Severity::Critical, &itself, sentence)
                .seen_on(view.pod_resource())
                .hurts(&view.owner)
                .about(format!("{} {}", denial.verb, denial.resource))
                .evidence_from(Some(log.clone()))
                .evidence(field, stands)
                .fix(todo, change),
        )
    })
}

fn grant_role(denial: &Denial, called: &str) -> String {
    let group = if denial.group.is_empty() { String::new() } else { format!(".{}", denial.group) };
    let space = denial.within.as_deref().unwrap_or_default();
    format!(
        "kubectl -n {space} create role {called} --verb={} --resource={}{group}",
        verbs(&denial.verb),
        denial.resource
    )
}

/// A client that lists usually watches and gets too.
fn verbs(verb: &str) -> &str {
    if matches!(verb, "list" | "watch" | "get") { "get,list,watch" } else { verb }
}

fn grant(denial: &Denial) -> String {
    let group = if denial.group.is_empty() { String::new() } else { format!(".{}", denial.group) };
    let called = format!("{}-{}", denial.account, denial.resource.replace('/', "-"));
    let what = format!("--verb={} --resource={}{group}", verbs(&denial.verb), denial.resource);
    let who = format!("--serviceaccount={}:{}", denial.namespace, denial.account);
    match &denial.within {
        Some(space) => format!(
            "kubectl -n {space} create role {called} {what}\nkubectl -n {space} create rolebinding {called} --role={called} {who}"
        ),
        None => format!(
            "kubectl create clusterrole {called} {what}\nkubectl create clusterrolebinding {called} --clusterrole={called} {who}"
        ),
    }
}

/// Whether the rules that are in force now allow what was denied.
fn allowed(index: &Index<'_>, denial: &Denial) -> bool {
    let state = index.state;
    let rules = |kind: &str, called: &str, space: &str| -> &[PolicyRule] {
        let role = state.roles.iter().find(|role| {
            kind == "Role" && name(&role.metadata) == called && namespace(&role.metadata) == space
        });
        let cluster_role =
            state.cluster_roles.iter().find(|role| kind == "ClusterRole" && name(&role.metadata) == called);
        role.and_then(|role| role.rules.as_deref())
            .or_else(|| cluster_role.and_then(|role| role.rules.as_deref()))
            .unwrap_or_default()
    };
    let cluster_wide = state.cluster_role_bindings.iter().any(|binding| {
        names(binding.subjects.as_deref(), denial, "")
            && permits(rules(&binding.role_ref.kind, &binding.role_ref.name, ""), denial)
    });
    let here = denial.within.as_deref().is_some_and(|space| {
        state.role_bindings.iter().filter(|binding| namespace(&binding.metadata) == space).any(|binding| {
            names(binding.subjects.as_deref(), denial, space)
                && permits(rules(&binding.role_ref.kind, &binding.role_ref.name, space), denial)
        })
    });
    cluster_wide || here
}

fn names(subjects: Option<&[Subject]>, denial: &Denial, space: &str) -> bool {
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{}", denial.namespace),
        "system:authenticated".to_owned(),
    ];
    subjects.unwrap_or_default().iter().any(|subject| match subject.kind.as_str() {
        "ServiceAccount" => {
            subject.name == denial.account
                && subject.namespace.as_deref().unwrap_or(space) == denial.namespace
        }
        "Group" => groups.contains(&subject.name),
        _ => subject.name == format!("system:serviceaccount:{}:{}", denial.namespace, denial.account),
    })
}

fn permits(rules: &[PolicyRule], denial: &Denial) -> bool {
    let has = |list: Option<&Vec<String>>, wanted: &str| {
        list.is_some_and(|list| list.iter().any(|item| item == "*" || item == wanted))
    };
    rules.iter().any(|rule| {
        let any_name = rule.resource_names.as_ref().is_none_or(Vec::is_empty);
        any_name
            && has(Some(&rule.verbs), &denial.verb)
            && has(rule.api_groups.as_ref(), &denial.group)
            && has(rule.resources.as_ref(), &denial.resource)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, log_of, roots, running};

    const SAID: &str = r#"ERROR HTTP 403 configmaps is forbidden: User "system:serviceaccount:shop:run" cannot list resource "configmaps" in API group "" in the namespace "shop""#;

    fn case(more: Vec<Value>) -> Vec<Value> {
        let mut objects = deployment(&json!({}), &running(true), &json!({"serviceAccountName": "run"}));
        objects.push(log_of("web-1", "app", SAID));
        objects.extend(more);
        objects
    }

    #[test]
    fn a_denial_is_the_accounts() {
        assert_eq!(roots(case(vec![])), ["rbac_forbidden ServiceAccount shop/run"]);
        let fix = findings(case(vec![])).remove(0).fix.unwrap();
        assert!(
            fix.command.contains(
                "create rolebinding run-configmaps --role=run-configmaps --serviceaccount=shop:run"
            )
        );
    }

    #[test]
    fn what_is_granted_by_now_is_over() {
        let role = json!({"kind": "Role", "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]});
        let binding = json!({"kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": {"apiGroup": "", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "run", "namespace": "shop"}]});
        assert_eq!(roots(case(vec![role, binding])), Vec::<String>::new());
    }
}
