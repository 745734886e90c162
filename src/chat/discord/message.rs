//! A post as the JSON of a Discord message. Pure.

use serde_json::{Value, json};

use crate::chat::{Button, Card, File, Post, Tone};

/// The flag that keeps links in the text from being shown as previews; it hides a message's own card as well.
const SUPPRESS_EMBEDS: u64 = 1 << 2;

/// Discord's length of a message.
const LONGEST: usize = 2000;

/// What a button's id begins with; what it says follows.
const SAYS: &str = "say:";

/// The body that creates a post.
pub(super) fn create(post: &Post, nonce: &str) -> Value {
    let mut body = edit(post);
    body["nonce"] = json!(nonce);
    body["enforce_nonce"] = json!(true);
    body
}

/// The body that makes an existing message show a post, whatever it showed before.
pub(super) fn edit(post: &Post) -> Value {
    let mut body = text(&quiet(&post.text, post.card.is_some()));
    body["embeds"] = post.card.iter().map(card).collect();
    body["components"] = rows(&post.buttons);
    body["attachments"] = attachments(&post.files);
    let hides = post.card.is_none() && has_link(&post.text);
    body["flags"] = json!(if hides { SUPPRESS_EMBEDS } else { 0 });
    body
}

/// The body of a message that is text alone and pings nobody.
pub(super) fn text(content: &str) -> Value {
    json!({ "content": content, "allowed_mentions": { "parse": [], "replied_user": false } })
}

/// The same under a nonce.
pub(super) fn note(content: &str, nonce: &str) -> Value {
    let mut body = text(content);
    body["nonce"] = json!(nonce);
    body["enforce_nonce"] = json!(true);
    body["flags"] = json!(SUPPRESS_EMBEDS);
    body
}

/// Makes `body` a reply to a message of the same channel, if that still exists.
pub(super) fn replying(mut body: Value, message: &str) -> Value {
    body["message_reference"] = json!({ "message_id": message, "fail_if_not_exists": false });
    body
}

/// What pressing the button with this id says.
pub(super) fn says(custom_id: &str) -> Option<&str> {
    custom_id.strip_prefix(SAYS).filter(|says| !says.is_empty())
}

/// A person's words as a block quote that shows them as they are.
pub(super) fn quote(words: &str, most: usize) -> String {
    let mut quoted = String::from("> ");
    let mut count = 2;
    for c in words.trim().chars() {
        let piece = match c {
            '\r' => continue,
            '\n' => "\n> ".to_owned(),
            '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | '(' | ')' | '#' | '@' | ':'
            | '-' => {
                format!("\\{c}")
            }
            c => c.to_string(),
        };
        count += piece.chars().count();
        if count >= most {
            quoted.push('…');
            break;
        }
        quoted.push_str(&piece);
    }
    quoted
}

fn card(card: &Card) -> Value {
    let colour = match card.tone {
        Tone::Bad => 0xE5_48_4D,
        Tone::Mixed => 0xF5_A5_24,
        Tone::Good => 0x30_A4_6C,
    };
    let mut embed = json!({ "description": card.text, "color": colour });
    if !card.footer.is_empty() {
        embed["footer"] = json!({ "text": card.footer });
    }
    embed
}

/// Rows of five, as many as fit.
fn rows(buttons: &[Button]) -> Value {
    buttons
        .chunks(5)
        .take(5)
        .map(|row| json!({ "type": 1, "components": row.iter().map(button).collect::<Vec<_>>() }))
        .collect()
}

fn button(button: &Button) -> Value {
    let label: String = button.label.chars().take(80).collect();
    json!({ "type": 2, "style": 2, "label": label, "custom_id": format!("{SAYS}{}", button.says) })
}

fn attachments(files: &[File]) -> Value {
    let named = |(at, file): (usize, &File)| json!({ "id": at.to_string(), "filename": file.name });
    files.iter().enumerate().map(named).collect()
}

fn has_link(text: &str) -> bool {
    text.contains("http://") || text.contains("https://")
}

/// Puts links into angle brackets, where Discord makes no preview of them, if that is the only way.
fn quiet(text: &str, has_card: bool) -> String {
    if !has_card || !has_link(text) {
        return text.to_owned();
    }
    let quiet = bracket_links(text);
    if quiet.chars().count() <= LONGEST { quiet } else { text.to_owned() }
}

fn bracket_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    // Between backticks nothing is a link; the odd pieces are.
    for (at, piece) in text.split('`').enumerate() {
        if at > 0 {
            out.push('`');
        }
        if at % 2 == 0 { bracket_plain(piece, &mut out) } else { out.push_str(piece) }
    }
    out
}

