//! Splits a line into words as a shell would quote, where a `|` stands into several lists of them, and refuses everything
//! else that a shell would do.

use super::Refusal;

/// The longest line that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// The words of `line`, those before its first `|`, between it and the next, and so on.
pub fn split(line: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let line = line.trim();
    if line.len() > LONGEST {
        return Err(Refusal::new(format!(
            "The command is {} bytes long and at most {LONGEST} are read; ask for less at once.",
            line.len()
        )));
    }
    if let Some(char) = line.chars().find(|char| char.is_control()) {
        let what = match char {
            '\n' | '\r' => "a line break; give one command on one line".into(),
            _ => format!("the control character U+{:04X}; leave it out", u32::from(char)),
        };
        return Err(Refusal::new(format!("The command holds {what}.")));
    }
    let mut splitter = Splitter::default();
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        if splitter.step(char, next)? {
            chars.next();
        } else if splitter.comment {
            break;
        }
    }
    splitter.finish()
}

#[derive(Default)]
struct Splitter {
    parts: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    quote: Option<char>,
    comment: bool,
}

impl Splitter {
    /// Takes one character; whether the next one is taken with it.
    fn step(&mut self, char: char, next: Option<char>) -> Result<bool, Refusal> {
        match (self.quote, char) {
            (Some(quote), char) if char == quote => self.quote = None,
            (Some('\''), char) => self.push(char),
            (Some(_), '\\') => return Ok(self.escaped_in_quotes(next)),
            (_, '`') => return Err(no_substitution("`…`")),
            (_, '$') => {
                expansion(next)?;
                self.push(char);
            }
            (Some(_), char) => self.push(char),
            (None, '\\') => {
                let Some(next) = next else {
                    return Err(Refusal::new("The command ends in a backslash; leave it out."));
                };
                self.push(next);
                return Ok(true);
            }
            (None, '"' | '\'') => {
                self.quote = Some(char);
                self.word.get_or_insert_default();
            }
            (None, ' ') => self.words.extend(self.word.take()),
            (None, '#') if self.word.is_none() => self.comment = true,
            (None, '|') if !matches!(next, Some('|' | '&')) => {
                self.words.extend(self.word.take());
                self.parts.push(std::mem::take(&mut self.words));
            }
            (None, char) => {
                outside_quotes(char, next, self.word.is_none())?;
                self.push(char);
            }
        }
        Ok(false)
    }

    fn push(&mut self, char: char) {
        self.word.get_or_insert_default().push(char);
    }

