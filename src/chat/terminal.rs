//! The terminal as a place: one person, one conversation at a time, the steps printed as they happen. Posts nothing:
//! it follows the log.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use rustyline::{DefaultEditor, error::ReadlineError};

use super::{
    Ledger, Limits,
    render::{answer, step_line, tally_line},
};
use crate::{
    event::{Author, ConversationId, Entry, Event, rests, tally},
    redact::Redacted,
    store::{Conversation, Incoming, Queues, Received, Spot, Store},
    text::shorten,
};

/// The platform's name.
pub const NAME: &str = "terminal";

/// A terminal holds as much as one likes to scroll.
pub const LIMITS: Limits = Limits { text: 100_000, card: 100_000, title: 70 };

/// The id of the one person who is at a terminal.
const PERSON: &str = "local";

const HELP: &str = "\
Ask what is wrong, e.g. `why is checkout down?`, and ask on.
/new       begin a new conversation
/resume    go on with an earlier one
/usage     what was asked of the language model today
/help      this
/quit      leave (so does ctrl-d); ctrl-c stops the answer under way";

/// How a person's lines get into the log and how they follow what comes of them.
pub struct Terminal {
    store: Store,
    cluster: String,
    /// Has somebody work on a queue.
    attend: Arc<dyn Fn(&str) + Send + Sync>,
    ledger: Arc<dyn Ledger>,
    origin: String,
    conversation: Option<ConversationId>,
    seen: i64,
}

impl Terminal {
    /// A terminal with a new conversation about `cluster`. `attend` is told each queue that needs a worker.
    pub fn new(
        store: Store,
        cluster: &str,
        attend: Arc<dyn Fn(&str) + Send + Sync>,
        ledger: Arc<dyn Ledger>,
    ) -> Self {
        let mut terminal = Self {
            store,
            cluster: cluster.to_owned(),
            attend,
            ledger,
            origin: String::new(),
            conversation: None,
            seen: 0,
        };
        terminal.begin();
        terminal
    }

    /// The conversation, once something was said in it.
    pub fn conversation(&self) -> Option<&ConversationId> {
        self.conversation.as_ref()
    }

    /// Leaves the conversation and begins another.
    fn begin(&mut self) {
        self.origin = uuid::Uuid::now_v7().to_string();
        self.conversation = None;
        self.seen = 0;
        (self.attend)(&queue(&self.origin));
    }

    /// Goes on with an earlier conversation.
    async fn go_on(&mut self, with: &Conversation) -> Result<()> {
        self.origin.clone_from(&with.place.origin);
        self.seen = with.last_seq;
        self.conversation = Some(with.id.clone());
        (self.attend)(&queue(&self.origin));
        Ok(())
    }

    /// Says something and follows until the conversation rests; `each` hears every entry as it is appended. Returns
    /// the whole log.
    pub async fn ask(&mut self, text: &str, mut each: impl FnMut(&Entry)) -> Result<Vec<Entry>> {
        let conversation = self.say(text).await?;
        let mut watch = self.store.watch(&conversation);
        let mut log = self.store.log(&conversation, 0).await?;
        loop {
            for entry in log.iter().filter(|entry| entry.seq > self.seen) {
                each(entry);
            }
            self.seen = log.last().map_or(self.seen, |entry| entry.seq);
            if rests(&log) {
                return Ok(log);
            }
            // Another process may be the one that works on it: wake-ups come from this one only.
            let _ = tokio::time::timeout(Duration::from_millis(500), watch.grown()).await;
            log.extend(self.store.log(&conversation, self.seen).await?);
        }
    }

    async fn say(&mut self, text: &str) -> Result<ConversationId> {
        let said = Incoming {
            platform: NAME.into(),
            message: uuid::Uuid::now_v7().to_string(),
            spot: Spot::Channel { channel: NAME.into(), origin: self.origin.clone() },
            author: Author { id: PERSON.into(), name: Redacted::new(user_name()), roles: Vec::new() },
            text: Redacted::new(text),
            about: None,
            addressed: true,
            cluster: self.cluster.clone(),
            queues: Queues { turn: queue(&self.origin), deliver: None },
        };
        match self.store.receive(&said).await? {
            Received::Taken(conversation) | Received::Known(conversation) => {
                self.conversation = Some(conversation.clone());
                Ok(conversation)
            }
            Received::NotForUs => anyhow::bail!("the message was not taken in"),
        }
    }

