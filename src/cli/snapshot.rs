//! `kubertnetes snapshot …`: flags and printing, no logic.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};

use super::print;
use crate::{
    app::Problem,
    cluster::snapshot::{Listening, Snapshot, SnapshotError, User},
    config::Config,
    serve::told_to_stop,
};

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Serve a captured cluster over HTTP, for kubectl and other clients
    Serve(ServeFlags),
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

pub(super) async fn run(config: &Config, command: SnapshotCommand) -> Result<ExitCode, Problem> {
    match command {
        SnapshotCommand::Serve(flags) => serve(config, &flags).await,
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
