//! Objects that get in each other's way: two budgets on one pod, a Service over two workloads, containers of a Job of which
//! one never ends, claims that wait for their pods. Knows the API's rules, no logs.

use jiff::SignedDuration;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{PersistentVolumeClaim, Service},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{
    cluster::state::Pod,
    finding::{Resource, Severity},
};

use super::{
    draft::Draft,
    index::{Index, accepts, is_live, is_ready, labels, name, namespace, phase, selector},
    storage::users,
    wiring::listening,
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    drafts.extend(two_budgets(index));
    drafts.extend(index.state.services.iter().filter_map(|service| two_workloads(index, service)));
    drafts.extend(index.state.jobs.iter().filter_map(|job| endless_companion(index, job)));
    drafts.extend(index.state.claims.iter().filter_map(|claim| held_claim(index, claim)));
    drafts.extend(index.state.pods.iter().filter_map(|pod| slow_end(index, pod)));
}

/// A pod that two PodDisruptionBudgets select: the eviction API refuses to evict it at all ("Disruptions": one budget per
/// pod), so its node cannot be drained.
fn two_budgets(index: &Index<'_>) -> Vec<Draft> {
    let budgets = &index.state.disruption_budgets;
    let mut found: Vec<Draft> = Vec::new();
    for (place, budget) in budgets.iter().enumerate() {
        let Some(own) = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else { continue };
        let space = namespace(&budget.metadata);
        for other in budgets.iter().skip(place + 1).filter(|other| namespace(&other.metadata) == space) {
            let Some(others) = other.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else { continue };
            let both = index.state.pods.iter().find(|pod| {
                let own_labels = labels(&pod.metadata);
                namespace(&pod.metadata) == space
                    && is_live(pod)
                    && accepts(own, own_labels)
                    && accepts(others, own_labels)
            });
            let Some(pod) = both else { continue };
            let wide = own.match_labels.as_ref().map_or(0, std::collections::BTreeMap::len)
                < others.match_labels.as_ref().map_or(0, std::collections::BTreeMap::len);
            let (wider, narrower) = if wide { (budget, other) } else { (other, budget) };
            let itself = Resource::namespaced("PodDisruptionBudget", space, name(&wider.metadata));
            let sentence = format!(
                "More than one PodDisruptionBudget selects the pods of `{}` (`{}` and `{}`), so none of them can be evicted and their nodes cannot be drained.",
                index.owner(pod).name,
                name(&narrower.metadata),
                name(&wider.metadata)
            );
            found.push(
                Draft::cause("pdb_overlap", Severity::Warning, &itself, sentence)
                    .evidence(
                        format!("{itself} spec.selector"),
                        serde_json::to_string(if wide { own } else { others }).unwrap_or_default(),
                    )
                    .seen_on(Resource::namespaced("Pod", space, name(&pod.metadata)))
                    .fix(
                        "Keep one budget for each pod.",
                        format!("kubectl -n {space} delete pdb {}", itself.name),
                    )
                    .risk("Pods that only the deleted budget selects are then protected by none."),
            );
        }
    }
    found
}

