//! The grammar of kubectl's JSONPath templates: `{range .items[*]}{.metadata.name}{"\n"}{end}`.

/// A template, read and found well formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub(super) pieces: Vec<Piece>,
    /// As it was written.
    pub(super) source: String,
}

/// What a template is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Path(Vec<Node>),
    /// What is between `{range …}` and its `{end}`.
    Range(Vec<Node>, Vec<Piece>),
    /// An `{end}` without a beginning.
    StrayEnd,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Field(String),
    Wildcard,
    Recursive,
    Slice(Slice),
    Union(Vec<Vec<Node>>),
    Filter { left: Vec<Node>, operator: String, right: Vec<Node> },
    Word(String),
}

/// `[start:end:step]`; an index is a slice of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub step: Option<i64>,
    /// Whether `end` follows from `start`: an index.
    pub index: bool,
}

/// How deep filters may stand in filters.
const DEEPEST: usize = 16;

impl Template {
    /// Reads a template; what is wrong with it otherwise, in kubectl's words.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut flat = Vec::new();
        let mut rest = source;
        while let Some((text, inside)) = rest.split_once('{') {
            if !text.is_empty() {
                flat.push(Piece::Text(text.into()));
            }
            let mut cursor = Cursor { rest: inside, depth: 0 };
            flat.push(Piece::Path(cursor.action()?));
            rest = cursor.rest;
        }
        if !rest.is_empty() {
            flat.push(Piece::Text(rest.into()));
        }
        let mut flat = flat.into_iter();
        let mut pieces = Vec::new();
        while let Some(piece) = nest(&mut flat, 0)? {
            pieces.push(piece);
        }
        Ok(Self { pieces, source: source.into() })
    }

    /// Reads `metadata.name`, `.metadata.name` or `{.metadata.name}`, as columns and sorting take it.
    pub fn parse_relaxed(source: &str) -> Result<Self, String> {
        let inner = source.strip_prefix('{').and_then(|source| source.strip_suffix('}')).unwrap_or(source);
        let inner = inner.strip_prefix('.').unwrap_or(inner);
        if inner.is_empty() || inner.contains(['{', '}']) {
            return Err(
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or \
                        '{.name1.name2}'"
                    .into(),
            );
        }
        Self::parse(&format!("{{.{inner}}}"))
    }
}

/// The names in a path such as `spec.containers`, without the dot before it; `None` for a step that is no name.
pub fn steps(path: &str) -> Result<Vec<Option<String>>, String> {
    match Template::parse(&format!("{{.{path}}}"))?.pieces.as_slice() {
        [Piece::Path(nodes)] => Ok(nodes.iter().map(Node::name).collect()),
        _ => Err("must pass in 1 jsonpath string".into()),
    }
}

impl Node {
    fn name(&self) -> Option<String> {
        if let Self::Field(name) = self { Some(name.clone()) } else { None }
    }
}

/// The next piece with everything up to its `{end}` inside it. An open range goes on to the end of the template.
fn nest(flat: &mut std::vec::IntoIter<Piece>, depth: usize) -> Result<Option<Piece>, String> {
    if depth > DEEPEST {
        return Err("ranges are nested too deeply".into());
    }
    let Some(piece) = flat.next() else { return Ok(None) };
    let Piece::Path(nodes) = piece else { return Ok(Some(piece)) };
    match nodes.first() {
        Some(Node::Word(word)) if word == "end" => Ok(Some(Piece::StrayEnd)),
        Some(Node::Word(word)) if word == "range" => {
            let mut body = Vec::new();
            while let Some(piece) = nest(flat, depth + 1)? {
                if piece == Piece::StrayEnd {
                    break;
                }
                body.push(piece);
            }
            Ok(Some(Piece::Range(nodes.into_iter().skip(1).collect(), body)))
        }
        _ => Ok(Some(Piece::Path(nodes))),
    }
}

