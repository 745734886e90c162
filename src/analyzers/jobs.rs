//! Jobs that failed and CronJobs that do not start any. Knows the conditions of the Job controller.

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobCondition};
use serde_json::json;

use crate::{
    cluster::state::Pod,
    finding::{Resource, Severity},
};

use super::{
    change::Change,
    complaints::last_words,
    container_start::shortened,
    draft::{Draft, Rank},
    index::{
        Index, event_count, event_time, is_owned, message, name, namespace, phase, pod_resource, reason,
    },
    logs,
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for job in &index.state.jobs {
        drafts.extend(failed(index, job));
        drafts.extend(suspended(job));
    }
    cron_jobs(index, drafts);
}

fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
}

/// A Job with the condition `Failed`: `BackoffLimitExceeded` after too many failed pods, `DeadlineExceeded` when
/// `activeDeadlineSeconds` is over, `PodFailurePolicy` (concept "Jobs"). The log of its last pod says why, where it is
/// still there. A run of a CronJob after which a later one succeeded is history: a notice.
fn failed(index: &Index<'_>, job: &Job) -> Vec<Draft> {
    let Some(condition) = condition(job, "Failed") else { return Vec::new() };
    let itself = Resource::namespaced("Job", namespace(&job.metadata), name(&job.metadata));
    let owner = index.owner_of(namespace(&job.metadata), "Job", name(&job.metadata));
    let when = condition.last_transition_time.as_ref().map(|time| time.0);
    let past = succeeded_later(index, job, &owner)
        || when.is_some_and(|at| index.age(at) > SignedDuration::from_hours(7 * 24));
    let severity = if past { Severity::Notice } else { Severity::Critical };
    let why = condition.reason.as_deref().unwrap_or_default();
    let draft = match why {
        "DeadlineExceeded" => late(job, &itself, severity),
        "PodFailurePolicy" => by_policy(index, job, &itself, severity),
        _ => used_up(index, job, &itself, severity),
    };
    let said = condition.message.as_deref().unwrap_or_default();
    let mut drafts = if past { Vec::new() } else { causes(index, job) };
    let draft = draft.evidence(format!("{itself} status.conditions[Failed]"), format!("{why}: {said}"));
    let mut draft = drafts.iter().fold(draft, |draft, cause| draft.blames(&cause.finding.resource));
    if owner.kind == "CronJob" {
        // The next run is made from the CronJob's template: that is what to mend.
        draft.finding.resource = owner.clone();
        draft = draft.about(itself.name.clone()).seen_on(itself);
    }
    drafts.push(Draft { rank: Rank::Workload, ..draft }.hurts(&owner));
    drafts
}

/// What the logs of its failed pods give away.
fn causes(index: &Index<'_>, job: &Job) -> Vec<Draft> {
    failed_pods(index, job)
        .into_iter()
        .flat_map(|pod| index.containers_of(pod))
        .filter(|view| view.last_end().is_some_and(|end| end.exit_code != 0))
        .flat_map(|view| logs::explain(index, &view))
        .collect()
}

fn failed_pods<'a>(index: &Index<'a>, job: &Job) -> Vec<&'a Pod> {
    let owned = |pod: &&Pod| {
        let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
        namespace(&pod.metadata) == namespace(&job.metadata)
            && phase(pod) == "Failed"
            && owners.iter().any(|owner| owner.kind == "Job" && owner.name == name(&job.metadata))
    };
    let mut pods: Vec<_> = index.state.pods.iter().filter(owned).collect();
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
    pods
}

/// The controller ended the pods when `activeDeadlineSeconds` was over. Wrong to raise it where the work hangs.
fn late(job: &Job, itself: &Resource, severity: Severity) -> Draft {
    let limit = job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds).unwrap_or(0);
    let sentence = format!(
        "Job `{}` was ended by Kubernetes after its `activeDeadlineSeconds` of `{limit}`, before its work was done.",
        itself.name
    );
    let space = namespace(&job.metadata);
    let command = format!(
        "kubectl -n {space} get job {0} -o json | jq 'del(.spec.selector, .spec.template.metadata.labels[\"controller-uid\", \"batch.kubernetes.io/controller-uid\"], .status) | .spec.activeDeadlineSeconds={1}' | kubectl replace --force -f -",
        itself.name,
        limit.saturating_mul(10)
    );
    Draft::cause("job_deadline_exceeded", severity, itself, sentence)
        .evidence(format!("{itself} spec.activeDeadlineSeconds"), limit.to_string())
        .fix("Run it again with a deadline that fits its work.", command)
        .risk("Work that the ended run did may be done twice.")
}

