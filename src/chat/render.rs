//! What a conversation's place should show: a function of the log. Posts are never taken back, and a new one comes
//! after all that are there. Pure.

use super::{
    Button, Card, File, Limits, Post, Tone,
    markdown::{block, inline, prose, split},
};
use crate::{
    event::{Cause, Diagnosis, Entry, Event, Tally, ToolCall, open_calls, tally},
    finding::{Confidence, Finding, Severity},
    redact::Redacted,
    text::{one_line, shorten},
};

/// Quotes longer than this go into a file, too.
const LONG_QUOTE: usize = 240;
/// Steps that a progress post shows.
const MOST_STEPS: usize = 12;
/// Answers longer than this many posts go into a file.
const MOST_POSTS: usize = 3;

/// The posts that `log` calls for, in the order in which they are made.
pub fn render(log: &[Entry], limits: Limits) -> Vec<Post> {
    let mut posts = Vec::new();
    let mut rest = log;
    while let Some(start) =
        rest.iter().position(|e| matches!(e.event, Event::TurnStarted { .. } | Event::TurnEnded { .. }))
    {
        let from = rest.get(start..).unwrap_or_default();
        let end = from.iter().position(|e| matches!(e.event, Event::TurnEnded { .. }));
        let (turn, after) = from.split_at(end.map_or(from.len(), |end| end + 1));
        posts.extend(turn_posts(turn, limits));
        rest = after;
    }
    posts
}

