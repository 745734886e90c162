//! The tool `read_output`: reads on in an output of which the conversation shows a part.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Lent, Tool};
use crate::{
    cluster::kubectl,
    redact::Redacted,
    text::{
        pipe::{Grep, Search},
        shorten,
    },
};

/// The tool's name.
pub const NAME: &str = "read_output";

/// The bytes that are left for what is said about the lines.
const FOR_WORDS: usize = 400;
/// The most that is shown of one line, in bytes.
const LONGEST_LINE: usize = 2_000;

/// Reads on in an output of this conversation that was cut: some of its lines, those that match, or what a JSONPath
/// finds. At most one of `lines`, `grep` and `path`; without any, the first lines.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The id that stands where the output was cut.
    pub id: String,
    /// Which lines, counted from 1, e.g. `200-400` or `200-`.
    #[serde(default)]
    pub lines: Option<String>,
    /// A regular expression; upper and lower case are alike. The lines that match are shown with their numbers.
    #[serde(default)]
    pub grep: Option<String>,
    /// How many lines to show before and after each that matches; goes with `grep`.
    #[serde(default)]
    pub context: Option<usize>,
    /// For JSON and YAML: a template as kubectl's `-o jsonpath` takes it, e.g. `{.items[*].metadata.name}`.
    #[serde(default)]
    pub path: Option<String>,
}

/// The tool.
pub struct ReadOutput;

impl Tool for ReadOutput {
    const NAME: &'static str = NAME;
    type Args = Args;

    async fn call(&self, args: Args, lent: &Lent) -> Answer {
        let want = match Want::of(&args) {
            Ok(want) => want,
            Err(why) => return Answer::refused(why),
        };
        let text = match lent.kept.output(&args.id).await {
            Ok(Some(text)) => text,
            Ok(None) => {
                return Answer::refused(format!(
                    "This conversation keeps no output `{}`: give the id that stands where an output was cut.",
                    shorten(&args.id, 60)
                ));
            }
            Err(why) => return Answer::refused(why),
        };
        let room = lent.kept.most_shown().saturating_sub(FOR_WORDS);
        // A search takes time, and other conversations wait for this thread.
        let read = tokio::task::spawn_blocking(move || want.read(&text, room)).await;
        match read.unwrap_or_else(|error| Err(format!("It can't be read: {error}."))) {
            Ok(shown) => {
                let gist = shown.lines().next().unwrap_or_default().trim_end_matches(':');
                let gist = Redacted::new(format!("kept output: {}", shorten(gist, 80)));
                Answer { ok: true, output: Redacted::from(shown), gist }
            }
            Err(why) => Answer::refused(why),
        }
    }
}

/// What is to be shown.
enum Want {
    /// From a line to another, both counted from 1.
    Lines(usize, usize),
    Matches(Grep),
    Path(String),
}

impl Want {
    /// What is asked for. The error is a sentence.
    fn of(args: &Args) -> Result<Self, String> {
        if args.context.is_some() && args.grep.is_none() {
            return Err("`context` goes with `grep`: give a regular expression, or leave it out.".into());
        }
        match (&args.lines, &args.grep, &args.path) {
            (None, None, None) => Ok(Self::Lines(1, usize::MAX)),
            (Some(lines), None, None) => range(lines).ok_or_else(|| {
                format!(
                    "`lines` is {:?}: give it as `from-to`, e.g. `200-400`, or as `200-`.",
                    shorten(lines, 40)
                )
            }),
            (None, Some(pattern), None) => {
                Ok(Self::Matches(Grep::around(super::pattern(pattern)?, args.context.unwrap_or_default())))
            }
            (None, None, Some(path)) => Ok(Self::Path(path.clone())),
            _ => Err("`lines`, `grep` and `path` exclude each other: give one of them.".into()),
        }
    }

    /// What is shown of a text in about `room` bytes. The error is a sentence.
    fn read(&self, text: &str, room: usize) -> Result<String, String> {
        match self {
            Self::Lines(from, to) => some_lines(text, *from, *to, room),
            Self::Matches(grep) => Ok(matches(text, grep, room)),
            Self::Path(path) => {
                let found = kubectl::jsonpath(path, text).map_err(|why| {
                    format!("`path` can't be applied to this output: {}.", why.trim_end_matches('.'))
                })?;
                let shown = beginning(&found, room);
                let left = found.len() - shown.len();
                Ok(match left {
                    0 if found.is_empty() => "The path finds nothing.".into(),
                    0 => found,
                    _ => format!("{shown}\n… {left} more bytes; narrow the path …"),
                })
            }
        }
    }
}

