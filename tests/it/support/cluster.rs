//! Recorded clusters for the tests.

use kubertnetes::cluster::{Cluster, Config, snapshot::Snapshot};

use super::shared;

/// The scenario whose folder begins with this number, e.g. `001`, as a cluster; `None` (and said so) where the
/// scenarios are not there. Needs a Tokio runtime around it.
pub fn scenario(number: &str) -> Option<Cluster> {
    let folders = std::fs::read_dir(shared("scenarios")?).unwrap();
    let mut paths = folders.map(|folder| folder.unwrap().path());
    let path = paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(number));
    let snapshot = Snapshot::open(&path.unwrap_or_else(|| panic!("no scenario {number}"))).unwrap();
    Some(Cluster::recorded(snapshot, &Config::default()))
}

/// The folders of all scenarios, in order; empty (and said so) where they are not there.
pub fn scenario_folders() -> Vec<std::path::PathBuf> {
    let Some(root) = shared("scenarios") else { return Vec::new() };
    let paths = std::fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.join("snapshot/snapshot.json").is_file()).collect();
    paths.sort();
    paths
}

/// The practice cluster that ships in the binary. Needs a Tokio runtime around it.
pub fn practice() -> Cluster {
    Cluster::practice(&Config::default()).unwrap()
}