/// A conversation's name, from the question that began it.
pub fn title(log: &[Entry], limits: Limits) -> Redacted {
    let question = log.iter().find_map(|entry| match &entry.event {
        Event::UserSaid { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let question = one_line(question.unwrap_or_default());
    let question = if question.is_empty() { "A question" } else { question.as_str() };
    Redacted::new(shorten(question, limits.title))
}

/// The answer of the latest turn as one Markdown text; empty as long as there is none.
pub fn answer(log: &[Entry], limits: Limits) -> String {
    let posts = render(log, limits);
    let turn = posts.last().and_then(|post| post.key.split('/').next()).unwrap_or_default();
    let parts =
        posts.iter().filter(|post| post.key.split('/').next() == Some(turn) && !post.live).flat_map(|post| {
            let card = post.card.as_ref();
            [
                Some(post.text.to_string()),
                card.map(|c| c.text.to_string()),
                card.map(|c| c.footer.to_string()),
            ]
        });
    parts.flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// One entry as a line of progress, if it is worth one.
pub fn step_line(event: &Event) -> Option<String> {
    match event {
        Event::ClusterScanned { look, findings } => {
            let roots = findings.iter().filter(|f| f.is_root() && f.severity < Severity::Notice).count();
            let found = match roots {
                0 => "nothing stands out".to_owned(),
                1 => "one thing stands out".to_owned(),
                n => format!("{n} things stand out"),
            };
            let read: Vec<&str> = look.read.iter().map(Redacted::as_str).collect();
            Some(format!("{}: {found}", read.join(", ")))
        }
        Event::ToolReturned { gist, ok, .. } => {
            Some(if *ok { prose(gist) } else { format!("{} (refused or failed)", prose(gist)) })
        }
        Event::ModelReplied { text, calls, .. } if !calls.is_empty() && !text.trim().is_empty() => {
            Some(format!("*{}*", prose(&shorten(&text.replace(['*', '\n'], " "), 160)).trim()))
        }
        Event::UserSaid { .. }
        | Event::TurnStarted { .. }
        | Event::ModelReplied { .. }
        | Event::Diagnosed { .. }
        | Event::Doubted { .. }
        | Event::Condensed { .. }
        | Event::TurnEnded { .. } => None,
    }
}

/// `4 looks · 2.1 s · 1234 tokens · $0.0031 · rules`.
pub fn tally_line(tally: &Tally) -> String {
    let mut parts = vec![format!("{} look{}", tally.looks, if tally.looks == 1 { "" } else { "s" })];
    parts.push(format!("{}.{} s", tally.took_ms / 1000, tally.took_ms % 1000 / 100));
    if tally.tokens > 0 {
        parts.push(format!("{} tokens", tally.tokens));
    }
    if tally.cost > 0 {
        parts.push(dollars(tally.cost));
    }
    parts.push(tally.model.clone());
    parts.join(" · ")
}

/// Millionths of a US dollar as `$0.0031`.
pub fn dollars(cost: u64) -> String {
    // Tenths of a cent's tenth: what is less than that is told as that.
    let rounded = cost.div_ceil(100);
    format!("${}.{:04}", rounded / 10_000, rounded % 10_000)
}

fn turn_posts(turn: &[Entry], limits: Limits) -> Vec<Post> {
    let Some(first) = turn.first() else { return Vec::new() };
    let mut posts = Vec::new();
    if matches!(first.event, Event::TurnStarted { .. }) {
        posts.push(progress(first.seq, turn, limits));
    }
    for (at, entry) in turn.iter().enumerate() {
        let so_far = tally(turn.get(..=at).unwrap_or_default());
        match &entry.event {
            Event::Diagnosed { diagnosis, .. } => {
                posts.extend(diagnosed(first.seq, diagnosis, &so_far, limits));
            }
            Event::ModelReplied { text, calls, .. } if calls.is_empty() && !text.trim().is_empty() => {
                let text = match turn.get(at + 1).map(|next| &next.event) {
                    // It is mended before anybody sees it.
                    Some(Event::Doubted { sent_back: true, .. }) => continue,
                    Some(Event::Doubted { doubts, .. }) => {
                        format!("{}\n\n{}", prose(text).trim_end(), unverified(doubts))
                    }
                    _ => prose(text),
                };
                posts.extend(said(&format!("{}/answer/{}", first.seq, entry.seq), &text, limits));
            }
            Event::TurnEnded { failure: Some(why) } => {
                let text = failed(why, findings(turn));
                posts.extend(said(&format!("{}/failure", first.seq), &text, limits));
            }
            Event::UserSaid { .. }
            | Event::TurnStarted { .. }
            | Event::ClusterScanned { .. }
            | Event::ModelReplied { .. }
            | Event::ToolReturned { .. }
            | Event::Doubted { .. }
            | Event::Condensed { .. }
            | Event::TurnEnded { failure: None } => {}
        }
    }
    posts
}

/// What a reader should know of an answer that the log does not bear out.
fn unverified(doubts: &[Redacted]) -> String {
    let list: Vec<String> = doubts.iter().map(|doubt| prose(doubt).trim().to_owned()).collect();
    format!("**Unverified:** {}", list.join(" "))
}

fn findings(turn: &[Entry]) -> &[Finding] {
    let scanned = turn.iter().rev().find_map(|entry| match &entry.event {
        Event::ClusterScanned { findings, .. } => Some(findings.as_slice()),
        _ => None,
    });
    scanned.unwrap_or_default()
}

/// The post that is edited while a turn goes on.
fn progress(turn_seq: i64, turn: &[Entry], limits: Limits) -> Post {
    let ended = matches!(turn.last().map(|e| &e.event), Some(Event::TurnEnded { .. }));
    let cluster = turn.iter().find_map(|e| match &e.event {
        Event::ClusterScanned { look, .. } => Some(inline(&look.cluster)),
        _ => None,
    });
    let place = cluster.unwrap_or_else(|| "the cluster".into());
    let mut lines: Vec<String> = turn.iter().filter_map(|e| step_line(&e.event)).collect();
    let hidden = lines.len().saturating_sub(MOST_STEPS);
    lines.drain(..hidden);
    let mut text = if ended {
        format!("**Looked** at {place} · {}", tally_line(&tally(turn)))
    } else {
        format!("**Looking** at {place}…")
    };
    if hidden > 0 {
        text.push_str(&format!("\n· … {hidden} earlier steps"));
    }
    for line in lines {
        text.push_str(&format!("\n· {}", shorten(&line, 200)));
    }
    if !ended {
        for call in open_calls(turn).into_iter().filter(|call| call.tool != "report").take(3) {
            text.push_str(&format!("\n· {} …", call_words(call)));
        }
    }
    Post {
        key: format!("{turn_seq}/progress"),
        text: Redacted::new(shorten(&text, limits.text)),
        card: None,
        files: Vec::new(),
        buttons: if ended { Vec::new() } else { vec![Button { says: "stop".into(), label: "Stop".into() }] },
        live: true,
    }
}

fn call_words(call: &ToolCall) -> String {
    inline(&shorten(&call.in_words(), 120))
}

fn diagnosed(turn_seq: i64, diagnosis: &Diagnosis, tally: &Tally, limits: Limits) -> Vec<Post> {
    let mut body = String::new();
    let asked: Vec<&Cause> = diagnosis.causes.iter().filter(|cause| !cause.unasked).collect();
    for (n, cause) in asked.iter().enumerate() {
        let alone = asked.len() == 1;
        body.push_str(&cause_text(cause, if alone { None } else { Some(n + 1) }, &diagnosis.summary));
    }
    let unasked: Vec<&Cause> = diagnosis.causes.iter().filter(|cause| cause.unasked).collect();
    if !unasked.is_empty() {
        body.push_str("**Also broken, though you did not ask**\n\n");
        for cause in unasked {
            body.push_str(&cause_text(cause, None, ""));
        }
    }
    body.push_str(match diagnosis.confidence {
        Confidence::Certain => "",
        Confidence::Likely => {
            "This is the likely cause; it follows from the evidence but nothing states it.\n"
        }
        Confidence::Possible => "This is one explanation of several.\n",
    });
    if !diagnosis.doubts.is_empty() {
        body.push_str(&unverified(&diagnosis.doubts));
    }
    let mut footer = String::new();
    if !diagnosis.not_checked.is_empty() {
        let list: Vec<&str> = diagnosis.not_checked.iter().map(Redacted::as_str).collect();
        footer = format!("Not checked: {} · ", prose(&shorten(&list.join("; "), 300)));
    }
    footer.push_str(&tally_line(tally));
    let worst = diagnosis.causes.iter().map(|cause| cause.severity).min();
    let tone = match worst {
        Some(Severity::Critical) => Tone::Bad,
        Some(Severity::Warning) => Tone::Mixed,
        Some(Severity::Notice) | None => Tone::Good,
    };
    let mut heads = split(&bold(&prose(&diagnosis.summary)), limits.text);
    let mut cards = split(body.trim(), limits.card);
    if heads.is_empty() {
        heads.push(String::new());
    }
    if cards.is_empty() {
        cards.push(String::new());
    }
    let count = (heads.len() + cards.len() - 1).max(1);
    let files = evidence_file(diagnosis);
    (0..count)
        .map(|n| {
            let card = (n + 1).checked_sub(heads.len()).and_then(|at| cards.get(at));
            let last = n + 1 == count;
            Post {
                key: part_key(&format!("{turn_seq}/diagnosis"), n),
                text: Redacted::new(heads.get(n).cloned().unwrap_or_default()),
                card: card.map(|text| Card {
                    text: Redacted::new(text),
                    footer: Redacted::new(if last { footer.as_str() } else { "" }),
                    tone,
                }),
                files: if last { files.clone() } else { Vec::new() },
                buttons: Vec::new(),
                live: false,
            }
        })
        .collect()
}

/// A sentence set in bold. One that has bold in it stays as it is.
fn bold(text: &str) -> String {
    if text.contains("**") || text.contains('\n') { text.to_owned() } else { format!("**{text}**") }
}

fn cause_text(cause: &Cause, number: Option<usize>, summary: &str) -> String {
    let mut text = String::new();
    let object = match &cause.resource.namespace {
        Some(namespace) => {
            format!("{} {} in {}", cause.resource.kind, inline(&cause.resource.name), inline(namespace))
        }
        None => format!("{} {}", cause.resource.kind, inline(&cause.resource.name)),
    };
    let number = number.map(|n| format!("{n} · ")).unwrap_or_default();
    let container =
        cause.container.as_ref().map(|c| format!(", container {}", inline(c))).unwrap_or_default();
    text.push_str(&format!("**{number}{object}{container}**\n"));
    // The headline has said it already.
    if summary.is_empty() || !summary.starts_with(cause.summary.as_str()) {
        text.push_str(&format!("{}\n", prose(&cause.summary)));
    }
    for effect in &cause.effects {
        text.push_str(&format!("↳ {}\n", prose(effect)));
    }
    for evidence in &cause.evidence {
        let source = prose(&shorten(&evidence.source, 120));
        text.push_str(&format!("> {} ({source})\n", inline(&shorten(&evidence.text, LONG_QUOTE))));
    }
    if let Some(fix) = &cause.fix {
        if !fix.summary.is_empty() {
            text.push_str(&format!("**Fix:** {}\n", prose(&fix.summary)));
        }
        if !fix.command.is_empty() {
            text.push_str(&block("sh", &fix.command));
            text.push('\n');
        }
        if let Some(risk) = &fix.risk {
            text.push_str(&format!("Mind: {}\n", prose(risk)));
        }
    }
    text.push('\n');
    text
}

/// The evidence in full, where a quote had to be cut.
fn evidence_file(diagnosis: &Diagnosis) -> Vec<File> {
    let long = |text: &Redacted| text.chars().count() > LONG_QUOTE;
    let all = || diagnosis.causes.iter().flat_map(|cause| &cause.evidence);
    if !all().any(|evidence| long(&evidence.text)) {
        return Vec::new();
    }
    let text: Vec<String> =
        all().map(|evidence| format!("{}\n{}\n", evidence.source, evidence.text)).collect();
    vec![File { name: "evidence.txt".into(), text: Redacted::new(text.join("\n")) }]
}

/// Why a turn has no answer, with what is known all the same.
fn failed(why: &Redacted, findings: &[Finding]) -> String {
    let mut text = prose(why);
    let known: Vec<&Finding> =
        findings.iter().filter(|f| f.is_root() && f.severity < Severity::Notice).take(5).collect();
    if !known.is_empty() {
        text.push_str("\nWhat I know so far:");
        for finding in known {
            text.push_str(&format!("\n- {}: {}", finding.resource, prose(&finding.summary)));
        }
    }
    text
}

/// A text as posts; one that is very long as its beginning and a file.
fn said(key: &str, text: &str, limits: Limits) -> Vec<Post> {
    let mut parts = split(text, limits.text);
    let mut files = Vec::new();
    if parts.len() > MOST_POSTS {
        parts.truncate(1);
        files.push(File { name: "answer.md".into(), text: Redacted::new(text) });
    }
    let last = parts.len().saturating_sub(1);
    parts
        .into_iter()
        .enumerate()
        .map(|(n, part)| Post {
            key: part_key(key, n),
            text: Redacted::new(part),
            card: None,
            files: if n == last { std::mem::take(&mut files) } else { Vec::new() },
            buttons: Vec::new(),
            live: false,
        })
        .collect()
}

fn part_key(key: &str, n: usize) -> String {
    if n == 0 { key.to_owned() } else { format!("{key}/{}", n + 1) }
}
