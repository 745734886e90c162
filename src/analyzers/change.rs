//! What would mend a fault, as data: patches, and the kubectl lines that equal them. Knows no rule.

use serde_json::{Map, Value, json};

use crate::{
    finding::{Patch, PatchForm, Resource},
    redact::RedactedJson,
};

use super::index::{ContainerView, Index, is_editable, kubectl_name, shell_word, spec_path};

/// A change of one object or several. Empty where no command can make it.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    /// Shell lines to paste.
    pub(super) command: String,
    pub(super) patches: Vec<Patch>,
}

/// A change that only a person can make, or that is no patch.
impl From<&str> for Change {
    fn from(command: &str) -> Self {
        Self { command: command.to_owned(), patches: Vec::new() }
    }
}

impl From<String> for Change {
    fn from(command: String) -> Self {
        Self { command, patches: Vec::new() }
    }
}

impl Change {
    /// A list of JSON patch operations (RFC 6902).
    pub(super) fn json(resource: &Resource, operations: &Value) -> Self {
        Self::patch(resource, PatchForm::Json, operations)
    }

    /// A JSON merge patch (RFC 7386).
    pub(super) fn merge(resource: &Resource, body: &Value) -> Self {
        Self::patch(resource, PatchForm::Merge, body)
    }

    /// A strategic merge patch: lists are merged by the key of their kind, containers by name.
    pub(super) fn strategic(resource: &Resource, body: &Value) -> Self {
        Self::patch(resource, PatchForm::Strategic, body)
    }

    fn patch(resource: &Resource, form: PatchForm, body: &Value) -> Self {
        let kind = match form {
            PatchForm::Json => " --type json",
            PatchForm::Merge => " --type merge",
            PatchForm::Strategic => "",
        };
        let command = format!(
            "{} patch {}{kind} -p {}",
            kubectl(resource),
            kubectl_name(resource),
            shell_word(&body.to_string())
        );
        Self::of(resource, form, body, command)
    }

    /// A patch, and the shorter command that does the same.
    fn of(resource: &Resource, form: PatchForm, body: &Value, command: String) -> Self {
        let masked = RedactedJson::new(body.clone());
        // What had to be masked would not mend anything.
        let whole = *masked == *body;
        let patch = Patch {
            api_version: api_version(&resource.kind).to_owned(),
            resource: resource.clone(),
            form,
            body: masked,
        };
        Self { command, patches: if whole { vec![patch] } else { Vec::new() } }
    }

    /// One operation on a field below the pod spec of what makes the pods.
    pub(super) fn pod_spec(owner: &Resource, op: &str, path: &str, value: Option<Value>) -> Self {
        if !is_editable(owner) {
            return Self::default();
        }
        let root = spec_path(owner).replace('.', "/");
        Self::json(owner, &json!([operation(op, &format!("/{root}/{path}"), value)]))
    }

    /// One operation on a field of a container.
    pub(super) fn container(view: &ContainerView<'_>, op: &str, path: &str, value: Option<Value>) -> Self {
        Self::container_all(view, &[(op, path, value)])
    }

    pub(super) fn container_all(
        view: &ContainerView<'_>,
        operations: &[(&str, &str, Option<Value>)],
    ) -> Self {
        if !is_editable(&view.owner) {
            return Self::default();
        }
        let list = if view.init { "initContainers" } else { "containers" };
        let root = format!("/{}/{list}/{}", spec_path(&view.owner).replace('.', "/"), view.place);
        let all: Vec<Value> = operations
            .iter()
            .map(|(op, path, value)| operation(op, &format!("{root}/{path}"), value.clone()))
            .collect();
        Self::json(&view.owner, &Value::Array(all))
    }

    /// `kubectl set env`.
    pub(super) fn set_env(view: &ContainerView<'_>, name: &str, value: &str) -> Self {
        let own = json!({"env": [{"name": name, "value": value}]});
        let assignment =
            if is_blank(value) { format!("{name}={value}") } else { format!("{name}={}", shell_word(value)) };
        Self::set(view, &own, |owner| format!("set env {owner} -c {} {assignment}", view.name()))
    }

    /// `kubectl set image`.
    pub(super) fn set_image(view: &ContainerView<'_>, image: &str) -> Self {
        Self::set(view, &json!({"image": image}), |owner| {
            format!("set image {owner} {}={image}", view.name())
        })
    }

    fn set(view: &ContainerView<'_>, own: &Value, command: impl Fn(&str) -> String) -> Self {
        container_patch(&view.owner, view.name(), view.init, own, command)
    }

    /// `kubectl set resources`: `side` is `limits` or `requests`.
    pub(super) fn set_resources(
        owner: &Resource,
        container: &str,
        side: &str,
        what: &str,
        amount: &str,
    ) -> Self {
        let own = json!({"resources": {side: {what: amount}}});
        container_patch(owner, container, false, &own, |owner| {
            format!("set resources {owner} -c {container} --{side}={what}={amount}")
        })
    }

