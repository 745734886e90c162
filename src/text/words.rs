//! The words of a question by which a line of a long text can be told from the others, and the lines that have them.
//! Knows no log. Pure.

use std::collections::BTreeMap;

use regex::Regex;

/// The most words that are looked for.
const MOST_WORDS: usize = 16;
/// The shortest plain word that says something, in letters.
const SHORTEST: usize = 4;
/// The most places that are kept of the lines that have the same words.
const MOST_PLACES: usize = 100;
/// The most sets of words that are told apart.
const MOST_SETS: usize = 512;
/// A plain word that more than one line in so many has says nothing; of the others, one in two.
const COMMON: usize = 8;
/// After how many lines it is looked which words are common.
const OFTEN: usize = 1 << 13;

/// Words that are in most questions and say nothing of what is looked for.
const STOP: &str = " about above after again all also always and another any anybody anything app appear application are around \
    ask asked because been before behind being below between both but came can cannot check cluster come comes container \
    containers contain contains could day days deploy deployment did does doing done down during each else ever every \
    everything exactly few find first for found from gave get gets give given goes going gone good got had happen happened \
    happening happens has have having here how into its job just keep keeps know last late later least let like line lines \
    list log logged logging logs long look looked looking lot many may maybe mean means message messages might minute \
    minutes more most much must namespace need never new next node not nothing now off once one only other our out output \
    over own part people person please pod pods print problem question quite really reason recent recently right running \
    said same saw say saying says see seen seem seems send service services shall she should show shows since some somebody \
    someone something sometimes soon still such sure take tell than that the their them then there these they thing things \
    think this those thought through time times today together told took too two under until upon use used using very want \
    wanted was way web well went were what whatever when where whether which while who whole whose why will with within \
    without word work working works would wrong yes yesterday yet you your ";

/// A word that is looked for.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    /// Matches it as a word of its own.
    exact: Regex,
    /// A number, an identifier or a quotation: it means what it says and nothing like it.
    sure: bool,
}

/// The words of a question that say something of what is looked for.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<Word>);

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|word| &word.text).eq(other.0.iter().map(|word| &word.text))
    }
}