/// A pod failed in a way that `podFailurePolicy` takes for final.
fn by_policy(index: &Index<'_>, job: &Job, itself: &Resource, severity: Severity) -> Draft {
    let pods = failed_pods(index, job);
    let views: Vec<_> = pods.iter().rev().flat_map(|pod| index.containers_of(pod)).collect();
    let spoken = views.iter().find_map(|view| Some((view, last_words(logs::spoken(index, view)?.0)?.text)));
    let words = spoken.as_ref().map(|(_, text)| format!(": `{}`", shortened(text))).unwrap_or_default();
    let sentence = format!("Job `{}` was ended by its podFailurePolicy{words}.", itself.name);
    let draft = Draft::cause("job_pod_failure_policy", severity, itself, sentence)
        .fix("Correct what its log complains about and create the Job anew.", "");
    match spoken {
        Some((view, text)) => {
            draft.evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), text)
        }
        None => draft,
    }
}

/// More pods failed than `backoffLimit` allows, or an index did of an indexed Job. The log of the last pod says why.
fn used_up(index: &Index<'_>, job: &Job, itself: &Resource, severity: Severity) -> Draft {
    let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(6);
    let failures = job.status.as_ref().and_then(|status| status.failed).unwrap_or(0);
    let pods = failed_pods(index, job);
    let views: Vec<_> = pods.iter().rev().flat_map(|pod| index.containers_of(pod)).collect();
    let spoken = views.iter().find_map(|view| {
        let (text, _) = logs::spoken(index, view)?;
        Some((view, last_words(text)?.text))
    });
    let code = views
        .iter()
        .find_map(|view| view.last_end())
        .map(|end| format!(" with exit code `{}`", end.exit_code))
        .unwrap_or_default();
    let words = spoken.as_ref().map(|(_, text)| format!(": {}", shortened(text))).unwrap_or_default();
    let indexes = job
        .status
        .as_ref()
        .and_then(|status| status.failed_indexes.as_deref())
        .filter(|indexes| !indexes.is_empty());
    let how = match indexes {
        Some(indexes) => format!("failed at its index `{indexes}`"),
        None => format!("failed after `{failures}` attempts (backoffLimit `{limit}`)"),
    };
    let sentence =
        format!("Job `{}` {how}; its last pod ended{code}{}.", itself.name, words.trim_end_matches('.'));
    let draft = Draft::cause("job_backoff_limit_exceeded", severity, itself, sentence).fix(
        "Correct what its log complains about and create the Job anew: a Job's template cannot be changed.",
        "",
    );
    let draft = pods.iter().fold(draft, |draft, pod| draft.seen_on(pod_resource(pod)));
    match spoken {
        Some((view, text)) => {
            draft.evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), text)
        }
        None => draft,
    }
}

/// Whether another run of the same CronJob succeeded after this one began.
fn succeeded_later(index: &Index<'_>, job: &Job, owner: &Resource) -> bool {
    let begun = job.metadata.creation_timestamp.as_ref();
    is_owned(&job.metadata)
        && index.state.jobs.iter().any(|other| {
            other.metadata.creation_timestamp.as_ref() > begun
                && condition(other, "Complete").is_some()
                && index.owner_of(namespace(&other.metadata), "Job", name(&other.metadata)) == *owner
        })
}

/// A CronJob that is suspended (a notice: somebody wanted it), or that missed its starts.
fn cron_jobs(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for cron in &index.state.cron_jobs {
        let (space, called) = (namespace(&cron.metadata), name(&cron.metadata));
        let itself = Resource::namespaced("CronJob", space, called);
        let Some(spec) = &cron.spec else { continue };
        if spec.suspend == Some(true) {
            let last = cron.status.as_ref().and_then(|status| status.last_schedule_time.as_ref());
            let since =
                last.map_or("it has never run".to_owned(), |time| format!("it last ran at `{}`", time.0));
            let sentence = format!(
                "CronJob `{called}` (`{}`) does not run because it is suspended; {since}.",
                spec.schedule
            );
            drafts.push(
                Draft::cause("cronjob_suspended", Severity::Notice, &itself, sentence)
                    .evidence(format!("{itself} spec.suspend"), "true")
                    .fix(
                        "Resume it, if nobody suspended it on purpose.",
                        Change::merge(&itself, &json!({"spec": {"suspend": false}})),
                    ),
            );
            continue;
        }
        drafts.extend(not_starting(index, cron, spec, &itself));
    }
}

