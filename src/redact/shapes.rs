//! Secrets that are known by their looks wherever they stand: tokens of known providers, JSON Web Tokens.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{masking::Secret, values::is_random};

/// Tokens that begin in a way of their own, by what they are. Case matters, and so does that no letter stands before.
const SHAPES: [(&str, &str); 47] = [
    ("jwt", r"eyJ[0-9A-Za-z_-]{5,}(?:\.[0-9A-Za-z_-]+){1,4}"),
    ("aws-key", r"(?:AKIA|ASIA)[0-9A-Z]{16}"),
    ("google-key", r"AIza[0-9A-Za-z_-]{35}"),
    ("google-token", r"ya29\.[0-9A-Za-z_-]{20,}"),
    ("google-token", r"1//0[0-9A-Za-z_-]{30,}"),
    ("google-secret", r"GOCSPX-[0-9A-Za-z_-]{20,}"),
    ("github-token", r"gh[pousr]_[0-9A-Za-z]{20,}"),
    ("github-token", r"github_pat_[0-9A-Za-z_]{20,}"),
    ("gitlab-token", r"gl(?:pat|ptt|dt|rt|rtr|cbt|soat|ft|agent|oas|imt|ffct)-[0-9A-Za-z_.-]{16,}"),
    ("slack-token", r"xox[abceoprs]-[0-9A-Za-z-]{10,}"),
    ("slack-token", r"xox[abceoprs]\.xox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("slack-token", r"xapp-[0-9A-Za-z-]{10,}"),
    ("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/]{20,}"),
    ("discord-webhook", r"/api/webhooks/[0-9]{15,}/[0-9A-Za-z_-]{20,}"),
    ("stripe-key", r"[sr]k_(?:live|test)_[0-9A-Za-z]{10,}"),
    ("stripe-webhook", r"whsec_[0-9A-Za-z+/=]{20,}"),
    ("anthropic-key", r"sk-ant-[0-9A-Za-z_-]{10,}"),
    // OpenAI, OpenRouter and their likes.
    ("openai-key", r"sk-(?:proj|svcacct|admin|or|live|test)-[0-9A-Za-z_-]{10,}"),
    ("openai-key", r"sk-[0-9A-Za-z]{20,}"),
    ("groq-key", r"gsk_[0-9A-Za-z]{30,}"),
    ("xai-key", r"xai-[0-9A-Za-z]{40,}"),
    ("perplexity-key", r"pplx-[0-9A-Za-z]{30,}"),
    ("replicate-token", r"r8_[0-9A-Za-z]{30,}"),
    ("npm-token", r"npm_[0-9A-Za-z]{30,}"),
    ("pypi-token", r"pypi-[0-9A-Za-z_-]{16,}"),
    ("rubygems-key", r"rubygems_[0-9a-f]{40,}"),
    ("nuget-key", r"oy2[0-9a-z]{43}"),
    ("artifactory-token", r"AKCp[0-9A-Za-z]{60,}"),
    ("sendgrid-key", r"SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}"),
    ("vault-token", r"hv[sbr]\.[0-9A-Za-z_-]{20,}"),
    ("docker-token", r"dckr_(?:pat|oat)_[0-9A-Za-z_-]{20,}"),
    ("swarm-token", r"SWMTKN-1-[0-9a-z]{40,}-[0-9a-z]{20,}"),
    ("digitalocean-token", r"do[opr]_v1_[0-9a-f]{40,}"),
    ("huggingface-token", r"hf_[A-Za-z]{30,}"),
    ("grafana-token", r"gl(?:sa|c)_[0-9A-Za-z_=+/]{20,}"),
    ("shopify-token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("databricks-token", r"dapi[0-9a-f]{32}"),
    ("planetscale-token", r"pscale_(?:tkn|pw|oauth)_[0-9A-Za-z_.-]{30,}"),
    ("newrelic-key", r"NRAK-[0-9A-Z]{27}"),
    ("postman-key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("tailscale-key", r"tskey-[a-z]+-[0-9A-Za-z-]{16,}"),
    ("linear-key", r"lin_(?:api|oauth)_[0-9A-Za-z]{30,}"),
    ("atlassian-token", r"AT(?:ATT|CTT)3[0-9A-Za-z_=-]{50,}"),
    ("square-token", r"sq0(?:atp|csp)-[0-9A-Za-z_-]{20,}"),
    ("supabase-token", r"sbp_[0-9a-f]{40}"),
    ("age-key", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    (
        "password-hash",
        r"\$(?:2[abxy]\$[0-9]{2}\$[0-9A-Za-z./]{53}|(?:apr1|1|5|6|y)\$[0-9A-Za-z./=,$]{20,}|argon2id?\$[0-9A-Za-z+/=,$]{40,})",
    ),
];

static PREFIXED: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let shape =
        |(kind, shape): &(&'static str, &str)| Some((*kind, Regex::new(&format!(r"\A(?:{shape})")).ok()?));
    SHAPES.iter().filter_map(shape).collect()
});

/// How they begin. In parts, because so many short literals at a time can be searched with vector instructions.
static BEGINNINGS: LazyLock<[Option<Regex>; 2]> = LazyLock::new(|| {
    [
        r"eyJ|AKIA|ASIA|AIza|ya29\.|GOCSPX-|ghp_|gho_|ghu_|ghs_|ghr_|github_pat_|glpat-|glptt-|gldt-|glrt|glcbt-|glsoat-|glft-|glagent-|gloas-|glimt-|glffct-|xox|xapp-|1//0|gsk_|xai-|pplx-|r8_|rubygems_|oy2|AKCp",
        r"hooks\.slack\.com/|/api/webhooks/|sk_live|sk_test|rk_live|rk_test|whsec_|sk-|npm_|pypi-|SG\.|hvs\.|hvb\.|hvr\.|dckr_|dop_v1_|doo_v1_|dor_v1_|hf_|glsa_|glc_|shpat_|shpca_|shppa_|shpss_|AGE-SECRET|SWMTKN|dapi|pscale_|NRAK-|PMAK-|tskey-|lin_api_|lin_oauth_|ATATT3|ATCTT3|sq0|sbp_|\$2a|\$2b|\$2y|\$apr1|\$5\$|\$6\$|\$y\$|\$argon2",
    ]
    .map(|beginnings| Regex::new(beginnings).ok())
});

/// Tokens that have a build of their own but no beginning: Discord's and Telegram's bots.
static BUILT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\A(?:[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,}|[0-9]{8,10}:AA[0-9A-Za-z_-]{33})").ok()
});

/// What an AWS key id is followed by, sooner or later on its line.
static AWS_SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9A-Za-z/+]{40,}").ok());

