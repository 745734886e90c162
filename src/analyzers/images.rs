//! Images that cannot be pulled or do not run on the node. Knows what registries and the kubelet answer.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::json;

use crate::finding::{Confidence, Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{ContainerView, Index, is_ready, message, name, spec_path},
    lookalike::{distance, nearest},
    patterns::pattern,
};

/// Image names that many clusters use, to tell a misspelt name from a missing tag.
const WELL_KNOWN: &[&str] = &[
    "alpine",
    "busybox",
    "ubuntu",
    "debian",
    "nginx",
    "httpd",
    "traefik",
    "haproxy",
    "caddy",
    "redis",
    "memcached",
    "postgres",
    "mysql",
    "mariadb",
    "mongo",
    "rabbitmq",
    "python",
    "node",
    "golang",
    "openjdk",
    "eclipse-temurin",
    "ruby",
    "php",
    "tomcat",
    "elasticsearch",
    "kibana",
    "logstash",
    "grafana/grafana",
    "prom/prometheus",
    "wordpress",
    "nextcloud",
    "vault",
    "consul",
    "influxdb",
    "telegraf",
    "registry",
    "nats",
    "zookeeper",
    "cassandra",
    "maven",
    "gradle",
    "curlimages/curl",
    "bitnami/kubectl",
];

/// A container whose image the kubelet cannot get (`ErrImagePull`, `ImagePullBackOff`, `InvalidImageName`,
/// `ErrImageNeverPull`; reasons and messages come from the kubelet's image manager and, within them, from the
/// container runtime and the registry). Wrong where a registry was down for a moment only and the next pull works.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for view in index.containers() {
        drafts.extend(unused_pull_secret(index, view));
        let (reason, waiting) = view.waiting();
        if !matches!(
            reason,
            "ErrImagePull"
                | "ImagePullBackOff"
                | "InvalidImageName"
                | "ErrImageNeverPull"
                | "RegistryUnavailable"
        ) {
            continue;
        }
        let said = pull_error(index, view).unwrap_or_else(|| waiting.to_owned());
        let draft = verdict(index, view, reason, &said);
        let source = format!("Pod {}/{} status", view.namespace(), name(&view.pod.metadata));
        drafts.push(
            draft
                .container(view.name())
                .seen_on(view.pod_resource())
                .hurts(&view.owner)
                .evidence(view.field("image"), image(view))
                .evidence(source, format!("{reason}: {said}")),
        );
    }
}

fn image<'a>(view: &ContainerView<'a>) -> &'a str {
    view.spec.image.as_deref().unwrap_or_default()
}

/// The runtime's own words, from the last event that has them: the waiting message may only say `back-off`.
fn pull_error(index: &Index<'_>, view: &ContainerView<'_>) -> Option<String> {
    let events = index.pod_events(view.pod).iter().rev();
    let wanted = format!("\"{}\"", image(view));
    let mut messages = events.map(|event| message(event));
    messages
        .find(|text| text.starts_with("Failed to pull image") && text.contains(&wanted))
        .map(str::to_owned)
}

