//! Disks that are full and ports that are taken, as a log tells. Asked by `logs`, which reads the lines.

use k8s_openapi::api::core::v1::Volume;

use crate::finding::{Evidence, Severity};

use super::{
    complaints::path,
    draft::Draft,
    index::{ContainerView, Index, name, namespace},
    logs::severity,
    settings::mounts,
    wiring::listening,
};

/// A full disk: which volume it is stands in the path that the line names.
pub(super) fn disk(index: &Index<'_>, view: &ContainerView<'_>, text: &str, log: Evidence) -> Draft {
    let path = path(text).unwrap_or_default();
    let mount = mounts(view)
        .into_iter()
        .filter(|(mount, _)| path.starts_with(&mount.mount_path))
        .max_by_key(|(mount, _)| mount.mount_path.len());
    let sentence = match mount {
        Some((mount, volume)) => {
            let size = size(index, view, volume).map(|size| format!(" ({size})")).unwrap_or_default();
            format!(
                "Volume `{}` of container `{}`, mounted at `{}`{size}, is full.",
                volume.name,
                view.name(),
                mount.mount_path
            )
        }
        None => format!("A volume of container `{}` is full.", view.name()),
    };
    Draft::cause("disk_full", Severity::Critical, &view.owner, sentence)
        .container(view.name())
        .seen_on(view.pod_resource())
        .evidence_from(Some(log))
        .fix("Enlarge the volume or delete what is not needed.", "")
}

/// How large a volume is, as far as its spec or its claim says.
fn size(index: &Index<'_>, view: &ContainerView<'_>, volume: &Volume) -> Option<String> {
    if let Some(directory) = &volume.empty_dir {
        return directory.size_limit.as_ref().map(|limit| format!("emptyDir of `{}`", limit.0));
    }
    let called = &volume.persistent_volume_claim.as_ref()?.claim_name;
    let its = |known: &&k8s_openapi::api::core::v1::PersistentVolumeClaim| {
        name(&known.metadata) == called && namespace(&known.metadata) == view.namespace()
    };
    let claim = index.state.claims.iter().find(its)?;
    let size = claim.status.as_ref()?.capacity.as_ref()?.get("storage")?;
    Some(format!("claim `{called}` of `{}`", size.0))
}

/// A port that another container of the pod, or with `hostNetwork` another process of the node, listens on already.
pub(super) fn port(index: &Index<'_>, view: &ContainerView<'_>, text: &str, log: Evidence) -> Draft {
    let own = listening(index, view);
    let words = view.spec.command.iter().flatten().chain(view.spec.args.iter().flatten());
    // The number in `[Errno 98]` is that of the error.
    let plain = text
        .split("[Errno ")
        .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
        .collect::<String>();
    let told = format!("{} {plain}", words.cloned().collect::<Vec<_>>().join(" "));
    let numbers: Vec<u16> = told
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .filter(|port| *port >= 80)
        .collect();
    let wants = |port: &u16| own.contains(port) || numbers.contains(port);
    let others = index.containers_of(view.pod).into_iter().filter(|other| other.name() != view.name());
    let shared = others.into_iter().find_map(|other| {
        let port = listening(index, &other).into_iter().find(wants)?;
        Some((other.name(), port))
    });
    let on_node = view.pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
    let at = own.first().or(numbers.first()).map(|port| format!(" on port `{port}`")).unwrap_or_default();
    let called = view.name();
    let sentence = match shared {
        Some((other, port)) => format!(
            "Container `{called}` cannot listen on port `{port}`: container `{other}` of the same pod has it already."
        ),
        None if on_node => format!(
            "Container `{called}` cannot listen{at}: with `hostNetwork: true` its ports are the node's, where another process has it already."
        ),
        None => format!(
            "Container `{called}` cannot listen{at}: another process of its pod has the port already."
        ),
    };
    Draft::cause("port_in_use", severity(view), &view.owner, sentence)
        .container(called)
        .seen_on(view.pod_resource())
        .evidence_from(Some(log))
        .fix("Give one of the two another port.", "")
}
