//! Containers that the kubelet or the container runtime cannot make out of their spec, and their start hooks. Asked by
//! `container_start`.

use jiff::SignedDuration;
use serde_json::json;

use crate::finding::{Confidence, Severity};

use super::{
    change::Change,
    container_start::{command_not_found, image, shortened, status_of},
    draft::Draft,
    index::{ContainerView, Index, event_time, message, reason},
    lookalike::nearest,
    settings::{mounts, secret_keys},
};

/// The kubelet cannot make the container out of its spec (`CreateContainerConfigError`, from the kubelet's
/// generateContainerConfig; `CreateContainerError`, from the runtime). Missing ConfigMaps and Secrets are
/// `config_refs`' matter.
pub(super) fn not_created(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    waiting: &str,
    said: &str,
) -> Option<Draft> {
    let cause = |code: &str, sentence: String| {
        Draft::cause(code, Severity::Critical, &view.owner, sentence)
            .evidence(status_of(view), format!("{waiting}: {said}"))
    };
    let context = view.field("securityContext");
    if said.contains("runAsNonRoot and image will run as root") {
        let sentence = format!(
            "Container `{}` has `runAsNonRoot: true`, but its image `{}` runs as root and no `runAsUser` says otherwise.",
            view.name(),
            image(view)
        );
        return Some(
            cause("run_as_non_root_image_root", sentence)
                .evidence(context, "runAsNonRoot: true")
                .fix("Run it as a user other than root that the image works with.", run_as_user(view)),
        );
    }
    if said.contains("runAsNonRoot and image has non-numeric user") {
        let sentence = format!(
            "Container `{}` has `runAsNonRoot: true`, but the user of its image has no number that could be checked.",
            view.name()
        );
        return Some(
            cause("run_as_non_root_user_not_numeric", sentence)
                .evidence(context, "runAsNonRoot: true")
                .fix("Give the user's number.", run_as_user(view)),
        );
    }
    let missing =
        said.contains("configmap \"") || said.contains("secret \"") || said.contains("couldn't find key");
    if missing {
        return None;
    }
    if said.contains("subPath") {
        return Some(
            cause(
                "volume_subpath_invalid",
                format!("A subPath of container `{}` cannot be mounted.", view.name()),
            )
            .fix("Correct the subPath of the volume mount.", ""),
        );
    }
    if said.contains("runAsUser breaks non-root policy") {
        let sentence = format!(
            "Container `{}` has `runAsNonRoot: true` and a `runAsUser` of 0, which contradict each other.",
            view.name()
        );
        return Some(
            cause("run_as_non_root_conflict", sentence)
                .evidence(context, "runAsNonRoot: true, runAsUser: 0")
                .fix("Run it as another user than root.", run_as_user(view)),
        );
    }
    if let Some(draft) = profile(view, said) {
        return Some(draft.evidence(status_of(view), format!("{waiting}: {said}")));
    }
    if said.contains("not a directory") || said.contains("is a directory") {
        return Some(mount_conflict(index, view).evidence(status_of(view), format!("{waiting}: {said}")));
    }
    if said.contains("executable file not found") || said.contains("no such file or directory") {
        return Some(command_not_found(view, said));
    }
    let sentence = format!("The kubelet cannot create container `{}`.", view.name());
    Some(cause("container_config_error", sentence).confidence(Confidence::Likely))
}

fn run_as_user(view: &ContainerView<'_>) -> Change {
    if view.spec.security_context.is_some() {
        Change::container(view, "add", "securityContext/runAsUser", Some(json!(10001)))
    } else {
        Change::container(view, "add", "securityContext", Some(json!({"runAsUser": 10001})))
    }
}

