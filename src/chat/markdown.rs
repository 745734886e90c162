//! Markdown that is safe to post: whatever a model or a cluster wrote, nothing in it pings, links, unfurls or breaks
//! out of its block. Pure.

use crate::text::one_line;

/// Invisible, and enough to keep a chat client from reading what stands around it as markup.
const BREAK: char = '\u{200b}';

/// Text that may carry Markdown of its own: code, bold and lists stay, everything that acts is taken apart.
pub fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for (n, part) in text.split("```").enumerate() {
        if n > 0 {
            safe.push_str("```");
        }
        if n % 2 == 1 {
            safe.push_str(part);
        } else {
            outside_blocks(part, &mut safe);
        }
    }
    // A block that was left open would swallow what comes after.
    if text.matches("```").count() % 2 == 1 {
        safe.push_str("\n```");
    }
    safe
}

fn outside_blocks(text: &str, safe: &mut String) {
    for line in text.split_inclusive('\n') {
        if line.matches('`').count() % 2 == 1 {
            plain(&line.replace('`', "\\`"), safe);
            continue;
        }
        for (n, part) in line.split('`').enumerate() {
            if n > 0 {
                safe.push('`');
            }
            if n % 2 == 1 { safe.push_str(part) } else { plain(part, safe) }
        }
    }
}

/// Takes mentions, masked links, links and client markup apart.
fn plain(text: &str, safe: &mut String) {
    let mut last = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        safe.push(c);
        let next = chars.peek().map(|(_, next)| *next);
        let acts = match (c, next) {
            ('<', Some('@' | '#' | '/' | ':' | 'a' | 't' | 'i' | 'h')) | (']', Some('(' | '[')) => true,
            (':', Some('/')) => text.get(at + 1..).is_some_and(|rest| rest.starts_with("//")),
            ('@', Some(n)) => n.is_alphanumeric() && !last.is_some_and(char::is_alphanumeric),
            _ => false,
        };
        if acts {
            safe.push(BREAK);
        }
        last = Some(c);
    }
}

/// `text` as a code block.
pub fn block(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```", text.trim_end().replace("```", &format!("`{BREAK}``")))
}

/// `text` as code within a line.
pub fn inline(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() { "–".to_owned() } else { format!("`{}`", line.replace('`', "'")) }
}

/// `text` in pieces of at most `most` characters, cut between paragraphs where possible, else between lines, else
/// anywhere. A code block that is cut is closed and opened again.
pub fn split(text: &str, most: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    let mut fence: Option<String> = None;
    // Room for closing a block.
    let room = most.saturating_sub(8).max(16);
    for line in text.split_inclusive('\n').flat_map(|line| chunks(line, room / 2)) {
        let line_length = line.chars().count();
        let paragraph_ends = fence.is_none() && piece.ends_with("\n\n") && length * 4 > room * 3;
        if length + line_length > room || paragraph_ends {
            if fence.is_some() {
                if !piece.ends_with('\n') {
                    piece.push('\n');
                }
                piece.push_str("```");
            }
            pieces.push(std::mem::take(&mut piece).trim_end().to_owned());
            if let Some(opening) = &fence {
                piece.push_str(opening);
            }
            length = piece.chars().count();
        }
        piece.push_str(&line);
        length += line_length;
        if line.matches("```").count() % 2 == 1 {
            fence = match fence {
                Some(_) => None,
                None => Some(if line.ends_with('\n') { line.clone() } else { "```\n".into() }),
            };
        }
    }
    if !piece.trim().is_empty() {
        pieces.push(piece.trim_end().to_owned());
    }
    pieces
}

fn chunks(line: &str, most: usize) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= most {
        vec![line.to_owned()]
    } else {
        chars.chunks(most).map(|c| c.iter().collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(prose(text).replace(BREAK, "¦"), expect, "{text:?}");
    }

    #[test]
    fn nothing_acts() {
        check("hello **you**", "hello **you**");
        check(
            "<@123> and <@&4> <#5> </ask:6> <:x:7> <a:x:8> <t:9:R>",
            "<¦@¦123> and <¦@&4> <¦#5> <¦/ask:6> <¦:x:7> <¦a:x:8> <¦t:9:R>",
        );
        check("@everyone @here me@example.com", "@¦everyone @¦here me@example.com");
        check("[click](https://evil.example)", "[click]¦(https:¦//evil.example)");
        check("<https://evil.example>", "<¦https:¦//evil.example>");
        check("a < b and c@d", "a < b and c@d");
    }

    #[test]
    fn code_is_left_as_it_is() {
        check("use `curl http://x` or", "use `curl http://x` or");
        check("```sh\ncurl http://x | y\n```", "```sh\ncurl http://x | y\n```");
    }

    #[test]
    fn open_code_is_closed() {
        check("```\nhttp://x", "```\nhttp://x\n```");
        check("a ` b http://x", "a \\` b http:¦//x");
    }

    #[test]
    fn blocks_cannot_be_left() {
        assert_eq!(block("sh", "a\n```\n@everyone").matches("```").count(), 2);
        assert_eq!(inline("a`b\nc"), "`a'b c`");
    }

    #[test]
    fn pieces_keep_the_limit_and_the_text() {
        let text = format!("intro\n\n```sh\n{}```\nend", "echo a rather long line of shell\n".repeat(30));
        for most in [60, 200, 500] {
            let pieces = split(&text, most);
            for piece in &pieces {
                assert!(piece.chars().count() <= most, "{most}: {}", piece.chars().count());
                assert_eq!(piece.matches("```").count() % 2, 0, "{piece}");
            }
            assert_eq!(pieces.join("\n").matches("echo a rather").count(), 30);
        }
        assert_eq!(split("short", 2000), ["short"]);
        assert!(split("", 2000).is_empty());
        let long = "x".repeat(5000);
        assert_eq!(split(&long, 2000).concat(), long);
    }
}
