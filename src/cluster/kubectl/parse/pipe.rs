//! What may stand behind a command and a `|`: `grep`, `head`, `tail` and `wc -l`, which are read as filters of its lines.
//! Nothing is run.

use regex::RegexBuilder;

use super::Refusal;
use crate::text::pipe::{Grep, MOST_CONTEXT, Pipe, Stage};

/// The most filters behind one another.
const MOST_STAGES: usize = 8;
/// The largest program that a pattern may make.
const LARGEST_PATTERN: usize = 1 << 20;
/// What `head` and `tail` show where no number is given.
const LINES: usize = 10;

type Read<T> = Result<T, Refusal>;

/// The filters that these words are.
pub fn read(parts: impl Iterator<Item = Vec<String>>) -> Read<Pipe> {
    let mut stages = Vec::new();
    for part in parts {
        let (name, words) =
            part.split_first().ok_or_else(|| Refusal::new("After `|` nothing comes; leave it out."))?;
        match name.as_str() {
            "grep" | "egrep" => stages.extend(grep(words, name == "egrep")?),
            "head" => stages.push(Stage::Head(lines(name, words)?)),
            "tail" => stages.push(Stage::Tail(lines(name, words)?)),
            "wc" if words == ["-l"] => stages.push(Stage::Count),
            other => return Err(refused(other)),
        }
    }
    if stages.len() > MOST_STAGES {
        return Err(Refusal::new(format!(
            "At most {MOST_STAGES} filters may stand behind a command; leave some out."
        )));
    }
    Ok(Pipe(stages))
}

fn refused(name: &str) -> Refusal {
    let instead = match name {
        "jq" | "yq" => "; use -o jsonpath=…",
        "sort" => "; use --sort-by",
        "awk" | "cut" | "sed" => "; use -o custom-columns=… or -o jsonpath=…",
        "wc" => "; use `wc -l`",
        _ => "",
    };
    Refusal::new(format!(
        "`| {name}` is not possible{instead}: there is no shell, and only `grep`, `head`, `tail` and `wc -l` may stand behind \
         a `|`."
    ))
}

/// Reads `-n 5`, `-n5`, `-5` or nothing.
fn lines(name: &str, words: &[String]) -> Read<usize> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = match words.as_slice() {
        [] => return Ok(LINES),
        ["-n" | "--lines", number] => number,
        [word] => word
            .strip_prefix("-n")
            .or_else(|| word.strip_prefix("--lines="))
            .unwrap_or(word.trim_start_matches('-')),
        _ => "",
    };
    let digits = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let given = words.join(" ");
        Refusal::new(format!("`{name} {given}` is not possible here: write `{name} -n 20`."))
    })
}

/// What is said of a pattern.
#[derive(Default)]
struct Said {
    pattern: Option<String>,
    any_case: bool,
    extended: bool,
    fixed: bool,
    word: bool,
    inverted: bool,
    numbered: bool,
    count: bool,
    before: usize,
    after: usize,
}

fn grep(words: &[String], extended: bool) -> Read<Vec<Stage>> {
    let mut said = Said { extended, ..Said::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-').filter(|flags| !flags.is_empty()) {
            Some(flags) => said.flags(flags, &mut words)?,
            None if said.pattern.is_none() => said.pattern = Some(word.clone()),
            None => {
                return Err(Refusal::new(format!(
                    "`grep` reads what the command says and no file `{word}`; quote the pattern if it has spaces."
                )));
            }
        }
    }
    let Some(pattern) = &said.pattern else {
        return Err(Refusal::new("`grep` needs a pattern: `| grep -i error`."));
    };
    let pattern = match (said.fixed, said.extended) {
        (true, _) => regex::escape(pattern),
        (false, true) => pattern.clone(),
        (false, false) => extended_of(pattern),
    };
    let pattern = if said.word { format!(r"\b(?:{pattern})\b") } else { pattern };
    let pattern =
        RegexBuilder::new(&pattern).case_insensitive(said.any_case).size_limit(LARGEST_PATTERN).build();
    let pattern = pattern.map_err(|error| {
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Refusal::new(format!("The pattern of `grep` is no regular expression: {why}."))
    })?;
    let Said { inverted, numbered, before, after, .. } = said;
    let grep = Stage::Grep(Grep { pattern, inverted, numbered, before, after });
    Ok(if said.count { vec![grep, Stage::Count] } else { vec![grep] })
}