    /// `kubectl rollout restart` of those among `owners` that can be.
    pub(super) fn restart(index: &Index<'_>, owners: &[Resource]) -> Self {
        let able =
            |owner: &&Resource| matches!(owner.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
        let owners: Vec<&Resource> = owners.iter().filter(able).collect();
        let Some(first) = owners.first() else { return Self::default() };
        let names: Vec<String> = owners.iter().map(|owner| kubectl_name(owner)).collect();
        let command = format!("{} rollout restart {}", kubectl(first), names.join(" "));
        let at = index.state.taken_at.to_string();
        let body = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}}});
        let all = owners.iter().map(|owner| Self::strategic(owner, &body));
        all.fold(Self::default(), Self::then).told_as(command)
    }

    /// This change, and then that one.
    pub(super) fn then(mut self, next: Self) -> Self {
        if !self.command.is_empty() && !next.command.is_empty() {
            self.command.push('\n');
        }
        self.command.push_str(&next.command);
        self.patches.extend(next.patches);
        self
    }

    /// The same change, told by another command.
    pub(super) fn told_as(mut self, command: String) -> Self {
        self.command = command;
        self
    }

    /// The patches, where nothing is left to be filled in.
    pub(super) fn ready(&self) -> Vec<Patch> {
        if is_blank(&self.command) { Vec::new() } else { self.patches.clone() }
    }
}

/// Whether something is left for a person to fill in, as `<value>`.
fn is_blank(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| {
        rest.split_once('>').is_some_and(|(word, _)| {
            word.starts_with(|letter: char| letter.is_ascii_lowercase())
                && word.chars().all(|letter| letter.is_ascii_lowercase() || " .:-".contains(letter))
        })
    })
}

fn operation(op: &str, path: &str, value: Option<Value>) -> Value {
    let mut members = Map::from_iter([("op".to_owned(), json!(op)), ("path".to_owned(), json!(path))]);
    members.extend(value.map(|value| ("value".to_owned(), value)));
    Value::Object(members)
}

fn container_patch(
    owner: &Resource,
    container: &str,
    init: bool,
    own: &Value,
    command: impl Fn(&str) -> String,
) -> Change {
    if !is_editable(owner) {
        return Change::default();
    }
    let mut container = json!({ "name": container });
    if let (Some(all), Some(own)) = (container.as_object_mut(), own.as_object()) {
        all.extend(own.clone());
    }
    let list = if init { "initContainers" } else { "containers" };
    let mut body = json!({ list: [container] });
    for part in spec_path(owner).rsplit('.') {
        body = json!({ part: body });
    }
    let command = format!("{} {}", kubectl(owner), command(&kubectl_name(owner)));
    Change::of(owner, PatchForm::Strategic, &body, command)
}

fn kubectl(resource: &Resource) -> String {
    resource.namespace.as_ref().map_or("kubectl".to_owned(), |space| format!("kubectl -n {space}"))
}

/// The group and version by which the API server serves a kind that the rules change.
fn api_version(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "PodDisruptionBudget" => "policy/v1",
        "Ingress" | "IngressClass" | "NetworkPolicy" => "networking.k8s.io/v1",
        "StorageClass" => "storage.k8s.io/v1",
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            "admissionregistration.k8s.io/v1"
        }
        "Gateway" | "HTTPRoute" => "gateway.networking.k8s.io/v1",
        _ => "v1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_fill_in_is_no_patch() {
        let web = Resource::namespaced("Deployment", "shop", "web");
        for (amount, patches) in [("64Mi", 1), ("<less>", 0)] {
            let change = Change::set_resources(&web, "app", "limits", "memory", amount);
            assert_eq!(change.ready().len(), patches, "{}", change.command);
        }
        assert!(!is_blank("a < b > c") && !is_blank("x <- y"));
    }

    #[test]
    fn the_command_and_the_patch_say_the_same() {
        let cron = Resource::namespaced("CronJob", "shop", "night");
        let change = Change::set_resources(&cron, "app", "requests", "cpu", "100m");
        assert_eq!(change.command, "kubectl -n shop set resources cronjob/night -c app --requests=cpu=100m");
        let expected = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "resources": {"requests": {"cpu": "100m"}}}]}}}}}});
        assert_eq!(*change.patches[0].body, expected);
        assert_eq!(change.patches[0].api_version, "batch/v1");
        let service = Resource::namespaced("Service", "shop", "web");
        let change = Change::merge(&service, &json!({"spec": {"x": "it's"}}));
        assert_eq!(
            change.command,
            r#"kubectl -n shop patch service/web --type merge -p '{"spec":{"x":"it'\''s"}}'"#
        );
    }

    #[test]
    fn what_cannot_be_changed_in_place_gets_no_change() {
        let pod = Resource::namespaced("Pod", "shop", "web");
        assert_eq!(Change::pod_spec(&pod, "remove", "nodeSelector", None).command, "");
    }
}
