//! Reads one log however long it is: masks it, filters its lines and keeps what is worth its room while it comes. Knows
//! neither commands nor pods.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Session, wire::failure::Failure};
use crate::{
    redact::Flow,
    text::{
        pipe::{Pipe, Running},
        sieve::Sieve,
        words::Words,
    },
};

/// How many chunks wait while one is worked on.
const WAITING: usize = 8;
/// The longest line that is put together, in bytes; the rest of a longer one is dropped.
const LONGEST_LINE: usize = 8 << 20;

/// What is wanted of a log.
pub(super) struct Wanted<'a> {
    /// What is put before each line.
    pub prefix: String,
    /// How many bytes may be kept.
    pub room: usize,
    /// Which lines.
    pub pipe: &'a Pipe,
    /// What somebody looks for in it.
    pub words: &'a Words,
}

/// What was kept of a log.
pub(super) struct Read {
    pub text: String,
    /// What is to be said of it.
    pub notes: Vec<String>,
    /// How many bytes were read.
    pub bytes: usize,
    /// Why it was not read to its end, if it was not: a clause, or nothing where it was merely too long.
    pub cut: Option<String>,
}

/// Reads the log at this path.
pub(super) async fn read(session: &Session<'_>, path: &str, wanted: &Wanted<'_>) -> Result<Read, Failure> {
    let mut chunks = session.wire.open(path).await?;
    let (send, mut waiting) = mpsc::channel::<Bytes>(WAITING);
    let mut sink = Sink::new(wanted);
    // Sifting takes as long as reading does, and others wait for this thread.
    let sifting = tokio::task::spawn_blocking(move || {
        while let Some(chunk) = waiting.blocking_recv() {
            if !sink.push(&chunk) {
                break;
            }
        }
        sink.finish()
    });
    let mut bytes = 0;
    let cut = loop {
        match chunks.next().await {
            Ok(None) => break None,
            Ok(Some(chunk)) => {
                let room = session.wire.limits.log - bytes;
                let is_last = chunk.len() > room;
                bytes += chunk.len().min(room);
                // Who has seen enough takes no more.
                if send.send(chunk.slice(..chunk.len().min(room))).await.is_err() {
                    break None;
                }
                if is_last {
                    break Some(String::new());
                }
            }
            Err(failure) if bytes == 0 => return Err(failure),
            Err(failure) => break Some(format!(" ({})", failure.message)),
        }
    };
    drop(send);
    let Kept { text, notes, enough } =
        sifting.await.map_err(|error| Failure::error(format!("the log can't be read: {error}")))?;
    Ok(Read { text, notes, bytes, cut: cut.filter(|_| !enough) })
}

/// What a sink kept.
struct Kept {
    text: String,
    notes: Vec<String>,
    /// Whether nothing that is left could change it.
    enough: bool,
}

/// Where the chunks of a log end up.
struct Sink {
    flow: Flow,
    /// A line that is not complete.
    begun: String,
    prefix: String,
    running: Running,
    filtered: bool,
    sieve: Sieve,
}

impl Sink {
    fn new(wanted: &Wanted<'_>) -> Self {
        Self {
            flow: Flow::default(),
            begun: String::new(),
            prefix: wanted.prefix.clone(),
            running: wanted.pipe.start(),
            filtered: !wanted.pipe.is_empty(),
            sieve: Sieve::new(wanted.room, wanted.words),
        }
    }

    /// Takes in the next bytes; whether more could change anything.
    fn push(&mut self, bytes: &[u8]) -> bool {
        if let Some(masked) = self.flow.push(bytes) {
            self.take(&masked);
        }
        self.running.wants_more()
    }

    fn take(&mut self, masked: &str) {
        for part in masked.split_inclusive('\n') {
            match part.strip_suffix('\n') {
                Some(line) if self.begun.is_empty() => self.line(line),
                Some(rest) => {
                    self.begin(rest);
                    let line = std::mem::take(&mut self.begun);
                    self.line(&line);
                }
                None => self.begin(part),
            }
        }
    }

    fn begin(&mut self, part: &str) {
        let room = LONGEST_LINE.saturating_sub(self.begun.len());
        self.begun.push_str(part.get(..part.floor_char_boundary(room)).unwrap_or_default());
    }

    fn line(&mut self, line: &str) {
        let prefixed;
        let line = if self.prefix.is_empty() {
            line
        } else {
            prefixed = format!("{}{line}", self.prefix);
            &prefixed
        };
        let sieve = &mut self.sieve;
        self.running.line(line, &mut |line| sieve.line(line));
    }

    /// What was kept, and what is to be said of it.
    fn finish(mut self) -> Kept {
        let rest = std::mem::take(&mut self.flow).finish();
        self.take(&rest);
        let is_open = !self.begun.is_empty();
        if is_open {
            let line = std::mem::take(&mut self.begun);
            self.line(&line);
        }
        let sieve = &mut self.sieve;
        self.running.finish(&mut |line| sieve.line(line));
        let mut notes = self.running.said();
        let mut kept = self.sieve.finish();
        if is_open && !self.filtered && kept.notes.is_empty() {
            kept.text.pop();
        }
        notes.extend(kept.notes);
        Kept { text: kept.text, notes, enough: !self.running.wants_more() }
    }
}