fn bracket_plain(mut text: &str, out: &mut String) {
    let start = |text: &str| [text.find("http://"), text.find("https://")].into_iter().flatten().min();
    while let Some(at) = start(text) {
        let (before, link) = text.split_at(at);
        let end = link
            .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ')' | '"'))
            .unwrap_or(link.len());
        let (link, after) = link.split_at(end);
        out.push_str(before);
        if before.ends_with('<') {
            out.push_str(link);
        } else {
            out.push('<');
            out.push_str(link);
            out.push('>');
        }
        text = after;
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redacted;

    fn post(text: &str) -> Post {
        Post {
            key: "1/answer".into(),
            text: Redacted::new(text),
            card: None,
            files: Vec::new(),
            buttons: Vec::new(),
            live: false,
        }
    }

    #[test]
    fn a_post_pings_nobody_and_is_made_once() {
        let body = create(&post("hello @everyone"), "abc");
        assert_eq!(body["allowed_mentions"], json!({ "parse": [], "replied_user": false }));
        assert_eq!((&body["nonce"], &body["enforce_nonce"]), (&json!("abc"), &json!(true)));
        assert_eq!(edit(&post("x"))["allowed_mentions"]["parse"], json!([]));
    }

    #[test]
    fn an_edit_takes_away_what_the_post_has_no_more() {
        let body = edit(&post("x"));
        assert_eq!(
            (&body["embeds"], &body["components"], &body["attachments"]),
            (&json!([]), &json!([]), &json!([]))
        );
        assert_eq!(body["nonce"], Value::Null);
    }

    #[test]
    fn a_card_a_file_and_buttons_are_shown() {
        let mut post = post("x");
        post.card =
            Some(Card { text: Redacted::new("**bad**"), footer: Redacted::new("2 s"), tone: Tone::Bad });
        post.files = vec![File { name: "web.log".into(), text: Redacted::new("…") }];
        post.buttons = (0..7).map(|n| Button { says: format!("say {n}"), label: "L".repeat(90) }).collect();
        let body = edit(&post);
        assert_eq!(
            body["embeds"],
            json!([{ "description": "**bad**", "color": 15_026_253, "footer": { "text": "2 s" } }])
        );
        assert_eq!(body["attachments"], json!([{ "id": "0", "filename": "web.log" }]));
        let rows = body["components"].as_array().unwrap();
        assert_eq!(
            rows.iter().map(|row| row["components"].as_array().unwrap().len()).collect::<Vec<_>>(),
            [5, 2]
        );
        let last = &rows[1]["components"][1];
        assert_eq!(says(last["custom_id"].as_str().unwrap()), Some("say 6"));
        assert_eq!(last["label"].as_str().unwrap().len(), 80);
    }

    #[test]
    fn links_make_no_previews() {
        assert_eq!(edit(&post("see https://example.com"))["flags"], 4);
        assert_eq!(edit(&post("see example.com"))["flags"], 0);
        let mut framed = post("see https://example.com, `http://localhost:9000` and <https://k8s.io>");
        framed.card = Some(Card { text: Redacted::new("x"), footer: Redacted::default(), tone: Tone::Good });
        let body = edit(&framed);
        assert_eq!(body["flags"], 0, "it would hide the card");
        assert_eq!(
            body["content"],
            "see <https://example.com,> `http://localhost:9000` and <https://k8s.io>"
        );
    }

    #[test]
    fn brackets_go_around_links_only() {
        for (plain, bracketed) in [
            ("http://a", "<http://a>"),
            ("(https://a/b) http://c\nd", "(<https://a/b>) <http://c>\nd"),
            ("```\ncurl http://a\n```\nhttp://b", "```\ncurl http://a\n```\n<http://b>"),
            ("no link", "no link"),
        ] {
            assert_eq!(bracket_links(plain), bracketed);
        }
    }

    #[test]
    fn a_quote_shows_words_as_they_are() {
        for (words, quoted) in [
            ("why?", "> why?"),
            (" two\nlines ", "> two\n> lines"),
            ("**b** <@1> `c` [x](y)", "> \\*\\*b\\*\\* \\<\\@1\\> \\`c\\` \\[x\\]\\(y\\)"),
        ] {
            assert_eq!(quote(words, 100), quoted);
        }
        assert_eq!(quote(&"x".repeat(50), 12), format!("> {}…", "x".repeat(9)));
        assert!(quote(&"*".repeat(5000), 2000).chars().count() <= 2000);
    }

    #[test]
    fn only_own_buttons_say_something() {
        assert_eq!(says("say:stop"), Some("stop"));
        assert_eq!(says("say:"), None);
        assert_eq!(says("other"), None);
    }
}