/// A CronJob that starts no Jobs although it is due. The controller says so in events: a schedule or time zone that cannot
/// be read, more than 100 missed starts, or a run that is still going on where `concurrencyPolicy: Forbid` allows one at a
/// time (concept "CronJob"). The latter is a fault only where that run has gone on for more than its turn.
fn not_starting(index: &Index<'_>, cron: &CronJob, spec: &CronJobSpec, itself: &Resource) -> Option<Draft> {
    let (space, called) = (namespace(&cron.metadata), name(&cron.metadata));
    let events = index.events("CronJob", space, called);
    let event = events.iter().rev().find(|event| {
        let recent = event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_hours(24));
        let telling = [
            "TooManyMissedTimes",
            "FailedNeedsStart",
            "UnparseableCronJobSchedule",
            "UnparseableSchedule",
            "InvalidSchedule",
            "UnknownTimeZone",
            "FailedCreate",
            "JobAlreadyActive",
        ];
        recent && telling.contains(&reason(event))
    });
    let source = format!("event on {itself}");
    let broken = broken_schedule(&spec.schedule);
    let cause = |code: &str, sentence: String| Draft::cause(code, Severity::Critical, itself, sentence);
    let draft = match (event.map(|event| reason(event)), broken) {
        (Some("UnparseableCronJobSchedule" | "UnparseableSchedule" | "InvalidSchedule"), why) => {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            cause(
                "cronjob_schedule_invalid",
                format!(
                    "CronJob `{called}` never runs: its schedule `{}` cannot be read{why}.",
                    spec.schedule
                ),
            )
            .evidence(format!("{itself} spec.schedule"), &spec.schedule)
            .fix("Correct the schedule: minute, hour, day of month, month, day of week.", "")
        }
        (None, Some(why)) => cause(
            "cronjob_schedule_invalid",
            format!("CronJob `{called}` never runs: {why} in its schedule `{}`.", spec.schedule),
        )
        .likely()
        .evidence(format!("{itself} spec.schedule"), &spec.schedule)
        .fix("Correct the schedule: minute, hour, day of month, month, day of week.", ""),
        (Some("UnknownTimeZone"), _) => {
            let zone = spec.time_zone.as_deref().unwrap_or_default();
            cause(
                "cronjob_time_zone_unknown",
                format!("CronJob `{called}` never runs: there is no time zone `{zone}`."),
            )
            .evidence(format!("{itself} spec.timeZone"), zone)
            .fix("Use a name of the tz database, such as Europe/Berlin.", "")
        }
        (Some("JobAlreadyActive"), _) => return blocked_by_a_run(index, cron, itself),
        (Some(_), _) => {
            let sentence = format!("CronJob `{called}` (`{}`) starts no Jobs.", spec.schedule);
            // What turned its Jobs away is told by `admission`.
            Draft::symptom(Rank::Workload, "cronjob_not_starting", Severity::Critical, itself, sentence)
                .likely()
        }
        (None, None) => return blocked_by_a_run(index, cron, itself),
    };
    Some(match event {
        Some(event) => draft.evidence(source, message(event)),
        None => draft,
    })
}

/// A date that no month has, such as 31 February: the API server takes it, and it never comes.
fn broken_schedule(schedule: &str) -> Option<String> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [_, _, day, month, weekday] = fields.as_slice() else { return None };
    let (day, month) = (day.parse::<u8>().ok()?, month.parse::<u8>().ok()?);
    let longest = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (*weekday == "*" && day > longest).then(|| format!("month {month} has no day {day}"))
}

/// How long a run may take, or how many turns it may take from others, before it is called stuck.
const RUN_PATIENCE: SignedDuration = SignedDuration::from_mins(15);
const TURNS_MISSED: i32 = 3;

