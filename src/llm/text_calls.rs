//! Calls as text, for models that know no other: how they are told to write one, how one is read, and how a
//! conversation with calls is written for them. Pure; knows no wire format.
//!
//! A call is a JSON object, `{"tool": "kubectl", "args": {"command": "get pods"}}`, bare or in a code block; several are
//! several objects, or one array. Prose may stand before it. What comes after the last call is not read: it was
//! written before the model has seen what came of it.

use serde_json::{Map, Value, json};

use super::{Message, Prompt, ToolSpec, draft::CallDraft};
use crate::{event::ToolCall, redact::Redacted};

/// An id that a model gives to a call is at most so long.
const LONGEST_ID: usize = 64;

const HOW_TO_CALL: &str = "\
How you call tools
- Write a JSON object in a block of its own and end your message there:
```json
{\"tool\": \"NAME\", \"args\": {\"ARGUMENT\": \"VALUE\"}}
```
- Several calls at once are several objects in one array.
- The results come in the next message, each after the id of its call. Never write a result yourself.
- A message without such an object is your last word on the question.

The tools, each with the JSON Schema of its arguments:";

/// `prompt` without tools and calls: what they say stands in the text.
pub(super) fn written_out(prompt: &Prompt) -> Prompt {
    let system = if prompt.tools.is_empty() {
        prompt.system.clone()
    } else {
        Redacted::new(format!("{}\n\n{HOW_TO_CALL}\n{}", prompt.system, described(&prompt.tools)))
    };
    let messages = prompt.messages.iter().map(spelt).collect();
    Prompt { system, messages, tools: Vec::new(), answer_now: prompt.answer_now }
}

fn described(tools: &[ToolSpec]) -> String {
    let tool = |tool: &ToolSpec| format!("\n{}: {}\n{}\n", tool.name, tool.description, tool.schema);
    tools.iter().map(tool).collect()
}

fn spelt(message: &Message) -> Message {
    match message {
        Message::User(_) | Message::Scan { .. } => message.clone(),
        Message::Model { text, calls, thought } if !calls.is_empty() => {
            let words = format!("{}\n\n{}", text.trim_end(), block(calls));
            let text = Redacted::new(words.trim_start());
            Message::Model { text, calls: Vec::new(), thought: thought.clone() }
        }
        Message::Model { .. } => message.clone(),
        Message::Tool { call, ok, output } => {
            let how = if *ok { "" } else { ", which was refused or failed" };
            Message::User(Redacted::new(format!("Result of {call}{how}:\n{output}")))
        }
    }
}

fn block(calls: &[ToolCall]) -> String {
    let object = |call: &ToolCall| json!({ "id": call.id, "tool": call.tool, "args": *call.args });
    let written = match calls {
        [call] => object(call).to_string(),
        calls => Value::from_iter(calls.iter().map(object)).to_string(),
    };
    format!("```json\n{written}\n```")
}

/// Tells the words of a reply that comes in pieces from the calls in it.
#[derive(Debug, Default)]
pub(super) struct TextCalls {
    held: String,
    /// Something that may be a call has begun: only the whole tells.
    begun: bool,
}

impl TextCalls {
    /// What of `piece`, and of pieces held back before, are words for sure.
    pub(super) fn pass(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        if self.begun {
            return String::new();
        }
        let (until, begun) = match opening(&self.held, 0) {
            Some((at, Opening::Object(_))) => (at, true),
            Some((at, Opening::Unknown)) => (at, false),
            None => (self.held.len(), false),
        };
        self.begun = begun;
        // The blank before a call is not shown either.
        let words = self.held.get(..until).unwrap_or_default().trim_end().len();
        let rest = self.held.split_off(words);
        std::mem::replace(&mut self.held, rest)
    }

    /// The words that were held back, and the calls.
    pub(super) fn end(&mut self) -> (String, Vec<CallDraft>) {
        read(&std::mem::take(&mut self.held))
    }
}

/// What a text may begin with.
enum Opening {
    /// It is too short to tell.
    Unknown,
    /// An object, or an array of some, so many bytes on.
    Object(usize),
}

/// The first place from `from` on where a call may begin.
fn opening(text: &str, from: usize) -> Option<(usize, Opening)> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        at += rest.find(['{', '[', '`', '<'])?;
        if let Some(opening) = opens(text.get(at..)?) {
            return Some((at, opening));
        }
        at += 1;
    }
}

/// Whether `text` begins with an object that has members, or with an array of such; either may stand in a code block or
/// in the tag that some models were trained to write.
fn opens(text: &str) -> Option<Opening> {
    const FENCE: &str = "```";
    const TAG: &str = "<tool_call>";
    if FENCE.starts_with(text) || TAG.starts_with(text) {
        return Some(Opening::Unknown);
    }
    let mut rest = text;
    if let Some(fenced) = rest.strip_prefix(FENCE) {
        rest = fenced.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
    } else if let Some(tagged) = rest.strip_prefix(TAG) {
        rest = tagged.trim_start();
    }
    let at = text.len() - rest.len();
    if let Some(items) = rest.strip_prefix('[') {
        rest = items.trim_start();
    }
    if let Some(members) = rest.strip_prefix('{') {
        rest = members.trim_start();
        return match rest.chars().next() {
            None => Some(Opening::Unknown),
            Some('"') => Some(Opening::Object(at)),
            Some(_) => None,
        };
    }
    rest.is_empty().then_some(Opening::Unknown)
}

