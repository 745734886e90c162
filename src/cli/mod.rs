//! The command line. No logic: it reads flags, calls and prints.

mod ask;
mod eval;
mod kubectl;
mod scan;
mod snapshot;

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};

use crate::{
    app::{App, Problem, data_folder},
    config::Config,
    replay::replay,
    serve::serve,
    telemetry,
};

/// A Kubernetes teammate: finds root causes, shows the evidence, offers the fix. Without a command it chats.
#[derive(Debug, Parser)]
#[command(name = "kubertnetes", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Flags {
    /// A kubeconfig file
    #[arg(long, global = true, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// A captured cluster instead of a live one: a folder or a .tar.gz
    #[arg(long, global = true, value_name = "PATH")]
    snapshot: Option<PathBuf>,
    /// The practice cluster that ships in the binary
    #[arg(long, global = true)]
    demo: bool,
    /// Who answers: `rules`, or a configured model
    #[arg(long, global = true, value_name = "NAME")]
    model: Option<String>,
    /// A configuration file instead of config/local.toml
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask one question
    Ask {
        /// The question
        #[arg(required = true, num_args = 1..)]
        question: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run the analyzers alone
    Scan {
        /// One namespace
        #[arg(short, long, conflicts_with = "all_namespaces")]
        namespace: Option<String>,
        /// All namespaces, as without -n
        #[arg(short = 'A', long)]
        all_namespaces: bool,
        /// How to print
        #[arg(short, long, value_enum, default_value_t = scan::Output::Text)]
        output: scan::Output,
    },
    /// Run what is configured: Discord, workers, health endpoint
    Serve {
        /// Where the health endpoint answers, e.g. 127.0.0.1:8080
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
    },
    /// Run one kubectl command that only reads, without kubectl
    Kubectl {
        /// The command, e.g. `get pods -n shop`
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Capture a cluster, or serve a captured one
    Snapshot {
        #[command(subcommand)]
        command: snapshot::SnapshotCommand,
    },
    /// Ask the questions of recorded faults and grade the answers
    Eval {
        /// The folder of the scenarios, each a folder with a scenario.yaml
        #[arg(long, value_name = "DIR")]
        scenarios: PathBuf,
        /// Only those with this in their name
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print a conversation as people saw it
    Replay {
        /// The conversation's id, or the beginning of it; `last` for the latest
        conversation: String,
        /// As the model saw it: every prompt, and what it replied
        #[arg(long)]
        prompts: bool,
    },
    /// Print the configuration in effect, secrets masked
    Config,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    // Fails only if one is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&Problem::Failed(format!("cannot start: {e}"))),
    };
    let code = match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(problem) => fail(&problem),
    };
    // A terminal's reader may still wait for a line that never comes.
    runtime.shutdown_background();
    code
}

fn fail(problem: &Problem) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "kubertnetes: {problem}");
    ExitCode::from(if matches!(problem, Problem::Setup(_)) { 2 } else { 1 })
}

async fn run(cli: Cli) -> Result<ExitCode, Problem> {
    let config = load(&cli)?;
    let serving = matches!(cli.command, Some(Command::Serve { .. }));
    telemetry::start(&config.log, if serving { "info" } else { "warn" }).map_err(Problem::Setup)?;
    match cli.command {
        None => chat(config).await,
        Some(Command::Ask { question, json }) => ask::ask(config, &question.join(" "), json).await,
        Some(Command::Scan { namespace, output, .. }) => scan::scan(&config, namespace, output).await,
        Some(Command::Kubectl { command }) => kubectl::run(&config, &command).await,
        Some(Command::Serve { .. }) => {
            serve(&Arc::new(App::open(config).await?)).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Snapshot { command }) => snapshot::run(&config, command).await,
        Some(Command::Eval { scenarios, only, json }) => eval::eval(&config, &scenarios, &only, json).await,
        Some(Command::Replay { conversation, prompts }) => {
            print(&replay(&config, &conversation, prompts).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Config) => {
            print(&config.print())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(cli: &Cli) -> Result<Config, Problem> {
    let flags = &cli.flags;
    let mut set: Vec<(&str, String)> = Vec::new();
    let path = |path: &PathBuf| path.display().to_string();
    set.extend(flags.kubeconfig.as_ref().map(|p| ("cluster.kubeconfig", path(p))));
    set.extend(flags.context.as_ref().map(|c| ("cluster.context", c.clone())));
    set.extend(flags.snapshot.as_ref().map(|p| ("cluster.snapshot", path(p))));
    set.extend(flags.demo.then(|| ("cluster.demo", "true".to_owned())));
    set.extend(flags.model.as_ref().map(|m| ("llm.model", m.clone())));
    if let Some(Command::Serve { listen: Some(address) }) = &cli.command {
        set.push(("serve.listen", address.clone()));
    }
    Config::load(flags.config.as_deref(), &set).map_err(|e| Problem::Setup(e.to_string()))
}

async fn chat(config: Config) -> Result<ExitCode, Problem> {
    let app = Arc::new(App::open(config).await?);
    let history = data_folder().filter(|f| std::fs::create_dir_all(f).is_ok()).map(|f| f.join("history.txt"));
    let ended = app.terminal().chat(&app.introduction(), history).await;
    app.close().await;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line.
fn print(text: &str) -> Result<(), Problem> {
    printed(writeln!(std::io::stdout(), "{text}"))
}

/// Whoever reads may have read enough, as `head` has: that is no failure.
fn printed(outcome: std::io::Result<()>) -> Result<(), Problem> {
    match outcome {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::Failed(format!("cannot print: {e}")))
        }
        _ => Ok(()),
    }
}
