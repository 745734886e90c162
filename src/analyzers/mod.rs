//! Rules over the state of a cluster: what is broken because of what. Pure; knows no API server, chat or model.
//!
//! A rule looks at the [`index::Index`] and writes [`draft::Draft`]s; [`causes`] turns them into findings: merged over
//! the pods of a workload, symptoms linked to their causes, numbered. A new rule is a function in the file of its
//! topic and a line in [`RULES`].

mod admission;
mod api_versions;
mod autoscaling;
mod blamed_settings;
#[cfg(test)]
mod case_files;
mod causes;
mod certificates;
mod change;
pub mod codes;
mod complaints;
mod config_refs;
mod container_create;
mod container_start;
mod custom_kinds;
mod disruption;
mod draft;
mod error_texts;
mod failures;
#[cfg(test)]
mod fixture;
mod gateways;
mod headless;
#[cfg(test)]
mod healthy;
mod http_routes;
mod images;
mod index;
mod ingresses;
mod jobs;
mod log_forms;
mod logs;
pub mod lookalike;
mod memory;
mod mounting;
mod namespaces;
mod network_policies;
mod node_capacity;
mod node_constraints;
mod nodes;
mod occupied;
mod paths;
mod patterns;
mod peers;
mod pods;
mod probe_faults;
mod probes;
mod rbac;
mod route_backends;
mod scheduling;
mod scripts;
mod services;
mod settings;
mod sharing;
mod standing;
mod stateful_peers;
mod storage;
mod storage_classes;
mod volume_fit;
mod wiring;
mod within;
mod workloads;

pub use standing::standing;

use crate::{cluster::state::State, finding::Finding};

use self::{draft::Draft, index::Index};

/// One topic's rules: reads the index, writes what it found.
type Rule = fn(&Index<'_>, &mut Vec<Draft>);

/// Every rule. The order does not matter.
const RULES: &[Rule] = &[
    images::check,
    container_start::check,
    config_refs::check,
    probes::check,
    scheduling::check,
    storage::check,
    mounting::check,
    services::check,
    ingresses::check,
    gateways::check,
    http_routes::check,
    admission::check,
    workloads::check,
    stateful_peers::check,
    sharing::check,
    pods::check,
    jobs::check,
    autoscaling::check,
    disruption::check,
    nodes::check,
    node_capacity::check,
    namespaces::check,
    certificates::check,
    custom_kinds::check,
    wiring::check,
    logs::check,
];

/// Everything that is wrong in `state`, root causes first and worst first, numbered `f1`, `f2`…
pub fn analyze(state: &State) -> Vec<Finding> {
    causes::conclude(drafts(state, RULES))
}

/// What these rules write.
fn drafts(state: &State, rules: &[Rule]) -> Vec<Draft> {
    let index = Index::new(state);
    let mut drafts = Vec::new();
    for rule in rules {
        rule(&index, &mut drafts);
    }
    drafts
}
