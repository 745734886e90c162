//! The command line. No logic: it reads flags, calls and prints.

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::{
    analyzers,
    app::{App, Problem, connect, data_folder},
    chat::{render::answer, terminal},
    cluster::state::Scope,
    config::Config,
    event::{Cause, Diagnosis, Entry, Event, tally},
    finding::{Finding, Severity},
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
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Run what is configured: Discord, workers, health endpoint
    Serve {
        /// Where the health endpoint answers, e.g. 127.0.0.1:8080
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
    },
    /// Print the configuration in effect, secrets masked
    Config,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
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
        Some(Command::Ask { question, json }) => ask(config, &question.join(" "), json).await,
        Some(Command::Scan { namespace, output, .. }) => scan(&config, namespace, output).await,
        Some(Command::Serve { .. }) => {
            serve(&Arc::new(App::open(config).await?)).await.map(|()| ExitCode::SUCCESS)
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

async fn ask(config: Config, question: &str, json: bool) -> Result<ExitCode, Problem> {
    let app = Arc::new(App::open(config).await?);
    let mut terminal = app.terminal();
    let mut failed_to_print = Ok(());
    let log = terminal
        .ask(question, |entry| {
            if let (false, Some(line)) = (json, crate::chat::render::step_line(&entry.event)) {
                failed_to_print = print(&format!("· {line}"));
            }
        })
        .await;
    let log = match log {
        Ok(log) => log,
        Err(e) => {
            app.close().await;
            return Err(e.into());
        }
    };
    failed_to_print?;
    if json {
        let id = terminal.conversation().map(ToString::to_string).unwrap_or_default();
        print(&answer_json(&id, &log).to_string())?;
    } else {
        let text = answer(&log, terminal::LIMITS);
        printed(terminal::print_markdown(&mut std::io::stdout(), &text))?;
    }
    app.close().await;
    let failed = matches!(log.last().map(|e| &e.event), Some(Event::TurnEnded { failure: Some(_) }));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What `ask --json` prints.
fn answer_json(conversation: &str, log: &[Entry]) -> Value {
    let turn = terminal::latest_turn(log);
    let tally = tally(turn);
    let diagnosis = turn.iter().rev().find_map(|entry| match &entry.event {
        Event::Diagnosed { diagnosis, .. } => Some(diagnosis),
        _ => None,
    });
    let causes: Vec<&Cause> = diagnosis.map(ranked).unwrap_or_default();
    json!({
        "conversation": conversation,
        "answer": answer(log, terminal::LIMITS),
        "causes": causes.iter().map(|cause| cause_json(cause)).collect::<Vec<_>>(),
        "fix": causes.first().and_then(|cause| cause.fix.as_ref()),
        "steps": tally.looks,
        "tokens": tally.tokens,
        "seconds": seconds(tally.took_ms),
    })
}

/// Milliseconds as seconds; a turn is short enough for the conversion to be exact.
fn seconds(ms: i64) -> f64 {
    f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0
}

/// Those asked about first.
fn ranked(diagnosis: &Diagnosis) -> Vec<&Cause> {
    let mut causes: Vec<&Cause> = diagnosis.causes.iter().collect();
    causes.sort_by_key(|cause| cause.unasked);
    causes
}

fn cause_json(cause: &Cause) -> Value {
    json!({
        "kind": cause.resource.kind,
        "namespace": cause.resource.namespace,
        "name": cause.resource.name,
        "container": cause.container,
        "code": cause.code,
        "severity": cause.severity,
        "summary": cause.summary,
        "evidence": cause.evidence.iter().map(|e| format!("{}: {}", e.source, e.text)).collect::<Vec<_>>(),
        "fix": cause.fix,
    })
}

async fn scan(config: &Config, namespace: Option<String>, output: Output) -> Result<ExitCode, Problem> {
    let cluster = connect(config).await?;
    let scope = Scope { namespaces: namespace.into_iter().collect() };
    let state = cluster.look(&scope).await.map_err(|e| Problem::Failed(e.to_string()))?;
    let findings = analyzers::analyze(&state);
    match output {
        Output::Json => {
            let broken =
                findings.iter().filter(|finding| finding.is_root() && finding.severity < Severity::Notice);
            let causes: Vec<Value> = broken.map(|finding| cause_json(&Cause::from(finding))).collect();
            print(&json!({ "causes": causes, "findings": findings, "unread": state.unread }).to_string())?;
        }
        Output::Text => print(&scan_text(&findings, &state.unread))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn scan_text(findings: &[Finding], unread: &[crate::redact::Redacted]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
        };
        let because: Vec<&str> = finding.because_of.iter().map(|id| id.0.as_str()).collect();
        let because =
            if because.is_empty() { String::new() } else { format!(" (because of {})", because.join(", ")) };
        lines.push(format!("{} {severity} {} {}{because}", finding.id, finding.code, finding.resource));
        lines.push(format!("   {}", finding.summary));
        if let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.command.is_empty()) {
            lines.push(format!("   fix: {}", fix.command));
        }
    }
    if findings.is_empty() {
        let limit = if unread.is_empty() { "" } else { " in what could be read" };
        lines.push(format!("Nothing wrong was found{limit}."));
    }
    lines.extend(unread.iter().map(|what| format!("Not read: {what}")));
    lines.join("\n")
}

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