    /// Reads lines until the end, answering each.
    pub async fn chat(mut self, introduction: &str, history: Option<PathBuf>) -> Result<()> {
        let mut out = std::io::stdout();
        writeln!(out, "Welcome to kuBERTnetes!\n{introduction}\nAsk what is wrong; /help for more.")?;
        let mut editor = Some(DefaultEditor::new()?);
        if let (Some(editor), Some(path)) = (&mut editor, &history) {
            // A first start has none.
            let _ = editor.load_history(path);
        }
        loop {
            let Some(mut reading) = editor.take() else { return Ok(()) };
            let (back, line) = tokio::task::spawn_blocking(move || {
                let line = reading.readline("> ");
                (reading, line)
            })
            .await?;
            let line = match line {
                Ok(line) => line.trim().to_owned(),
                Err(ReadlineError::Interrupted) => "/hint".to_owned(),
                Err(ReadlineError::Eof) => "/quit".to_owned(),
                Err(e) => return Err(e.into()),
            };
            let mut back = back;
            if !line.is_empty() && !line.starts_with('/') {
                back.add_history_entry(line.as_str())?;
                if let Some(path) = &history {
                    let _ = back.save_history(path);
                }
            }
            editor = Some(back);
            match line.as_str() {
                "" => {}
                "/quit" | "/exit" => return Ok(()),
                "/hint" => writeln!(out, "(ctrl-d or /quit leaves)")?,
                "/help" => writeln!(out, "{HELP}")?,
                "/usage" => writeln!(out, "{}", self.ledger.today(PERSON).await)?,
                "/new" => {
                    self.begin();
                    writeln!(out, "A new conversation.")?;
                }
                resume if resume.split(' ').next() == Some("/resume") => {
                    self.resume(resume, &mut out).await?;
                }
                command if command.starts_with('/') => {
                    writeln!(out, "There is no command {command}; /help lists them.")?;
                }
                text => self.answer(text, &mut out).await?,
            }
        }
    }

    /// Asks, printing steps as they happen and the answer at the end; ctrl-c ends the turn.
    async fn answer(&mut self, text: &str, out: &mut impl Write) -> Result<()> {
        let (store, cluster, origin) = (self.store.clone(), self.cluster.clone(), self.origin.clone());
        let ledger = self.ledger.clone();
        let mut stopper = Terminal {
            store,
            cluster,
            attend: Arc::new(|_| {}),
            ledger,
            origin,
            conversation: None,
            seen: 0,
        };
        let mut spinner = Spinner::new();
        let log = {
            let asked = self.ask(text, |entry| {
                if let Some(line) = step_line(&entry.event) {
                    spinner.line(&format!("· {line}"));
                }
            });
            tokio::pin!(asked);
            loop {
                tokio::select! {
                    log = &mut asked => break log?,
                    _ = tokio::signal::ctrl_c() => { stopper.say("stop").await?; }
                }
            }
        };
        drop(spinner);
        print_markdown(out, &answer(&log, LIMITS))?;
        Ok(())
    }

    async fn resume(&mut self, line: &str, out: &mut impl Write) -> Result<()> {
        let known = self.store.conversations(NAME, 0, 9).await?;
        let chosen = line.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok());
        if let Some(conversation) = chosen.and_then(|n| known.get(n.wrapping_sub(1))) {
            if conversation.cluster != self.cluster {
                writeln!(
                    out,
                    "That one is about the cluster `{}`; start with that one.",
                    conversation.cluster
                )?;
                return Ok(());
            }
            self.go_on(conversation).await?;
            let log = self.store.log(&conversation.id, 0).await?;
            print_markdown(out, &answer(&log, LIMITS))?;
            return Ok(());
        }
        if known.is_empty() {
            writeln!(out, "There is no earlier conversation.")?;
        }
        for (n, conversation) in known.iter().enumerate() {
            let log = self.store.log(&conversation.id, 0).await?;
            writeln!(out, "{}  {}", n + 1, super::render::title(&log, LIMITS))?;
        }
        if !known.is_empty() {
            writeln!(out, "/resume N goes on with one of them.")?;
        }
        Ok(())
    }
}

/// The queue of one terminal conversation: nobody else works on it, whatever shares the database.
pub fn queue(origin: &str) -> String {
    format!("turn/terminal/{origin}")
}

/// The entries of the latest turn.
pub fn latest_turn(log: &[Entry]) -> &[Entry] {
    let start =
        log.iter().rposition(|entry| matches!(entry.event, Event::TurnStarted { .. })).unwrap_or_default();
    log.get(start..).unwrap_or_default()
}

/// Prints an answer for people: with styles on a terminal, as it is elsewhere.
pub fn print_markdown(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    if std::io::stdout().is_terminal() {
        let skin = termimad::MadSkin::default();
        writeln!(out, "\n{}", skin.term_text(text))
    } else {
        writeln!(out, "{text}")
    }
}

/// What the latest turn took, in one line.
pub fn took(log: &[Entry]) -> String {
    tally_line(&tally(latest_turn(log)))
}

fn user_name() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    if name.is_empty() { "you".into() } else { shorten(&name, 40) }
}

/// Shows that work goes on, between the lines of its steps; only on a terminal.
struct Spinner {
    stop: Option<tokio::task::JoinHandle<()>>,
}

impl Spinner {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { stop: None };
        }
        let turning = tokio::spawn(async {
            let began = std::time::Instant::now();
            let mut beat = tokio::time::interval(Duration::from_millis(120));
            for frame in ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"].iter().cycle() {
                beat.tick().await;
                let seconds = began.elapsed().as_secs();
                let _ = write!(std::io::stderr(), "\r{frame} {seconds} s ");
                let _ = std::io::stderr().flush();
            }
        });
        Self { stop: Some(turning) }
    }

    fn line(&mut self, line: &str) {
        if self.stop.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(turning) = self.stop.take() {
            turning.abort();
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
            let _ = std::io::stderr().flush();
        }
    }
}