impl Words {
    /// The words of what somebody said: what is quoted, numbers, identifiers, then names and other words that are not in
    /// every question.
    pub fn of(said: &str) -> Self {
        let (quoted, rest) = quotations(said);
        let mut words: Vec<Word> = Vec::new();
        let plain =
            rest.split(|letter: char| letter.is_whitespace() || ",;!?()[]{}<>\"'’`“”«»…|".contains(letter));
        let tokens = plain.map(|token| token.trim_matches(|letter: char| !letter.is_alphanumeric()));
        let found = quoted.iter().filter_map(|text| quotation(text)).chain(tokens.filter_map(word));
        for word in found {
            if !words.iter().any(|known| known.text == word.text) {
                words.push(word);
            }
        }
        words.sort_by_key(|word| !word.sure);
        words.truncate(MOST_WORDS);
        Self(words)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are numbers, identifiers or quotations, as they were said, save for `known` ones.
    pub fn sure(&self, known: impl Fn(&str) -> bool) -> Vec<&str> {
        let sure = self.0.iter().filter(|word| word.sure).map(|word| word.text.as_str());
        sure.filter(|text| !known(text)).collect()
    }

    /// Which of them a line has, one bit for each.
    fn of_line(&self, line: &str) -> u32 {
        let bits = self.0.iter().enumerate().filter(|(_, word)| word.exact.is_match(line));
        bits.fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// Finds, fast, a line that may have one of them, those of `but` aside.
    fn search(&self, but: u32) -> Option<Regex> {
        let words = self.0.iter().enumerate().filter(|(at, _)| but & (1 << at) == 0);
        let texts: Vec<String> = words.map(|(_, word)| loosely(&stem(word))).collect();
        if texts.is_empty() { None } else { Regex::new(&texts.join("|")).ok() }
    }
}

/// The quoted parts of a text, and the text without them.
fn quotations(said: &str) -> (Vec<String>, String) {
    let (mut quoted, mut rest) = (Vec::new(), String::new());
    let mut left = said;
    while let Some((at, open)) = left.char_indices().find(|(at, letter)| opens(left, *at, *letter)) {
        let close = match open {
            '“' => '”',
            '«' => '»',
            other => other,
        };
        let (before, after) = left.split_at(at);
        let inside = after.get(open.len_utf8()..).unwrap_or_default();
        rest.push_str(before);
        rest.push(' ');
        let Some(end) = inside.find(close) else {
            left = inside;
            continue;
        };
        quoted.push(inside.get(..end).unwrap_or_default().trim().to_owned());
        left = inside.get(end + close.len_utf8()..).unwrap_or_default();
    }
    rest.push_str(left);
    (quoted, rest)
}

/// Whether a quotation opens there. A `'` within a word is none.
fn opens(text: &str, at: usize, letter: char) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    match letter {
        '"' | '`' | '“' | '«' => true,
        '\'' => before.is_none_or(|before| !before.is_alphanumeric()),
        _ => false,
    }
}

fn quotation(text: &str) -> Option<Word> {
    if text.chars().filter(|letter| letter.is_alphanumeric()).count() < 2 || text.len() > 200 {
        return None;
    }
    make(text, true)
}

/// A word of a sentence, if it says something.
fn word(token: &str) -> Option<Word> {
    let letters = token.chars().count();
    let digits = token.chars().filter(char::is_ascii_digit).count();
    let joined = token.chars().any(|letter| "-_./:@#=&%+".contains(letter));
    let capitals = token.chars().all(|letter| letter.is_uppercase() || letter.is_ascii_digit());
    let sure = match digits {
        0 => joined && letters > SHORTEST,
        digits => digits > 2 || digits < letters && letters > 2,
    };
    let says = sure || letters >= SHORTEST || capitals && letters == 3;
    let stop = || STOP.contains(&format!(" {} ", token.to_lowercase()));
    (says && letters <= 100 && (sure || !stop())).then(|| make(token, sure))?
}

fn make(text: &str, sure: bool) -> Option<Word> {
    let mut word = Word { text: text.to_owned(), exact: Regex::new("").ok()?, sure };
    let bare = loosely(&stem(&word));
    // A word is one where no letter goes before it, a number where no digit does: `T14:05:33` has 14:05.
    let before = if text.starts_with(|first: char| first.is_ascii_digit()) {
        r"(?:^|[^0-9])"
    } else {
        r"(?:^|[^\pL0-9])"
    };
    let after = match text.chars().next_back() {
        _ if !sure => r"\pL{0,4}(?:[^\pL]|$)",
        Some(last) if last.is_ascii_digit() => r"(?:[^0-9]|$)",
        _ => r"(?:[^\pL0-9]|$)",
    };
    word.exact = Regex::new(&format!("{before}(?:{bare}){after}")).ok()?;
    Some(word)
}

/// What a plain word has in common with its other forms: `rejected`, `rejects` and `reject`.
fn stem(word: &Word) -> String {
    if word.sure {
        return word.text.clone();
    }
    let lower = word.text.to_lowercase();
    let ends = ["ing", "ed", "es", "s"].iter().find_map(|end| lower.strip_suffix(end));
    ends.filter(|stem| stem.chars().count() >= SHORTEST).unwrap_or(&lower).to_owned()
}

/// A pattern for a text, whatever its case and its white space.
fn loosely(text: &str) -> String {
    let parts: Vec<String> = text.split_whitespace().map(regex::escape).collect();
    let flags = if text.is_ascii() { "(?i-u:" } else { "(?i:" };
    format!("{flags}{})", parts.join(r"[ \t]+"))
}

/// Lines by which of the words they have. Keeps their places, not the lines.
#[derive(Debug)]
pub struct Matches {
    words: Words,
    search: Option<Regex>,
    /// The words that too many lines have.
    common: u32,
    lines: usize,
    /// How many lines have each word.
    counts: [usize; MOST_WORDS],
    /// Of each set of words, how many lines have just these, and where the first ones are.
    sets: BTreeMap<u32, (usize, Vec<usize>)>,
}

impl Matches {
    /// None yet.
    pub fn new(words: &Words) -> Self {
        Self {
            search: words.search(0),
            words: words.clone(),
            common: 0,
            lines: 0,
            counts: [0; MOST_WORDS],
            sets: BTreeMap::new(),
        }
    }

    /// Takes in the line at `at`; whether it may be among the best.
    pub fn note(&mut self, at: usize, line: &str) -> bool {
        self.lines += 1;
        if self.lines.is_multiple_of(OFTEN) {
            self.give_up_common();
        }
        if !self.search.as_ref().is_some_and(|search| search.is_match(line)) {
            return false;
        }
        let has = self.words.of_line(line);
        for (place, count) in self.counts.iter_mut().enumerate() {
            *count += usize::from(has & (1 << place) != 0);
        }
        if has & !self.common == 0 || self.sets.len() >= MOST_SETS && !self.sets.contains_key(&has) {
            return false;
        }
        let (times, places) = self.sets.entry(has).or_default();
        *times += 1;
        let room = places.len() < MOST_PLACES;
        if room {
            places.push(at);
        }
        room
    }

    /// The places of the lines that tell most: those with the rarest words, first ones first.
    pub fn best(&self) -> Vec<usize> {
        let mut sets: Vec<(f64, usize, &Vec<usize>)> =
            self.sets.iter().map(|(has, (times, places))| (self.weight(*has), *times, places)).collect();
        sets.retain(|(weight, ..)| *weight > 0.0);
        sets.sort_by(|(a, rare, _), (b, other, _)| b.total_cmp(a).then(rare.cmp(other)));
        sets.into_iter().flat_map(|(_, _, places)| places.iter().copied()).collect()
    }

