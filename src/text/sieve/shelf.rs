//! What a sieve holds on to while lines go by: the last ones, and those that may be worth keeping. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::{
    super::forms::{MOST_TRACE, Noted, RARE, Table, Tally, Tone},
    CONTEXT, LONGEST_LINE, MARK,
};

/// The last lines that came.
#[derive(Debug)]
pub(super) struct Tail {
    /// Some that were taken off, then those that are left.
    pub(super) text: String,
    /// Where those that are left begin.
    pub(super) start: usize,
    pub(super) most: usize,
}

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        let behind = (CONTEXT + 1) * LONGEST_LINE;
        if self.start > behind + self.most / 4 {
            let cut = self.text.floor_char_boundary(self.start - behind);
            self.text.drain(..cut);
            self.start -= cut;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.text.len() - self.start > self.most
    }

    /// What was taken off before, as far as it is still there, and the line that is taken off now.
    pub(super) fn pop(&mut self) -> (&str, &str) {
        let (before, rest) = self.text.split_at_checked(self.start).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        self.start += line.len() + 1;
        (before, line)
    }

    pub(super) fn rest(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }
}

/// Lines by their places, within a number of bytes.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) lines: BTreeMap<usize, String>,
    pub(super) bytes: usize,
    pub(super) most: usize,
}

impl Shelf {
    pub(super) fn new(most: usize) -> Self {
        Self { lines: BTreeMap::new(), bytes: 0, most }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.most
    }

    pub(super) fn keep(&mut self, at: usize, line: &str) {
        if !self.lines.contains_key(&at) {
            self.bytes += line.len() + MARK;
            self.lines.insert(at, line.to_owned());
        }
    }

    pub(super) fn drop(&mut self, at: usize) {
        self.bytes -= self.lines.remove(&at).map_or(0, |line| line.len() + MARK);
    }

    pub(super) fn get(&self, at: usize) -> Option<(usize, &str)> {
        self.lines.get(&at).map(|line| (at, line.as_str()))
    }

    /// Keeps what is around these places, first ones first, until half of it is full.
    pub(super) fn keep_around(&mut self, places: &[usize]) {
        let mut lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        for at in places {
            for place in at.saturating_sub(CONTEXT)..=at + CONTEXT {
                if let Some(line) = lines.remove(&place).filter(|_| self.bytes < self.most / 2) {
                    self.bytes += line.len() + MARK;
                    self.lines.insert(place, line);
                }
            }
        }
    }
}

/// The first lines of each form that stands out.
#[derive(Debug)]
pub(super) struct Forms {
    /// Where the kept lines of each form are, with what belongs to them.
    pub(super) places: Vec<Vec<usize>>,
    pub(super) shelf: Shelf,
    /// The forms that are kept because they are rare, in the order in which they came.
    pub(super) rare: VecDeque<usize>,
    /// How many lines of a trace were kept with the last line, if that was.
    pub(super) trace: Option<usize>,
}

impl Forms {
    pub(super) fn new(most: usize) -> Self {
        Self { places: Vec::new(), shelf: Shelf::new(most), rare: VecDeque::new(), trace: None }
    }

    /// Takes in the line at `at`.
    pub(super) fn note(&mut self, at: usize, line: &str, table: &mut Table) {
        let noted = table.note(at, line);
        match (noted, self.trace) {
            (Noted::Line(form), _) => {
                self.trace = None;
                if let Some(tally) = table.tally(form).copied() {
                    self.note_form(at, line, form, &tally);
                }
            }
            (Noted::Trace(form), Some(lines)) if lines < MOST_TRACE => {
                self.trace = Some(lines + 1);
                self.keep(at, line, form);
            }
            _ => {}
        }
    }

    pub(super) fn note_form(&mut self, at: usize, line: &str, form: usize, tally: &Tally) {
        if tally.times > RARE {
            if tally.tone == Tone::Plain {
                self.forget(form);
            }
            return;
        }
        // What is rare now makes room for what is rare later: most of it comes while a process starts.
        while self.shelf.is_full() {
            let Some(oldest) = self.rare.pop_front() else { return };
            self.forget(oldest);
        }
        if tally.tone == Tone::Plain {
            self.rare.push_back(form);
        }
        self.keep(at, line, form);
        self.trace = Some(0);
    }

    pub(super) fn keep(&mut self, at: usize, line: &str, form: usize) {
        if self.places.len() <= form {
            self.places.resize(form + 1, Vec::new());
        }
        if let Some(places) = self.places.get_mut(form) {
            places.push(at);
            self.shelf.keep(at, line);
        }
    }

    pub(super) fn forget(&mut self, form: usize) {
        for at in self.places.get_mut(form).map(std::mem::take).unwrap_or_default() {
            self.shelf.drop(at);
        }
    }

    /// Those that one would look at first, with the places of their lines.
    pub(super) fn ranked<'t>(&self, table: &'t Table) -> Vec<(&'t Tally, &[usize])> {
        let kept = self.places.iter().enumerate().filter(|(_, places)| !places.is_empty());
        let mut ranked: Vec<(&Tally, &[usize])> = kept
            .filter_map(|(form, places)| Some((table.tally(form)?, places.as_slice())))
            .filter(|(tally, _)| table.stands_out(tally))
            .collect();
        ranked.sort_by_key(|(tally, _)| tally.order());
        ranked
    }
}

/// The lines that are shown of what lies between.
#[derive(Default)]
pub(super) struct Chosen<'s> {
    pub(super) lines: BTreeMap<usize, &'s str>,
    pub(super) bytes: usize,
}

impl<'s> Chosen<'s> {
    /// Takes these lines if all of them fit.
    pub(super) fn take(&mut self, lines: impl Iterator<Item = (usize, &'s str)>, most: usize) {
        let new: Vec<(usize, &str)> = lines.filter(|(at, _)| !self.lines.contains_key(at)).collect();
        let bytes: usize = new.iter().map(|(_, line)| line.len() + 1 + MARK).sum();
        if self.bytes + bytes <= most {
            self.bytes += bytes;
            self.lines.extend(new);
        }
    }
}
