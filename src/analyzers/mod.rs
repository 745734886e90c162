//! Rules over the state of a cluster: what is broken because of what. Pure; knows no API server, chat or model.

use crate::{cluster::state::State, finding::Finding};

/// Everything that is wrong in `state`, root causes first and worst first, numbered `f1`, `f2`…
pub fn analyze(_state: &State) -> Vec<Finding> {
    Vec::new()
}
