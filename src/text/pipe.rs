//! Picks lines as `grep`, `head`, `tail` and `wc -l` do, one after another as they come. Knows not where lines come from.
//! Pure.

use std::collections::VecDeque;

use regex::Regex;

/// The most lines that `grep` shows before and after one that matches.
pub const MOST_CONTEXT: usize = 100;
/// The most that `tail` holds, in bytes.
const MOST_HELD: usize = 8 << 20;

/// Which lines are picked, and how they are shown.
#[derive(Debug, Clone)]
pub struct Grep {
    /// What a line has to match.
    pub pattern: Regex,
    /// Those that do not match are picked.
    pub inverted: bool,
    /// Each line is shown with its number.
    pub numbered: bool,
    /// How many lines before each are shown, too.
    pub before: usize,
    /// How many after it.
    pub after: usize,
}

impl Grep {
    /// Picks what matches, and shows it with numbers and so many lines around it.
    pub fn around(pattern: Regex, context: usize) -> Self {
        let context = context.min(MOST_CONTEXT);
        Self { pattern, inverted: false, numbered: true, before: context, after: context }
    }
}

impl PartialEq for Grep {
    fn eq(&self, other: &Self) -> bool {
        let of = |grep: &Self| (grep.inverted, grep.numbered, grep.before, grep.after);
        self.pattern.as_str() == other.pattern.as_str() && of(self) == of(other)
    }
}

/// One filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// The lines that match.
    Grep(Grep),
    /// The first lines.
    Head(usize),
    /// The last lines.
    Tail(usize),
    /// How many lines there are.
    Count,
}

/// Filters, one behind the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pipe(pub Vec<Stage>);

impl Pipe {
    /// Whether every line passes as it is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing but the last lines of what goes in can come out, and how many.
    pub fn last_lines(&self) -> Option<usize> {
        match self.0.first() {
            Some(Stage::Tail(lines)) => Some(*lines),
            _ => None,
        }
    }

    /// The pattern of the first `grep`.
    pub fn pattern(&self) -> Option<&str> {
        self.0.iter().find_map(|stage| match stage {
            Stage::Grep(grep) => Some(grep.pattern.as_str()),
            _ => None,
        })
    }

    /// Begins to filter.
    pub fn start(&self) -> Running {
        Running(self.0.iter().map(State::of).collect())
    }

    /// What comes out of a whole text, and what is to be said of it.
    pub fn run(&self, text: &str) -> (String, Vec<String>) {
        let (mut running, mut out) = (self.start(), String::new());
        let mut take = |line: &str| {
            out.push_str(line);
            out.push('\n');
        };
        for line in text.lines() {
            if running.wants_more() {
                running.line(line, &mut take);
            }
        }
        running.finish(&mut take);
        let said = running.said();
        (out, said)
    }
}

/// Filters at work.
pub struct Running(Vec<State>);

impl Running {
    /// Whether another line could change anything.
    pub fn wants_more(&self) -> bool {
        self.0.iter().all(|state| !matches!(state, State::Head { left: 0 }))
    }

    /// Takes in a line; what comes out at the end goes to `out`.
    pub fn line(&mut self, line: &str, out: &mut dyn FnMut(&str)) {
        feed(&mut self.0, line, out);
    }

    /// No more lines come.
    pub fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        for place in 0..self.0.len() {
            let Some((state, rest)) = self.0.get_mut(place..).and_then(<[State]>::split_first_mut) else {
                return;
            };
            match state {
                State::Tail { held, .. } => {
                    std::mem::take(held).iter().for_each(|line| feed(rest, line, out));
                }
                State::Count(count) => feed(rest, &count.to_string(), out),
                State::Grep(_) | State::Head { .. } => {}
            }
        }
    }

    /// How many lines each `grep` picked, in words.
    pub fn said(&self) -> Vec<String> {
        let greps = self
            .0
            .iter()
            .filter_map(|state| if let State::Grep(search) = state { Some(search) } else { None });
        greps.map(Search::said).collect()
    }
}

