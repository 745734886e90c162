//! Runs recorded faults through the program, the question as a person would type it, and grades the answers. Knows no
//! fault: what is expected stands in each scenario's folder.

mod grade;
mod report;
mod scenario;

use std::path::{Path, PathBuf};

use futures::StreamExt;

pub use grade::Grade;
pub use report::Report;
use scenario::Scenario;

use crate::{
    analyzers,
    app::{App, Problem},
    chat::{render::answer, terminal},
    cluster::state::Scope,
    config::Config,
    event::{Cause, Event},
    finding::{Finding, Severity},
};

/// How many scenarios run at once: they are mostly work for the processor.
const AT_ONCE: usize = 2;

/// Asks the question of every scenario below `folder` whose name contains `only`, and grades the answers. `done` is
/// told how many of how many are graded.
pub async fn run(
    config: &Config,
    folder: &Path,
    only: &str,
    done: impl Fn(usize, usize),
) -> Result<Report, Problem> {
    let folders = scenario::folders(folder, only).map_err(Problem::Setup)?;
    let scenarios = folders.iter().map(|folder| Scenario::read(folder)).collect::<Result<Vec<_>, _>>();
    let scenarios = scenarios.map_err(Problem::Setup)?;
    let desk = Desk::new(config)?;
    let all = scenarios.len();
    done(0, all);
    let mut grades = Vec::with_capacity(all);
    let mut running =
        futures::stream::iter(scenarios.into_iter().map(|scenario| desk.grade(scenario))).buffered(AT_ONCE);
    while let Some(grade) = running.next().await {
        grades.push(grade?);
        done(grades.len(), all);
    }
    Ok(Report { grades })
}

/// Where the conversations of a run are held: a database for each, in a folder that is gone afterwards.
struct Desk<'a> {
    config: &'a Config,
    folder: PathBuf,
}

impl<'a> Desk<'a> {
    fn new(config: &'a Config) -> Result<Self, Problem> {
        let folder = std::env::temp_dir().join(format!("kubertnetes-eval-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder)
            .map_err(|e| Problem::Failed(format!("cannot make the folder {}: {e}", folder.display())))?;
        Ok(Self { config, folder })
    }

    async fn grade(&self, scenario: Scenario) -> Result<Grade, Problem> {
        let seen = self.answer(&scenario).await?;
        Ok(grade::grade(scenario, &seen))
    }

    /// What the program says to the scenario's question, and what the analyzers find without one.
    async fn answer(&self, scenario: &Scenario) -> Result<Seen, Problem> {
        let mut config = self.config.clone();
        config.cluster.snapshot = Some(scenario.folder.clone());
        config.cluster.demo = false;
        config.store.url = format!("sqlite://{}/{}.db", self.folder.display(), scenario.id).into();
        let app = std::sync::Arc::new(App::open(config).await?);
        let began = std::time::Instant::now();
        let log = app.terminal().ask(&scenario.question, |_| ()).await;
        let took = began.elapsed();
        let state = app.cluster.look(&Scope::default()).await;
        app.close().await;
        let log = log?;
        let state = state.map_err(|e| Problem::Failed(format!("{}: {e}", scenario.id)))?;
        let diagnosis = log.iter().rev().find_map(|entry| match &entry.event {
            Event::Diagnosed { diagnosis, .. } => Some(diagnosis.ranked()),
            _ => None,
        });
        let causes = diagnosis.unwrap_or_default().into_iter().cloned().collect();
        Ok(Seen {
            answer: answer(&log, terminal::LIMITS),
            causes,
            findings: analyzers::analyze(&state),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        // What stays behind in a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What one scenario brought to light.
struct Seen {
    answer: String,
    /// What the answer names, those asked about first.
    causes: Vec<Cause>,
    findings: Vec<Finding>,
    took_ms: u64,
}

impl Seen {
    /// The root causes that a scan reports, notices left out.
    fn roots(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_root() && finding.severity < Severity::Notice)
    }
}
