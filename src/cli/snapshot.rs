//! `kubertnetes snapshot …`: flags and printing, no logic.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::{
    analyzers::lookalike::{akin, nearest},
    app::{Problem, connect},
    cluster::snapshot::{
        CaptureError, CaptureOptions, Captured, Listening, Progress, Snapshot, SnapshotError, User,
    },
    config::Config,
    serve::told_to_stop,
};

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Serve a captured cluster over HTTP, for kubectl and other clients
    Serve(ServeFlags),
    /// Capture the cluster that is configured, with secrets masked
    Capture(CaptureFlags),
}

#[derive(Debug, Args)]
pub(super) struct ServeFlags {
    /// The captured cluster: a folder or a .tar.gz; none: what --snapshot or --demo name
    path: Option<PathBuf>,
    /// Where to answer. There is no authentication: whoever reaches the address may read everything
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: String,
    /// Write a kubeconfig once it is served
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
    /// Answer as to this user, e.g. system:serviceaccount:NAMESPACE:NAME, by the captured roles
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// A group of that user; can be given several times
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct CaptureFlags {
    /// The file or folder to make: one compressed file if it ends in .tar.gz or .tgz
    out: PathBuf,
    /// Read this namespace only, and what belongs to none; can be given several times
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,
    /// Read the schemas of all kinds as well
    #[arg(long)]
    openapi: bool,
    /// Keep the values of Secrets and whatever else looks like a credential
    #[arg(long)]
    with_secrets: bool,
    /// How many lines of each log, from its end
    #[arg(long, value_name = "LINES", default_value_t = CaptureOptions::default().log_lines)]
    log_lines: usize,
    /// How many bytes of each log, from its end
    #[arg(long, value_name = "BYTES", default_value_t = CaptureOptions::default().log_bytes)]
    log_bytes: usize,
}

pub(super) async fn run(config: &Config, command: SnapshotCommand) -> Result<ExitCode, Problem> {
    match command {
        SnapshotCommand::Serve(flags) => serve(config, &flags).await,
        SnapshotCommand::Capture(flags) => capture(config, flags).await,
    }
}

async fn serve(config: &Config, flags: &ServeFlags) -> Result<ExitCode, Problem> {
    let setup = |error: SnapshotError| Problem::Setup(error.to_string());
    let path = flags.path.clone().or_else(|| config.cluster.snapshot.clone());
    let snapshot = match &path {
        Some(path) => Snapshot::open(path),
        None if config.cluster.demo => Snapshot::practice(),
        None => {
            return Err(Problem::Setup(
                "no captured cluster is named: give its folder or .tar.gz, or --demo for the practice cluster"
                    .into(),
            ));
        }
    };
    let mut snapshot = snapshot.map_err(setup)?;
    if let Some(user) = &flags.user {
        snapshot = snapshot.with_user(User::new(user, &flags.groups));
    }
    let served = format!("`{}`, as it was at {}", snapshot.name(), snapshot.captured_at());
    let listening = Listening::on(Arc::new(snapshot), &flags.listen).await.map_err(setup)?;
    let url = listening.url();
    if !listening.is_loopback() {
        let _ = writeln!(
            std::io::stderr(),
            "There is no authentication: whoever reaches {url} may read the whole capture."
        );
    }
    let file = flags.write_kubeconfig.as_deref();
    file.map(|file| listening.write_kubeconfig(file))
        .transpose()
        .map_err(|e| Problem::Setup(e.to_string()))?;
    let serving = listening.serve();
    print(&told(&served, &url, file))?;
    tokio::select! {
        ended = serving => ended.map_err(|e| Problem::Failed(format!("{url} is no longer served: {e}")))?,
        () = told_to_stop() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn told(served: &str, url: &str, kubeconfig: Option<&Path>) -> String {
    let with = kubeconfig
        .map_or_else(|| format!("--server {url}"), |file| format!("--kubeconfig {}", file.display()));
    format!("Serving {served}, at {url}\nTry: kubectl {with} get pods -A")
}

async fn capture(config: &Config, flags: CaptureFlags) -> Result<ExitCode, Problem> {
    let cluster = connect(config).await?;
    let _ = writeln!(std::io::stderr(), "{}", cluster.introduction());
    let options = CaptureOptions {
        namespaces: flags.namespaces,
        openapi: flags.openapi,
        with_secrets: flags.with_secrets,
        log_lines: flags.log_lines,
        log_bytes: flags.log_bytes,
    };
    let bar = Bar::default();
    let show = |progress: Progress<'_>| bar.show(progress);
    let captured = tokio::select! {
        captured = cluster.capture(&flags.out, &options, &show) => captured,
        () = told_to_stop() => return Err(Problem::Failed("stopped; nothing was kept".into())),
    };
    bar.clear();
    let captured = captured.map_err(|error| match &error {
        CaptureError::NoNamespace { namespace, known } => {
            let meant =
                meant(namespace, known).map_or_else(String::new, |meant| format!("; there is `{meant}`"));
            Problem::Setup(format!("{error}{meant}"))
        }
        CaptureError::Place { .. } => Problem::Setup(error.to_string()),
        CaptureError::Unreadable(_) => Problem::Failed(error.to_string()),
    })?;
    for unread in &captured.unread {
        let _ = writeln!(std::io::stderr(), "Not read: {unread}");
    }
    let Captured { kinds, objects, logs, .. } = captured;
    print(&format!(
        "Captured {objects} objects of {kinds} kinds and {logs} logs in {}",
        flags.out.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The namespace that was probably meant.
fn meant<'k>(wanted: &str, known: &'k [String]) -> Option<&'k str> {
    let mut known = known.iter().map(String::as_str);
    nearest(wanted, known.clone()).or_else(|| known.find(|known| akin(wanted, known)))
}

/// How far it is: a bar where there is a terminal to draw it on, else a line for each part.
#[derive(Default)]
struct Bar(Mutex<Option<(String, ProgressBar)>>);

impl Bar {
    fn show(&self, progress: Progress<'_>) {
        let Progress { what, done, total } = progress;
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = shown.as_ref().is_some_and(|(known, _)| known == what);
        if !begun {
            let bar = ProgressBar::new(total.try_into().unwrap_or_default());
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(format!("Reading {what}"));
            if bar.is_hidden() {
                let _ = writeln!(std::io::stderr(), "Reading {total} {what}");
            }
            *shown = Some((what.to_owned(), bar));
        }
        if let Some((_, bar)) = &*shown {
            bar.set_position(done.try_into().unwrap_or_default());
        }
    }

    fn clear(&self) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = shown.take() {
            bar.finish_and_clear();
        }
    }
}
