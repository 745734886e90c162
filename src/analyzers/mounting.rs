//! Volumes that are not mounted. Knows the messages of the kubelet's volume plugins and of the attach/detach controller.

use std::sync::LazyLock;

use jiff::SignedDuration;
use regex::Regex;

use crate::{
    cluster::state::Pod,
    finding::{Resource, Severity},
};

use super::{
    draft::{Draft, Rank},
    index::{Index, event_time, is_live, is_ready, message, pod_resource, reason},
    patterns::{first_group, pattern},
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    let waiting = index.state.pods.iter().filter(|pod| is_live(pod) && !is_ready(pod));
    drafts.extend(waiting.filter_map(|pod| unmounted(index, pod)));
}

/// A volume that the kubelet cannot mount or the controller cannot attach (`FailedMount`, `FailedAttachVolume`), two
/// minutes and more after the pod was placed. Missing ConfigMaps and Secrets are told by `config_refs`, which is then
/// the cause of this one.
fn unmounted(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let begun =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()).is_some_and(|all| {
            all.iter().any(|status| {
                status.restart_count > 0 || status.state.as_ref().is_some_and(|state| state.running.is_some())
            })
        });
    if begun || index.object_age(&pod.metadata) < SignedDuration::from_mins(2) {
        return None;
    }
    let events = index.pod_events(pod).iter().rev();
    let mut recent = events
        .filter(|event| event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_mins(10)));
    let event = recent.find(|event| matches!(reason(event), "FailedMount" | "FailedAttachVolume"))?;
    let owner = index.owner(pod);
    let said = message(event);
    let resource = pod_resource(pod);
    let draft = if said.contains("Multi-Attach error") {
        let sentence = format!(
            "A volume of `{}` is still attached to another node and can only be used on one (ReadWriteOnce).",
            owner.name
        );
        Draft::cause("volume_multi_attach", Severity::Critical, &owner, sentence)
            .fix("Delete the pod that still holds the volume, or use a Recreate strategy.", "")
    } else if let Some(draft) = known_mount_failure(&owner, said) {
        draft
    } else {
        let sentence = format!("A volume of `{}` cannot be mounted.", owner.name);
        Draft::symptom(Rank::Container, "volume_mount_failed", Severity::Critical, &owner, sentence).likely()
    };
    Some(draft.evidence(format!("event on {resource}"), said).seen_on(resource).hurts(&owner))
}

/// What the kubelet's volume plugins say of themselves.
fn known_mount_failure(owner: &Resource, said: &str) -> Option<Draft> {
    static DRIVER: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"driver name (\S+) not found in the list of registered CSI drivers"));
    static HOST_PATH: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"hostPath type check failed: (\S+) (is not [^\n]+)"));
    if let Some(driver) = first_group(&DRIVER, said) {
        let sentence = format!(
            "The CSI driver `{driver}`, which a volume of `{}` needs, does not run on the node.",
            owner.name
        );
        return Some(
            Draft::cause("csi_driver_missing", Severity::Critical, owner, sentence)
                .fix("Install the driver, or look at why its node pods do not run.", ""),
        );
    }
    let groups = HOST_PATH.captures(said)?;
    let (path, lack) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
    let sentence = format!(
        "`{}` mounts `{path}` of the node, which {}.",
        owner.name,
        lack.trim_end().trim_end_matches('.')
    );
    Some(
        Draft::cause("host_path_missing", Severity::Critical, owner, sentence).fix(
            "Create the path on the nodes, use the type DirectoryOrCreate, or another kind of volume.",
            "",
        ),
    )
}
