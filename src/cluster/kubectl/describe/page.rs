//! The page that a description is written on: levels of two spaces, columns aligned at the end.

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::kubectl::print::{
    age,
    json::{sorted, sprint},
    tab::{self, DESCRIPTION},
};

/// Where `kubectl apply` keeps a copy of what was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The longest annotation that stands beside its name.
pub const LONGEST_ANNOTATION: usize = 140;

/// A description while it is written.
pub struct Page {
    text: String,
    pub now: Timestamp,
}

impl Page {
    pub fn new(now: Timestamp) -> Self {
        Self { text: String::new(), now }
    }

    /// The text, columns aligned.
    pub fn finish(self) -> String {
        tab::align(&self.text.replace('\u{1b}', "^["), DESCRIPTION)
    }

    /// `text` as it is, after two spaces for each level.
    pub fn put(&mut self, level: usize, text: impl AsRef<str>) {
        self.text.extend(std::iter::repeat_n("  ", level));
        self.text.push_str(text.as_ref());
    }

    /// A whole line.
    pub fn line(&mut self, level: usize, text: impl AsRef<str>) {
        self.put(level, text);
        self.text.push('\n');
    }

    /// `Name:` and what it is.
    pub fn field(&mut self, level: usize, name: &str, value: impl AsRef<str>) {
        self.line(level, format!("{name}:\t{}", value.as_ref()));
    }

    /// A field that is left out where it is empty.
    pub fn some(&mut self, level: usize, name: &str, value: &Value) {
        if !value.is_null() && *value != "" {
            self.field(level, name, sprint(value));
        }
    }

    /// A field of one of several lines, each under the first.
    pub fn lines(&mut self, indent: &str, name: &str, inner: &str, lines: &[String]) {
        self.put(0, format!("{indent}{name}:{inner}"));
        if lines.is_empty() {
            self.put(0, "<none>\n");
        }
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                self.put(0, format!("{indent}{inner}"));
            }
            self.line(0, line);
        }
    }

    /// `name=value` of each, one a line.
    pub fn pairs(&mut self, name: &str, pairs: &Value) {
        self.lines("", name, "\t", &pair_texts(pairs));
    }

    /// The annotations, long ones cut.
    pub fn annotations(&mut self, name: &str, annotations: &Value) {
        let members = annotations.as_object().map(sorted).unwrap_or_default();
        let mut members = members.into_iter().filter(|(name, _)| *name != LAST_APPLIED).peekable();
        self.put(0, format!("{name}:\t"));
        if members.peek().is_none() {
            self.put(0, "<none>\n");
        }
        for (number, (name, value)) in members.enumerate() {
            if number > 0 {
                self.put(0, "\t");
            }
            let value = text(value).trim_end_matches('\n').to_owned();
            if value.len() + name.len() + 2 > LONGEST_ANNOTATION || value.contains('\n') {
                self.line(0, format!("{name}:"));
                for line in value.split('\n') {
                    self.line(0, format!("\t  {}", shorten(line, LONGEST_ANNOTATION - 2)));
                }
            } else {
                self.line(0, format!("{name}: {value}"));
            }
        }
    }

    /// Name, namespace, labels and annotations, as most descriptions begin.
    pub fn head(&mut self, object: &Value) {
        let metadata = &object["metadata"];
        self.field(0, "Name", text(&metadata["name"]));
        self.field(0, "Namespace", text(&metadata["namespace"]));
        self.pairs("Labels", &metadata["labels"]);
        self.annotations("Annotations", &metadata["annotations"]);
    }

    /// The events about the object, oldest first.
    pub fn events(&mut self, events: Option<&Vec<Value>>) {
        let Some(events) = events else { return };
        if events.is_empty() {
            return self.field(0, "Events", "<none>");
        }
        self.put(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
        self.line(1, "----\t------\t----\t----\t-------");
        for event in events {
            let source = match text(&event["source"]["component"]) {
                "" => text(&event["reportingComponent"]),
                source => source,
            };
            let message = text(&event["message"]).trim();
            let message = match text(&event["involvedObject"]["fieldPath"]) {
                "" => message.to_owned(),
                path => format!("{path}: {message}"),
            };
            let age = crate::cluster::kubectl::events::last_seen(event, self.now);
            let (kind, reason) = (text(&event["type"]), text(&event["reason"]));
            self.line(1, format!("{kind}\t{reason}\t{age}\t{source}\t{message}"));
        }
    }

    /// How long ago a time was.
    pub fn since(&self, time: &Value) -> String {
        age::since(time.as_str(), self.now)
    }
}

/// The beginning of what is too long.
pub fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.into();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// `name=value` of each.
pub fn pair_texts(pairs: &Value) -> Vec<String> {
    let members = pairs.as_object().map(sorted).unwrap_or_default();
    members.into_iter().map(|(name, value)| format!("{name}={}", text(value))).collect()
}

/// `a=b,c=d`, or `<none>`.
pub fn pairs_inline(pairs: &Value) -> String {
    let texts = pair_texts(pairs);
    if texts.is_empty() { "<none>".into() } else { texts.join(",") }
}

/// A text, empty where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text or a number as text, empty where there is none.
pub fn plain(value: &Value) -> String {
    if value.is_null() { String::new() } else { sprint(value) }
}

/// A number, 0 where there is none.
pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// A list, empty where there is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list, joined.
pub fn joined(value: &Value, separator: &str) -> String {
    list(value).iter().map(text).collect::<Vec<_>>().join(separator)
}

/// What the value is, or `otherwise` where there is none.
pub fn or(value: &Value, otherwise: &str) -> String {
    if value.is_null() { otherwise.into() } else { sprint(value) }
}

/// `True` or `False`.
pub fn truth(value: &Value) -> &'static str {
    if value == true { "True" } else { "False" }
}

/// `Mon, 23 Nov 2026 03:30:50 +0000`.
pub fn date(value: &Value) -> String {
    match value.as_str().and_then(|time| time.parse::<Timestamp>().ok()) {
        Some(time) => time.strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
        None => "Mon, 01 Jan 0001 00:00:00 +0000".into(),
    }
}
