//! Puts placeholders in the place of what was found, round by round until nothing is found any more.

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use super::{
    PASSES,
    placeholder::{self, MARKER},
    scan,
    settings::Settings,
};

/// A secret that was found in a text.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) range: Range<usize>,
    pub(super) name: Name,
}

/// What a secret is known by.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// What stands there in the text.
    At(Range<usize>),
    /// A word of ours.
    Of(&'static str),
}

impl Secret {
    /// One that is known by its looks or its place.
    pub(super) fn of(name: &'static str, range: Range<usize>) -> Self {
        Self { range, name: Name::Of(name) }
    }

    /// One that is known by the name at `name`.
    pub(super) fn at(name: Range<usize>, range: Range<usize>) -> Self {
        Self { range, name: Name::At(name) }
    }
}

/// A text while it is masked.
pub(super) struct Masking<'t> {
    text: &'t str,
    settings: &'static Settings,
    /// The text with a marker for every placeholder: what is found does not depend on what they are called.
    plain: Cow<'t, str>,
    /// What the markers stand for, in order.
    taken: Vec<Taken>,
    /// How often something was masked.
    rounds: usize,
    /// Where in `plain` stands what became of a part of the text.
    part: Range<usize>,
}

/// What a marker stands for.
enum Taken {
    /// A placeholder, or a marker, that was in the text.
    Found(String),
    /// A secret, and what it is known by.
    Masked { value: String, name: Shown },
}

/// A name that may be shown.
enum Shown {
    /// It stands in the text.
    There(String),
    /// A word of ours.
    Ours(&'static str),
}

/// Of a text with more names than this, none is looked up again.
const MOST_NAMES: usize = 64;

impl<'t> Masking<'t> {
    pub(super) fn of(text: &'t str, settings: &'static Settings) -> Self {
        let part = 0..text.len();
        Self { text, settings, plain: Cow::Borrowed(text), taken: Vec::new(), rounds: 0, part }
    }

    /// Tells where this part of the text goes.
    pub(super) fn following(self, part: Range<usize>) -> Self {
        Self { part, ..self }
    }

    /// The text with nothing left to mask, and where in it the part is that was followed.
    pub(super) fn finish(mut self) -> (Cow<'t, str>, Range<usize>) {
        let part = self.part.clone();
        // Placeholders look like secrets to a search: where it finds nothing, there are none.
        let mut found = self.found();
        if found.is_empty() {
            return (Cow::Borrowed(self.text), part);
        }
        if let Some((plain, taken)) = placeholder::take(self.text) {
            let (markers, lengths) = (placeholder::markers(&plain), taken.iter().map(String::len));
            let moved = |at| into_plain(at, &markers, lengths.clone());
            self.part = moved(part.start)..moved(part.end);
            self.plain = Cow::Owned(plain);
            self.taken = taken.into_iter().map(Taken::Found).collect();
            found = self.found();
        }
        for _ in 0..PASSES {
            if !self.pass(std::mem::take(&mut found)) {
                return if self.rounds > 0 { self.put_back() } else { (Cow::Borrowed(self.text), part) };
            }
            found = self.found();
        }
        let whole = placeholder::of("text", self.text);
        let part = 0..whole.len();
        (Cow::Owned(whole), part)
    }

    fn found(&self) -> Vec<Secret> {
        scan::find(&self.plain, &self.settings.patterns)
    }

    /// Masks what was found; whether any of it was to be masked.
    fn pass(&mut self, mut found: Vec<Secret>) -> bool {
        let markers = placeholder::markers(&self.plain);
        self.taken.resize_with(markers.len(), || Taken::Found(MARKER.to_owned()));
        found.retain_mut(|secret| grow(&mut secret.range, &markers, &self.plain));
        found
            .retain(|secret| !self.settings.allows(self.plain.get(secret.range.clone()).unwrap_or_default()));
        if found.is_empty() {
            return false;
        }
        let found = merged(found);
        let plain = self.replace(&found, &markers);
        self.plain = Cow::Owned(plain);
        self.rounds += 1;
        true
    }

    /// The plain text with a marker for each of `found`; what they stand for is taken down.
    fn replace(&mut self, found: &[Secret], markers: &[Range<usize>]) -> String {
        let mut plain = String::with_capacity(self.plain.len());
        let mut before = std::mem::take(&mut self.taken).into_iter();
        let mut passed = 0;
        let mut done = 0;
        let part = self.part.clone();
        for secret in found {
            let Range { start, end } = secret.range;
            while markers.get(passed).is_some_and(|marker| marker.end <= start) {
                self.taken.extend(before.next());
                passed += 1;
            }
            let swallowed = markers.iter().skip(passed).take_while(|marker| marker.start < end).count();
            passed += swallowed;
            let inner: Vec<String> = before.by_ref().take(swallowed).map(|taken| taken.to_text()).collect();
            let value = placeholder::put_back(self.plain.get(start..end).unwrap_or_default(), &inner);
            self.taken.push(Taken::Masked { value, name: self.shown(&secret.name, found) });
            plain.push_str(self.plain.get(done..start).unwrap_or_default());
            plain.push_str(MARKER);
            // The marker belongs to the part in which the secret begins.
            if start < part.start {
                self.part.start = plain.len() + part.start.saturating_sub(end);
            }
            if start < part.end {
                self.part.end = plain.len() + part.end.saturating_sub(end);
            }
            done = end;
        }
        self.taken.extend(before);
        plain.push_str(self.plain.get(done..).unwrap_or_default());
        plain
    }

