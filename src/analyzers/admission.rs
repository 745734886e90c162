//! Pods that the API server turns away: quotas, limit ranges, Pod Security, webhooks, service accounts. Knows the
//! messages of its admission plugins.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Event;
use regex::Regex;
use serde_json::json;

use crate::finding::{Confidence, Resource, Severity};

use super::{
    change::Change,
    draft::{Draft, Rank},
    index::{Index, event_count, event_time, is_live, is_ready, message, name, namespace, reason, spec_path},
    lookalike::nearest,
    patterns::{first_group, pattern},
};

/// `FailedCreate` events of the controllers whose workloads lack pods still, one finding per workload and refusal.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    let mut refusals: BTreeMap<(Resource, String), &Event> = BTreeMap::new();
    for event in index.state.events.iter().filter(|event| reason(event) == "FailedCreate") {
        if let Some(owner) = still_short(index, event) {
            refusals.insert((owner, message(event).chars().take(40).collect()), event);
        }
    }
    for ((owner, _), event) in refusals {
        drafts.push(refused(index, &owner, event).hurts(&owner));
    }
}

/// The workload whose controller could not make a pod, where it lacks pods still: such events outlive their cause.
fn still_short(index: &Index<'_>, event: &Event) -> Option<Resource> {
    let about = &event.involved_object;
    let (kind, space, called) = (about.kind.as_deref()?, about.namespace.as_deref()?, about.name.as_deref()?);
    let recent = event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_mins(30));
    let same = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        name(meta) == called && namespace(meta) == space
    };
    let short = match kind {
        "ReplicaSet" => {
            let set = index.state.replica_sets.iter().find(|set| same(&set.metadata))?;
            let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            wanted > set.status.as_ref().map_or(0, |status| status.replicas)
        }
        "StatefulSet" => {
            let set = index.state.stateful_sets.iter().find(|set| same(&set.metadata))?;
            let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            wanted > set.status.as_ref().map_or(0, |status| status.replicas)
        }
        "DaemonSet" => {
            let set = index.state.daemon_sets.iter().find(|set| same(&set.metadata))?;
            set.status
                .as_ref()
                .is_some_and(|status| status.desired_number_scheduled > status.current_number_scheduled)
        }
        "CronJob" => {
            let cron = index.state.cron_jobs.iter().find(|cron| same(&cron.metadata))?;
            let last =
                cron.status.as_ref().and_then(|status| status.last_schedule_time.as_ref()).map(|at| at.0);
            event_time(event) > last
        }
        "Job" => {
            let job = index.state.jobs.iter().find(|job| same(&job.metadata))?;
            job.status
                .as_ref()
                .is_none_or(|status| status.completion_time.is_none() && status.active.unwrap_or(0) == 0)
        }
        _ => false,
    };
    (recent && short).then(|| index.owner_of(space, kind, called))
}

fn severity(index: &Index<'_>, owner: &Resource) -> Severity {
    let serving = index.pods_of(owner).iter().any(|pod| is_ready(pod));
    if serving { Severity::Warning } else { Severity::Critical }
}

/// The API server turned a pod away. Which plugin did stands in the message: ResourceQuota, LimitRanger, PodSecurity,
/// ServiceAccount, or a webhook.
fn refused(index: &Index<'_>, owner: &Resource, event: &Event) -> Draft {
    let said = message(event);
    let draft = quota(index, owner, said)
        .or_else(|| webhook(index, owner, said))
        .or_else(|| pod_security(index, owner, said))
        .or_else(|| limit_range(index, owner, said))
        .or_else(|| service_account(index, owner, said))
        .or_else(|| absent_class(index, owner, said))
        .unwrap_or_else(|| {
            let sentence = format!("The API server refuses to create pods of `{}`.", owner.name);
            Draft::cause("pod_creation_refused", severity(index, owner), owner, sentence)
                .confidence(Confidence::Likely)
        });
    let about = &event.involved_object;
    let source = format!(
        "event on {} {}/{} ({} times)",
        about.kind.as_deref().unwrap_or_default(),
        about.namespace.as_deref().unwrap_or_default(),
        about.name.as_deref().unwrap_or_default(),
        event_count(event)
    );
    draft.evidence(source, said)
}

