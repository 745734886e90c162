//! The figures of the README, on SQLite on disk: how fast a lane is, how soon a mention gets its thread while a
//! thousand conversations go on, how much memory that takes, how soon the program is ready. The real binary against
//! the stand-in Discord, in the release profile: `cargo bench --bench spine`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    missing_docs
)]
#![allow(unused_imports)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kubertnetes::{
    clock::Clock,
    event::ConversationId,
    store::{Lane, Store},
};
use support::discord::Discord;

const CONVERSATIONS: usize = 1_000;
const MENTIONS: usize = 300;
const LONG: Duration = Duration::from_secs(600);
const LEASE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo test --benches` builds and starts it to see that it runs; the figures are for `cargo bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("| figure | measured | aim |\n|---|---|---|");
    lanes().await;
    start_up();
    mentions().await;
}

fn row(figure: &str, measured: &str, aim: &str) {
    println!("| {figure} | {measured} | {aim} |");
}

fn milliseconds(of: Duration) -> f64 {
    of.as_secs_f64() * 1000.0
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

async fn lanes() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("bench.db").display());
    let store = Store::connect(&url, 4, Clock::system()).await.unwrap();
    let lane = |n: usize| Lane::Turn(ConversationId(n.to_string()));

    let rounds = 5_000;
    let began = Instant::now();
    for n in 0..rounds {
        store.ask("q", &lane(n)).await.unwrap();
        let lease = store.claim("q", LEASE).await.unwrap().unwrap();
        store.done(&lease).await.unwrap();
    }
    let per_second = f64::from(u32::try_from(rounds).unwrap()) / began.elapsed().as_secs_f64();
    row("lanes per second (enqueue, claim, done), one after another", &format!("{per_second:.0}"), "> 2,000");

    let mut waits = Vec::new();
    for n in 0..1_000 {
        let claimer = {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    if let Some(lease) = store.claim("q", LEASE).await.unwrap() {
                        return (Instant::now(), lease);
                    }
                    store.asked("q").await;
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        store.ask("q", &lane(n)).await.unwrap();
        let (claimed, lease) = claimer.await.unwrap();
        waits.push(milliseconds(claimed - began));
        store.done(&lease).await.unwrap();
    }
    waits.sort_by(f64::total_cmp);
    let measured = format!("{:.2} ms (p99 {:.2} ms)", percentile(&waits, 50), percentile(&waits, 99));
    row("enqueue to claim by an idle worker, p50", &measured, "< 2 ms");
}

/// The program as a child, killed when it is dropped.
struct Program(Child);

impl Program {
    fn serve(folder: &Path, listen: Option<&str>, discord: Option<&Discord>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubertnetes"));
        command
            .args(["--demo", "serve"])
            .current_dir(folder)
            .env("KUBERT_STORE__URL", format!("sqlite://{}", folder.join("serve.db").display()))
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(address) = listen {
            command.args(["--listen", address]);
        }
        if let Some(discord) = discord {
            command.env("KUBERT_DISCORD__API", discord.api()).env("KUBERT_DISCORD__TOKEN", discord.token());
        }
        Self(command.spawn().unwrap())
    }

    /// A line of `/proc/PID/status` in megabytes.
    fn memory(&self, line: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let kilobytes =
            status.lines().find_map(|l| l.strip_prefix(line)?.split_whitespace().next()?.parse::<f64>().ok());
        kilobytes.unwrap_or_default() / 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut times = Vec::new();
    for _ in 0..10 {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let began = Instant::now();
        let _program = Program::serve(folder.path(), Some(&address), None);
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(began.elapsed() < LONG, "it never listens");
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(milliseconds(began.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    let measured = format!("{:.0} ms (p90 {:.0} ms)", percentile(&times, 50), percentile(&times, 90));
    row("process start to ready, p50 of 10", &measured, "< 300 ms");
}

async fn mentions() {
    let discord = Discord::builder().unchecked().start();
    let home = discord.home();
    // Discord allows a thousand threads at once; what is measured here are the mentions after those, too.
    discord.thread_limit(home.guild, 10 * CONVERSATIONS);
    let folder = tempfile::tempdir().unwrap();
    let program = Program::serve(folder.path(), None, Some(&discord));
    discord.wait_ready().await;
    row("resident memory, idle and connected", &format!("{:.0} MB", program.memory("VmRSS:")), "< 60 MB");

    let ask = || {
        discord.user_says(home.channel, home.person, &format!("{} why is the page down?", discord.mention()))
    };
    let began = Instant::now();
    let threads: Vec<_> = (0..CONVERSATIONS).map(|_| ask()).collect();
    answered(&discord, CONVERSATIONS).await;
    let took = began.elapsed().as_secs_f64();
    let memory = format!("{:.0} MB (peak {:.0} MB)", program.memory("VmRSS:"), program.memory("VmHWM:"));
    row(&format!("resident memory with {CONVERSATIONS} conversations"), &memory, "");
    row(&format!("{CONVERSATIONS} mentions at once, all answered"), &format!("{took:.0} s"), "");

    // A follow-up in one of the thousand for every new mention.
    for n in 0..MENTIONS {
        discord.user_says(threads[n * 3], home.person, "and what about the log?");
        tokio::time::sleep(Duration::from_millis(60)).await;
        ask();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    answered(&discord, CONVERSATIONS + MENTIONS).await;
    let mut waits: Vec<f64> = discord
        .requests()
        .iter()
        .filter(|request| request.route() == "POST /channels/{channel_id}/messages/{message_id}/threads")
        .skip(CONVERSATIONS)
        .map(|request| {
            let message: u64 = request.path.split('/').nth(4).unwrap().parse().unwrap();
            // A message's id holds when it was said.
            let said = (message >> 22) + 1_420_070_400_000;
            f64::from(u32::try_from(request.at_ms.saturating_sub(said)).unwrap())
        })
        .collect();
    assert_eq!(waits.len(), MENTIONS);
    waits.sort_by(f64::total_cmp);
    let measured = format!("p50 {:.0} ms, p99 {:.0} ms", percentile(&waits, 50), percentile(&waits, 99));
    row(
        &format!("message received to thread-create sent, {CONVERSATIONS} conversations going on"),
        &measured,
        "p99 < 25 ms",
    );
}

/// Waits until this many diagnoses were posted.
async fn answered(discord: &Discord, diagnoses: usize) {
    let began = Instant::now();
    loop {
        let posted = discord
            .requests()
            .iter()
            .filter(|request| {
                request.route() == "POST /channels/{channel_id}/messages"
                    && request.body["embeds"].as_array().is_some_and(|embeds| !embeds.is_empty())
            })
            .count();
        if posted >= diagnoses {
            return;
        }
        assert!(began.elapsed() < LONG, "only {posted} of {diagnoses} are answered");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