enum State {
    Grep(Search),
    Head { left: usize },
    Tail { most: usize, held: VecDeque<String>, bytes: usize },
    Count(usize),
}

impl State {
    fn of(stage: &Stage) -> Self {
        match stage {
            Stage::Grep(grep) => Self::Grep(Search::new(grep)),
            Stage::Head(left) => Self::Head { left: *left },
            Stage::Tail(most) => Self::Tail { most: *most, held: VecDeque::new(), bytes: 0 },
            Stage::Count => Self::Count(0),
        }
    }
}

fn feed(states: &mut [State], line: &str, out: &mut dyn FnMut(&str)) {
    let Some((state, rest)) = states.split_first_mut() else { return out(line) };
    match state {
        State::Grep(search) => search.line(line, &mut |hit| match hit.numbered() {
            Some(numbered) => feed(rest, &numbered, out),
            None => feed(rest, hit.text, out),
        }),
        State::Head { left: 0 } => {}
        State::Head { left } => {
            *left -= 1;
            feed(rest, line, out);
        }
        State::Tail { most, held, bytes } => {
            held.push_back(line.to_owned());
            *bytes += line.len();
            while held.len() > *most || *bytes > MOST_HELD && held.len() > 1 {
                *bytes -= held.pop_front().map_or(0, |line| line.len());
            }
        }
        State::Count(count) => *count += 1,
    }
}

/// A line that `grep` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit<'t> {
    /// Its number, from 1, where numbers are shown.
    pub number: Option<usize>,
    /// Where in it something matches; `None` for a line beside one that does.
    pub at: Option<usize>,
    /// The line, or `--` where lines are left out between those that are shown with what is around them.
    pub text: &'t str,
}

impl Hit<'_> {
    /// `7: a line that matches`, `8- one beside it`.
    fn numbered(&self) -> Option<String> {
        let mark = if self.at.is_some() { ':' } else { '-' };
        self.number.map(|number| format!("{number}{mark} {}", self.text))
    }
}

/// `grep` at work.
pub struct Search {
    grep: Grep,
    /// Lines that came, and of these those that were picked.
    lines: usize,
    picked: usize,
    /// The last lines that were not shown, for what comes before the next match.
    held: VecDeque<String>,
    /// How many lines after the last match are still shown.
    after: usize,
    /// The number of the last line that was shown.
    shown: usize,
}

impl Search {
    /// Begins.
    pub fn new(grep: &Grep) -> Self {
        Self { grep: grep.clone(), lines: 0, picked: 0, held: VecDeque::new(), after: 0, shown: 0 }
    }

