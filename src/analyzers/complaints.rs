//! What a line of an application's log complains about, told from the error texts of common runtimes and servers
//! (Python, Go, Java, Node, shells, curl, nginx, PostgreSQL, MySQL, Redis). Knows no cluster.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::text::forms::belongs_to_the_last;

use super::{
    error_texts::{config, database, kubernetes, missing_variable, resources, session, trust},
    patterns::{first_group, pattern},
};

/// A line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// When the kubelet got it.
    pub(super) at: Option<Timestamp>,
    /// What the application wrote.
    pub(super) text: &'a str,
}

/// Where a connection was meant to go; what the line does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

/// The meaning of an error line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A setting that the process wants from its environment and does not find.
    MissingVariable(String),
    /// A file or directory that is not there.
    MissingFile(String),
    /// A write to a filesystem that is mounted read-only.
    ReadOnly(Option<String>),
    /// A file that the process may not use.
    PermissionDenied(String),
    /// A full disk.
    NoSpace,
    /// A port that is taken already.
    AddressInUse,
    /// A host name that DNS does not know.
    UnknownHost(Option<String>),
    /// Nothing listens there.
    Refused(Endpoint),
    /// No answer in time.
    TimedOut(Endpoint),
    /// A proxy that waited for its upstream in vain.
    UpstreamTimedOut(Endpoint),
    /// A password or user that a server does not accept.
    Authentication(Option<String>),
    /// A server certificate that is no longer valid.
    CertificateExpired,
    /// A server certificate that the client does not trust, or of another name.
    CertificateUntrusted,
    /// A request to the Kubernetes API that RBAC does not allow.
    Forbidden(Denial),
    /// A configuration that the process cannot read: the file, where the line names one.
    BadConfig(Option<String>),
    /// Memory that the runtime does not get.
    NoMemory,
    /// More files or connections open than the process may have.
    TooManyFiles,
    /// A database server that takes no more connections.
    DatabaseFull,
    /// A database that the server does not have.
    NoDatabase(String),
    /// A table that the database does not have.
    NoTable(String),
    /// TLS spoken to a port that does not speak it, or the other way round.
    WrongScheme(Endpoint),
    /// A key or token that another server does not take.
    Unauthorized(Endpoint),
    /// A session that this server does not know: another one began it.
    SessionLost,
    /// An API version that Kubernetes no longer serves.
    RemovedApi(&'static str),
}

/// Who may not do what, in the words of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) namespace: String,
    pub(super) account: String,
    pub(super) verb: String,
    pub(super) resource: String,
    pub(super) group: String,
    /// `None` at the cluster scope.
    pub(super) within: Option<String>,
}

/// The lines of a log, each without the time that the kubelet puts in front.
pub(super) fn lines(log: &str) -> impl DoubleEndedIterator<Item = Line<'_>> {
    log.lines().map(|line| {
        let stamped = line.split_once(' ').and_then(|(time, text)| {
            let at = time.ends_with('Z').then(|| time.parse::<Timestamp>().ok())??;
            Some(Line { at: Some(at), text })
        });
        stamped.unwrap_or(Line { at: None, text: line })
    })
}

/// What the line complains about, if it does.
pub(super) fn complaint(text: &str) -> Option<Complaint> {
    // A server that says why it turned a request or a client away is not itself in trouble.
    if is_about_a_client(text) || is_informational(text) || is_frame(text) {
        return None;
    }
    denial(text)
        .map(Complaint::Forbidden)
        .or_else(|| connection(text))
        .or_else(|| trust(text))
        .or_else(|| file(text))
        .or_else(|| database(text))
        .or_else(|| resources(text))
        .or_else(|| kubernetes(text))
        .or_else(|| session(text))
        .or_else(|| missing_variable(text).map(Complaint::MissingVariable))
        .or_else(|| config(text))
}

/// Whether the line is a frame of a stack trace: what went wrong stands above it.
fn is_frame(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("at ") && (text.contains('(') || text.contains(':')) || text.starts_with("File \"")
}

/// Whether the line says of itself that it only informs.
fn is_informational(text: &str) -> bool {
    static LEVEL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"^[^a-zA-Z]*(?:\S+ ){0,3}?\[?(?:INFO|DEBUG|TRACE|NOTICE)\b|\blevel=(?:info|debug|trace)\b|"level": ?"(?:info|debug|trace)"|\[(?:info|notice|debug)\]|: info: "#,
        )
    });
    LEVEL.is_match(text)
}