/// Reads `a-b`, `a-` or `a`.
fn range(text: &str) -> Option<Want> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let from = from.trim().parse().ok().filter(|from| *from > 0)?;
    let to = if to.trim().is_empty() { usize::MAX } else { to.trim().parse().ok()? };
    (from <= to).then_some(Want::Lines(from, to))
}

fn some_lines(text: &str, from: usize, to: usize, room: usize) -> Result<String, String> {
    let total = text.lines().count();
    if from > total {
        return Err(format!("The output has {total} lines, so none is line {from}: ask for earlier ones."));
    }
    let (mut page, mut last) = (String::new(), from - 1);
    for line in text.lines().skip(from - 1).take(to - last) {
        let line = clipped(line, 0);
        if page.len() + line.len() > room && !page.is_empty() {
            break;
        }
        page.push_str(&line);
        page.push('\n');
        last += 1;
    }
    let more = if last < to.min(total) {
        format!("… the answer is full; go on with lines `{}-{}` …\n", last + 1, to.min(total))
    } else {
        String::new()
    };
    Ok(format!("lines {from}-{last} of {total}:\n{page}{more}"))
}

/// The lines that match, with numbers, as `grep -n` shows them.
fn matches(text: &str, grep: &Grep, room: usize) -> String {
    let mut search = Search::new(grep);
    let (mut page, mut shown, mut full) = (String::new(), 0, false);
    for line in text.lines() {
        search.line(line, &mut |hit| {
            let line = clipped(hit.text, hit.at.unwrap_or_default());
            full |= page.len() + line.len() + 12 > room && !page.is_empty();
            if !full {
                shown += usize::from(hit.at.is_some());
                let _ = match (hit.number, hit.at) {
                    (Some(number), Some(_)) => writeln!(page, "{number}: {line}"),
                    (Some(number), None) => writeln!(page, "{number}- {line}"),
                    (None, _) => writeln!(page, "{line}"),
                };
            }
        });
    }
    let pattern = shorten(grep.pattern.as_str(), 60);
    let (count, total) = (search.picked(), search.lines());
    match count {
        0 => format!("No line of {total} matches `{pattern}`."),
        count if shown < count => format!(
            "{count} of {total} lines match `{pattern}`, the first {shown} are here; narrow it, or go on with `lines`:\n{page}"
        ),
        count => format!("{count} of {total} lines match `{pattern}`:\n{page}"),
    }
}

/// A line, or of a very long one what is around a place in it.
fn clipped(line: &str, at: usize) -> std::borrow::Cow<'_, str> {
    if line.len() <= LONGEST_LINE {
        return line.into();
    }
    let rest = line.get(line.floor_char_boundary(at.saturating_sub(LONGEST_LINE / 4))..).unwrap_or_default();
    let part = beginning(rest, LONGEST_LINE);
    let (begun, goes_on) = (rest.len() < line.len(), part.len() < rest.len());
    let mark = |is_there| if is_there { "…" } else { "" };
    format!("{}{part}{} (of a line of {} bytes)", mark(begun), mark(goes_on), line.len()).into()
}

fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call shows of a text.
    fn shows(text: &str, args: &Args, room: usize) -> String {
        Want::of(args).and_then(|want| want.read(text, room)).unwrap_or_else(|why| format!("refused: {why}"))
    }

    fn lines(lines: &str) -> Args {
        Args { lines: Some(lines.into()), ..Args::default() }
    }

    fn grep(pattern: &str, context: usize) -> Args {
        Args { grep: Some(pattern.into()), context: Some(context), ..Args::default() }
    }

    fn path(path: &str) -> Args {
        Args { path: Some(path.into()), ..Args::default() }
    }

    #[test]
    fn lines_are_read_as_far_as_there_is_room() {
        let text = "one\ntwo\nthree\nfour\nfive";
        for (args, room, expected) in [
            (Args::default(), 100, "lines 1-5 of 5:\none\ntwo\nthree\nfour\nfive\n"),
            (lines("2-3"), 100, "lines 2-3 of 5:\ntwo\nthree\n"),
            (lines("4-"), 100, "lines 4-5 of 5:\nfour\nfive\n"),
            (lines(" 4 - 400"), 100, "lines 4-5 of 5:\nfour\nfive\n"),
            (lines("5"), 100, "lines 5-5 of 5:\nfive\n"),
            (
                lines("2-4"),
                9,
                "lines 2-3 of 5:\ntwo\nthree\n… the answer is full; go on with lines `4-4` …\n",
            ),
            (lines("6-"), 100, "refused: The output has 5 lines, so none is line 6: ask for earlier ones."),
            (Args::default(), 0, "lines 1-1 of 5:\none\n… the answer is full; go on with lines `2-5` …\n"),
        ] {
            assert_eq!(shows(text, &args, room), expected);
        }
    }

    #[test]
    fn what_matches_is_shown_with_its_number_and_its_surroundings() {
        let text = "a\nb Error x\nc\nd\ne\nerror y\nERROR z\nh\n";
        for (args, room, expected) in [
            (grep("error", 0), 100, "3 of 8 lines match `error`:\n2: b Error x\n6: error y\n7: ERROR z\n"),
            (
                grep("error", 1),
                100,
                "3 of 8 lines match `error`:\n1- a\n2: b Error x\n3- c\n--\n5- e\n6: error y\n7: ERROR z\n8- h\n",
            ),
            (
                grep("error", 2),
                100,
                "3 of 8 lines match `error`:\n1- a\n2: b Error x\n3- c\n4- d\n5- e\n6: error y\n7: ERROR z\n8- h\n",
            ),
            (grep("^[a-e]$", 0), 100, "4 of 8 lines match `^[a-e]$`:\n1: a\n3: c\n4: d\n5: e\n"),
            (grep("d\\s+e", 0), 100, "No line of 8 matches `d\\s+e`."),
            (
                grep("[^q]+", 0),
                1000,
                "8 of 8 lines match `[^q]+`:\n1: a\n2: b Error x\n3: c\n4: d\n5: e\n6: error y\n7: ERROR z\n8: h\n",
            ),
            (
                grep("error", 0),
                20,
                "3 of 8 lines match `error`, the first 1 are here; narrow it, or go on with `lines`:\n2: b Error x\n",
            ),
        ] {
            assert_eq!(shows(text, &args, room), expected);
        }
        assert_eq!(shows("", &grep("x*", 0), 100), "No line of 0 matches `x*`.");
        let endless = format!("{}needle{}", "ä".repeat(50_000), "ö".repeat(50_000));
        let shown = shows(&endless, &grep("NEEDLE", 0), 10_000);
        assert!(
            shown.len() < 2_300 && shown.contains("äneedleö") && shown.contains("200006 bytes"),
            "{shown}"
        );
    }

    #[test]
    fn json_is_asked_by_a_path() {
        let text =
            "{\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"name\":\"b\"}}]}\nWarning: old\n";
        for (args, room, expected) in [
            (path("{.items[*].metadata.name}"), 100, "a b"),
            (path("{.items[*].metadata.name}"), 1, "a\n… 2 more bytes; narrow the path …"),
            (path("{.none}"), 100, "The path finds nothing."),
        ] {
            assert_eq!(shows(text, &args, room), expected);
        }
    }

    #[test]
    fn what_cannot_be_done_is_said_in_one_sentence() {
        for (args, expected) in [
            (lines("x"), "`lines` is \"x\": give it as `from-to`"),
            (lines("4-2"), "`lines` is \"4-2\""),
            (lines("0-2"), "`lines` is \"0-2\""),
            (grep("(", 0), "`grep` is no regular expression: unclosed group;"),
            (
                path("{.a"),
                "`path` can't be applied to this output: error parsing jsonpath {.a, unclosed action.",
            ),
            (path("{.a}"), "`path` can't be applied to this output: it is not JSON: "),
            (
                Args { grep: Some("a".into()), ..lines("1-2") },
                "`lines`, `grep` and `path` exclude each other",
            ),
            (Args { context: Some(1), ..Args::default() }, "`context` goes with `grep`"),
        ] {
            let said = shows("text", &args, 100);
            assert!(said.starts_with(&format!("refused: {expected}")), "{said}");
            assert!(said.ends_with('.') && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn two_million_lines_are_searched_and_paged() {
        let mut text = "ordinary line\n".repeat(1_200_000);
        text.push_str("the needle\n");
        text.push_str(&"ordinary line\n".repeat(799_999));
        let found = shows(&text, &grep("needle", 1), 1_000);
        assert_eq!(
            found,
            "1 of 2000000 lines match `needle`:\n1200000- ordinary line\n1200001: the needle\n1200002- ordinary line\n"
        );
        let page = shows(&text, &lines("1200001-"), 1_000);
        assert!(
            page.len() < 1_200 && page.contains(":\nthe needle\n") && page.contains("go on with"),
            "{page}"
        );
    }
}
