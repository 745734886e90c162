//! About how many tokens a language model reads in a text. Every model has a tokenizer of its own; this counts what they
//! have in common, and rather too much than too little.

/// About how many tokens `text` has.
pub fn estimate(text: &str) -> usize {
    let mut tokens = 0;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let same = kind(byte);
        let mut run: usize = 1;
        while bytes.next_if(|next| kind(*next) == same && same != Kind::Other).is_some() {
            run += 1;
        }
        tokens += match same {
            // A word is one token, or two; one of many letters is more often a hash than a word.
            Kind::Letter => 1 + (run - 1) / 7,
            Kind::Digit => run.div_ceil(3),
            // One space belongs to the word after it.
            Kind::Space => usize::from(run > 1),
            Kind::Break => 1,
            Kind::Mark => run.div_ceil(2),
            Kind::Other => 1,
        };
    }
    // A letter outside of ASCII has two bytes or more, and is about one token.
    tokens
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Space,
    Break,
    Mark,
    Other,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
        b'0'..=b'9' => Kind::Digit,
        b' ' | b'\t' => Kind::Space,
        b'\n' | b'\r' => Kind::Break,
        0..=127 => Kind::Mark,
        _ => Kind::Other,
    }
}
