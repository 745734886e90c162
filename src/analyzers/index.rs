//! The state as the rules need it: which workload owns a pod, what a Service selects, what was said about an object.
//! Knows no rule.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateTerminated, ContainerStatus, Event, PodSpec,
        PodTemplateSpec, Service,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};

use crate::{
    cluster::state::{ContainerLog, Pod, State},
    finding::Resource,
};

use super::within::Within;

/// Something that makes pods, or a pod that nobody made.
#[derive(Debug)]
pub(super) struct Workload<'a> {
    pub(super) resource: Resource,
    pub(super) meta: &'a ObjectMeta,
    /// The spec of its pods.
    pub(super) pod: &'a PodSpec,
    /// The labels of its pods.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// How many pods it wants at the moment.
    pub(super) desired: i32,
}

impl Workload<'_> {
    pub(super) fn namespace(&self) -> &str {
        self.resource.namespace.as_deref().unwrap_or_default()
    }
}

/// A container of a pod: what was asked for and what became of it.
#[derive(Debug, Clone)]
pub(super) struct ContainerView<'a> {
    pub(super) pod: &'a Pod,
    pub(super) owner: Resource,
    pub(super) spec: &'a Container,
    pub(super) status: Option<&'a ContainerStatus>,
    /// Whether it has to end before the others start.
    pub(super) init: bool,
    /// Its place among the containers, or init containers, of the pod.
    pub(super) place: usize,
}

impl<'a> ContainerView<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.spec.name
    }

    pub(super) fn namespace(&self) -> &'a str {
        namespace(&self.pod.metadata)
    }

    /// Why it waits and what the kubelet says about it; empty where it does not wait.
    pub(super) fn waiting(&self) -> (&'a str, &'a str) {
        let waiting = self.state().and_then(|state| state.waiting.as_ref());
        waiting.map_or(("", ""), |waiting| {
            (waiting.reason.as_deref().unwrap_or_default(), waiting.message.as_deref().unwrap_or_default())
        })
    }

    fn state(&self) -> Option<&'a ContainerState> {
        self.status?.state.as_ref()
    }

    /// How it ended: the present run if it has ended, else the one before.
    pub(super) fn last_end(&self) -> Option<&'a ContainerStateTerminated> {
        let status = self.status?;
        let now = status.state.as_ref().and_then(|state| state.terminated.as_ref());
        now.or_else(|| status.last_state.as_ref().and_then(|state| state.terminated.as_ref()))
    }

    /// When the present run began, where one is on.
    pub(super) fn running_since(&self) -> Option<Timestamp> {
        Some(self.state()?.running.as_ref()?.started_at.as_ref()?.0)
    }

    pub(super) fn is_running(&self) -> bool {
        self.state().is_some_and(|state| state.running.is_some())
    }

    pub(super) fn is_ready(&self) -> bool {
        self.status.is_some_and(|status| status.ready)
    }

    pub(super) fn restarts(&self) -> i32 {
        self.status.map_or(0, |status| status.restart_count)
    }

    /// An init container with `restartPolicy: Always` runs beside the others.
    pub(super) fn is_native_sidecar(&self) -> bool {
        self.spec.restart_policy.as_deref() == Some("Always")
    }

    /// `Pod` as a resource.
    pub(super) fn pod_resource(&self) -> Resource {
        pod_resource(self.pod)
    }

    /// Where its spec stands in its owner, as evidence names it.
    pub(super) fn field(&self, field: &str) -> String {
        let list = if self.init { "initContainers" } else { "containers" };
        format!("{} {}.{list}[{}].{field}", self.owner, spec_path(&self.owner), self.spec.name)
    }
}

/// The dotted path to the pod spec in an object of that kind.
pub(super) fn spec_path(resource: &Resource) -> &'static str {
    match resource.kind.as_str() {
        "Pod" => "spec",
        "CronJob" => "spec.jobTemplate.spec.template.spec",
        _ => "spec.template.spec",
    }
}

