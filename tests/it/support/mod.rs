//! What the tests share.

pub mod big_log;
pub mod binary;
pub mod cluster;
pub mod discord;
pub mod llm;
pub mod only_reads;
pub mod stores;
pub mod world;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// A path below the folder that lies beside the project with data of others, or `None`, saying by name which test
/// was left out.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    left_out(&format!("no {}", path.display()));
    None
}

/// Says by name that the running test is left out, and why.
pub fn left_out(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`: the test harness would swallow it.
    let _ = writeln!(std::io::stderr(), "left out: {test} ({why})");
}