/// `exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`, or a quota that wants every pod to say what
/// it uses (`must specify limits.cpu`).
fn quota(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static EXCEEDED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"exceeded quota: ([\w.-]+), requested: (\S+), used: (\S+), limited: (\S+)")
    });
    static UNSAID: LazyLock<Regex> = LazyLock::new(|| pattern(r"failed quota: ([\w.-]+): must specify (.+)"));
    let space = owner.namespace.as_deref().unwrap_or_default();
    if let Some(groups) = UNSAID.captures(said) {
        let (quota, what) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
        let sentence = format!(
            "ResourceQuota `{quota}` wants pods to state `{what}`, and those of `{}` do not.",
            owner.name
        );
        return Some(
            Draft::cause("quota_requires_resources", severity(index, owner), owner, sentence).fix(
                "State these requests and limits, or give the namespace a LimitRange with defaults.",
                "",
            ),
        );
    }
    let groups = EXCEEDED.captures(said)?;
    let (quota, requested, used, limited) =
        (groups.get(1)?.as_str(), groups.get(2)?.as_str(), groups.get(3)?.as_str(), groups.get(4)?.as_str());
    let clean = |text: &str| text.trim_end_matches(',').to_owned();
    let resource = Resource::namespaced("ResourceQuota", space, quota);
    let wanted = index.workload(owner).map_or(0, |workload| workload.desired);
    let has = index.pods_of(owner).iter().filter(|pod| is_live(pod)).count();
    let gets = if owner.kind == "CronJob" {
        "no new Job can be made".to_owned()
    } else {
        format!("`{}` gets `{has}` of `{wanted}` pods", owner.name)
    };
    let sentence =
        format!("ResourceQuota `{quota}` is used up ({} of {}), so {gets}.", clean(used), clean(limited));
    let (what, limit) = limited.trim_end_matches(',').split_once('=').unwrap_or((limited, ""));
    let more = match (what, limit.parse::<i32>()) {
        ("pods", Ok(limit)) => (limit + wanted - i32::try_from(has).unwrap_or(0)).to_string(),
        _ => "<more>".to_owned(),
    };
    let command = Change::merge(&resource, &json!({"spec": {"hard": {what: more}}}));
    Some(
        Draft::cause("resource_quota_exceeded", severity(index, owner), &resource, sentence)
            .evidence(
                format!("{resource} spec.hard"),
                format!("{}; requested {}", clean(limited), clean(requested)),
            )
            .fix("Raise the quota, or run fewer pods.", command)
            .risk("The quota may be a deliberate limit of the team's share."),
    )
}

/// A LimitRange of the namespace: a container asks for more or less than it allows.
fn limit_range(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static BOUND: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"((?:maximum|minimum) [\w.-]+ usage per (?:Container|Pod) is [^,\]]+, but (?:limit|request) is [^,\]\s]+|[\w.-]+ max limit to request ratio per (?:Container|Pod) is [^,\]]+, but provided ratio is [^,\]\s]+|(?:maximum|minimum) [\w.-]+ usage per (?:Container|Pod) is [^.\]]+\. No (?:limit|request) is specified)",
        )
    });
    let bound = first_group(&BOUND, said)?;
    let space = owner.namespace.as_deref().unwrap_or_default();
    let range = index
        .state
        .limit_ranges
        .iter()
        .find(|range| namespace(&range.metadata) == space)
        .map(|range| name(&range.metadata).to_owned());
    let by = range
        .as_ref()
        .map(|range| format!("LimitRange `{range}`"))
        .unwrap_or_else(|| "a LimitRange".to_owned());
    let sentence = format!("{by} forbids the pods of `{}`: {}.", owner.name, bound.replace('`', "'"));
    let command = allowed_limit(index, owner, bound);
    let draft = Draft::cause("limit_range_violation", severity(index, owner), owner, sentence)
        .fix("Bring the container's requests and limits within the range.", command);
    Some(match range {
        Some(range) => draft.evidence(format!("LimitRange {space}/{range}"), bound),
        None => draft,
    })
}