fn verdict(index: &Index<'_>, view: &ContainerView<'_>, reason: &str, said: &str) -> Draft {
    let image = image(view);
    let lower = said.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let cause =
        |code: &str, sentence: String| Draft::cause(code, severity(index, view), &view.owner, sentence);
    if reason == "ErrImageNeverPull" {
        return cause(
            "image_pull_policy_never",
            format!(
                "`{image}` is not on the node and `imagePullPolicy: Never` forbids container `{}` to pull it.",
                view.name()
            ),
        )
        .fix(
            "Allow the kubelet to pull the image where the node does not have it.",
            Change::container(view, "replace", "imagePullPolicy", Some(json!("IfNotPresent"))),
        );
    }
    if reason == "InvalidImageName" || says(&["invalid reference format", "couldn't parse image"]) {
        return cause("image_name_invalid", format!("`{image}` is not a valid image name.")).fix(
            "Write the image as registry/name:tag, in lower case.",
            Change::set_image(view, "<name:tag>"),
        );
    }
    if says(&["toomanyrequests", "rate limit", "429 too many"]) {
        return cause(
            "image_registry_rate_limited",
            format!("The registry refuses to serve `{image}`: its pull limit is reached."),
        )
        .fix(
            "Pull with an account (imagePullSecrets) or from a mirror, or wait for the limit to reset.",
            "",
        );
    }
    if says(&["no match for platform", "no matching manifest", "exec format error"]) {
        return cause(
            "image_wrong_architecture",
            format!("`{image}` has no variant for the CPU architecture of the node."),
        )
        .fix("Use an image that is built for the node's architecture.", "");
    }
    if says(&["x509:", "certificate"]) {
        return cause(
            "image_registry_certificate",
            format!("The node does not trust the certificate of the registry of `{image}`."),
        )
        .fix("Install the registry's CA on the nodes.", "");
    }
    let absent = says(&["not found", "manifest unknown", "name unknown", "repository does not exist"]);
    let barred = says(&[
        "unauthorized",
        "authentication required",
        "access denied",
        "access forbidden",
        "403 forbidden",
        "insufficient_scope",
        "denied:",
        "authorization failed",
    ]);
    if absent || barred {
        return absent_image(index, view, said, barred);
    }
    if says(&[
        "no such host",
        "i/o timeout",
        "dial tcp",
        "connection refused",
        "tls handshake timeout",
        "deadline exceeded",
        "no route to host",
    ]) {
        return cause(
            "image_registry_unreachable",
            format!("The node cannot reach the registry of `{image}`."),
        )
        .fix("Check the registry's host name, the node's DNS and its way out.", "");
    }
    cause("image_pull_failed", format!("The node cannot pull `{image}`.")).confidence(Confidence::Likely)
}

/// Critical where nothing of the workload serves; a rollout whose old pods still serve is a warning.
fn severity(index: &Index<'_>, view: &ContainerView<'_>) -> Severity {
    let serving = index.pods_of(&view.owner).iter().any(|pod| is_ready(pod));
    if serving { Severity::Warning } else { Severity::Critical }
}