/// A volume mounted over something of another kind: a directory over a file, or a file over a directory. Mostly a `subPath`
/// that is no key of its ConfigMap or Secret: the kubelet then makes a directory of that name.
pub(super) fn mount_conflict(index: &Index<'_>, view: &ContainerView<'_>) -> Draft {
    let lost = mounts(view).into_iter().find_map(|(mount, volume)| {
        let sub = mount.sub_path.as_ref()?;
        let (kind, called, keys) = if let Some(source) = &volume.config_map {
            let map = index.config_map(view.namespace(), &source.name)?;
            let keys: Vec<String> = map.data.iter().flatten().map(|(key, _)| key.clone()).collect();
            ("ConfigMap", source.name.clone(), keys)
        } else {
            let called = volume.secret.as_ref()?.secret_name.clone()?;
            let keys = secret_keys(index, view.namespace(), &called)?.keys.clone();
            ("Secret", called, keys)
        };
        (!keys.contains(sub)).then_some((mount, sub, kind, called, keys))
    });
    let Some((mount, sub, kind, called, keys)) = lost else {
        let sentence = format!(
            "A volume of container `{}` is mounted over something of another kind: a file over a directory, or a directory over a file.",
            view.name()
        );
        return Draft::cause("volume_mount_conflict", Severity::Critical, &view.owner, sentence)
            .evidence(view.field("volumeMounts"), mount_paths(view))
            .fix("Mount a directory on a directory; a single file of a volume needs a subPath.", "");
    };
    let sentence = format!(
        "Container `{}` mounts the subPath `{sub}` of {kind} `{called}` at `{}`, but the {kind} has no such key; it has `{}`.",
        view.name(),
        mount.mount_path,
        keys.join("`, `")
    );
    let place = view.spec.volume_mounts.iter().flatten().position(|known| known == mount);
    let right = nearest(sub, keys.iter().map(String::as_str))
        .or_else(|| keys.first().filter(|_| keys.len() == 1).map(String::as_str));
    let draft = Draft::cause("sub_path_key_missing", Severity::Critical, &view.owner, sentence)
        .evidence(view.field("volumeMounts"), mount_paths(view))
        .evidence(format!("{kind} {}/{called} data", view.namespace()), keys.join(", "));
    match (right, place) {
        (Some(right), Some(place)) => {
            let field = format!("volumeMounts/{place}/subPath");
            draft.fix(
                format!("Mount the key `{right}`."),
                Change::container(view, "replace", &field, Some(json!(right))),
            )
        }
        _ => draft.fix(format!("Mount a key that the {kind} has, or add `{sub}` to it."), ""),
    }
}

/// A start hook that failed within the last hour, for a container that is not ready.
pub(super) fn failing_start_hook(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    view.spec.lifecycle.as_ref()?.post_start.as_ref()?;
    let path = format!("{{{}}}", view.name());
    let failed = index.pod_events(view.pod).iter().any(|event| {
        let recent = event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_hours(1));
        let field = event.involved_object.field_path.as_deref();
        reason(event) == "FailedPostStartHook" && recent && field.is_none_or(|field| field.ends_with(&path))
    });
    failed.then(|| hook_failed(index, view, ""))
}

/// A security profile that the node does not have: AppArmor and `Localhost` seccomp profiles have to be loaded on every
/// node (tutorials "Restrict a Container's Access to Resources with AppArmor" and "… Syscalls with seccomp").
fn profile(view: &ContainerView<'_>, said: &str) -> Option<Draft> {
    let lower = said.to_lowercase();
    let (code, what) = match () {
        () if lower.contains("apparmor") => ("apparmor_profile_missing", "AppArmor"),
        () if lower.contains("seccomp") => ("seccomp_profile_missing", "seccomp"),
        () => return None,
    };
    let sentence = format!(
        "Container `{}` asks for a {what} profile that its node does not have or cannot use.",
        view.name()
    );
    Some(
        Draft::cause(code, Severity::Critical, &view.owner, sentence)
            .fix(format!("Load the {what} profile on the nodes, or use RuntimeDefault."), ""),
    )
}

fn mount_paths(view: &ContainerView<'_>) -> String {
    let mounts = view.spec.volume_mounts.iter().flatten();
    let told = mounts.map(|mount| match &mount.sub_path {
        Some(sub) => format!("{} at {} (subPath {sub})", mount.name, mount.mount_path),
        None => format!("{} at {}", mount.name, mount.mount_path),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A postStart hook that fails has its container ended (concept "Container Lifecycle Hooks"; the kubelet writes
/// `FailedPostStartHook`). The event says what the hook printed.
pub(super) fn hook_failed(index: &Index<'_>, view: &ContainerView<'_>, said: &str) -> Draft {
    let events = index.pod_events(view.pod).iter().rev();
    let mut told = events.filter(|event| reason(event) == "FailedPostStartHook").map(|event| message(event));
    let words = told.next().unwrap_or(said);
    let hook = view.spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    let command = hook.and_then(|hook| hook.exec.as_ref()?.command.as_ref()).map(|command| command.join(" "));
    let told = command.as_ref().map(|command| format!(" (`{}`)", shortened(command))).unwrap_or_default();
    let sentence = format!(
        "The postStart hook of container `{}`{told} fails, so the kubelet ends the container: {}.",
        view.name(),
        shortened(words).trim_end_matches('.')
    );
    Draft::cause("post_start_hook_failed", Severity::Critical, &view.owner, sentence)
        .evidence(view.field("lifecycle.postStart"), command.unwrap_or_default())
        .evidence(status_of(view), words)
        .fix(
            "Correct the hook, or take it out.",
            Change::container(view, "remove", "lifecycle/postStart", None),
        )
        .risk("What the hook did at each start is then not done.")
}
