//! YAML in the style of `kubectl get -o yaml`: sorted keys, two spaces, lists not indented, lines folded at 80
//! columns. The form of single scalars is next door.

use serde_json::{Map, Value};

use super::{
    json,
    yaml_scalar::{Scalar, Style},
};

/// Where a text may be folded.
const WIDTH: usize = 80;

/// What ends a line for YAML.
const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The longest key that stands before its colon, in bytes.
const LONGEST_KEY: usize = 128;

/// `value` as a YAML document.
pub fn document(value: &Value) -> String {
    let mut page = Page::default();
    match value {
        Value::Object(members) if !members.is_empty() => page.mapping(members, 0, false),
        Value::Array(items) if !items.is_empty() => page.sequence(items, 0, false),
        scalar => page.scalar(scalar, 0, false),
    }
    page.out.push('\n');
    page.out
}

/// The text so far and the column it has come to.
#[derive(Default)]
struct Page {
    out: String,
    column: usize,
}

impl Page {
    fn put(&mut self, char: char) {
        self.out.push(char);
        self.column += 1;
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    /// `begun`: the first key stands on the current line.
    fn mapping(&mut self, members: &Map<String, Value>, indent: usize, begun: bool) {
        for (position, (name, value)) in in_natural_order(members).into_iter().enumerate() {
            if position > 0 || (!begun && !self.out.is_empty()) {
                self.line(indent);
            }
            if name.len() <= LONGEST_KEY && !name.contains(BREAKS) {
                self.write(&Scalar::of_key(name), indent, false);
                self.put(':');
                self.value(value, indent);
            } else {
                self.text("? ");
                self.write(&Scalar::of_text(name), indent + 2, true);
                self.line(indent);
                self.text(": ");
                self.inner(value, indent + 2);
            }
        }
    }

    fn value(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(members) if !members.is_empty() => self.mapping(members, indent + 2, false),
            Value::Array(items) if !items.is_empty() => self.sequence(items, indent, false),
            scalar => {
                self.put(' ');
                self.scalar(scalar, indent + 2, true);
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, begun: bool) {
        for (position, item) in items.iter().enumerate() {
            if position > 0 || (!begun && !self.out.is_empty()) {
                self.line(indent);
            }
            self.text("- ");
            self.inner(item, indent + 2);
        }
    }

    /// What stands beside a mark on the same line.
    fn inner(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(members) if !members.is_empty() => self.mapping(members, indent, true),
            Value::Array(items) if !items.is_empty() => self.sequence(items, indent, true),
            scalar => self.scalar(scalar, indent, true),
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, fold: bool) {
        match value {
            Value::Null => self.text("null"),
            Value::Bool(bool) => self.text(if *bool { "true" } else { "false" }),
            Value::Number(number) => self.text(&yaml_number(number)),
            Value::String(text) => self.write(&Scalar::of_text(text), indent, fold),
            Value::Array(_) => self.text("[]"),
            Value::Object(_) => self.text("{}"),
        }
    }

    fn write(&mut self, scalar: &Scalar<'_>, indent: usize, fold: bool) {
        match scalar.style {
            Style::Plain => self.folded(scalar.text, indent, fold, false),
            Style::Single => {
                self.put('\'');
                self.folded(scalar.text, indent, fold, true);
                self.put('\'');
            }
            Style::Double => self.double(scalar.text, indent, fold),
            Style::Literal => self.literal(scalar.text, indent),
        }
    }

    /// Folds at a single space past the width; `quoted` doubles single quotes and keeps the outer spaces.
    fn folded(&mut self, text: &str, indent: usize, fold: bool, quoted: bool) {
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((position, char)) = chars.next() {
            let next = chars.peek().map(|(_, char)| *char);
            let inner = !quoted || (position > 0 && next.is_some());
            if char == ' ' && fold && !after_space && self.column > WIDTH && inner && next != Some(' ') {
                self.line(indent);
            } else {
                if quoted && char == '\'' {
                    self.put(char);
                }
                self.put(char);
            }
            after_space = char == ' ';
        }
    }

    fn double(&mut self, text: &str, indent: usize, fold: bool) {
        self.put('"');
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((position, char)) = chars.next() {
            let next = chars.peek().map(|(_, char)| *char);
            if char == ' ' && fold && !after_space && self.column > WIDTH && position > 0 && next.is_some() {
                self.line(indent);
                if next == Some(' ') {
                    self.put('\\');
                }
            } else if let Some(escape) = Scalar::escape(char) {
                self.text(&escape);
            } else {
                self.put(char);
            }
            after_space = char == ' ';
        }
        self.put('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with([' ', '\n']) {
            self.put('2');
        }
        match (text.ends_with('\n'), text.len() > 1 && text.ends_with("\n\n")) {
            (false, _) => self.put('-'),
            (true, true) => self.put('+'),
            (true, false) if text.len() == 1 => self.put('+'),
            (true, false) => {}
        }
        // The last line break is the one that comes before whatever follows.
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if line.is_empty() {
                self.out.push('\n');
                self.column = 0;
            } else {
                self.line(indent);
                self.text(line);
            }
        }
    }
}

fn yaml_number(number: &serde_json::Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) if float.fract() == 0.0 && float.abs() < 9e18 => format!("{float:.0}"),
        _ => json::plain_number(number),
    }
}