/// The registry does not have what is asked for, or says so to whom it does not trust: many answer alike for both. Told apart by
/// what the nodes and other pods know of the repository.
fn absent_image(index: &Index<'_>, view: &ContainerView<'_>, said: &str, barred: bool) -> Draft {
    let image = image(view);
    let (repository, tag) = split(image);
    let known = known_images(index, view);
    let repositories: BTreeSet<&str> =
        known.iter().map(|image| split(image).0).chain(WELL_KNOWN.iter().copied()).collect();
    let cause =
        |code: &str, sentence: String| Draft::cause(code, severity(index, view), &view.owner, sentence);
    let is_known = repositories.contains(repository);
    if let (false, Some(meant)) = (is_known, nearest(repository, repositories.iter().copied())) {
        let right = with_tag(meant, tag);
        return cause(
            "image_name_typo",
            format!("`{image}` does not exist: `{repository}` looks like a misspelling of `{meant}`."),
        )
        .confidence(if distance(repository, meant) == 1 { Confidence::Certain } else { Confidence::Likely })
        .fix(format!("Correct the image name to `{right}`."), Change::set_image(view, &right));
    }
    if let Some(draft) = absent_pull_secret(index, view).filter(|_| barred) {
        return draft;
    }
    if barred && !is_known {
        return cause(
            "image_pull_unauthorized",
            format!("The registry does not let the node pull `{image}`: it is private and no valid credentials are sent, or it does not exist."),
        )
        .likely()
        .fix("Create an image pull Secret for that registry and name it in imagePullSecrets, or correct the name.", "");
    }
    let sure = if is_known || said.to_lowercase().contains("manifest unknown") {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let draft = cause(
        "image_tag_not_found",
        format!(
            "`{image}` does not exist in its registry: `{repository}` has no tag `{}`.",
            tag.unwrap_or("latest")
        ),
    )
    .confidence(sure);
    let tags: Vec<&str> =
        known.iter().filter(|other| split(other).0 == repository).map(|other| other.as_str()).collect();
    match previous_image(index, view).or_else(|| closest_tag(image, &tags)) {
        Some((right, why)) => draft.fix(format!("Use `{right}`, {why}."), Change::set_image(view, &right)),
        None => draft.fix(
            "Use a tag that the registry has.",
            Change::set_image(view, &format!("{repository}:<existing tag>")),
        ),
    }
}

/// An `imagePullSecrets` entry that does not exist: the kubelet then pulls without credentials (task "Pull an Image from a
/// Private Registry"), and a private registry refuses. Where the image is public it does no harm.
fn absent_pull_secret(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let named = view.pod.spec.as_ref()?.image_pull_secrets.as_deref().filter(|named| !named.is_empty())?;
    if !index.is_listed("secrets") {
        return None;
    }
    let space = view.namespace();
    let mut wanted = named.iter().map(|secret| secret.name.as_str());
    let absent = wanted.find(|called| super::settings::secret_keys(index, space, called).is_none())?;
    let resource = Resource::namespaced("Secret", space, absent);
    let sentence = format!(
        "Secret `{absent}`, with which `{}` is to be pulled, does not exist in namespace `{space}`, so the registry gets no credentials.",
        image(view)
    );
    Some(
        Draft::cause("image_pull_secret_missing", severity(index, view), &resource, sentence)
            .evidence(format!("{} {}.imagePullSecrets", view.owner, spec_path(&view.owner)), absent)
            .fix(
                "Create the pull Secret.",
                format!("kubectl -n {space} create secret docker-registry {absent} --docker-server=<registry> --docker-username=<user> --docker-password=<password>"),
            ),
    )
}

/// A pull Secret that does not exist while the image came all the same: worth knowing.
fn unused_pull_secret(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let mut draft =
        absent_pull_secret(index, view).filter(|_| view.place == 0 && !view.init && view.is_running())?;
    draft.finding.severity = Severity::Notice;
    Some(draft)
}

/// The image that the ready pods of the same workload run.
fn previous_image(index: &Index<'_>, view: &ContainerView<'_>) -> Option<(String, &'static str)> {
    let ready = index.pods_of(&view.owner).iter().filter(|pod| is_ready(pod));
    let specs = ready.filter_map(|pod| pod.spec.as_ref()).flat_map(|spec| &spec.containers);
    let found = specs.filter(|other| other.name == view.spec.name).find_map(|other| other.image.clone())?;
    Some((found, "which the pods that still serve run"))
}

fn closest_tag(image: &str, tags: &[&str]) -> Option<(String, &'static str)> {
    let near = nearest(image, tags.iter().copied());
    let same_kind = || tags.iter().copied().min_by_key(|tag| (distance(image, tag), tag.len()));
    near.or_else(same_kind).map(|tag| (tag.to_owned(), "which is in use in this cluster"))
}

/// Images that exist: those on the nodes and those that run, with `docker.io/library/` taken off.
fn known_images(index: &Index<'_>, view: &ContainerView<'_>) -> BTreeSet<String> {
    let on_nodes = index.state.nodes.iter().filter_map(|node| node.status.as_ref()?.images.as_ref());
    let names = on_nodes.flatten().filter_map(|image| image.names.as_ref()).flatten().cloned();
    let running = index.state.pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    let running =
        running.flatten().filter(|status| !status.image_id.is_empty()).map(|status| status.image.clone());
    names
        .chain(running)
        .map(|image| short(&image).to_owned())
        .filter(|known| known != short(image(view)))
        .collect()
}

fn short(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    image.strip_prefix("library/").unwrap_or(image)
}

/// Repository and tag of an image; a digest counts as no tag.
fn split(image: &str) -> (&str, Option<&str>) {
    static TAG: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"^(.+?)(?::([\w][\w.-]*))?(?:@sha256:[0-9a-f]+)?$"));
    let image = short(image);
    let Some(groups) = TAG.captures(image) else { return (image, None) };
    (groups.get(1).map_or(image, |name| name.as_str()), groups.get(2).map(|tag| tag.as_str()))
}