    /// How much the words of a line tell: each the more, the fewer lines have it.
    fn weight(&self, has: u32) -> f64 {
        let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let told = self.counts.iter().enumerate().filter(|(place, count)| {
            has & !self.common & (1 << place) != 0 && !self.is_common(*place, **count)
        });
        told.map(|(_, count)| (number(self.lines) / number(*count)).ln()).sum()
    }

    fn is_common(&self, place: usize, count: usize) -> bool {
        let sure = self.words.0.get(place).is_some_and(|word| word.sure);
        count > 3 && count * if sure { 2 } else { COMMON } > self.lines
    }

    /// Words that say nothing are not looked for any more.
    fn give_up_common(&mut self) {
        let before = self.common;
        for (place, count) in self.counts.iter().enumerate() {
            if self.is_common(place, *count) {
                self.common |= 1 << place;
            }
        }
        if self.common != before {
            self.search = self.words.search(self.common);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: &str) -> Vec<String> {
        Words::of(said)
            .0
            .into_iter()
            .map(|word| format!("{}{}", word.text, if word.sure { "!" } else { "" }))
            .collect()
    }

    #[test]
    fn a_question_is_told_by_its_telling_words() {
        for (said, expected) in [
            ("What happened to order 31000 in the log of checkout?", vec!["31000!", "order", "checkout"]),
            ("why was invoice INV-7781 rejected?", vec!["INV-7781!", "invoice", "rejected"]),
            ("is it still down?", vec![]),
            ("who is user@example.com? 10.0.3.7 asked", vec!["user@example.com!", "10.0.3.7!"]),
            ("find \"held back\" and `x9`", vec!["held back!", "x9!"]),
            ("what's in 'the vault' of Ana's bank", vec!["the vault!", "bank"]),
            ("at 14:05 with 2 pods and 5 errors, HTTP 503", vec!["14:05!", "503!", "errors", "HTTP"]),
            ("Warum wurde die Überweisung abgelehnt?", vec!["Warum", "wurde", "Überweisung", "abgelehnt"]),
            ("order #4711 of SKU", vec!["4711!", "order", "SKU"]),
            ("an \"unclosed quotation", vec!["unclosed", "quotation"]),
            ("", vec![]),
        ] {
            let expected: Vec<&str> = expected;
            assert_eq!(words(said), expected, "{said}");
        }
        assert_eq!(Words::of(&"word7 ".repeat(5)).0.len(), 1);
        let many: String = (100..200).map(|n| format!("id{n} ")).collect();
        assert_eq!(Words::of(&many).0.len(), MOST_WORDS);
    }

    #[test]
    fn a_word_matches_as_a_word() {
        for (said, line, expected) in [
            ("31000", "order 31000 held", true),
            ("31000", "order=31000,", true),
            ("31000", "order131000", false),
            ("31000", "order 310001", false),
            ("14:05", "2026-01-02T14:05:33Z x", true),
            ("rejected", "it REJECTS this", true),
            ("rejected", "rejection of x", true),
            ("errors", "level=error x", true),
            ("errors", "terrors", false),
            ("INV-7781", "inv-7781 paid", true),
            ("INV-7781", "inv-77812 paid", false),
            ("\"held  back\"", "was held back", true),
            ("\"held back\"", "held it back", false),
            ("Überweisung", "ÜBERWEISUNG 7", true),
        ] {
            assert_eq!(Words::of(said).of_line(line) != 0, expected, "{said} in {line}");
        }
    }

    /// The places of the best lines of a log in which most lines are alike.
    fn best(said: &str, rare: &[(usize, &str)]) -> Vec<usize> {
        let mut matches = Matches::new(&Words::of(said));
        for at in 0..50_000 {
            let special = rare.iter().find(|(place, _)| *place == at).map(|(_, line)| (*line).to_owned());
            matches.note(at, &special.unwrap_or_else(|| format!("order {at} sent to host-{}", at % 7)));
        }
        matches.best()
    }

    #[test]
    fn the_lines_with_the_rarest_words_come_first() {
        let needle = "order 31000 held back: address unknown";
        let said = "what happened to order 31000?";
        assert_eq!(best(said, &[(40_000, needle)]), [31_000, 40_000]);
        let said = "which order was held back, and was the address unknown?";
        assert_eq!(best(said, &[(7, "address book loaded"), (40_000, needle)]), [40_000, 7]);
        assert_eq!(best("which orders were sent?", &[]), Vec::<usize>::new(), "every line has these words");
        assert_eq!(best("is it down?", &[(5, needle)]), Vec::<usize>::new());
    }
}