/// The words before the calls, and the calls; without a call all of it is words.
fn read(text: &str) -> (String, Vec<CallDraft>) {
    let mut calls = Vec::new();
    let mut words = None;
    let mut from = 0;
    while let Some((at, opening)) = opening(text, from) {
        let Opening::Object(ahead) = opening else { break };
        let start = at + ahead;
        let value = text.get(start..).unwrap_or_default();
        let (found, length) = match end_of_value(value) {
            Some(length) => (calls_in(value.get(..length).unwrap_or_default()), length),
            None => (unreadable(value), value.len()),
        };
        if !found.is_empty() {
            words.get_or_insert(at);
            calls.extend(found);
        }
        from = start + length;
    }
    let words = words.map_or(text, |until| text.get(..until).unwrap_or_default().trim_end());
    (words.to_owned(), calls)
}

/// How long the object or array is that `text` begins with, if it ends.
fn end_of_value(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in outside_strings(text) {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The characters of JSON that are not within a string.
fn outside_strings(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut within = false;
    let mut escaped = false;
    text.char_indices().filter(move |(_, c)| {
        if within {
            within = escaped || *c != '"';
            escaped = !escaped && *c == '\\';
            return false;
        }
        within = *c == '"';
        !within
    })
}

/// The calls that `text` is, an object or an array; none where it is something else. What is no JSON and yet speaks of a
/// tool is a call that cannot be read.
fn calls_in(text: &str) -> Vec<CallDraft> {
    let value = serde_json::from_str(text).or_else(|_| serde_json::from_str::<Value>(&mended(text)));
    let Ok(value) = value else { return unreadable(text) };
    let calls: Option<Vec<CallDraft>> = match &value {
        Value::Array(items) => items.iter().map(call).collect(),
        value => call(value).map(|call| vec![call]),
    };
    calls.unwrap_or_default()
}

fn call(value: &Value) -> Option<CallDraft> {
    let object = value.as_object()?;
    let (tool, args) = match text_of(object, "tool") {
        Some(tool) => (tool, ["args", "arguments", "parameters"].into_iter().find_map(|key| object.get(key))),
        // As models write that were trained on it.
        None => {
            (text_of(object, "name")?, Some(object.get("arguments").or_else(|| object.get("parameters"))?))
        }
    };
    let args = match args {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(args) => args.to_string(),
    };
    let plain = |id: &&str| {
        id.len() <= LONGEST_ID && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let id = text_of(object, "id").filter(plain).unwrap_or_default();
    Some(CallDraft { index: 0, id: id.into(), tool: tool.into(), args })
}

fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// What was meant to be a call and is no JSON, as a call with what was written for its arguments: it is refused, and
/// the model reads why.
fn unreadable(text: &str) -> Vec<CallDraft> {
    let member = |key: &str| text.split_once(key)?.1.trim_start().strip_prefix(':').map(str::trim_start);
    let Some(tool) = member("\"tool\"").and_then(|tool| tool.strip_prefix('"')?.split('"').next()) else {
        return Vec::new();
    };
    let args = member("\"args\"").unwrap_or(text).trim_end_matches(['`', '\n', ' ']);
    vec![CallDraft { index: 0, id: String::new(), tool: tool.into(), args: args.into() }]
}

/// JSON without what models often get wrong: commas before a bracket that closes, line breaks within strings.
fn mended(text: &str) -> String {
    let closes = |at: usize| text.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with(['}', ']']));
    let commas: Vec<usize> =
        outside_strings(text).filter(|(at, c)| *c == ',' && closes(*at)).map(|(at, _)| at).collect();
    let outside: std::collections::HashSet<usize> = outside_strings(text).map(|(at, _)| at).collect();
    let mut mended = String::with_capacity(text.len());
    for (at, c) in text.char_indices().filter(|(at, _)| commas.binary_search(at).is_err()) {
        match c {
            '\n' if !outside.contains(&at) => mended.push_str("\\n"),
            '\t' if !outside.contains(&at) => mended.push_str("\\t"),
            '\r' if !outside.contains(&at) => {}
            c => mended.push(c),
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CallId;
    use crate::redact::RedactedJson;

    /// What is told, in pieces of every size, and what is read.
    fn heard(said: &str) -> (String, Vec<(String, String)>) {
        let mut all: Vec<(String, Vec<(String, String)>)> = Vec::new();
        for size in 1..=said.len().max(1) {
            let mut calls = TextCalls::default();
            let letters: Vec<char> = said.chars().collect();
            let mut words: String =
                letters.chunks(size).map(|piece| calls.pass(&piece.iter().collect::<String>())).collect();
            let (rest, calls) = calls.end();
            words.push_str(&rest);
            all.push((words, calls.into_iter().map(|call| (call.tool, call.args)).collect()));
        }
        all.dedup();
        assert_eq!(all.len(), 1, "{said:?} depends on how it is cut: {all:?}");
        all.remove(0)
    }

    #[test]
    fn calls_are_found_whatever_stands_around_them() {
        let pods = r#"{"tool": "kubectl", "args": {"command": "get pods"}}"#;
        let args = r#"{"command":"get pods"}"#;
        for (said, words, calls) in [
            (pods.to_owned(), "", 1),
            (format!("Let me look.\n\n```json\n{pods}\n```"), "Let me look.", 1),
            (format!("Let me look.\n```\n{pods}\n```\nThen I will know."), "Let me look.", 1),
            (format!("Looking: {pods}"), "Looking:", 1),
            (format!("Both.\n```json\n[{pods},\n {pods}]\n```"), "Both.", 2),
            (format!("Both.\n{pods}\n{pods}"), "Both.", 2),
            (format!("```json\n{pods}\n```\nand\n```json\n{pods}\n```"), "", 2),
            (format!("<tool_call>\n{pods}\n</tool_call>"), "", 1),
            (r#"{"tool": "kubectl", "args": {"command": "get pods",},}"#.to_owned(), "", 1),
            (r#"[{"tool": "kubectl", "args": {"command": "get pods"},},]"#.to_owned(), "", 1),
            (r#"{"name": "kubectl", "arguments": {"command": "get pods"}}"#.to_owned(), "", 1),
            (r#"{"tool": "kubectl", "args": "{\"command\":\"get pods\"}"}"#.to_owned(), "", 1),
        ] {
            let (told, found) = heard(&said);
            assert_eq!(told, words, "{said}");
            assert_eq!(found, vec![("kubectl".to_owned(), args.to_owned()); calls], "{said}");
        }
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for said in [
            "The pod `web` is down [redacted] because {x} is <none>.",
            "```yaml\nkind: Pod\n```\nApply it.",
            "```json\n{\"kind\": \"Pod\"}\n```\nThat is the pod.",
            "{\"name\": \"web\"} is what it is called.",
            "A list: [{\"name\": \"web\"}] and ``` alone",
            "Open: {\"kind\": ",
            "`",
            "",
        ] {
            assert_eq!(heard(said), (said.to_owned(), vec![]), "{said}");
        }
    }

    #[test]
    fn what_was_meant_as_a_call_can_be_refused() {
        for (said, args) in [
            (r#"Look. {"tool": "kubectl", "args": {"command": "get po"#, r#"{"command": "get po"#),
            (r#"Look. {"tool": "kubectl", "args": {command: get}}"#, "{command: get}}"),
            (r#"Look. {"tool": "kubectl" oops}"#, r#"{"tool": "kubectl" oops}"#),
        ] {
            assert_eq!(
                heard(said),
                ("Look.".to_owned(), vec![("kubectl".to_owned(), args.to_owned())]),
                "{said}"
            );
        }
    }

    #[test]
    fn line_breaks_within_strings_are_taken_for_what_they_are() {
        let (_, calls) = heard("{\"tool\": \"report\", \"args\": {\"summary\": \"one,\n]two\"}}");
        assert_eq!(calls, [("report".to_owned(), r#"{"summary":"one,\n]two"}"#.to_owned())]);
    }

    #[test]
    fn a_conversation_is_written_in_the_form_that_is_asked_for() {
        let call = |id: &str| ToolCall {
            id: CallId(id.into()),
            tool: "kubectl".into(),
            args: RedactedJson::new(json!({ "command": "get pods" })),
        };
        let tool =
            ToolSpec { name: "kubectl", description: "Reads.".into(), schema: json!({ "type": "object" }) };
        for calls in [vec![call("a")], vec![call("a"), call("b")]] {
            let said =
                Message::Model { text: Redacted::new("Looking."), calls: calls.clone(), thought: None };
            let result = Message::Tool { call: CallId("a".into()), ok: false, output: Redacted::new("no") };
            let prompt = Prompt {
                system: Redacted::new("You look."),
                messages: vec![said, result],
                tools: vec![tool.clone()],
                answer_now: false,
            };
            let written = written_out(&prompt);
            assert!(written.tools.is_empty());
            assert!(
                written.system.starts_with("You look.")
                    && written.system.contains("kubectl: Reads.\n{\"type\"")
            );
            let Some(Message::Model { text, calls: left, .. }) = written.messages.first() else { panic!() };
            assert!(left.is_empty());
            let (words, read) = read(text);
            assert_eq!(words, "Looking.");
            let read: Vec<&str> = read.iter().map(|call| call.id.as_str()).collect();
            assert_eq!(read, calls.iter().map(|call| call.id.0.as_str()).collect::<Vec<_>>());
            let Some(Message::User(result)) = written.messages.get(1) else { panic!() };
            assert_eq!(result.as_str(), "Result of a, which was refused or failed:\nno");
        }
    }
}
