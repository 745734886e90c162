//! Reads the ends of containers' logs.

use futures::future::join_all;
use kube::{api::LogParams, core::Request as Paths};

use super::{
    super::{
        Config,
        read::{ReadError, Reader},
        state::ContainerLog,
    },
    worth::Run,
};
use crate::redact::Redacted;

/// The most that is received of one log, in bytes. More than is kept: the server cuts at the end, where the newest
/// lines are, and this program cuts at the beginning.
const RECEIVED_BYTES: usize = 2 << 20;
/// How many lines are asked for where the lines are so long that the server cut them.
const FEW_LINES: usize = 10;

/// The logs that were read, and one sentence for each reason why others were not.
pub(super) struct ReadLogs {
    pub(super) logs: Vec<ContainerLog>,
    pub(super) unread: Vec<String>,
}

/// Reads the logs of these runs, in their order.
pub(super) async fn read_logs(reader: &Reader<'_>, runs: &[Run], config: &Config) -> ReadLogs {
    let answers = join_all(runs.iter().map(|run| read_log(reader, run, config))).await;
    let mut read = ReadLogs { logs: Vec::new(), unread: Vec::new() };
    let mut failed: Vec<(&Run, ReadError)> = Vec::new();
    for (run, answer) in runs.iter().zip(answers) {
        match answer {
            Ok(log) => read.logs.push(log),
            Err(error) => failed.push((run, error)),
        }
    }
    read.unread.extend(in_one_sentence(&failed));
    read
}

/// Many logs usually fail for one reason, such as a missing right.
fn in_one_sentence(failed: &[(&Run, ReadError)]) -> Option<String> {
    let (run, error) = failed.first()?;
    let first = format!("of {} in {}/{}", run.container, run.namespace, run.pod);
    Some(match failed.len() {
        1 => format!("the log {first} could not be read: {error}"),
        many => format!("{many} logs could not be read, the first {first}: {error}"),
    })
}

async fn read_log(reader: &Reader<'_>, run: &Run, config: &Config) -> Result<ContainerLog, ReadError> {
    let mut lines = config.log_lines;
    let mut text = receive(reader, run, lines).await?;
    // The server stopped before the end, so the newest lines are missing.
    let stopped = text.len() >= RECEIVED_BYTES && lines > FEW_LINES;
    if stopped {
        lines = FEW_LINES;
        text = receive(reader, run, lines).await?;
    }
    let (kept, cut) = end_of(&String::from_utf8_lossy(&text), lines, config.log_bytes);
    Ok(ContainerLog {
        namespace: run.namespace.clone(),
        pod: run.pod.clone(),
        container: run.container.clone(),
        previous: run.previous,
        text: Redacted::new(kept),
        cut: cut || stopped,
    })
}

async fn receive(reader: &Reader<'_>, run: &Run, lines: usize) -> Result<bytes::Bytes, ReadError> {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let wanted = LogParams {
        container: Some(run.container.clone()),
        previous: run.previous,
        timestamps: true,
        // One more than is kept tells whether there are more.
        tail_lines: Some(number(lines.saturating_add(1))),
        limit_bytes: Some(number(RECEIVED_BYTES)),
        ..LogParams::default()
    };
    let path = format!("/api/v1/namespaces/{}/pods", run.namespace);
    let request =
        Paths::new(path).logs(&run.pod, &wanted).map_err(|error| ReadError::Broken(error.to_string()))?;
    // The kubelet may send slightly more than it is asked for.
    reader.read(request, RECEIVED_BYTES + (64 << 10)).await
}

/// The last lines of a text that fit, and whether there were more.
fn end_of(text: &str, lines: usize, bytes: usize) -> (String, bool) {
    let mut kept: Vec<&str> = Vec::new();
    let mut size = 0;
    let mut cut = false;
    for line in text.split_inclusive('\n').rev() {
        if kept.len() >= lines || size + line.len() > bytes {
            cut = true;
            break;
        }
        size += line.len();
        kept.push(line);
    }
    // A last line that is too long by itself: its beginning says more than nothing.
    let last = text.split_inclusive('\n').next_back().filter(|_| kept.is_empty() && lines > 0);
    kept.extend(last.map(|line| line.get(..line.floor_char_boundary(bytes)).unwrap_or_default()));
    (kept.into_iter().rev().collect(), cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_kept() {
        for (text, lines, bytes, expected, cut) in [
            ("", 3, 100, "", false),
            ("a\nb\n", 3, 100, "a\nb\n", false),
            ("a\nb\n", 2, 100, "a\nb\n", false),
            ("a\nb\nc\n", 2, 100, "b\nc\n", true),
            ("a\nb\nc", 2, 100, "b\nc", true),
            ("aaaa\nbb\ncc\n", 9, 6, "bb\ncc\n", true),
            ("aaaa\nbb\ncc\n", 9, 5, "cc\n", true),
            ("a\nlonglong\n", 9, 4, "long", true),
            ("ääää\n", 9, 5, "ää", true),
        ] {
            assert_eq!(end_of(text, lines, bytes), (expected.to_owned(), cut), "{text:?} {lines} {bytes}");
        }
    }

    #[test]
    fn failures_are_told_in_one_sentence() {
        let run = Run { namespace: "n".into(), pod: "p".into(), container: "c".into(), previous: false };
        let error = ReadError::Refused { code: 403, message: "pods/log is forbidden".into() };
        assert_eq!(in_one_sentence(&[]), None);
        assert_eq!(
            in_one_sentence(&[(&run, error.clone())]).as_deref(),
            Some("the log of c in n/p could not be read: pods/log is forbidden")
        );
        assert_eq!(
            in_one_sentence(&[(&run, error.clone()), (&run, error)]).as_deref(),
            Some("2 logs could not be read, the first of c in n/p: pods/log is forbidden")
        );
    }
}