pub(super) fn is_about_a_client(text: &str) -> bool {
    static SERVER: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"\bopen\(\) ".*" failed .*client: |\[\d+\] (?:FATAL|DETAIL|ERROR|LOG): |\[Note\] |"(?:GET|POST|HEAD|PUT) [^"]*" \d{3}"#,
        )
    });
    SERVER.is_match(text)
}

fn denial(text: &str) -> Option<Denial> {
    static FORBIDDEN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"User \\?"system:serviceaccount:([^:"\\]+):([^"\\]+)\\?" cannot (\w+) resource \\?"([^"\\]+)\\?" in API group \\?"([^"\\]*)\\?"(?: in the namespace \\?"([^"\\]+))?"#,
        )
    });
    let groups = FORBIDDEN.captures(text)?;
    let group = |place: usize| groups.get(place).map(|group| group.as_str().to_owned());
    Some(Denial {
        namespace: group(1)?,
        account: group(2)?,
        verb: group(3)?,
        resource: group(4)?,
        group: group(5)?,
        within: group(6),
    })
}

fn connection(text: &str) -> Option<Complaint> {
    static AUTHENTICATION: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?i)password authentication failed for user \\?["']?([\w.-]+)|access denied for user '([^']+)'|login failed for user '([^']+)'|WRONGPASS|\bNOAUTH\b|invalid username-password pair"#,
        )
    });
    // Web applications say the like of their visitors: here the server has to be named too.
    static TURNED_AWAY: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)(?:mongo|redis|postgres|mysql|mariadb|amqp|rabbit|kafka|ldap|smtp|sasl|database|broker)[^\n]*(?:authentication failed|bad credentials|invalid credentials|authentication unsuccessful|ACCESS_REFUSED)|(?:authentication failed|bad credentials|ACCESS_REFUSED)[^\n]*(?:mongo|redis|postgres|mysql|mariadb|amqp|rabbit|kafka|ldap|smtp|sasl|database|broker)",
        )
    });
    static UPSTREAM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)upstream timed out"));
    static UNKNOWN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?i)could not resolve host:? ['"]?([\w.-]+\w)|lookup ([\w.-]+\w)\.?(?: on \S+)?: (?:no such host|server misbehaving)|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+\w)|UnknownHostException:? ([\w.-]+\w)|host not found in upstream "([^":/]+)|could not translate host name "([^"]+)"|bad address '([^']+)'|Failed to resolve '([^':]+)(?::\d+)?'|lookup ([\w.-]+\w): |(?:^|\s)([\w-]+(?:\.[\w-]+)+): no such host|can't resolve '([^']+)'"#,
        )
    });
    static UNKNOWN_SOMEWHERE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)name or service not known|temporary failure in name resolution|nodename nor servname|name does not resolve|no address associated with hostname|no such host",
        )
    });
    static REFUSED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)connection refused|ECONNREFUSED|couldn't connect to server|no route to host")
    });
    static LATE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\btimed out\b|\btime-?out\b|ETIMEDOUT|deadline exceeded|context deadline|ReadTimeout|ConnectTimeout",
        )
    });
    if let Some(groups) = AUTHENTICATION.captures(text) {
        let user = groups.iter().skip(1).flatten().next().map(|user| user.as_str().to_owned());
        return Some(Complaint::Authentication(user));
    }
    if TURNED_AWAY.is_match(text) {
        return Some(Complaint::Authentication(None));
    }
    static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)server gave HTTP response to HTTPS client|first record does not look like a TLS handshake|WRONG_VERSION_NUMBER|wrong version number|HTTP request (?:was sent )?to (?:an )?HTTPS (?:server|port)|unsupported or unrecognized SSL message",
        )
    });
    static REJECTED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:401|403)\b[^\n]{0,40}\b(?:unauthori[sz]ed|forbidden|invalid)|\b(?:unauthori[sz]ed|forbidden)\b[^\n]{0,40}\b(?:401|403)\b|invalid (?:api[ _-]?key|access[ _-]?token|bearer token|client secret)|(?:api[ _-]?key|access[ _-]?token|token) (?:is |was |has )?(?:invalid|expired|revoked|rejected)",
        )
    });
    if PLAIN.is_match(text) {
        return Some(Complaint::WrongScheme(endpoint(text)));
    }
    if REJECTED.is_match(text) && sounds_bad(text) && !text.contains("system:") {
        return Some(Complaint::Unauthorized(endpoint(text)));
    }
    if UPSTREAM.is_match(text) {
        return Some(Complaint::UpstreamTimedOut(endpoint(text)));
    }
    if let Some(host) = first_group(&UNKNOWN, text) {
        return Some(Complaint::UnknownHost(Some(host.to_owned())));
    }
    if UNKNOWN_SOMEWHERE.is_match(text) {
        return Some(Complaint::UnknownHost(endpoint(text).host));
    }
    if REFUSED.is_match(text) {
        return Some(Complaint::Refused(endpoint(text)));
    }
    let is_late = LATE.is_match(text) && sounds_bad(text);
    is_late.then(|| Complaint::TimedOut(endpoint(text)))
}

