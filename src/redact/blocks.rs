//! Secrets that go over several lines: private keys, YAML block scalars, the data of Secret manifests. Finds them in
//! text of any origin, whole or cut.

use std::ops::Range;

use super::{
    masking::Secret,
    placeholder::MARKER,
    values::{Quote, quote},
};

/// A key that is longer than this has lost its end.
const LONGEST_KEY: usize = 16 << 10;

/// The body of a PEM private key whose `-----BEGIN` is at `start`; returns where to go on.
pub(super) fn private_key(text: &str, start: usize, found: &mut Vec<Secret>) -> usize {
    const BEGIN: &str = "-----BEGIN";
    let label = start + BEGIN.len();
    let Some(rest) = text.get(label..) else { return start };
    let Some(dashes) = rest.bytes().take(64).collect::<Vec<_>>().windows(5).position(|five| five == b"-----")
    else {
        return label;
    };
    if !rest.get(..dashes).is_some_and(|label| label.contains("PRIVATE KEY")) {
        return label;
    }
    let from = label + dashes + 5;
    let Some(body) = text.get(from..) else { return label };
    let near = body
        .char_indices()
        .map(|(at, _)| at)
        .nth(LONGEST_KEY)
        .and_then(|end| body.get(..end))
        .unwrap_or(body);
    let end = near.find("-----END").filter(|end| !near.get(..*end).is_some_and(|body| body.contains(BEGIN)));
    let end = end.unwrap_or_else(|| cut_key(body));
    found.extend(trimmed(text, from..from + end).map(|key| Secret::of("private-key", key)));
    from + end
}

/// How far the lines of a key go that has no end.
fn cut_key(body: &str) -> usize {
    let mut end = 0;
    for line in body.split_inclusive('\n') {
        let words = line.trim();
        let header = words.starts_with("Proc-Type:") || words.starts_with("DEK-Info:");
        let letters =
            words.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=\\".contains(byte)).count();
        if !header && letters < words.len() {
            // On the line of the header itself, what follows it belongs to the key as far as it looks it.
            return if end == 0 { line.len() - line.trim_start().len() + letters } else { end };
        }
        end += line.len();
    }
    end
}

/// `range` without the white space around it; `None` where nothing is left to hide.
fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let whole = text.get(range.clone())?;
    let words = whole.trim();
    let start = range.start + (whole.len() - whole.trim_start().len());
    (!words.is_empty() && words != MARKER).then_some(start..start + words.len())
}

/// The lines of a YAML block scalar (`password: |`) whose value begins at `at`; `name` is where its name begins.
pub(super) fn scalar(text: &str, name: usize, at: usize) -> Option<Range<usize>> {
    let first = text.get(at..)?.split_inclusive('\n').next()?;
    if !is_scalar_mark(first.trim()) {
        return None;
    }
    let line = text.get(..name)?.rfind('\n').map_or(0, |end| end + 1);
    let column = name - line;
    let from = at + first.len();
    let mut end = from;
    for line in text.get(from..)?.split_inclusive('\n') {
        if !line.trim().is_empty() && indent(line) <= column {
            break;
        }
        end += line.len();
    }
    trimmed(text, from..end)
}

/// `|`, `>-`, `|2+`: what stands for the lines that follow.
pub(super) fn is_scalar_mark(value: &str) -> bool {
    value.starts_with(['|', '>'])
        && value.len() <= 3
        && value.bytes().skip(1).all(|byte| byte.is_ascii_digit() || b"+-".contains(&byte))
}

fn indent(line: &str) -> usize {
    line.bytes().take_while(|byte| *byte == b' ').count()
}

/// Finds the data of Secrets; remembers what was read, so that a long list is read once.
#[derive(Default)]
pub(super) struct Manifests {
    /// JSON was read whole with its quotes at these depths.
    depths: Vec<usize>,
    /// The YAML document that was read last: the column of its names, and where it ended.
    document: (usize, usize),
}

impl Manifests {
    /// `name` is a word `Secret`. If it is the kind of a manifest, finds the values in that manifest.
    pub(super) fn find(&mut self, text: &str, name: Range<usize>, found: &mut Vec<Secret>) {
        let bytes = text.as_bytes();
        let before = text.get(..name.start).unwrap_or_default();
        let plain = before.trim_end_matches(['"', '\'', '\\']);
        let spaced = plain.trim_end_matches([' ', '\t']);
        let Some(key) = spaced.strip_suffix(':').map(str::trim_end) else { return };
        if let Some(key) = key.strip_suffix('"') {
            let key = key.trim_end_matches('\\');
            if let (true, Some((open, _))) = (key.ends_with("kind"), quote(bytes, name.end))
                && !self.depths.contains(&open.depth)
            {
                self.depths.push(open.depth);
                Json::new(text, open.depth).find(found);
            }
        } else if key.ends_with("kind") {
            let kind = key.len() - "kind".len();
            let column =
                kind - text.get(..kind).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
            if self.document.0 != column || self.document.1 <= kind {
                self.document = (column, yaml(text, kind, column, found));
            }
        }
    }
}

