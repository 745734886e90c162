//! `eval`: asks the questions of recorded faults and prints how the answers came out.

use std::{path::Path, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::{app::Problem, config::Config, eval};

/// Fails where a scenario does.
pub(super) async fn eval(
    config: &Config,
    folder: &Path,
    only: &str,
    json: bool,
) -> Result<ExitCode, Problem> {
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} scenarios")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let report = eval::run(config, folder, only, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    print(&if json { report.json().to_string() } else { report.table() })?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
