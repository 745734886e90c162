//! Why no PersistentVolume fits a claim, candidate by candidate. Asked by `storage`. Knows the binder's rules (concept
//! "Persistent Volumes", section "Binding").

use k8s_openapi::{
    api::core::v1::{
        PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    index::{Index, accepts, labels, name, namespace},
    scheduling::amount,
};

/// One thing that keeps a volume from being bound to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: &'static str,
    /// What is different, as a part of a sentence about the volume.
    pub(super) words: String,
    /// Where in the claim the other value stands.
    pub(super) field: &'static str,
}

/// The volume that comes nearest to the claim, and all that keeps it from being bound: the one with the fewest misfits.
pub(super) fn nearest_volume<'a>(
    index: &Index<'a>,
    claim: &PersistentVolumeClaim,
) -> Option<(&'a PersistentVolume, Vec<Misfit>)> {
    let wanted = claim.spec.as_ref()?;
    let judged = index.state.volumes.iter().filter_map(|volume| {
        let misfits = misfits(claim, wanted, volume, volume.spec.as_ref()?);
        // A claim for one volume by name gets no other.
        let other = wanted
            .volume_name
            .as_deref()
            .is_some_and(|called| !called.is_empty() && called != name(&volume.metadata));
        // What differs in its class and in more is another kind of volume, and nobody meant it.
        let foreign = misfits.len() > 1 && misfits.iter().any(|misfit| misfit.code == CLASS);
        (!misfits.is_empty() && !foreign && !other).then_some((volume, misfits))
    });
    let meant = |volume: &PersistentVolume| {
        let by_name = wanted.volume_name.as_deref() == Some(name(&volume.metadata));
        let holder = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let was_its = holder.is_some_and(|holder| {
            holder.namespace.as_deref() == Some(namespace(&claim.metadata))
                && holder.name.as_deref() == Some(name(&claim.metadata))
        });
        by_name || was_its
    };
    // A volume that once was the claim's or that it names was meant; one of another class hardly.
    judged.min_by_key(|(volume, misfits)| {
        let foreign = misfits.iter().any(|misfit| misfit.code == CLASS);
        let of_space = volume
            .spec
            .as_ref()
            .and_then(|spec| spec.claim_ref.as_ref())
            .and_then(|holder| holder.namespace.as_deref());
        let elsewhere = of_space.is_some_and(|space| space != namespace(&claim.metadata));
        (!meant(volume), foreign, elsewhere, misfits.len(), name(&volume.metadata))
    })
}

/// Whether nothing keeps the volume from being bound to the claim: then the binder is about to do it.
pub(super) fn fits(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> bool {
    claim
        .spec
        .as_ref()
        .zip(volume.spec.as_ref())
        .is_some_and(|(wanted, offered)| misfits(claim, wanted, volume, offered).is_empty())
}

const CLASS: &str = "pv_class_mismatch";

fn misfits(
    claim: &PersistentVolumeClaim,
    wanted: &PersistentVolumeClaimSpec,
    volume: &PersistentVolume,
    offered: &PersistentVolumeSpec,
) -> Vec<Misfit> {
    let mut found = Vec::new();
    let mut add = |code, words, field| found.push(Misfit { code, words, field });
    if let Some(holder) = taken_by(&claim.metadata, volume, offered) {
        add("pv_not_available", holder, "volumeName");
    }
    let class = wanted.storage_class_name.as_deref().unwrap_or_default();
    let own = offered.storage_class_name.as_deref().unwrap_or_default();
    if class != own {
        add(CLASS, format!("is of class `{own}` and not `{class}`"), "storageClassName");
    }
    let size = wanted.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get("storage"));
    let capacity = offered.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    if let (Some(size), Some(capacity)) = (size, capacity)
        && amount(capacity) < amount(size)
    {
        add(
            "pv_too_small",
            format!("has `{}` and not `{}`", capacity.0, size.0),
            "resources.requests.storage",
        );
    }
    let modes = offered.access_modes.as_deref().unwrap_or_default();
    let lacking: Vec<&str> = wanted
        .access_modes
        .iter()
        .flatten()
        .filter(|mode| !modes.contains(mode))
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        let words = format!("allows `{}` and not `{}`", modes.join(", "), lacking.join(", "));
        add("pv_access_mode_mismatch", words, "accessModes");
    }
    let form = |form: &Option<String>| form.clone().unwrap_or_else(|| "Filesystem".to_owned());
    if form(&wanted.volume_mode) != form(&offered.volume_mode) {
        let words =
            format!("is a `{}` volume and not `{}`", form(&offered.volume_mode), form(&wanted.volume_mode));
        add("pv_volume_mode_mismatch", words, "volumeMode");
    }
    if wanted.selector.as_ref().is_some_and(|selector| !accepts(selector, labels(&volume.metadata))) {
        let own: Vec<String> =
            labels(&volume.metadata).iter().map(|(key, value)| format!("{key}={value}")).collect();
        let own = if own.is_empty() { "no labels".to_owned() } else { format!("`{}`", own.join(",")) };
        add(
            "pv_selector_mismatch",
            format!(
                "has {own}, which the claim's selector (`{}`) does not take",
                shown(wanted.selector.as_ref())
            ),
            "selector",
        );
    }
    found
}

fn shown(selector: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>) -> String {
    let labels = selector.and_then(|selector| selector.match_labels.as_ref());
    labels
        .iter()
        .flat_map(|labels| labels.iter())
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// Who has the volume already. A `Released` one keeps its claim's name until an administrator clears it.
fn taken_by(claim: &ObjectMeta, volume: &PersistentVolume, offered: &PersistentVolumeSpec) -> Option<String> {
    let holder = offered.claim_ref.as_ref();
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let same = holder.is_some_and(|holder| {
        holder.name.as_deref() == Some(name(claim))
            && holder.namespace.as_deref() == Some(namespace(claim))
            && (holder.uid.is_none() || holder.uid == claim.uid)
    });
    let whose = holder.map_or_else(String::new, |holder| {
        format!(
            " claim `{}/{}`",
            holder.namespace.as_deref().unwrap_or_default(),
            holder.name.as_deref().unwrap_or_default()
        )
    });
    match phase {
        "Available" | "" if holder.is_none() || same => None,
        "Released" => Some(format!("is still reserved for the deleted{whose} (`Released`)")),
        "Failed" => Some("has failed to be reclaimed".to_owned()),
        _ if same => None,
        _ => Some(format!("belongs to{whose}")),
    }
}