impl Said {
    /// Reads `i`, `iE`, `A3` or `e`, whose value is the next word.
    fn flags<'w>(&mut self, flags: &'w str, words: &mut impl Iterator<Item = &'w String>) -> Read<()> {
        for (at, flag) in flags.char_indices() {
            let rest = flags.get(at + flag.len_utf8()..).unwrap_or_default();
            match flag {
                'i' | 'y' => self.any_case = true,
                'E' | 'P' => self.extended = true,
                'F' => self.fixed = true,
                'w' => self.word = true,
                'v' => self.inverted = true,
                'n' => self.numbered = true,
                'c' => self.count = true,
                'A' | 'B' | 'C' | 'e' => {
                    let value = if rest.is_empty() { words.next().map_or("", String::as_str) } else { rest };
                    return self.value(flag, value);
                }
                _ => {
                    return Err(Refusal::new(format!(
                        "`grep -{flags}` is not possible here; the flags are -i, -E, -F, -w, -v, -n, -c, -A, -B, -C and -e."
                    )));
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, flag: char, value: &str) -> Read<()> {
        if flag == 'e' {
            self.pattern = Some(value.to_owned());
            return Ok(());
        }
        let lines = value.parse().ok().filter(|lines| *lines <= MOST_CONTEXT).ok_or_else(|| {
            Refusal::new(format!(
                "`grep -{flag}` takes a number of lines up to {MOST_CONTEXT}, not `{value}`."
            ))
        })?;
        if flag != 'A' {
            self.before = lines;
        }
        if flag != 'B' {
            self.after = lines;
        }
        Ok(())
    }
}

/// A basic regular expression as an extended one: what is special stands there behind a backslash.
fn extended_of(basic: &str) -> String {
    let mut out = String::with_capacity(basic.len() + 8);
    let mut letters = basic.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if !in_class => match letters.next() {
                Some(next) if "(){}+?|".contains(next) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '+' | '?' | '|' if !in_class => out.extend(['\\', letter]),
            '[' | ']' => {
                in_class = letter == '[';
                out.push(letter);
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// What comes out of some lines.
    fn picks(line: &str) -> String {
        let pipe = match parse(&format!("get pods | {line}")) {
            Ok(command) => command.pipe,
            Err(refusal) => return refusal.to_string(),
        };
        pipe.run("one error (x)\ntwo Error\nthree err|or\nfour +\n").0.trim_end().replace('\n', "/")
    }

    #[test]
    fn filters_are_read_as_the_tools_read_them() {
        for (line, expected) in [
            ("grep error", "one error (x)"),
            ("grep -i error", "one error (x)/two Error"),
            ("grep -ic error", "2"),
            ("grep -c error", "1"),
            ("grep -v -i err", "four +"),
            ("grep -n four", "4: four +"),
            ("grep 'err|or'", "three err|or"),
            (r"grep 'two\|four'", "two Error/four +"),
            ("grep -E 'two|four'", "two Error/four +"),
            ("egrep 'two|four'", "two Error/four +"),
            ("grep '(x)'", "one error (x)"),
            ("grep -F '(x'", "one error (x)"),
            ("grep -w err", "three err|or"),
            ("grep -e '+'", "four +"),
            ("grep -A1 two", "two Error/three err|or"),
            ("grep -B 1 two", "one error (x)/two Error"),
            ("grep '[(]x'", "one error (x)"),
            ("grep e | grep -v one | head -n 1", "three err|or"),
            ("head -2", "one error (x)/two Error"),
            ("tail -n1", "four +"),
            ("tail --lines=1", "four +"),
            ("head", "one error (x)/two Error/three err|or/four +"),
            ("wc -l", "4"),
            ("grep -i error | wc -l", "2"),
        ] {
            assert_eq!(picks(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (line, hint) in [
            ("xargs kubectl delete pod", "only `grep`, `head`, `tail` and `wc -l`"),
            ("sh", "there is no shell"),
            ("bash -c id", "there is no shell"),
            ("tee /tmp/x", "there is no shell"),
            ("jq .items", "-o jsonpath="),
            ("sort", "--sort-by"),
            ("awk '{print $1}'", "custom-columns"),
            ("wc", "`wc -l`"),
            ("wc -c", "`wc -l`"),
            ("/bin/grep x", "only `grep`"),
            ("", "nothing comes"),
            ("| grep x", "nothing comes"),
            ("grep", "needs a pattern"),
            ("grep -f /etc/passwd", "the flags are"),
            ("grep -r x /etc", "the flags are"),
            ("grep --include=x y", "the flags are"),
            ("grep x /etc/passwd", "no file `/etc/passwd`"),
            ("grep -E '('", "unclosed group"),
            ("grep -A x y", "number of lines"),
            ("grep -C 1000 y", "up to 100"),
            ("grep -E '(a{1000}){1000}'", "no regular expression"),
            ("head -c 5", "`head -n 20`"),
            ("tail -f", "`tail -n 20`"),
            ("tail -n +3", "`tail -n 20`"),
            ("head -n 1 /etc/passwd", "`head -n 20`"),
            ("grep x > /tmp/x", "Redirections"),
            ("grep x; rm y", "One command"),
            ("grep $(id)", "substitution"),
            ("grep x & rm y", "Background"),
        ] {
            let said = picks(line);
            assert!(said.contains(hint), "{line}: {said}");
        }
        assert!(picks(&["grep x"; 9].join("|")).contains("At most 8"));
    }
}