/// Whether the line is one of trouble and not, say, `timeout set to 5s`.
fn sounds_bad(text: &str) -> bool {
    static BAD: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:err(?:or)?|\w*Error|\w*Exception|fatal|critical|panic|fail(?:ed|ure|s)?|cannot|can't|could not|couldn't|unable|warn(?:ing)?|timed out|unreachable|refused|denied)\b",
        )
    });
    BAD.is_match(text)
}

/// The host and port that a line names. An nginx upstream is preferred: the rest of such a line is the client's.
fn endpoint(text: &str) -> Endpoint {
    static UPSTREAM: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"upstream: "(?:https?|fastcgi|grpc)://([^/:"]+)(?::(\d+))?"#));
    static AT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"connection to server at "([^"]+)"[^,]*, port (\d+)|connect to ([\w.-]+) port (\d+)|host='([^']+)', port=(\d+)"#,
        )
    });
    static URL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\b[a-z][a-z0-9+]*://(?:[^@/\s"']+@)?([A-Za-z0-9_.-]+)(?::(\d+))?"#));
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?:^|[^\w.:/-])([A-Za-z][\w-]*(?:\.[\w-]+)*|\d{1,3}(?:\.\d{1,3}){3}):(\d{2,5})\b")
    });
    for form in [&UPSTREAM, &AT, &URL, &PAIR] {
        if let Some(groups) = form.captures(text) {
            let mut found = groups.iter().skip(1).flatten().map(|group| group.as_str());
            let host = found.next().map(str::to_owned);
            let port = found.next().and_then(|port| port.parse().ok());
            return Endpoint { port: port.or_else(|| default_port(text)), host };
        }
    }
    Endpoint::default()
}

/// The port of a URL that names none.
fn default_port(text: &str) -> Option<u16> {
    let scheme = |scheme: &str| text.contains(scheme);
    if scheme("https://") { Some(443) } else { scheme("http://").then_some(80) }
}

fn file(text: &str) -> Option<Complaint> {
    static READ_ONLY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)read-only file ?system|\bEROFS\b"));
    static FULL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)no space left on device|\bENOSPC\b|disk quota exceeded"));
    static IN_USE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)address already in use|\bEADDRINUSE\b|port \d+ (?:is|was) already in use")
    });
    static ABSENT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)no such file|file not found|(?:file|directory|config(?:uration)?)\b[^:]{0,40} (?:not found|does not exist|is missing|doesn't exist)|FileNotFound|NoSuchFile|\bENOENT\b|cannot find the (?:file|path)",
        )
    });
    static BARRED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)permission denied|\bEACCES\b|AccessDeniedException"));
    if READ_ONLY.is_match(text) {
        return Some(Complaint::ReadOnly(path(text)));
    }
    if FULL.is_match(text) {
        return Some(Complaint::NoSpace);
    }
    if IN_USE.is_match(text) {
        return Some(Complaint::AddressInUse);
    }
    if ABSENT.is_match(text) {
        return path(text).map(Complaint::MissingFile);
    }
    if BARRED.is_match(text) { path(text).map(Complaint::PermissionDenied) } else { None }
}