/// The values below `data` and `stringData` of the YAML document whose `kind` is at `kind`; returns where it ends.
fn yaml(text: &str, kind: usize, column: usize, found: &mut Vec<Secret>) -> usize {
    let line = kind - column;
    let lead = text.get(line..kind).unwrap_or_default();
    if !lead.trim_start_matches(['-', ' ', '"', '\'']).is_empty() {
        return 0;
    }
    let start = if lead.contains('-') { line } else { document_start(text, line, column) };
    let mut at = start;
    let mut inside = None;
    for (number, line) in text.get(start..).unwrap_or_default().split_inclusive('\n').enumerate() {
        let words = line.trim();
        let dashed = if number == 0 { line.replacen("- ", "  ", 1) } else { line.to_owned() };
        let indent = indent(&dashed);
        if number > 0
            && (words.starts_with("---") || words.starts_with("```") || !words.is_empty() && indent < column)
        {
            return at;
        }
        if !words.is_empty() && indent == column {
            let words = dashed.trim();
            let rest = words.strip_prefix("data:").or_else(|| words.strip_prefix("stringData:"));
            inside = rest.map(|_| None);
            let rest = rest.map(str::trim).unwrap_or_default();
            if !rest.is_empty() && !rest.starts_with(MARKER) && rest != "{}" && rest != "null" {
                let from = at + line.trim_end().len() - rest.len();
                found.push(Secret::of("data", from..from + rest.len()));
            }
        } else if let Some(column) = inside.as_mut().filter(|_| !words.is_empty()) {
            entry(text, at..at + line.len(), column, found);
        }
        at += line.len();
    }
    at
}

/// Where the document begins that the line at `line` is in.
fn document_start(text: &str, line: usize, column: usize) -> usize {
    let mut start = line;
    for line in text.get(..line).unwrap_or_default().split_inclusive('\n').rev() {
        let words = line.trim();
        let first = line.replacen("- ", "  ", 1);
        if words.starts_with("---") || words.starts_with("```") {
            break;
        }
        if !words.is_empty() && indent(line) < column {
            return if indent(&first) == column { start - line.len() } else { start };
        }
        start -= line.len();
    }
    start
}

/// One line below `data`: the value of an entry, or a further line of one.
fn entry(text: &str, line: Range<usize>, column: &mut Option<usize>, found: &mut Vec<Secret>) {
    let Some(words) = text.get(line.clone()).filter(|words| !words.trim_start().starts_with('#')) else {
        return;
    };
    let column = *column.get_or_insert(indent(words));
    let Some((key, value)) = words.split_once(':').filter(|_| indent(words) <= column) else {
        found.extend(trimmed(text, line).map(|value| Secret::of("data", value)));
        return;
    };
    let from = line.end - value.len();
    let bare = value.trim();
    if !is_scalar_mark(bare) && !matches!(bare, "\"\"" | "''") && !bare.starts_with(MARKER) {
        let key = line.start + (key.len() - key.trim_start().len())..from - 1;
        found.extend(trimmed(text, from..line.end).map(|value| Secret::at(key, value)));
    }
}

/// Reads JSON as it stands in text: the quotes behind `depth` backslashes, whole or cut, anything around it.
struct Json<'a> {
    text: &'a str,
    depth: usize,
    /// The objects that are open.
    open: Vec<Object<'a>>,
    /// The name that waits for its value.
    key: Option<Key<'a>>,
}

#[derive(Default)]
struct Object<'a> {
    key: Option<Key<'a>>,
    secret: bool,
    values: Vec<Secret>,
}

/// A name and where it stands.
type Key<'a> = (&'a str, Range<usize>);

impl<'a> Json<'a> {
    fn new(text: &'a str, depth: usize) -> Self {
        Self { text, depth, open: Vec::new(), key: None }
    }

    fn find(mut self, found: &mut Vec<Secret>) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' => self.open.push(Object { key: self.key.take(), ..Object::default() }),
                b'}' => self.close(found),
                b'"' | b'\\' => {
                    let slashes =
                        bytes.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == b'\\').count();
                    at += slashes;
                    if bytes.get(at) == Some(&b'"') {
                        if slashes == self.depth {
                            at = self.string(at + 1);
                        } else if slashes < self.depth {
                            self.close_all(found);
                        }
                    } else {
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self.close_all(found);
    }

    /// Takes in the string that begins at `from`; returns where its closing quote is.
    fn string(&mut self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let end = super::values::closing(bytes, from, Quote { mark: b'"', depth: self.depth });
        let Some(value) = self.text.get(from..end) else { return end };
        let after = end + self.depth + 1;
        let next = bytes.get(after..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b':') {
            self.key = Some((value, from..end));
            return end + self.depth;
        }
        let key = self.key.take();
        if value == "Secret" && matches!(key, Some(("kind", _))) {
            self.open.iter_mut().rev().take(1).for_each(|object| object.secret = true);
        } else if let [.., owner, data] = self.open.as_mut_slice()
            && matches!(data.key, Some(("data" | "stringData", _)))
            && !value.is_empty()
            && value != MARKER
        {
            owner.values.push(match key {
                Some((_, name)) => Secret::at(name, from..end),
                None => Secret::of("data", from..end),
            });
        }
        end + self.depth
    }

    fn close(&mut self, found: &mut Vec<Secret>) {
        if let Some(object) = self.open.pop().filter(|object| object.secret) {
            found.extend(object.values);
        }
    }

    fn close_all(&mut self, found: &mut Vec<Secret>) {
        while !self.open.is_empty() {
            self.close(found);
        }
        self.key = None;
    }
}
