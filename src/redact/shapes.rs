//! Secrets that are known by their looks wherever they stand: tokens of known providers, JSON Web Tokens.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::values::is_random;

/// Tokens that begin in a way of their own. Case matters, and so does that no letter stands before.
static PREFIXED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let shapes = [
        r"eyJ[0-9A-Za-z_-]{5,}(?:\.[0-9A-Za-z_-]+){1,4}", // JSON Web Token
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",                     // AWS
        r"AIza[0-9A-Za-z_-]{35}",                         // Google
        r"ya29\.[0-9A-Za-z_-]{20,}",                      // Google
        r"GOCSPX-[0-9A-Za-z_-]{20,}",                     // Google
        r"gh[pousr]_[0-9A-Za-z]{20,}",                    // GitHub
        r"github_pat_[0-9A-Za-z_]{20,}",                  // GitHub
        r"gl(?:pat|ptt|dt|rt|cbt|soat|ft|agent)-[0-9A-Za-z_.-]{16,}", // GitLab
        r"xox[abeoprs]-[0-9A-Za-z-]{10,}",                // Slack
        r"xapp-[0-9A-Za-z-]{10,}",                        // Slack
        r"hooks\.slack\.com/services/[0-9A-Za-z/]{20,}",  // Slack
        r"/api/webhooks/[0-9]{15,}/[0-9A-Za-z_-]{20,}",   // Discord
        r"[sr]k_(?:live|test)_[0-9A-Za-z]{10,}",          // Stripe
        r"whsec_[0-9A-Za-z+/=]{20,}",                     // Stripe
        r"sk-(?:ant|proj|svcacct|or|live|test)-[0-9A-Za-z_-]{10,}", // Anthropic, OpenAI, OpenRouter
        r"sk-[0-9A-Za-z]{20,}",                           // OpenAI and its likes
        r"npm_[0-9A-Za-z]{30,}",                          // npm
        r"pypi-[0-9A-Za-z_-]{16,}",                       // PyPI
        r"SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",    // SendGrid
        r"hv[sbr]\.[0-9A-Za-z_-]{20,}",                   // Vault
        r"dckr_(?:pat|oat)_[0-9A-Za-z_-]{20,}",           // Docker
        r"do[opr]_v1_[0-9a-f]{40,}",                      // DigitalOcean
        r"hf_[A-Za-z]{30,}",                              // Hugging Face
        r"gl(?:sa|c)_[0-9A-Za-z_=+/]{20,}",               // Grafana
        r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",            // Shopify
        r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",                 // age
    ];
    Regex::new(&format!(r"\A(?:{})", shapes.join("|"))).ok()
});

/// How they begin. In two, because so many short literals at a time can be searched with vector instructions.
static BEGINNINGS: LazyLock<[Option<Regex>; 2]> = LazyLock::new(|| {
    [
        r"eyJ|AKIA|ASIA|AIza|ya29\.|GOCSPX-|ghp_|gho_|ghu_|ghs_|ghr_|github_pat_|glpat-|glptt-|gldt-|glrt-|glcbt-|glsoat-|glft-|glagent-|xox|xapp-",
        r"hooks\.slack\.com/|/api/webhooks/|sk_live|sk_test|rk_live|rk_test|whsec_|sk-|npm_|pypi-|SG\.|hvs\.|hvb\.|hvr\.|dckr_|dop_v1_|doo_v1_|dor_v1_|hf_|glsa_|glc_|shpat_|shpca_|shppa_|shpss_|AGE-SECRET",
    ]
    .map(|beginnings| Regex::new(beginnings).ok())
});

/// Tokens that have a build of their own but no beginning: Discord's and Telegram's bots.
static BUILT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,}|[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",
    )
    .ok()
});

/// The shortest of [`BUILT`].
const SHORTEST_BUILT: usize = 44;

/// What an AWS key id is followed by, sooner or later on its line.
static AWS_SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9A-Za-z/+]{40,}").ok());

/// Every token of a known shape.
pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    for beginning in BEGINNINGS.iter().flatten().flat_map(|beginnings| beginnings.find_iter(text)) {
        let rest = text.get(beginning.start()..).filter(|_| stands_alone(text, beginning.start()));
        let Some(token) = rest.and_then(|rest| PREFIXED.as_ref()?.find(rest)) else { continue };
        let mut range = beginning.start()..beginning.start() + token.len();
        match token.as_str().as_bytes() {
            [b'A', b'K' | b'S', b'I', b'A', ..] => found.extend(aws_secret(text, range.end)),
            // A link stays readable up to the part that is the key.
            [b'h', b'o', ..] | [b'/', ..] => {
                range.start += token.as_str().rfind('/').map_or(0, |slash| slash + 1);
            }
            _ => {}
        }
        found.push(range);
    }
    long_words(text, |start, word| {
        let tokens = BUILT.iter().flat_map(|built| built.find_iter(word));
        for token in tokens.filter(|token| stands_alone(text, start + token.start())) {
            found.push(start + token.start()..start + token.end());
        }
    });
}

fn stands_alone(text: &str, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    text.as_bytes().get(at) == Some(&b'/')
        || !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
        || escaped(text, at)
}

/// Whether the letter before `at` is that of an escaped line end or tab.
fn escaped(text: &str, at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|from| text.as_bytes().get(from..at));
    matches!(before, Some([b'\\', b'n' | b'r' | b't']))
}

fn aws_secret(text: &str, from: usize) -> Option<Range<usize>> {
    let line = text.get(from..super::values::line_end(text.as_bytes(), from, 512))?;
    let mut words = AWS_SECRET.as_ref()?.find_iter(line);
    let word = words.find(|word| word.len() == 40 && is_random(word.as_str()))?;
    Some(from + word.start()..from + word.end())
}

/// Shows `look` every run of letters that is long enough for a built token. Looks at every 44th byte first: where that
/// is none of the letters, no long word can lie across it.
fn long_words(text: &str, mut look: impl FnMut(usize, &str)) {
    let bytes = text.as_bytes();
    let letter =
        |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte));
    let mut from = 0;
    while from + SHORTEST_BUILT <= bytes.len() {
        let last = from + SHORTEST_BUILT - 1;
        let Some(gap) = (from..=last).rev().find(|at| !letter(*at)) else {
            let end = (last..bytes.len()).find(|at| !letter(*at)).unwrap_or(bytes.len());
            if let Some(word) = text.get(from..end) {
                look(from, word);
            }
            from = end;
            continue;
        };
        from = gap + 1;
    }
}