/// Every token of a known shape.
pub(super) fn find(text: &str, found: &mut Vec<Secret>) {
    for beginning in BEGINNINGS.iter().flatten().flat_map(|beginnings| beginnings.find_iter(text)) {
        let rest = text.get(beginning.start()..).filter(|_| stands_alone(text, beginning.start()));
        let token = rest.and_then(|rest| {
            PREFIXED.iter().find_map(|(kind, shape)| Some((*kind, shape.find(rest)?.as_str())))
        });
        let Some((kind, token)) = token else { continue };
        let mut range = beginning.start()..beginning.start() + token.len();
        match kind {
            "aws-key" => {
                let secret = aws_secret(text, range.end);
                found.extend(secret.map(|secret| Secret::of("aws-secret", secret)));
            }
            // A link stays readable up to the part that is the key.
            "slack-webhook" | "discord-webhook" => {
                range.start += token.rfind('/').map_or(0, |slash| slash + 1);
            }
            _ => {}
        }
        found.push(Secret::of(kind, range));
    }
}

/// The token of a known build that begins with a long word, or ends with it.
pub(super) fn built(text: &str, word: &Range<usize>) -> Option<Secret> {
    let before = text.as_bytes().get(..word.start)?.strip_suffix(b":").unwrap_or_default();
    let digits = before.iter().rev().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let (kind, start) = match text.as_bytes().get(word.start)? {
        b'A' if digits > 0 => ("telegram-token", word.start - 1 - digits),
        b'M' | b'N' | b'O' => ("discord-token", word.start),
        _ => return None,
    };
    let token = BUILT.as_ref()?.find(text.get(start..)?).filter(|_| stands_alone(text, start))?;
    Some(Secret::of(kind, start..start + token.len()))
}

fn stands_alone(text: &str, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    text.as_bytes().get(at) == Some(&b'/')
        || !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
        || escaped(text, at)
}

/// Whether the letter before `at` is that of an escaped line end or tab.
pub(super) fn escaped(text: &str, at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|from| text.as_bytes().get(from..at));
    matches!(before, Some([b'\\', b'n' | b'r' | b't']))
}

fn aws_secret(text: &str, from: usize) -> Option<Range<usize>> {
    let line = text.get(from..super::values::line_end(text.as_bytes(), from, 512))?;
    let mut words = AWS_SECRET.as_ref()?.find_iter(line);
    let word = words.find(|word| word.len() == 40 && is_random(word.as_str()))?;
    Some(from + word.start()..from + word.end())
}