/// `set resources` with the bound that the message names, where it is a container's limit or request.
fn allowed_limit(index: &Index<'_>, owner: &Resource, bound: &str) -> Change {
    static PARTS: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"^(?:maximum|minimum) ([\w.-]+) usage per Container is ([^,]+), but (limit|request) is (\S+)$",
        )
    });
    let Some(groups) = PARTS.captures(bound) else { return Change::default() };
    let part = |place: usize| groups.get(place).map_or("", |group| group.as_str());
    let Some(workload) = index.workload(owner).filter(|_| super::index::is_editable(owner)) else {
        return Change::default();
    };
    let wants = |container: &&k8s_openapi::api::core::v1::Container| {
        let resources = container.resources.as_ref();
        let all = if part(3) == "limit" {
            resources.and_then(|all| all.limits.as_ref())
        } else {
            resources.and_then(|all| all.requests.as_ref())
        };
        all.and_then(|all| all.get(part(1))).is_some_and(|quantity| quantity.0 == part(4))
    };
    let container = workload.pod.containers.iter().find(wants).or_else(|| workload.pod.containers.first());
    let Some(container) = container else { return Change::default() };
    Change::set_resources(owner, &container.name, &format!("{}s", part(3)), part(1), part(2))
}

/// The namespace enforces a Pod Security Standard (label `pod-security.kubernetes.io/enforce`).
fn pod_security(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static VIOLATES: LazyLock<Regex> = LazyLock::new(|| pattern(r#"violates PodSecurity "([^"]+)": (.+)"#));
    let groups = VIOLATES.captures(said)?;
    let (level, faults) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
    static HEADS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|\), )([^()]+?) \("));
    let heads: Vec<&str> =
        HEADS.captures_iter(faults).filter_map(|groups| groups.get(1)).map(|head| head.as_str()).collect();
    let space = owner.namespace.as_deref().unwrap_or_default();
    let sentence = format!(
        "Namespace `{space}` enforces the Pod Security level `{level}`, which the pods of `{}` violate: {}.",
        owner.name,
        heads.join(", ")
    );
    let containers: Vec<_> = index.workload(owner).map(|workload| {
        workload.pod.containers.iter().map(|container| json!({"name": container.name, "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}})).collect()
    }).unwrap_or_default();
    let command = if level.starts_with("restricted")
        && matches!(owner.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
    {
        let patch = json!({"spec": {"template": {"spec": {"securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": containers}}}});
        Change::strategic(owner, &patch)
    } else {
        Change::default()
    };
    Some(
        Draft::cause("pod_security_violation", severity(index, owner), owner, sentence)
            .evidence(format!("Namespace {space} labels[pod-security.kubernetes.io/enforce]"), level)
            .fix("Give the pods the securityContext that the level asks for.", command)
            .risk("The image has to work as another user than root."),
    )
}

/// `error looking up service account ns/x: serviceaccount "x" not found`.
fn service_account(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static MISSING: LazyLock<Regex> = LazyLock::new(|| pattern(r#"serviceaccount "([^"]+)" not found"#));
    let called = first_group(&MISSING, said)?;
    let space = owner.namespace.as_deref().unwrap_or_default();
    let resource = Resource::namespaced("ServiceAccount", space, called);
    let names = index.state.service_accounts.iter().filter(|account| namespace(&account.metadata) == space);
    if let Some(near) = nearest(called, names.map(|account| name(&account.metadata))) {
        let sentence = format!(
            "`{}` is to run under the ServiceAccount `{called}`, which does not exist; `{near}` does.",
            owner.name
        );
        // The controller tries again after minutes only; a change of the template has it try at once.
        let change = Change::pod_spec(owner, "replace", "serviceAccountName", Some(json!(near)));
        return Some(
            Draft::cause("service_account_missing", severity(index, owner), owner, sentence)
                .evidence(format!("{owner} {}.serviceAccountName", spec_path(owner)), called)
                .fix(format!("Run it under `{near}`."), change),
        );
    }
    let sentence =
        format!("ServiceAccount `{called}`, under which `{}` is to run, does not exist.", owner.name);
    Some(
        Draft::cause("service_account_missing", severity(index, owner), &resource, sentence)
            .evidence(format!("{owner} {}.serviceAccountName", spec_path(owner)), called)
            .fix(
                "Create the ServiceAccount; a restart spares the controller's waiting time.",
                Change::from(format!("kubectl -n {space} create serviceaccount {called}"))
                    .then(Change::restart(index, std::slice::from_ref(owner)).command.into()),
            ),
    )
}

/// `no PriorityClass with name x was found` and `RuntimeClass "x" not found`, from the admission plugins of those names.
fn absent_class(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static PRIORITY: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"no PriorityClass with name ([\w.-]+) was found"));
    static RUNTIME: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"RuntimeClass "?([\w.-]+)"? not found|runtimeclasses?\S* "([^"]+)" not found"#)
    });
    let (kind, field, code, called) = match (first_group(&PRIORITY, said), first_group(&RUNTIME, said)) {
        (Some(called), _) => ("PriorityClass", "priorityClassName", "priority_class_missing", called),
        (None, Some(called)) => ("RuntimeClass", "runtimeClassName", "runtime_class_missing", called),
        (None, None) => return None,
    };
    let known = index.state.priority_classes.iter().map(|class| name(&class.metadata));
    let near = nearest(called, known).filter(|_| kind == "PriorityClass");
    let similar = near.map(|near| format!("; there is `{near}`")).unwrap_or_default();
    let sentence =
        format!("The pods of `{}` name the {kind} `{called}`, which does not exist{similar}.", owner.name);
    let draft = Draft::cause(code, severity(index, owner), owner, sentence)
        .evidence(format!("{owner} {}.{field}", spec_path(owner)), called);
    Some(match near {
        Some(near) => {
            let change = Change::pod_spec(owner, "replace", field, Some(json!(near)));
            draft.fix(format!("Name the {kind} `{near}`."), change)
        }
        None => draft.fix(
            format!("Create the {kind}, or name one that exists."),
            Change::pod_spec(owner, "remove", field, None),
        ),
    })
}

/// An admission webhook that cannot be called and fails closed (`failurePolicy: Fail`), or that says no.
fn webhook(index: &Index<'_>, owner: &Resource, said: &str) -> Option<Draft> {
    static FAILED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"failed calling webhook "([^"]+)": (.+)"#));
    static DENIED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"admission webhook "([^"]+)" denied the request: ?(.*)"#));
    if let Some(groups) = DENIED.captures(said) {
        let (hook, why) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
        let sentence = format!(
            "The admission webhook `{hook}` refuses the pods of `{}`: {}.",
            owner.name,
            why.trim_end_matches('.').replace('`', "'")
        );
        return Some(
            Draft::cause("webhook_denied", severity(index, owner), owner, sentence)
                .fix("Change the pods to what the policy asks for.", ""),
        );
    }
    let groups = FAILED.captures(said)?;
    let (hook, why) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
    let configuration = configuration_of(index, hook);
    let resource = configuration.clone().unwrap_or_else(|| owner.clone());
    let gone = why.contains("not found") && why.contains("service \"");
    let absent = why.contains("no endpoints available");
    let (code, what) = if gone {
        static SERVICE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"service "([^"]+)" not found"#));
        (
            "webhook_service_missing",
            format!("its Service `{}` does not exist", first_group(&SERVICE, why).unwrap_or_default()),
        )
    } else if absent {
        ("webhook_unavailable", "its Service has no endpoints".to_owned())
    } else if why.contains("x509") {
        ("webhook_certificate_untrusted", "the API server does not trust its certificate".to_owned())
    } else {
        ("webhook_unavailable", "it does not answer".to_owned())
    };
    let sentence = format!(
        "The webhook `{hook}` has to admit every pod and cannot be called: {what}, so no pod of `{}` can be created.",
        owner.name
    );
    let mut draft = Draft::cause(code, severity(index, owner), &resource, sentence);
    // What is wrong behind its Service explains it.
    draft.rank = Rank::Dependency;
    if let Some(service) = service_of(index, hook) {
        draft = draft.blames(&service);
    }
    let command = configuration
        .map(|resource| format!("kubectl delete {} {}", resource.kind.to_lowercase(), resource.name))
        .unwrap_or_default();
    Some(
        draft
            .fix("Bring the webhook's Service back, or remove the webhook's configuration.", command)
            .risk("Without the webhook its policy is no longer enforced."),
    )
}

/// The Service at which a webhook is called.
fn service_of(index: &Index<'_>, hook: &str) -> Option<Resource> {
    let validating = index.state.validating_webhooks.iter().flat_map(|all| all.webhooks.iter().flatten());
    let mutating = index.state.mutating_webhooks.iter().flat_map(|all| all.webhooks.iter().flatten());
    let validating = validating.filter(|known| known.name == hook).map(|known| &known.client_config);
    let mutating = mutating.filter(|known| known.name == hook).map(|known| &known.client_config);
    let service = validating.chain(mutating).find_map(|client| client.service.as_ref())?;
    Some(Resource::namespaced("Service", &service.namespace, &service.name))
}

fn configuration_of(index: &Index<'_>, hook: &str) -> Option<Resource> {
    let validating = index
        .state
        .validating_webhooks
        .iter()
        .find(|configuration| configuration.webhooks.iter().flatten().any(|known| known.name == hook));
    let mutating = index
        .state
        .mutating_webhooks
        .iter()
        .find(|configuration| configuration.webhooks.iter().flatten().any(|known| known.name == hook));
    let validating =
        validating.map(|found| Resource::global("ValidatingWebhookConfiguration", name(&found.metadata)));
    validating.or_else(|| {
        mutating.map(|found| Resource::global("MutatingWebhookConfiguration", name(&found.metadata)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, event, findings, roots, running};

    fn refused(said: &str) -> Vec<Value> {
        let mut objects =
            deployment(&json!({"resources": {"limits": {"memory": "512Mi"}}}), &running(true), &json!({}));
        objects.remove(2);
        objects[1]["status"]["replicas"] = json!(0);
        objects.push(event("ReplicaSet", "web-5d", "FailedCreate", said));
        objects.push(json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "policy"}, "webhooks": [
            {"name": "p.example.com", "admissionReviewVersions": ["v1"], "clientConfig": {}, "sideEffects": "None"}]}));
        objects
    }

    #[test]
    fn refusals() {
        for (said, expected) in [
            (
                r#"Error creating: pods "a" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2"#,
                "resource_quota_exceeded ResourceQuota shop/team",
            ),
            (
                r#"Error creating: pods "a" is forbidden: failed quota: team: must specify limits.cpu for: app"#,
                "quota_requires_resources Deployment shop/web",
            ),
            (
                r#"Error creating: pods "a" is forbidden: maximum memory usage per Container is 128Mi, but limit is 512Mi"#,
                "limit_range_violation Deployment shop/web",
            ),
            (
                r#"Error creating: pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)"#,
                "pod_security_violation Deployment shop/web",
            ),
            (
                r#"Error creating: pods "a" is forbidden: error looking up service account shop/run: serviceaccount "run" not found"#,
                "service_account_missing ServiceAccount shop/run",
            ),
            (
                r#"Error creating: Internal error occurred: failed calling webhook "p.example.com": failed to call webhook: Post "https://p.shop.svc:443/": service "p" not found"#,
                "webhook_service_missing ValidatingWebhookConfiguration policy",
            ),
            (
                r#"Error creating: Internal error occurred: failed calling webhook "p.example.com": failed to call webhook: Post "https://p.shop.svc": dial tcp: connection refused"#,
                "webhook_unavailable ValidatingWebhookConfiguration policy",
            ),
            (
                r#"Error creating: admission webhook "p.example.com" denied the request: no label team"#,
                "webhook_denied Deployment shop/web",
            ),
        ] {
            assert_eq!(roots(refused(said)), [expected], "{said}");
        }
    }

    #[test]
    fn the_limit_of_the_range_is_offered() {
        let found = findings(refused(
            r#"Error creating: pods "a" is forbidden: maximum memory usage per Container is 128Mi, but limit is 512Mi"#,
        ));
        assert_eq!(
            found[0].fix.as_ref().unwrap().command.as_str(),
            "kubectl -n shop set resources deployment/web -c app --limits=memory=128Mi"
        );
    }

    #[test]
    fn a_refusal_that_is_over_is_no_fault() {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects.push(event(
            "ReplicaSet",
            "web-5d",
            "FailedCreate",
            "exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2",
        ));
        assert_eq!(roots(objects), Vec::<String>::new());
    }
}