    /// Between double quotes a backslash escapes only what is special there.
    fn escaped_in_quotes(&mut self, next: Option<char>) -> bool {
        match next {
            Some(next @ ('"' | '\\' | '$' | '`')) => {
                self.push(next);
                true
            }
            _ => {
                self.push('\\');
                false
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Vec<String>>, Refusal> {
        if let Some(quote) = self.quote {
            return Err(Refusal::new(format!("A {quote} is opened and not closed; close it.")));
        }
        self.words.extend(self.word.take());
        self.parts.push(self.words);
        Ok(self.parts)
    }
}

/// Refuses what a shell would act on.
fn outside_quotes(char: char, next: Option<char>, starts_word: bool) -> Result<(), Refusal> {
    let sentence = match char {
        '|' if next == Some('&') => "`|&` is not possible: there is no shell; write `|`.".into(),
        '|' => no_second_command("||"),
        '&' if next == Some('&') => no_second_command("&&"),
        '&' => "Background commands (`&`) are not possible: there is no shell; quote the character if it is part \
                of a value."
            .into(),
        ';' => no_second_command(";"),
        '>' | '<' => format!(
            "Redirections (`{char}`) are not possible: there is no shell and no file; the output comes back as it \
             is, so leave the redirection out."
        ),
        '(' | ')' => "Parentheses outside quotes are not possible: there is no shell; quote the value.".into(),
        '–' | '—' | '‐' | '‑' | '‒' | '−' if starts_word => {
            format!("`{char}` is not an ASCII hyphen; write flags with `-` or `--`.")
        }
        '“' | '”' | '‘' | '’' => format!("`{char}` is a typographic quote; write \" or '."),
        char if char.is_whitespace() => {
            format!("The blank U+{:04X} is not a space; separate words by plain spaces.", u32::from(char))
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(sentence))
}

fn no_second_command(operator: &str) -> String {
    format!(
        "One command at a time: `{operator}` is not possible because there is no shell; make a call for each."
    )
}

fn no_substitution(what: &str) -> Refusal {
    Refusal::new(format!(
        "Command substitution ({what}) is not possible: there is no shell; run the inner command first and write \
         what it says."
    ))
}

fn expansion(next: Option<char>) -> Result<(), Refusal> {
    match next {
        Some('(') => Err(no_substitution("$(…)")),
        Some(next) if next == '{' || next == '_' || next.is_ascii_alphabetic() => Err(Refusal::new(
            "Variables are not expanded: there is no shell; write the value itself, or put it in single quotes.",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_a_shell_quotes() {
        for (line, expected) in [
            ("get pods", vec!["get", "pods"]),
            ("  get   pods  ", vec!["get", "pods"]),
            ("get 'a b' \"c d\"", vec!["get", "a b", "c d"]),
            ("a'b'c\"d\"", vec!["abcd"]),
            ("a\\ b", vec!["a b"]),
            ("'a\\b'", vec!["a\\b"]),
            ("\"a\\\"b\\n\"", vec!["a\"b\\n"]),
            ("x '' y", vec!["x", "", "y"]),
            (
                "-o jsonpath='{range .items[*]}{.a}{\"\\n\"}{end}'",
                vec!["-o", "jsonpath={range .items[*]}{.a}{\"\\n\"}{end}"],
            ),
            ("get pods # the pods", vec!["get", "pods"]),
            ("a#b", vec!["a#b"]),
            ("'a|b;c'", vec!["a|b;c"]),
            ("\"{$.x}\"", vec!["{$.x}"]),
            ("a\\|b", vec!["a|b"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), [expected], "{line}");
        }
        let piped = split("get pods|grep -i 'a|b' | wc -l").unwrap();
        assert_eq!(piped, [vec!["get", "pods"], vec!["grep", "-i", "a|b"], vec!["wc", "-l"]]);
        assert_eq!(split("logs x |").unwrap(), [vec!["logs", "x"], vec![]]);
    }

    #[test]
    fn what_a_shell_would_do_is_refused() {
        for (line, hint) in [
            ("get pods |& grep x", "write `|`"),
            ("get pods; get svc", "One command"),
            ("get pods && get svc", "One command"),
            ("get pods || true", "One command"),
            ("get pods &", "Background"),
            ("get pods > /tmp/x", "Redirections"),
            ("get pods < x", "Redirections"),
            ("get $(whoami)", "substitution"),
            ("get \"$(whoami)\"", "substitution"),
            ("get `id`", "substitution"),
            ("get \"`id`\"", "substitution"),
            ("get $HOME", "Variables"),
            ("get \"${HOME}\"", "Variables"),
            ("get pods —all", "hyphen"),
            ("get pods –n x", "hyphen"),
            ("get “pods”", "typographic"),
            ("get\u{a0}pods", "U+00A0"),
            ("get pods\nget svc", "line break"),
            ("get 'a\nb'", "line break"),
            ("get \0pods", "U+0000"),
            ("get 'pods", "not closed"),
            ("get pods \\", "backslash"),
            ("(get pods)", "Parentheses"),
        ] {
            let refusal = split(line).unwrap_err();
            assert!(refusal.to_string().contains(hint), "{line}: {refusal}");
        }
        assert!(split(&"x".repeat(1 << 20)).unwrap_err().to_string().contains("1048576"));
    }
}