/// Whether the pod template of an object of that kind can be changed in place.
pub(super) fn is_editable(resource: &Resource) -> bool {
    matches!(resource.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "CronJob")
}

/// `deployment/web`, as kubectl takes it.
pub(super) fn kubectl_name(resource: &Resource) -> String {
    let kind = match resource.kind.as_str() {
        "PersistentVolumeClaim" => "pvc".to_owned(),
        "HorizontalPodAutoscaler" => "hpa".to_owned(),
        "PodDisruptionBudget" => "pdb".to_owned(),
        kind => kind.to_lowercase(),
    };
    format!("{kind}/{}", resource.name)
}

/// `text` as one word for a shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@,+%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A pod as a resource.
pub(super) fn pod_resource(pod: &Pod) -> Resource {
    Resource::namespaced("Pod", namespace(&pod.metadata), name(&pod.metadata))
}

pub(super) fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

pub(super) fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// Whether labels have every pair of a selector. An empty selector selects nothing here.
pub(super) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a label selector accepts these labels; an empty one accepts all.
pub(super) fn accepts(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.match_labels.iter().flatten();
    wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().flatten().all(|rule| {
            let value = labels.get(&rule.key);
            let among = value.is_some_and(|value| rule.values.iter().flatten().any(|other| other == value));
            match rule.operator.as_str() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

/// The state, indexed.
pub(super) struct Index<'a> {
    pub(super) state: &'a State,
    workloads: Vec<Workload<'a>>,
    pods: BTreeMap<Resource, Vec<&'a Pod>>,
    events: BTreeMap<Resource, Vec<&'a Event>>,
    /// Kind and name of what made each ReplicaSet and Job.
    makers: BTreeMap<Resource, (String, String)>,
    containers: Vec<ContainerView<'a>>,
    /// Where each workload is among them.
    places: HashMap<Resource, usize>,
    pub(super) within: Within<'a>,
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Index<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        let mut index = Self {
            state,
            workloads: workloads(state),
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
            makers: makers(state),
            containers: Vec::new(),
            places: HashMap::new(),
            within: Within::new(state),
        };
        let numbered = index.workloads.iter().enumerate();
        index.places = numbered.map(|(at, workload)| (workload.resource.clone(), at)).collect();
        for event in &state.events {
            let about = &event.involved_object;
            let kind = about.kind.as_deref().unwrap_or_default();
            let space = about.namespace.as_deref().unwrap_or_default();
            let called = about.name.as_deref().unwrap_or_default();
            index.events.entry(Resource::namespaced(kind, space, called)).or_default().push(event);
        }
        for pod in &state.pods {
            index.pods.entry(index.owner(pod)).or_default().push(pod);
        }
        let live = state.pods.iter().filter(|pod| is_live(pod));
        index.containers = live.flat_map(|pod| index.containers_of(pod)).collect();
        index
    }

    /// Everything that makes pods, and the pods that nobody made.
    pub(super) fn workloads(&self) -> &[Workload<'a>] {
        &self.workloads
    }

    pub(super) fn workload(&self, resource: &Resource) -> Option<&Workload<'a>> {
        self.places.get(resource).and_then(|at| self.workloads.get(*at))
    }

    /// The pods of a workload, those being deleted included.
    pub(super) fn pods_of(&self, owner: &Resource) -> &[&'a Pod] {
        self.pods.get(owner).map_or(&[], Vec::as_slice)
    }

    /// What one would change to change the pod: pod → ReplicaSet → Deployment, pod → Job → CronJob.
    pub(super) fn owner(&self, pod: &Pod) -> Resource {
        let namespace = namespace(&pod.metadata);
        let Some(owner) = controller(&pod.metadata) else {
            return Resource::namespaced("Pod", namespace, name(&pod.metadata));
        };
        self.owner_of(namespace, &owner.0, &owner.1)
    }

    /// The owner of an object that a controller made, or the object itself.
    pub(super) fn owner_of(&self, space: &str, kind: &str, called: &str) -> Resource {
        let itself = Resource::namespaced(kind, space, called);
        match self.makers.get(&itself) {
            Some((kind, called)) => Resource::namespaced(kind, space, called),
            None => itself,
        }
    }

    /// The events about an object, oldest first.
    pub(super) fn events(&self, kind: &str, space: &str, called: &str) -> &[&'a Event] {
        self.events.get(&Resource::namespaced(kind, space, called)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn pod_events(&self, pod: &Pod) -> &[&'a Event] {
        self.events("Pod", namespace(&pod.metadata), name(&pod.metadata))
    }

    /// The containers of every pod that is not being deleted and has not succeeded.
    pub(super) fn containers(&self) -> &[ContainerView<'a>] {
        &self.containers
    }

    pub(super) fn containers_of(&self, pod: &'a Pod) -> Vec<ContainerView<'a>> {
        let Some(spec) = &pod.spec else { return Vec::new() };
        let status = pod.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let init_statuses =
            status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
        let owner = self.owner(pod);
        let inits = spec.init_containers.iter().flatten().enumerate().map(|entry| (entry, true));
        let mains = spec.containers.iter().enumerate().map(|entry| (entry, false));
        inits
            .chain(mains)
            .map(|((place, spec), init)| {
                let among = if init { init_statuses } else { statuses };
                let status = among.iter().find(|status| status.name == spec.name);
                ContainerView { pod, owner: owner.clone(), spec, status, init, place }
            })
            .collect()
    }

    /// The log of a container's present run, or of the run before.
    pub(super) fn log(&self, view: &ContainerView<'_>, previous: bool) -> Option<&'a ContainerLog> {
        self.state.logs.iter().find(|log| {
            // What a kubelet answers in the place of a log that is gone is no word of the application's.
            let gone = log.text.starts_with("unable to retrieve container logs for");
            !gone
                && log.previous == previous
                && log.container == view.spec.name
                && log.pod == name(&view.pod.metadata)
                && log.namespace == view.namespace()
        })
    }

    /// How long ago a moment was.
    pub(super) fn age(&self, moment: Timestamp) -> SignedDuration {
        self.state.taken_at.duration_since(moment)
    }

    pub(super) fn object_age(&self, meta: &ObjectMeta) -> SignedDuration {
        meta.creation_timestamp.as_ref().map_or(SignedDuration::MAX, |time| self.age(time.0))
    }

    /// Whether what was not listed can be taken to be absent: false where listing that kind was refused.
    pub(super) fn is_listed(&self, plural: &str) -> bool {
        !self.state.unread.iter().any(|sentence| sentence.to_lowercase().contains(&plural.to_lowercase()))
    }
}

fn makers(state: &State) -> BTreeMap<Resource, (String, String)> {
    let sets = state.replica_sets.iter().map(|set| ("ReplicaSet", &set.metadata));
    let jobs = state.jobs.iter().map(|job| ("Job", &job.metadata));
    let made = sets.chain(jobs).filter_map(|(kind, meta)| {
        Some((Resource::namespaced(kind, namespace(meta), name(meta)), controller(meta)?))
    });
    made.collect()
}

/// The kind and name of the controller that owns the object.
fn controller(meta: &ObjectMeta) -> Option<(String, String)> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    // A static pod is owned by its node; what one changes is a file on that node.
    (owner.kind != "Node").then(|| (owner.kind.clone(), owner.name.clone()))
}

pub(super) fn is_owned(meta: &ObjectMeta) -> bool {
    controller(meta).is_some()
}

pub(super) fn labels(meta: &ObjectMeta) -> &BTreeMap<String, String> {
    meta.labels.as_ref().unwrap_or(&NO_LABELS)
}

/// A Service's selector, where it has one.
pub(super) fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    service.spec.as_ref()?.selector.as_ref().filter(|selector| !selector.is_empty())
}

pub(super) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Not being deleted and not over.
pub(super) fn is_live(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase(pod), "Succeeded" | "Failed")
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _, _)| status == "True")
}