/// The absolute path that a line names; a path within a URL is none.
pub(super) fn path(text: &str) -> Option<String> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"(?:^|[\s"'`(=:\[])((?:/[\w.@+-]+)+)/?(?:$|[\s"'`),;:\]])"#));
    first_group(&PATH, text).map(|path| path.trim_end_matches(['.', ':']).to_owned())
}

/// Lines that one complaint may take with what belongs to it.
const MOST_OF_BLOCK: usize = 12;

/// A line of `log` with the lines after it that go on with it: a stack trace stays whole.
pub(super) fn block(log: &str, line: &Line<'_>) -> String {
    let start = (line.text.as_ptr() as usize).checked_sub(log.as_ptr() as usize);
    let rest = start.and_then(|start| log.get(start..)).unwrap_or(line.text);
    let mut all = lines(rest).map(|line| line.text);
    let first = all.next().unwrap_or(line.text);
    let more = all.take_while(|text| belongs_to_the_last(text)).take(MOST_OF_BLOCK - 1);
    std::iter::once(first).chain(more).collect::<Vec<_>>().join("\n")
}

/// What a log complains about at its end: the complaint, the last line that says so, and how many do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble<'a> {
    pub(super) complaint: Complaint,
    pub(super) line: Line<'a>,
    pub(super) times: usize,
}

/// How many lines after a complaint are still its end and not a recovery.
const LINES_AFTER: usize = 12;
/// How long ago a complaint of a process that runs on may be.
const STILL_NEW: SignedDuration = SignedDuration::from_mins(15);

/// The complaints that still hold at the end of a log, the last one first. `over` is true for a process that has
/// ended: then what it said last is why, however long ago.
pub(super) fn troubles(log: &str, now: Timestamp, over: bool) -> Vec<Trouble<'_>> {
    let mut found: Vec<Trouble<'_>> = Vec::new();
    let mut since = 0;
    let mut recovered = false;
    for line in lines(log).rev() {
        let Some(complaint) = complaint(line.text) else {
            since += usize::from(!line.text.trim().is_empty());
            recovered |= is_recovery(line.text);
            continue;
        };
        if let Some(known) = found.iter_mut().find(|known| known.complaint == complaint) {
            known.times += 1;
            continue;
        }
        let old = line.at.is_some_and(|at| now.duration_since(at) > STILL_NEW) && !over && since > 0;
        // What another complaint has displaced is over.
        let displaced = found.iter().any(|newer| newer.times >= 3);
        if !recovered && !old && !displaced && (since <= LINES_AFTER || over && since <= 3 * LINES_AFTER) {
            found.push(Trouble { complaint, line, times: 1 });
            since = 0;
        }
    }
    found
}

fn is_recovery(text: &str) -> bool {
    static WELL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:re-?connected|connected to|connection (?:established|restored|ok)|recovered|succeeded|(?:db|relay|cache|ping) ok|PONG)\b",
        )
    });
    WELL.is_match(text) && !sounds_bad(text)
}

/// The last line that looks like trouble, else the last line at all: what one would quote.
pub(super) fn last_words(log: &str) -> Option<Line<'_>> {
    let spoken = || lines(log).rev().filter(|line| !line.text.trim().is_empty());
    spoken().find(|line| sounds_bad(line.text)).or_else(|| spoken().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: Some(host.into()), port: Some(port) }
    }

    #[test]
    fn complaints_of_common_software() {
        use Complaint::*;
        for (line, expected) in [
            ("KeyError: 'QUEUE_URL'", MissingVariable("QUEUE_URL".into())),
            (
                "config error: no output defined (SHIPPER_OUTPUT is empty)",
                MissingVariable("SHIPPER_OUTPUT".into()),
            ),
            ("sh: DB_URL: unbound variable", MissingVariable("DB_URL".into())),
            ("panic: environment variable API_TOKEN not set", MissingVariable("API_TOKEN".into())),
            ("[Errno 2] No such file or directory: '/etc/a/b.yaml'", MissingFile("/etc/a/b.yaml".into())),
            ("open /etc/a/b.toml: no such file or directory", MissingFile("/etc/a/b.toml".into())),
            ("FATAL: settings file not found: /etc/w/s.cfg", MissingFile("/etc/w/s.cfg".into())),
            (
                "Error: ENOENT: no such file or directory, open '/app/x.json'",
                MissingFile("/app/x.json".into()),
            ),
            (
                "OSError: [Errno 30] Read-only file system: '/var/cache/x'",
                ReadOnly(Some("/var/cache/x".into())),
            ),
            (
                "mkdir: can't create directory '/data/x': Permission denied",
                PermissionDenied("/data/x".into()),
            ),
            ("write /data/x: no space left on device", NoSpace),
            ("Error: listen EADDRINUSE: address already in use :::3000", AddressInUse),
            ("curl: (6) Could not resolve host: stock.web.svc", UnknownHost(Some("stock.web.svc".into()))),
            ("dial tcp: lookup db on 10.96.0.10:53: no such host", UnknownHost(Some("db".into()))),
            ("Error: getaddrinfo ENOTFOUND mongo-0.mongo", UnknownHost(Some("mongo-0.mongo".into()))),
            ("java.net.UnknownHostException: kafka", UnknownHost(Some("kafka".into()))),
            (
                "cannot reach cache:6379: [Errno -2] Name or service not known",
                UnknownHost(Some("cache".into())),
            ),
            ("dial tcp 10.1.2.3:5432: connect: connection refused", Refused(at("10.1.2.3", 5432))),
            ("api at http://localhost:9000 unreachable: Connection refused", Refused(at("localhost", 9000))),
            (
                "curl: (7) Failed to connect to cart port 80 after 2 ms: Couldn't connect to server",
                Refused(at("cart", 80)),
            ),
            ("ERROR db connection to db:5433 failed: timed out", TimedOut(at("db", 5433))),
            ("FATAL:  password authentication failed for user \"app\"", Authentication(Some("app".into()))),
            ("WRONGPASS invalid username-password pair or user is disabled.", Authentication(None)),
            ("curl: (60) SSL certificate problem: certificate has expired", CertificateExpired),
            ("x509: certificate signed by unknown authority", CertificateUntrusted),
        ] {
            assert_eq!(complaint(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn nginx_names_its_upstream() {
        let line = r#"*9 connect() failed (111: Connection refused) while connecting to upstream, client: 10.2.0.1, server: , request: "GET / HTTP/1.1", upstream: "http://10.96.1.1:80/", host: "web""#;
        assert_eq!(complaint(line), Some(Complaint::Refused(at("10.96.1.1", 80))));
        let line = r#"upstream timed out (110: Connection timed out) while reading, upstream: "http://10.96.1.1:80/x", host: "web""#;
        assert_eq!(complaint(line), Some(Complaint::UpstreamTimedOut(at("10.96.1.1", 80))));
    }

    #[test]
    fn a_denial_says_who_may_not_do_what() {
        let line = r#"HTTP 403 configmaps is forbidden: User "system:serviceaccount:a:b" cannot list resource "configmaps" in API group "" in the namespace "a""#;
        let Some(Complaint::Forbidden(denial)) = complaint(line) else { panic!("no denial") };
        assert_eq!((denial.account.as_str(), denial.verb.as_str()), ("b", "list"));
        assert_eq!(denial.within.as_deref(), Some("a"));
    }

    #[test]
    fn lines_that_complain_of_nothing() {
        for line in [
            "INFO timeout set to 5s",
            r#"open() "/usr/share/nginx/html/x" failed (2: No such file or directory), client: 10.0.0.1, server: localhost"#,
            r#"2026-11-23 02:51:20.348 UTC [104] FATAL:  password authentication failed for user "app""#,
            "INFO listening on 0.0.0.0:8080",
            "INFO required fields checked",
            "WARN CACHE_SIZE not set, using default 64",
            "10-listen.sh: info: can not modify /etc/nginx/conf.d/default.conf (read-only file system?)",
            "2026-01-02 INFO first try: db:5432 connection refused, will retry",
            "authentication failed for visitor bob",
            r#"10.0.0.1 - - "GET /a HTTP/1.1" 504 1"#,
        ] {
            assert_eq!(complaint(line), None, "{line}");
        }
    }

    #[test]
    fn only_what_holds_at_the_end_counts() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let log = "2026-01-02T03:03:00Z ERROR db:5432 connection refused\n2026-01-02T03:03:01Z INFO connected to db\n";
        assert_eq!(troubles(log, now, false), []);
        let log = "2026-01-02T03:03:00Z ERROR db:5432 connection refused\n2026-01-02T03:03:05Z ERROR db:5432 connection refused\n";
        assert_eq!(troubles(log, now, false).first().map(|trouble| trouble.times), Some(2));
        let quiet = format!(
            "2026-01-02T03:03:00Z ERROR db:5432 connection refused\n{}",
            "2026-01-02T03:03:05Z INFO served\n".repeat(30)
        );
        assert_eq!(troubles(&quiet, now, false), []);
    }
}