fn with_tag(repository: &str, tag: Option<&str>) -> String {
    tag.map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"))
}

/// Whether the container waits for its image: then nothing else about it can be told.
pub(super) fn is_pull_trouble(view: &ContainerView<'_>) -> bool {
    matches!(view.waiting().0, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{deployment, findings, roots, running};
    use super::*;

    fn waiting(reason: &str, message: &str) -> serde_json::Value {
        json!({"state": {"waiting": {"reason": reason, "message": message}}})
    }

    fn codes(image: &str, reason: &str, message: &str) -> Vec<String> {
        roots(deployment(&json!({"image": image}), &waiting(reason, message), &json!({})))
    }

    #[test]
    fn splits_images() {
        for (image, repository, tag) in [
            ("nginx", "nginx", None),
            ("docker.io/library/nginx:1.25", "nginx", Some("1.25")),
            ("localhost:5000/a/b:2", "localhost:5000/a/b", Some("2")),
            ("localhost:5000/a/b", "localhost:5000/a/b", None),
            ("ghcr.io/a/b@sha256:00ff", "ghcr.io/a/b", None),
        ] {
            assert_eq!(split(image), (repository, tag), "{image}");
        }
    }

    #[test]
    fn tells_a_misspelt_name_from_a_missing_tag() {
        let absent = "rpc error: code = NotFound desc = failed to resolve image: not found";
        for (image, reason, message, code) in [
            ("ngnix:1.25", "ImagePullBackOff", absent, "image_name_typo"),
            ("nginx:1.99", "ImagePullBackOff", absent, "image_tag_not_found"),
            (
                "pyhton:3.12",
                "ErrImagePull",
                "pull access denied, repository does not exist or may require authorization: insufficient_scope",
                "image_name_typo",
            ),
            (
                "corp.example/a/b:1",
                "ErrImagePull",
                "unexpected status: 401 Unauthorized",
                "image_pull_unauthorized",
            ),
            (
                "corp.example/a/b:1",
                "ErrImagePull",
                "dial tcp: lookup corp.example: no such host",
                "image_registry_unreachable",
            ),
            (
                "nginx:1",
                "ErrImagePull",
                "429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
                "image_registry_rate_limited",
            ),
            (
                "nginx:1",
                "ErrImageNeverPull",
                "Container image is not present with pull policy of Never",
                "image_pull_policy_never",
            ),
            ("Nginx:1", "InvalidImageName", "couldn't parse image name", "image_name_invalid"),
        ] {
            assert_eq!(
                codes(image, reason, message),
                [format!("{code} Deployment shop/web")],
                "{image} {message}"
            );
        }
    }

    #[test]
    fn offers_the_image_of_the_pods_that_still_serve() {
        let mut objects = deployment(
            &json!({"image": "nginx:1.99"}),
            &waiting("ImagePullBackOff", "not found"),
            &json!({}),
        );
        let mut old = deployment(&json!({"image": "nginx:1.25"}), &running(true), &json!({})).remove(2);
        old["metadata"]["name"] = json!("web-0");
        objects.push(old);
        let finding = findings(objects).remove(0);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.fix.unwrap().command.as_str(),
            "kubectl -n shop set image deployment/web app=nginx:1.25"
        );
    }

    #[test]
    fn a_running_container_has_no_image_trouble() {
        let starting = codes("ngnix:1", "ContainerCreating", "");
        assert!(!starting.iter().any(|code| code.starts_with("image")), "{starting:?}");
        assert_eq!(
            roots(deployment(&json!({"image": "ngnix:1"}), &running(true), &json!({}))),
            Vec::<String>::new()
        );
    }
}