/// What is left of the template, from inside a pair of braces.
struct Cursor<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// Reads up to the closing brace, which it takes.
    fn action(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                return Ok(nodes);
            }
            self.step(&mut nodes)?;
        }
    }

    fn step(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix("[?(") {
            self.rest = rest;
            nodes.push(self.filter()?);
            return Ok(());
        }
        if let Some(rest) = self.rest.strip_prefix("..") {
            if nodes.last() == Some(&Node::Recursive) {
                return Err("invalid multiple recursive descent".into());
            }
            self.rest = rest;
            nodes.push(Node::Recursive);
            if rest.starts_with(is_word) {
                nodes.push(self.field());
            }
            return Ok(());
        }
        let Some(char) = self.rest.chars().next() else { return Err("unclosed action".into()) };
        match char {
            '\r' | '\n' => return Err("unclosed action".into()),
            ' ' | '@' | '$' => self.skip(1),
            '[' => self.array(nodes)?,
            '"' | '\'' => nodes.push(self.quoted(char)?),
            '.' => {
                self.skip(1);
                nodes.push(self.field());
            }
            '+' | '-' | '0'..='9' => nodes.push(self.number()?),
            _ if is_word(char) => nodes.push(self.word()),
            _ => return Err(format!("unrecognized character in action: U+{:04X} '{char}'", u32::from(char))),
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// A name up to the next terminator that no backslash precedes.
    fn field(&mut self) -> Node {
        let mut escaped = false;
        let end = self.rest.find(|char| {
            let stop = !escaped && is_terminator(char);
            escaped = !escaped && char == '\\';
            stop
        });
        match self.take(end.unwrap_or(self.rest.len())) {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }

    fn word(&mut self) -> Node {
        match self.take(self.rest.find(is_terminator).unwrap_or(self.rest.len())) {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            word => Node::Word(word.into()),
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let signed = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest.get(signed..).unwrap_or_default();
        let end = digits.find(|char: char| char != '.' && !char.is_ascii_digit()).unwrap_or(digits.len());
        let text = self.take(signed + end);
        if let Ok(number) = text.parse() {
            return Ok(Node::Int(number));
        }
        text.parse().map(Node::Float).map_err(|_| format!("cannot parse number {text}"))
    }

    fn quoted(&mut self, quote: char) -> Result<Node, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, char)) = chars.next() {
            match char {
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, char)) => text.push(unescape(char)?),
                    None => break,
                },
                _ if char == quote => {
                    self.skip(at + 1);
                    return Ok(Node::Text(text));
                }
                _ => text.push(char),
            }
        }
        Err("unterminated quoted string".into())
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let Some(end) = self
            .rest
            .find([']', '\n'])
            .filter(|end| self.rest.get(*end..).is_some_and(|r| r.starts_with(']')))
        else {
            return Err("unterminated array".into());
        };
        let text = self.take(end + 1).get(1..end).unwrap_or_default();
        if text.contains(',') {
            let parts = text.split(',').map(|part| self.index(part.trim_matches(' ')));
            nodes.push(Node::Union(parts.collect::<Result<_, _>>()?));
        } else {
            nodes.extend(self.index(text)?);
        }
        Ok(())
    }

    fn index(&self, text: &str) -> Result<Vec<Node>, String> {
        if text == "*" {
            return Ok(vec![Node::Slice(Slice { start: None, end: None, step: None, index: false })]);
        }
        let key = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
            .filter(|key| !key.contains('\''));
        if let Some(key) = key {
            return self.inner(&format!(".{key}"));
        }
        slice(text).map(|slice| vec![Node::Slice(slice)])
    }

    /// What `text` means between braces of its own.
    fn inner(&self, text: &str) -> Result<Vec<Node>, String> {
        if self.depth > DEEPEST {
            return Err("filters are nested too deeply".into());
        }
        let text = format!("{text}}}");
        Cursor { rest: &text, depth: self.depth + 1 }.action()
    }

    /// From after `[?(` to after `)]`.
    fn filter(&mut self) -> Result<Node, String> {
        let end = filter_end(self.rest)?;
        let text = self.take(end);
        self.skip(1);
        let Some(rest) = self.rest.strip_prefix(']') else { return Err("unclosed array expect ]".into()) };
        self.rest = rest;
        let operator = |char| matches!(char, '!' | '<' | '>' | '=');
        let at = text.find(operator).filter(|at| *at > 0);
        let parts = at.and_then(|at| {
            let (left, rest) = text.split_at_checked(at)?;
            let end = rest.find(|char| !operator(char))?;
            let (operator, right) = rest.split_at_checked(end)?;
            Some((left, operator, right))
        });
        Ok(match parts {
            None => Node::Filter { left: self.inner(text)?, operator: "exists".into(), right: Vec::new() },
            Some((left, operator, right)) => {
                Node::Filter { left: self.inner(left)?, operator: operator.into(), right: self.inner(right)? }
            }
        })
    }
}

/// Where the parenthesis that ends a filter is: the first one outside the one quoted text that it may hold.
fn filter_end(text: &str) -> Result<usize, String> {
    let (mut quote, mut closed, mut before) = (None, false, ' ');
    for (at, char) in text.char_indices() {
        match char {
            '\n' => break,
            '"' | '\'' if quote.is_none() => quote = Some(char),
            '"' | '\'' if before != '\\' && quote == Some(char) => closed = true,
            ')' if quote.is_some() == closed => return Ok(at),
            _ => {}
        }
        before = char;
    }
    Err("unterminated filter".into())
}

fn slice(text: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let wrong = || format!("invalid array index {text}");
    let number = |part: Option<&&str>| match part {
        None | Some(&"") => Ok(None),
        Some(part) => part.parse::<i64>().map(Some).map_err(|_| wrong()),
    };
    if parts.len() > 3 {
        return Err(wrong());
    }
    let (start, end, step) = (number(parts.first())?, number(parts.get(1))?, number(parts.get(2))?);
    let index = parts.len() == 1;
    let end = if index { Some(start.unwrap_or(0).saturating_add(1)) } else { end };
    Ok(Slice { start, end, step, index })
}

fn unescape(char: char) -> Result<char, String> {
    Ok(match char {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '\\' | '\'' | '"' => char,
        _ => return Err(format!("unquote string \\{char} error invalid syntax")),
    })
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

fn is_terminator(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn what_is_wrong_is_said() {
        for (template, expected) in [
            ("{.list[}", "unterminated array"),
            ("{.list[?(@.x", "unterminated filter"),
            ("{.a", "unclosed action"),
            ("{.list[a]}", "invalid array index a"),
            ("{^}", "unrecognized character in action: U+005E '^'"),
            ("{....}", "invalid multiple recursive descent"),
            ("{\"a}", "unterminated quoted string"),
            ("{.a[?(@.b=='c')}", "unclosed array expect ]"),
            ("{-x}", "cannot parse number -"),
        ] {
            assert_eq!(Template::parse(template).unwrap_err(), expected, "{template}");
        }
    }

    #[test]
    fn paths_may_leave_out_braces_and_dot() {
        let full = Template::parse("{.metadata.name}").unwrap();
        for short in ["metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}"] {
            assert_eq!(Template::parse_relaxed(short).unwrap().pieces, full.pieces, "{short}");
        }
        assert!(Template::parse_relaxed("{.a}{.b}").is_err());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{{}", "[?(".repeat(2000));
        assert!(Template::parse(&deep).is_err());
        assert!(Template::parse(&"{range .a}".repeat(500)).is_err());
    }
}