/// A Service whose selector takes pods of two workloads of which one does not listen on the target port: a share of the
/// connections is refused. Two workloads that both listen are a canary, and no fault.
fn two_workloads(index: &Index<'_>, service: &Service) -> Option<Draft> {
    let wanted = selector(service)?;
    let pods: Vec<&Pod> = index.selected_pods(service).into_iter().filter(|pod| is_ready(pod)).collect();
    // Nearly every Service is over one workload: its pods have one maker.
    let maker = |pod: &Pod| {
        pod.metadata.owner_references.as_ref().and_then(|all| all.first()).map(|owner| owner.uid.clone())
    };
    let first = pods.first().map(|pod| maker(pod))?;
    if pods.iter().all(|pod| first.is_some() && maker(pod) == first) {
        return None;
    }
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    let target = match ports.first()?.target_port.as_ref() {
        Some(IntOrString::Int(port)) => u16::try_from(*port).ok()?,
        Some(IntOrString::String(_)) => return None,
        None => u16::try_from(ports.first()?.port).ok()?,
    };
    let listens = |pod: &Pod| {
        let views = index.containers_of(pod);
        let known: Vec<u16> =
            views.iter().filter(|view| !view.init).flat_map(|view| listening(index, view)).collect();
        (known.contains(&target), !known.is_empty())
    };
    let serving = pods.iter().find(|pod| listens(pod).0)?;
    let owner = index.owner(serving);
    // A pod that is known to listen on another port only, or one that declares none while the other does.
    let stray = pods.iter().find(|pod| index.owner(pod) != owner && !listens(pod).0)?;
    let other = index.owner(stray);
    let itself = Resource::namespaced("Service", namespace(&service.metadata), name(&service.metadata));
    let shown: Vec<String> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let sentence = format!(
        "The selector of Service `{}` (`{}`) takes the pods of `{}` as well as those of `{}`, which do not serve port `{target}`: a share of its connections fails.",
        itself.name,
        shown.join(","),
        other.name,
        owner.name
    );
    let own = labels(&serving.metadata);
    let telling = own
        .iter()
        .find(|(key, value)| !key.contains("hash") && labels(&stray.metadata).get(*key) != Some(value));
    let draft = Draft::cause("service_selector_too_broad", Severity::Critical, &itself, sentence)
        .likely()
        .evidence(format!("{itself} spec.selector"), shown.join(","))
        .evidence(format!("{other} pods"), name(&stray.metadata))
        .seen_on(Resource::namespaced("Pod", namespace(&stray.metadata), name(&stray.metadata)));
    Some(match telling {
        Some((key, value)) => {
            let change = super::change::Change::merge(
                &itself,
                &serde_json::json!({"spec": {"selector": {key: value}}}),
            );
            draft.fix(format!("Select `{key}={value}` as well."), change)
        }
        None => draft.fix("Give the two workloads different labels, and select one of them.", ""),
    })
}

/// How long the other containers of a Job's pod may go on after the first has ended well.
const COMPANION_PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// A pod of a Job completes when all its containers have ended: one that serves the others (a proxy, a log shipper) keeps it
/// running for ever, unless it is an init container with `restartPolicy: Always` (concept "Sidecar Containers").
fn endless_companion(index: &Index<'_>, job: &Job) -> Option<Draft> {
    let space = namespace(&job.metadata);
    let itself = Resource::namespaced("Job", space, name(&job.metadata));
    let owner = index.owner_of(space, "Job", name(&job.metadata));
    let owned = |pod: &&&Pod| {
        pod.metadata
            .owner_references
            .iter()
            .flatten()
            .any(|reference| reference.kind == "Job" && reference.name == itself.name)
    };
    let pod = index.pods_of(&owner).iter().filter(owned).find(|pod| phase(pod) == "Running")?;
    let views: Vec<_> = index.containers_of(pod).into_iter().filter(|view| !view.init).collect();
    let done = views.iter().find(|view| {
        view.last_end().is_some_and(|end| {
            end.exit_code == 0
                && !view.is_running()
                && end.finished_at.as_ref().is_some_and(|at| index.age(at.0) > COMPANION_PATIENCE)
        })
    })?;
    let on = views.iter().find(|view| view.is_running())?;
    let sentence = format!(
        "Job `{}` does not complete because container `{}` runs on after `{}` has done its work: a sidecar of a Job has to be an init container with `restartPolicy: Always`.",
        itself.name,
        on.name(),
        done.name()
    );
    Some(
        Draft::cause(
            "job_sidecar_never_ends",
            Severity::Critical,
            if owner.kind == "CronJob" { &owner } else { &itself },
            sentence,
        )
        .container(on.name())
        .seen_on(on.pod_resource())
        .hurts(&owner)
        .evidence(
            format!("Pod {space}/{} status of {}", name(&pod.metadata), done.name()),
            "terminated, exit code 0",
        )
        .evidence(format!("Pod {space}/{} status of {}", name(&pod.metadata), on.name()), "running")
        .fix("Make it an init container with restartPolicy: Always, or have it end with the others.", ""),
    )
}