/// A run that is still going on takes the turns of the others (`concurrencyPolicy: Forbid`). Wrong where a run may take that long.
fn blocked_by_a_run(index: &Index<'_>, cron: &CronJob, itself: &Resource) -> Option<Draft> {
    let forbids = cron.spec.as_ref()?.concurrency_policy.as_deref() == Some("Forbid");
    let active = cron.status.as_ref()?.active.as_ref()?.first()?.name.clone()?;
    let space = namespace(&cron.metadata);
    let job = index
        .state
        .jobs
        .iter()
        .find(|job| namespace(&job.metadata) == space && name(&job.metadata) == active)?;
    let since = index.age(job.status.as_ref()?.start_time.as_ref()?.0);
    let missed = index
        .events("CronJob", space, name(&cron.metadata))
        .iter()
        .filter(|event| reason(event) == "JobAlreadyActive")
        .map(|event| event_count(event))
        .max()?;
    if !forbids || since < RUN_PATIENCE && missed < TURNS_MISSED {
        return None;
    }
    let run = Resource::namespaced("Job", space, &active);
    let sentence = format!(
        "CronJob `{}` starts no new run because `{active}` has gone on for {} min and `concurrencyPolicy: Forbid` allows one at a time.",
        itself.name,
        since.as_mins()
    );
    Some(
        Draft::cause("cronjob_blocked_by_active_job", Severity::Critical, itself, sentence)
            .evidence(format!("{itself} spec.concurrencyPolicy"), "Forbid")
            .evidence(format!("{itself} status.active"), &active)
            .seen_on(run)
            .fix(
                "Find out why that run does not end; delete it, and give the Job an activeDeadlineSeconds.",
                format!("kubectl -n {space} delete job {active}"),
            )
            .risk("The work of that run is lost."),
    )
}

/// A Job that is suspended does not start pods (`spec.suspend`, concept "Jobs"): a notice, somebody or a queue wanted it.
fn suspended(job: &Job) -> Option<Draft> {
    if job.spec.as_ref()?.suspend != Some(true) || condition(job, "Complete").is_some() {
        return None;
    }
    let itself = Resource::namespaced("Job", namespace(&job.metadata), name(&job.metadata));
    let sentence = format!("Job `{}` has no pods because it is suspended.", itself.name);
    Some(
        Draft::cause("job_suspended", Severity::Notice, &itself, sentence)
            .evidence(format!("{itself} spec.suspend"), "true")
            .fix(
                "Resume it, if nobody suspended it on purpose.",
                Change::merge(&itself, &json!({"spec": {"suspend": false}})),
            ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{findings, log_of, roots};

    fn job(reason: &str, at: &str) -> Value {
        json!({"kind": "Job", "metadata": {"name": "load", "creationTimestamp": at}, "spec": {"backoffLimit": 2, "activeDeadlineSeconds": 25, "template": {"spec": {"containers": []}}},
            "status": {"failed": 3, "conditions": [{"type": "Failed", "status": "True", "reason": reason, "message": "m", "lastTransitionTime": at}]}})
    }

    #[test]
    fn ways_to_fail() {
        for (reason, code) in [
            ("BackoffLimitExceeded", "job_backoff_limit_exceeded"),
            ("DeadlineExceeded", "job_deadline_exceeded"),
            ("PodFailurePolicy", "job_pod_failure_policy"),
        ] {
            assert_eq!(roots(vec![job(reason, "2026-01-02T03:00:00Z")]), [format!("{code} Job shop/load")]);
        }
        assert_eq!(roots(vec![job("BackoffLimitExceeded", "2025-12-01T00:00:00Z")]), Vec::<String>::new());
    }

    #[test]
    fn the_log_of_the_last_pod_is_the_cause() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "load-1", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "load", "uid": "1", "controller": true}]},
            "spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Failed", "containerStatuses": [{"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1}}}]}});
        let objects = vec![
            job("BackoffLimitExceeded", "2026-01-02T03:00:00Z"),
            pod,
            log_of("load-1", "app", "KeyError: 'DATE_FROM'"),
        ];
        assert_eq!(roots(objects), ["missing_env_var Job shop/load"]);
    }

    #[test]
    fn suspended_is_a_notice() {
        let cron = json!({"kind": "CronJob", "metadata": {"name": "backup"}, "spec": {"schedule": "* * * * *", "suspend": true, "jobTemplate": {}}});
        let found = findings(vec![cron]);
        assert_eq!(found[0].code, "cronjob_suspended");
        assert!(found[0].is_root());
    }
}