    /// Takes in a line and gives what is to be shown now.
    pub fn line(&mut self, line: &str, out: &mut dyn FnMut(Hit<'_>)) {
        self.lines += 1;
        let found = self.grep.pattern.find(line).map(|found| found.start());
        let picked = if self.grep.inverted { found.map_or(Some(0), |_| None) } else { found };
        if picked.is_some() {
            self.picked += 1;
            self.show_held(out);
            self.show(self.lines, picked, line, out);
            self.after = self.grep.after;
        } else if self.after > 0 {
            self.after -= 1;
            self.show(self.lines, None, line, out);
        } else if self.grep.before > 0 {
            self.hold(line);
        }
    }

    /// How many lines were picked.
    pub fn picked(&self) -> usize {
        self.picked
    }

    /// How many lines came.
    pub fn lines(&self) -> usize {
        self.lines
    }

    fn said(&self) -> String {
        let Self { picked, lines, .. } = self;
        let matches = match (self.grep.inverted, picked) {
            (false, 1) => "matches",
            (false, _) => "match",
            (true, 1) => "does not match",
            (true, _) => "do not match",
        };
        format!("{picked} of {lines} lines {matches} `{}`", super::shorten(self.grep.pattern.as_str(), 60))
    }

    fn hold(&mut self, line: &str) {
        let mut kept = if self.held.len() < self.grep.before {
            String::new()
        } else {
            self.held.pop_front().unwrap_or_default()
        };
        kept.clear();
        kept.push_str(line);
        self.held.push_back(kept);
    }

    fn show_held(&mut self, out: &mut dyn FnMut(Hit<'_>)) {
        let first = self.lines - self.held.len();
        for (place, line) in std::mem::take(&mut self.held).iter().enumerate() {
            self.show(first + place, None, line, out);
        }
    }

    fn show(&mut self, number: usize, at: Option<usize>, text: &str, out: &mut dyn FnMut(Hit<'_>)) {
        let context = self.grep.before + self.grep.after > 0;
        if context && self.shown > 0 && number > self.shown + 1 {
            out(Hit { number: None, at: None, text: "--" });
        }
        self.shown = number;
        out(Hit { number: self.grep.numbered.then_some(number), at, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grep(pattern: &str) -> Grep {
        Grep { pattern: Regex::new(pattern).unwrap(), inverted: false, numbered: false, before: 0, after: 0 }
    }

    fn shows(stages: Vec<Stage>) -> (String, Vec<String>) {
        let (out, said) = Pipe(stages).run("a 1\nb 2\nc 3\na 4\nd 5\ne 6\na 7\n");
        (out.trim_end().replace('\n', "|"), said)
    }

    #[test]
    fn lines_are_picked_as_the_tools_do() {
        let a = || grep("a");
        for (stages, expected) in [
            (vec![Stage::Grep(a())], "a 1|a 4|a 7"),
            (vec![Stage::Grep(Grep { inverted: true, ..a() })], "b 2|c 3|d 5|e 6"),
            (vec![Stage::Grep(Grep { numbered: true, ..a() })], "1: a 1|4: a 4|7: a 7"),
            (vec![Stage::Grep(Grep { after: 1, ..grep("a 4") })], "a 4|d 5"),
            (vec![Stage::Grep(Grep { before: 1, ..a() })], "a 1|--|c 3|a 4|--|e 6|a 7"),
            (
                vec![Stage::Grep(Grep::around(Regex::new("a [14]").unwrap(), 1))],
                "1: a 1|2- b 2|3- c 3|4: a 4|5- d 5",
            ),
            (vec![Stage::Grep(a()), Stage::Grep(grep("4|7")), Stage::Head(1)], "a 4"),
            (vec![Stage::Head(2)], "a 1|b 2"),
            (vec![Stage::Head(0)], ""),
            (vec![Stage::Tail(2)], "e 6|a 7"),
            (vec![Stage::Tail(0)], ""),
            (vec![Stage::Tail(3), Stage::Head(1)], "d 5"),
            (vec![Stage::Count], "7"),
            (vec![Stage::Grep(a()), Stage::Tail(2), Stage::Count], "2"),
            (vec![], "a 1|b 2|c 3|a 4|d 5|e 6|a 7"),
        ] {
            assert_eq!(shows(stages.clone()).0, expected, "{stages:?}");
        }
    }

    #[test]
    fn how_many_match_is_said() {
        assert_eq!(
            shows(vec![Stage::Grep(grep("a")), Stage::Grep(grep("4"))]).1,
            ["3 of 7 lines match `a`", "1 of 3 lines matches `4`"]
        );
        assert_eq!(
            shows(vec![Stage::Grep(Grep { inverted: true, ..grep("x") })]).1,
            ["7 of 7 lines do not match `x`"]
        );
        assert_eq!(shows(vec![Stage::Count]).1, Vec::<String>::new());
    }

    #[test]
    fn head_wants_no_more_than_it_shows() {
        let mut running = Pipe(vec![Stage::Grep(grep("a")), Stage::Head(1)]).start();
        running.line("b", &mut |_| {});
        assert!(running.wants_more());
        running.line("a", &mut |_| {});
        assert!(!running.wants_more());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut running = Pipe(vec![Stage::Tail(usize::MAX)]).start();
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            running.line(&line, &mut |_| {});
        }
        let mut lines = 0;
        running.finish(&mut |_| lines += 1);
        assert_eq!(lines, 8);
    }
}
