//! Error texts of applications, databases, runtimes, parsers and clients of the Kubernetes API, and what they complain about. Asked by
//! `complaints`; knows no cluster.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    api_versions,
    complaints::{Complaint, path},
    patterns::{first_group, pattern},
};

/// PostgreSQL, MySQL, SQLite, MongoDB and Redis say these.
pub(super) fn database(text: &str) -> Option<Complaint> {
    static FULL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)too many connections|too many clients already|remaining connection slots are reserved|max number of clients reached",
        )
    });
    static NO_DATABASE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"(?i)database \\?"([\w.-]+)\\?" does not exist|unknown database '([^']+)'"#)
    });
    static NO_TABLE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?i)relation \\?"([\w.]+)\\?" does not exist|table '([^']+)' doesn't exist|no such table: ([\w.]+)"#,
        )
    });
    if FULL.is_match(text) {
        return Some(Complaint::DatabaseFull);
    }
    first_group(&NO_DATABASE, text)
        .map(|name| Complaint::NoDatabase(name.to_owned()))
        .or_else(|| first_group(&NO_TABLE, text).map(|name| Complaint::NoTable(name.to_owned())))
}

pub(super) fn resources(text: &str) -> Option<Complaint> {
    static MEMORY: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"java\.lang\.OutOfMemoryError|heap out of memory|\bMemoryError\b|(?i:cannot allocate memory|runtime: out of memory)|std::bad_alloc|\bENOMEM\b",
        )
    });
    static FILES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)too many open files|\bEMFILE\b"));
    if MEMORY.is_match(text) {
        return Some(Complaint::NoMemory);
    }
    FILES.is_match(text).then_some(Complaint::TooManyFiles)
}

/// `no matches for kind "Ingress" in version "extensions/v1beta1"`, from every client of the API.
pub(super) fn kubernetes(text: &str) -> Option<Complaint> {
    let gone = text.contains("no matches for kind") || text.contains("could not find the requested resource");
    let version = gone.then(|| api_versions::named_in(text)).flatten()?;
    Some(Complaint::RemovedApi(version.0))
}

/// What servers with sessions in their memory say of one that another replica began.
pub(super) fn session(text: &str) -> Option<Complaint> {
    static LOST: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\bsession (?:id |key )?(?:\S{1,60} )?(?:not found|unknown|does not exist|is unknown)|\b(?:unknown|no such|missing) session\b",
        )
    });
    LOST.is_match(text).then_some(Complaint::SessionLost)
}

/// What parsers of YAML, JSON, TOML and INI say, in Go, Python, Node, Java and Rust, and nginx of its own.
pub(super) fn config(text: &str) -> Option<Complaint> {
    static PARSER: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"yaml: (?:line \d+|unmarshal errors|control characters|did not find)|yaml\.(?:scanner|parser)\.\w+Error|mapping values are not allowed|cannot start any token|could not find expected ':'|invalid character '.{1,3}' (?:looking for|after|in )|JSONDecodeError|in JSON at position|Unexpected (?:token|end of JSON)|toml: |TOMLDecodeError|TOML parse error|expected .{1,40} at line \d+ column \d+|configparser\.\w+|MissingSectionHeaderError|\[emerg\].* in /\S+:\d+|org\.yaml\.snakeyaml|MalformedJsonException|unknown directive"#,
        )
    });
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:config(?:uration)?|settings?|properties|conf)\b.{0,80}\b(?:invalid|malformed|parse error|syntax error|cannot parse|cannot be parsed|unmarshal|unparsable|not valid|unknown (?:key|field|option|setting)|unexpected)\b|\b(?:failed to|cannot|could not|unable to|error) (?:pars(?:e|ing)|decod(?:e|ing)|unmarshal(?:ing)?|deserializ(?:e|ing))\b.{0,60}\b(?:config(?:uration)?|settings?|yaml|json|toml|ini)\b",
        )
    });
    (PARSER.is_match(text) || SAID.is_match(text)).then(|| Complaint::BadConfig(config_path(text)))
}

/// The file that a line names, without the line number that may follow it.
fn config_path(text: &str) -> Option<String> {
    static FILE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"((?:/[\w.@+-]+)*/?[\w.@+-]+\.(?:ya?ml|json|toml|ini|conf|cfg|cnf|properties|xml|env))\b"#)
    });
    let named = FILE.captures_iter(text).filter_map(|groups| groups.get(1)).find(|file| {
        // `org.yaml.snakeyaml` is a package and no file.
        !text.get(file.end()..).is_some_and(|rest| rest.starts_with('.'))
    });
    path(text).or_else(|| named.map(|file| file.as_str().to_owned()))
}

/// The name of an environment variable that a line says is not set.
pub(super) fn missing_variable(text: &str) -> Option<String> {
    static KEY_ERROR: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"KeyError: ['"]([A-Z][A-Z0-9_]{2,})['"]"#));
    static UNBOUND: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"\b([A-Z][A-Z0-9_]{2,}): (?:unbound variable|parameter (?:null or )?not set)")
    });
    static ABSENT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:not set|unset|(?:is|was) empty|(?:is|are) missing|missing|must be set|must be provided|(?:is|are) required|required|undefined|not defined|not provided|not configured|not found in env\w*|cannot be empty)\b",
        )
    });
    static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b"));
    static SPARED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)\bdefault|\bfall(?:ing)? ?back|\boptional|\bignor|\bskipp|\bdisabl"));
    let certain = first_group(&KEY_ERROR, text).or_else(|| first_group(&UNBOUND, text));
    let wanted = || ABSENT.is_match(text) && !SPARED.is_match(text);
    let told = || wanted().then(|| first_group(&NAME, text)).flatten();
    certain.or_else(told).map(str::to_owned)
}

/// What clients say of a server's certificate.
pub(super) fn trust(text: &str) -> Option<Complaint> {
    static EXPIRED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)certificate (?:has |is )?expired|CERT_HAS_EXPIRED|certificate has expired or is not yet valid",
        )
    });
    static UNTRUSTED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)certificate signed by unknown authority|self[- ]signed certificate|unable to get local issuer certificate|PKIX path building failed|certificate is valid for|hostname mismatch|no alternative certificate subject name|UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        )
    });
    if EXPIRED.is_match(text) {
        return Some(Complaint::CertificateExpired);
    }
    UNTRUSTED.is_match(text).then_some(Complaint::CertificateUntrusted)
}