    /// What may be shown of a name: nothing where something in it is masked.
    fn shown(&self, name: &Name, found: &[Secret]) -> Shown {
        let at = match name {
            Name::Of(name) => return Shown::Ours(name),
            Name::At(at) => at,
        };
        let next = found.partition_point(|secret| secret.range.end <= at.start);
        let masked = found.get(next).is_some_and(|secret| secret.range.start < at.end);
        match self.plain.get(at.clone()).filter(|_| !masked) {
            Some(name) => Shown::There(name.to_owned()),
            None => Shown::Ours(placeholder::NAMELESS),
        }
    }

    fn put_back(mut self) -> (Cow<'t, str>, Range<usize>) {
        if self.rounds > 1 {
            self.forget_names();
        }
        let taken: Vec<String> = self.taken.iter().map(Taken::to_text).collect();
        let (markers, lengths) = (placeholder::markers(&self.plain), taken.iter().map(String::len));
        let moved = |at| out_of_plain(at, &markers, lengths.clone());
        let part = moved(self.part.start)..moved(self.part.end);
        (Cow::Owned(placeholder::put_back(&self.plain, &taken)), part)
    }

    /// Forgets the names that were masked themselves in a later round.
    fn forget_names(&mut self) {
        let names = self.taken.iter().filter_map(|taken| match taken {
            Taken::Masked { name: Shown::There(name), .. } => Some(name.clone()),
            _ => None,
        });
        let names: BTreeSet<String> = names.collect();
        let few = names.len() <= MOST_NAMES;
        let there: BTreeSet<String> =
            names.into_iter().filter(|name| few && self.plain.contains(name.as_str())).collect();
        for taken in &mut self.taken {
            if let Taken::Masked { name, .. } = taken
                && matches!(name, Shown::There(name) if !there.contains(name))
            {
                *name = Shown::Ours(placeholder::NAMELESS);
            }
        }
    }
}

impl Taken {
    fn to_text(&self) -> String {
        match self {
            Self::Found(text) => text.clone(),
            Self::Masked { value, name: Shown::There(name) } => placeholder::of(name, value),
            Self::Masked { value, name: Shown::Ours(name) } => placeholder::of(name, value),
        }
    }
}

/// Where in the plain text is what is at `at` in one that has, in place of the markers, texts of these lengths. What is
/// within such a text is at the end of its marker.
fn into_plain(at: usize, markers: &[Range<usize>], lengths: impl Iterator<Item = usize>) -> usize {
    let (mut long, mut short) = (0, 0);
    for (marker, length) in markers.iter().zip(lengths) {
        let begins = marker.start + long - short;
        if at <= begins {
            break;
        }
        if at < begins + length {
            return marker.end;
        }
        long += length;
        short += marker.len();
    }
    at + short - long
}

/// The other way.
fn out_of_plain(at: usize, markers: &[Range<usize>], lengths: impl Iterator<Item = usize>) -> usize {
    let before = markers.iter().zip(lengths).take_while(|(marker, _)| marker.end <= at);
    let (long, short) =
        before.fold((0, 0), |(long, short), (marker, length)| (long + length, short + marker.len()));
    at + long - short
}

/// In order, those that overlap as one, which is called as the longest of them.
fn merged(mut found: Vec<Secret>) -> Vec<Secret> {
    // Of two that are alike, the one that has a name of its own.
    found.sort_by_key(|secret| {
        (secret.range.start, usize::MAX - secret.range.end, matches!(secret.name, Name::Of(_)))
    });
    let mut merged: Vec<Secret> = Vec::with_capacity(found.len());
    let mut longest = 0;
    for secret in found {
        match merged.last_mut() {
            Some(last) if secret.range.start <= last.range.end => {
                last.range.end = last.range.end.max(secret.range.end);
                if secret.range.len() > longest {
                    longest = secret.range.len();
                    last.name = secret.name;
                }
            }
            _ => {
                longest = secret.range.len();
                merged.push(secret);
            }
        }
    }
    merged
}

/// Grows `range` to whole characters and whole markers; whether anything of it is neither within a marker nor empty. So
/// every round takes something away that is not a marker, and the rounds end.
fn grow(range: &mut Range<usize>, markers: &[Range<usize>], text: &str) -> bool {
    let mut start = range.start;
    let mut end = range.end;
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let first = markers.partition_point(|marker| marker.end <= start);
    for marker in markers.iter().skip(first) {
        if marker.start >= end {
            break;
        }
        if marker.start <= start && end <= marker.end {
            return false;
        }
        start = start.min(marker.start);
        end = end.max(marker.end);
    }
    *range = start..end;
    start < end
}
