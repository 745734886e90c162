//! Containers that were killed for want of memory, now or earlier. Asked by `container_start`.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::{finding::Severity, redact::Redacted};

use super::{
    change::Change,
    container_start::status_of,
    draft::Draft,
    index::{ContainerView, Index, name, namespace},
};

/// How long ago a kill for want of memory may be to be worth telling of a container that runs again.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// What the admission plugin LimitRanger set, in its own words.
const LIMIT_RANGER: &str = "kubernetes.io/limit-ranger";

/// A container that runs again and whose last run was killed for want of memory: it will be again when the same load
/// comes. Within the hour it is a warning, later on worth knowing.
pub(super) fn killed_earlier(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let end = view.last_end().filter(|end| end.reason.as_deref() == Some("OOMKilled"))?;
    let ago = index.age(end.finished_at.as_ref()?.0);
    if !view.is_running() || ago > REMEMBERED {
        return None;
    }
    let mut draft = out_of_memory(index, view);
    let recent = ago < SignedDuration::from_hours(1);
    draft.finding.severity = if recent { Severity::Warning } else { Severity::Notice };
    let ago = if recent { format!("{} min", ago.as_mins()) } else { format!("{} h", ago.as_hours()) };
    draft.finding.summary = Redacted::new(format!(
        "Container `{}` was killed for want of memory {ago} ago ({} restarts) and runs again.",
        view.name(),
        view.restarts()
    ));
    Some(draft)
}

/// The kernel killed it because it used more memory than its limit (`OOMKilled`, exit code 137; see "Resource
/// Management for Pods and Containers"). Raising the limit is wrong where the process leaks.
pub(super) fn out_of_memory(index: &Index<'_>, view: &ContainerView<'_>) -> Draft {
    let limit = view.spec.resources.as_ref().and_then(|resources| resources.limits.as_ref()?.get("memory"));
    let said = "OOMKilled, exit code 137";
    match limit {
        Some(limit) => {
            let sentence = format!(
                "Container `{}` needs more memory than its limit of `{}` and is killed (OOMKilled, {} restarts).",
                view.name(),
                limit.0,
                view.restarts()
            );
            let more = doubled(limit).unwrap_or_else(|| "<more>".to_owned());
            let notes = view.pod.metadata.annotations.as_ref();
            let by_default = notes.and_then(|notes| notes.get(LIMIT_RANGER)).filter(|note| {
                note.split(';').any(|part| {
                    part.contains("memory limit") && part.ends_with(&format!("container {}", view.name()))
                })
            });
            let (sentence, whence) = match by_default {
                Some(_) => {
                    let range = index
                        .state
                        .limit_ranges
                        .iter()
                        .find(|range| namespace(&range.metadata) == view.namespace());
                    let range = range.map_or("a LimitRange".to_owned(), |range| {
                        format!("LimitRange `{}`", name(&range.metadata))
                    });
                    (
                        format!(
                            "{sentence} That limit is the default of {range} of the namespace: the workload sets none."
                        ),
                        format!(
                            "Pod {}/{} resources.limits.memory of {}",
                            view.namespace(),
                            name(&view.pod.metadata),
                            view.name()
                        ),
                    )
                }
                None => (sentence, view.field("resources.limits.memory")),
            };
            Draft::cause("memory_limit_too_low", Severity::Critical, &view.owner, sentence)
                .evidence(status_of(view), said)
                .evidence(whence, &limit.0)
                .fix(
                    format!("Raise the memory limit, to begin with to `{more}`."),
                    Change::set_resources(&view.owner, view.name(), "limits", "memory", &more),
                )
                .risk("If the process leaks memory, a higher limit only delays the next kill.")
        }
        None => {
            let sentence = format!(
                "Container `{}` was killed because its node ran out of memory; it has no memory limit.",
                view.name()
            );
            Draft::cause("node_out_of_memory", Severity::Critical, &view.owner, sentence)
                .likely()
                .evidence(status_of(view), said)
                .fix("Give the containers of the node memory requests and limits that fit it.", "")
        }
    }
}

/// Twice the quantity, in the unit it is written in.
pub(super) fn doubled(quantity: &Quantity) -> Option<String> {
    let digits = quantity.0.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    Some(format!("{}{}", number.checked_mul(2)?, quantity.0.strip_prefix(digits)?))
}