/// The members by [`natural`]. That is no total order for odd enough keys, which the sorting of the standard library
/// answers with a panic; inserting one by one does not mind.
fn in_natural_order(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<(&String, &Value)> = Vec::with_capacity(members.len());
    for member in members {
        let (Ok(at) | Err(at)) = sorted.binary_search_by(|(name, _)| natural(name, member.0));
        sorted.insert(at, member);
    }
    sorted
}

/// Letters after everything else, digits by the number that they make.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let (Some(&x), Some(&y)) = (a.get(at), b.get(at)) else { return Ordering::Equal };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Zeros inside a number count as digits of it, leading ones do not.
    let before = a.get(..at).unwrap_or_default();
    let inside = before.iter().rev().take_while(|char| char.is_ascii_digit()).any(|char| *char != '0');
    let start = u64::from((x == '0' || y == '0') && inside);
    let number = |chars: &[char]| {
        let digits: Vec<u64> =
            chars.iter().skip(at).map_while(|char| char.to_digit(10)).map(u64::from).collect();
        (digits.iter().fold(start, |sum, digit| sum.wrapping_mul(10).wrapping_add(*digit)), digits.len())
    };
    number(&a).cmp(&number(&b)).then(x.cmp(&y))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::document;

    #[test]
    fn lists_are_not_indented_and_keys_are_sorted() {
        let value =
            json!({"b": [{"y1": 1, "x": [[1, 2], []]}], "a": {}, "c": {"d": null, "e": true, "f": 1.5}});
        assert_eq!(
            document(&value),
            "a: {}\nb:\n- x:\n  - - 1\n    - 2\n  - []\n  y1: 1\nc:\n  d: null\n  e: true\n  f: 1.5\n"
        );
    }

    #[test]
    fn texts_with_line_breaks_are_literal() {
        for (text, expected) in [
            ("a\nb", "k: |-\n  a\n  b\n"),
            ("a\nb\n", "k: |\n  a\n  b\n"),
            ("a\n\n", "k: |+\n  a\n\n"),
            ("\n", "k: |2+\n\n"),
            (" a\nb", "k: |2-\n   a\n  b\n"),
            ("a\n\nb", "k: |-\n  a\n\n  b\n"),
            ("a \nb", "k: \"a \\nb\"\n"),
        ] {
            assert_eq!(document(&json!({"k": text})), expected, "{text:?}");
        }
    }

    #[test]
    fn long_texts_fold_after_the_width() {
        let words = "word ".repeat(20).trim_end().to_owned();
        let folded = format!("k: {}\n  {}\n", "word ".repeat(16).trim_end(), "word ".repeat(4).trim_end());
        assert_eq!(document(&json!({"k": words})), folded);
    }

    #[test]
    fn keys_that_do_not_fit_a_line_have_marks_of_their_own() {
        let long = "k".repeat(129);
        assert_eq!(
            document(&json!({"a\nb": [1, 2], long.clone(): {"x": 1, "z": 2}})),
            format!("? |-\n  a\n  b\n: - 1\n  - 2\n? {long}\n: x: 1\n  z: 2\n")
        );
    }

    #[test]
    fn keys_that_have_no_order_do_not_panic() {
        let chars: [&'static str; 10] = ["0", "1", "00", "a", "-", "_", "é", ".", "10", "01"];
        let pairs = chars.into_iter().flat_map(|a| chars.into_iter().map(move |b| format!("{a}{b}")));
        let keys = pairs.flat_map(|pair| chars.into_iter().map(move |c| format!("{pair}{c}")));
        let value = keys.map(|key| (key, json!(1))).collect::<serde_json::Map<_, _>>();
        assert!(document(&value.into()).len() > 1000);
    }

    #[test]
    fn keys_are_in_natural_order() {
        let keys = ["<<", "K1", "a", "a-b", "a1", "k9", "k10", "k10a", "k01"];
        let value = keys.iter().map(|key| ((*key).to_owned(), json!(1))).collect::<serde_json::Map<_, _>>();
        let document = document(&value.into());
        let order: Vec<_> =
            document.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key).collect();
        assert_eq!(order, ["<<", "K1", "a", "a-b", "a1", "k01", "k9", "k10", "k10a"]);
    }
}
