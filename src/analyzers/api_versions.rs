//! API versions that Kubernetes has stopped to serve, and what came after them ("Deprecated API Migration Guide").

/// Group and version that are gone, the release that dropped them, and what serves the same kinds now.
const REMOVED: &[(&str, &str, &str)] = &[
    ("extensions/v1beta1", "1.22", "apps/v1 or networking.k8s.io/v1"),
    ("apps/v1beta1", "1.16", "apps/v1"),
    ("apps/v1beta2", "1.16", "apps/v1"),
    ("networking.k8s.io/v1beta1", "1.22", "networking.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "1.22", "rbac.authorization.k8s.io/v1"),
    ("apiextensions.k8s.io/v1beta1", "1.22", "apiextensions.k8s.io/v1"),
    ("admissionregistration.k8s.io/v1beta1", "1.22", "admissionregistration.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "1.22", "scheduling.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "1.22", "coordination.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", "1.22", "certificates.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "1.27", "storage.k8s.io/v1"),
    ("batch/v1beta1", "1.25", "batch/v1"),
    ("policy/v1beta1", "1.25", "policy/v1"),
    ("discovery.k8s.io/v1beta1", "1.25", "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "1.25", "events.k8s.io/v1"),
    ("node.k8s.io/v1beta1", "1.25", "node.k8s.io/v1"),
    ("autoscaling/v2beta1", "1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", "1.26", "autoscaling/v2"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "1.26", "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "1.29", "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "1.32", "flowcontrol.apiserver.k8s.io/v1"),
];

/// What serves the kinds of a version that is gone.
pub(super) fn successor(version: &str) -> Option<&'static str> {
    let entry = REMOVED.iter().find(|(gone, ..)| *gone == version)?;
    // The kinds of this group went to two others; workloads are what is scaled.
    Some(if version == "extensions/v1beta1" { "apps/v1" } else { entry.2 })
}

/// The version that is gone, the release that dropped it and its successor, if `text` names one.
pub(super) fn named_in(text: &str) -> Option<(&'static str, &'static str, &'static str)> {
    REMOVED.iter().find(|(gone, ..)| text.contains(gone)).copied()
}