/// A claim that was deleted and stays because pods still use it (finalizer `kubernetes.io/pvc-protection`, "Storage Object in
/// Use Protection"): it goes when they do. A notice; a new pod that uses it cannot be scheduled.
fn held_claim(index: &Index<'_>, claim: &PersistentVolumeClaim) -> Option<Draft> {
    claim.metadata.deletion_timestamp.as_ref()?;
    let protected = claim
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == "kubernetes.io/pvc-protection");
    let space = namespace(&claim.metadata);
    let pod = users(index, claim).into_iter().next().filter(|_| protected)?;
    let itself = Resource::namespaced("PersistentVolumeClaim", space, name(&claim.metadata));
    let owner = index.owner(pod);
    let sentence = format!(
        "Claim `{}` was deleted and stays until `{}` no longer uses it (`kubernetes.io/pvc-protection`).",
        itself.name, owner.name
    );
    Some(
        Draft::cause("pvc_deletion_waits_for_pods", Severity::Notice, &itself, sentence)
            .evidence(format!("{itself} metadata.finalizers"), "kubernetes.io/pvc-protection")
            .seen_on(Resource::namespaced("Pod", space, name(&pod.metadata)))
            .fix("End the pods that use it; then it goes by itself. A deletion cannot be taken back.", ""),
    )
}

/// A deleted pod that has its grace period still before it: a `preStop` hook or a process that does not heed SIGTERM keeps it
/// (concept "Pod Lifecycle", "Termination of Pods"). Told where the period is much longer than the usual 30 s.
fn slow_end(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let ends = pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(30);
    let left = ends.duration_since(index.state.taken_at).as_secs();
    let since = grace - left;
    if grace <= 60 || since < 60 || left <= 0 {
        return None;
    }
    let owner = index.owner(pod);
    let views = index.containers_of(pod);
    let hook = views.iter().find_map(|view| {
        let hook = view.spec.lifecycle.as_ref()?.pre_stop.as_ref()?;
        let command =
            hook.exec.as_ref().and_then(|exec| exec.command.as_ref()).map(|command| command.join(" "));
        Some((view.name(), command.unwrap_or_else(|| "an HTTP request".to_owned())))
    });
    let why = match &hook {
        Some((container, command)) => {
            format!("the preStop hook of container `{container}` (`{command}`) is not done")
        }
        None => "its process does not end on SIGTERM".to_owned(),
    };
    let called = name(&pod.metadata);
    let sentence = format!(
        "Pod `{called}` was deleted {since} s ago and may take {grace} s to end (`terminationGracePeriodSeconds`): {why}."
    );
    let resource = Resource::namespaced("Pod", namespace(&pod.metadata), called);
    let code = if hook.is_some() { "pre_stop_hook_blocks_termination" } else { "pod_slow_to_terminate" };
    let draft = Draft::cause(code, Severity::Warning, &owner, sentence)
        .evidence(format!("{resource} metadata.deletionGracePeriodSeconds"), grace.to_string())
        .seen_on(resource.clone())
        .fix(
            if hook.is_some() {
                "Make the hook end sooner and the grace period fit; this pod can be taken away at once."
            } else {
                "Have the process end on SIGTERM, or shorten its grace period; this pod can be taken away at once."
            },
            format!("kubectl -n {} delete pod {called} --grace-period=0 --force", namespace(&pod.metadata)),
        )
        .risk("Its processes may go on for a while on the node, and open connections are cut off.");
    Some(match hook {
        Some((container, command)) => draft.evidence(format!("{resource} preStop of {container}"), command),
        None => draft,
    })
}