/// Status, reason and message of a pod's condition.
pub(super) fn condition<'p>(pod: &'p Pod, kind: &str) -> Option<(&'p str, &'p str, &'p str)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let found = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((
        &found.status,
        found.reason.as_deref().unwrap_or_default(),
        found.message.as_deref().unwrap_or_default(),
    ))
}

/// When an event last happened.
pub(super) fn event_time(event: &Event) -> Option<Timestamp> {
    let series =
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    series.max(last).or_else(|| event.event_time.as_ref().map(|time| time.0))
}

pub(super) fn event_count(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    event.count.or(series).unwrap_or(1)
}

/// What an event says. The recorder puts words before the last of many that are alike.
pub(super) fn message(event: &Event) -> &str {
    let said = event.message.as_deref().unwrap_or_default();
    said.strip_prefix("(combined from similar events): ").unwrap_or(said)
}

pub(super) fn reason(event: &Event) -> &str {
    event.reason.as_deref().unwrap_or_default()
}

/// The pod spec of a template and the metadata of its pods.
fn inside(template: &PodTemplateSpec) -> Option<(&PodSpec, Option<&ObjectMeta>)> {
    Some((template.spec.as_ref()?, template.metadata.as_ref()))
}

fn workloads<'a>(state: &'a State) -> Vec<Workload<'a>> {
    let mut all = Vec::new();
    let mut add = |kind: &str,
                   meta: &'a ObjectMeta,
                   template: Option<(&'a PodSpec, Option<&'a ObjectMeta>)>,
                   desired| {
        if let Some((pod, inner)) = template {
            let resource = Resource::namespaced(kind, namespace(meta), name(meta));
            let labels = inner.map_or(&NO_LABELS, labels);
            all.push(Workload { resource, meta, pod, labels, desired });
        }
    };
    for item in &state.deployments {
        let spec = item.spec.as_ref();
        let desired = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        add("Deployment", &item.metadata, spec.and_then(|spec| inside(&spec.template)), desired);
    }
    for item in &state.stateful_sets {
        let spec = item.spec.as_ref();
        let desired = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        add("StatefulSet", &item.metadata, spec.and_then(|spec| inside(&spec.template)), desired);
    }
    for item in &state.daemon_sets {
        let desired = item.status.as_ref().map_or(0, |status| status.desired_number_scheduled);
        add("DaemonSet", &item.metadata, item.spec.as_ref().and_then(|spec| inside(&spec.template)), desired);
    }
    for item in state.replica_sets.iter().filter(|set| !is_owned(&set.metadata)) {
        let spec = item.spec.as_ref();
        let desired = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let template = spec.and_then(|spec| spec.template.as_ref()).and_then(inside);
        add("ReplicaSet", &item.metadata, template, desired);
    }
    for item in state.jobs.iter().filter(|job| !is_owned(&job.metadata)) {
        let desired = item.status.as_ref().and_then(|status| status.active).unwrap_or(0);
        add("Job", &item.metadata, item.spec.as_ref().and_then(|spec| inside(&spec.template)), desired);
    }
    for item in &state.cron_jobs {
        let spec = item.spec.as_ref().and_then(|spec| spec.job_template.spec.as_ref());
        let active = item.status.as_ref().and_then(|status| status.active.as_ref()).map_or(0, Vec::len);
        let desired = i32::try_from(active).unwrap_or(i32::MAX);
        add("CronJob", &item.metadata, spec.and_then(|spec| inside(&spec.template)), desired);
    }
    for item in state.pods.iter().filter(|pod| !is_owned(&pod.metadata)) {
        let template = item.spec.as_deref().map(|spec| (spec, Some(&item.metadata)));
        add("Pod", &item.metadata, template, i32::from(is_live(item)));
    }
    all
}
