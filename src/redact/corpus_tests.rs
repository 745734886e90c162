//! Secrets of every kind in every place, all of which are masked, and what only looks like them, which stays.

use super::*;

/// Letters that look random and are the same in every run.
struct Letters(u64);

impl Letters {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }

    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.next() % letters.len()]).collect()
    }

    fn hex(&mut self, length: usize) -> String {
        self.of("0123456789abcdef", length)
    }

    fn word(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    fn digits(&mut self, length: usize) -> String {
        self.of("0123456789", length)
    }

    fn uuid(&mut self) -> String {
        format!("{}-{}-4{}-a{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().chain([0, 0].iter()).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for n in 0..=three.len() {
            out.push(char::from(LETTERS[bits >> (18 - 6 * n) & 63]));
        }
    }
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// Where a password stands that is known by its place alone. `@` is the password.
const PLACES: &[&str] = &[
    "DB_PASSWORD=@",
    "export PGPASSWORD='@'",
    "env: POSTGRES_PASSWORD=@ started",
    "- name: MYSQL_ROOT_PASSWORD\n  value: @\n- name: A\n  value: b",
    "- name: REDIS_PASS\n  value: \"@\"\n",
    "{\"name\":\"API_TOKEN\",\"value\":\"@\"}",
    "{\"password\": \"@\", \"user\": \"bob\"}",
    r#"{\"client_secret\":\"@\"}"#,
    "kubectl.kubernetes.io/last-applied-configuration: |\n  {\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"@\"}]}\n",
    "spring.datasource.password=@\nspring.datasource.url=jdbc:postgresql://db/x",
    "  password: @\n  user: bob\n",
    "args:\n- --password=@\n- --user=bob",
    "args:\n- --password\n- @\n- --user\n- bob",
    "args: [\"--api-key\", \"@\", \"--verbose\"]",
    "    Args:\n      --auth-token\n      @\n    State: Running",
    "mysqldump --password @ --all-databases",
    "exec [redis-cli -a @ ping] delay=5s",
    "command:\n- redis-cli\n- -a\n- \"@\"\n- ping",
    "command: [\"mysqladmin\", \"-uroot\", \"-p@\", \"ping\"]",
    "curl -u admin:@ https://registry.example.com/v2/",
    "sshpass -p @ ssh ops@host",
    "docker login -u bot -p @ registry.example.com",
    "requirepass @\nmaxmemory 100mb",
    "machine git.example.com login bot password @",
    "ALTER USER app WITH PASSWORD '@';",
    "GRANT ALL TO app IDENTIFIED BY '@';",
    "postgres://app:@@db:5432/orders?sslmode=disable",
    "mongodb+srv://app:@@cluster0.example.net/?w=majority",
    "amqp://app:@@mq:5672/vhost",
    "redis://:@@cache:6379/0",
    "postgresql+psycopg2://app:@@db/orders",
    "sqlserver://sa:@@mssql:1433?database=x",
    "jdbc:sqlserver://mssql:1433;user=sa;password=@;encrypt=true",
    "jdbc:mysql://db/x?user=app&password=@&useSSL=false",
    "jdbc:oracle:thin:scott/@@//db:1521/orcl",
    "app:@@tcp(db:3306)/orders?parseTime=true",
    "Server=db;Database=x;User Id=sa;Password=@;TrustServerCertificate=True",
    "Data Source=db;Initial Catalog=x;UID=sa;PWD=@;",
    "https://bot:@@git.example.com/team/repo.git",
    "host=db port=5432 user=app password=@ dbname=x",
    "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    password: @\n    username: admin\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: @\n",
    "{\"users\":[{\"name\":\"a\",\"user\":{\"client-key-data\":\"@\"}}]}",
    "kind: Secret\nstringData:\n  anything: @\n",
    "Authorization: Bearer @",
    "Proxy-Authorization: Bearer @",
    "> X-Api-Key: @\n> Accept: */*",
    "\"X-Vault-Token\": [\"@\"]",
    "Cookie: theme=dark; session=@",
    "Set-Cookie: sid=@; Path=/; HttpOnly",
    "GET /callback?code=1&access_token=@&state=x HTTP/1.1",
    "login failed for bob with password=@: denied",
    "my password is @, does that matter?",
    "smtp_pass: '@'",
    "//registry.npmjs.org/:_authToken=@",
    "--set auth.password=@ --set replicas=2",
    "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=@",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=@;EndpointSuffix=core.windows.net",
];

/// Passwords of several kinds: a person's, a phrase without blanks, a machine's, letters and digits alone.
const PASSWORDS: [&str; 4] =
    ["Winter2026canary", "hunter2-CANARY_x", "c4n4ry.Zq8/Lw+2pT9=", "0canary1dead2beef3cafe4"];

/// Tokens that are known by their looks, wherever they stand.
fn tokens(letters: &mut Letters) -> Vec<String> {
    let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let lower = "abcdefghijklmnopqrstuvwxyz0123456789";
    let jwt = |letters: &mut Letters| {
        let claims = base64(format!("{{\"sub\":\"{}\"}}", letters.word(12)).as_bytes());
        format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", claims.trim_end_matches('='), letters.word(43))
    };
    vec![
        format!("AKIA{}", letters.of(upper, 16)),
        format!("AIza{}", letters.word(35)),
        format!("GOCSPX-{}", letters.word(28)),
        format!("ghp_{}", letters.word(36)),
        format!("github_pat_{}", letters.word(40)),
        format!("glpat-{}", letters.word(20)),
        format!("xoxb-{}-{}", letters.digits(12), letters.word(24)),
        format!("{}{}", concat!("sk_", "live_"), letters.word(24)),
        format!("sk-proj-{}", letters.word(48)),
        format!("sk-ant-api03-{}", letters.word(60)),
        format!("npm_{}", letters.word(36)),
        format!("pypi-AgEI{}", letters.word(60)),
        format!("hvs.{}", letters.word(40)),
        format!("dop_v1_{}", letters.hex(64)),
        format!("SG.{}.{}", letters.word(22), letters.word(43)),
        format!("dapi{}", letters.hex(32)),
        format!("{}:AA{}", letters.digits(9), letters.word(33)),
        format!("M{}.{}.{}", letters.word(25), letters.word(6), letters.word(30)),
        format!("AGE-SECRET-KEY-1{}", letters.of(upper, 58)),
        format!("SWMTKN-1-{}-{}", letters.of(lower, 50), letters.of(lower, 25)),
        format!("$2b$12${}", letters.word(53)),
        jwt(letters),
        // Of no provider: letters and digits as chance has them.
        letters.word(40),
        letters.word(32),
        base64(letters.word(30).as_bytes()).replace('=', "") + &letters.word(12),
        base64(b"{\"auths\":{\"r.io\":{\"username\":\"bot\",\"password\":\"canary-password\"}}}"),
        base64(b"apiVersion: v1\nkind: Config\nusers:\n- user:\n    token: canary-token-1\n"),
        base64(b"-----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----\n"),
    ]
}

const ANYWHERE: [&str; 8] = [
    "@",
    "2026-01-01T00:00:00Z INFO using @ for the call",
    "value: @",
    "{\"data\":\"@\",\"n\":1}",
    "[@]",
    "x=@&y=1",
    "line one\\n@\\nline three",
    "calling https://api.example.com/v1/@/items",
];

#[test]
fn every_planted_secret_is_masked() {
    let mut planted = 0;
    let mut seen = Vec::new();
    let mut check = |text: &str, secret: &str| {
        planted += 1;
        let masked = Redacted::new(text);
        if masked.contains(secret) || !masked.contains("‹secret:") {
            seen.push(format!("{text}\n  became {masked}"));
        }
    };
    for place in PLACES {
        for password in PASSWORDS {
            // What a person says has no letters that end a sentence.
            if !(place.contains("password is") && password.contains('/')) {
                // In an address `@@` is the password and the sign behind it.
                let text = match place.find("@@") {
                    Some(at) => format!("{}{password}{}", &place[..at], &place[at + 1..]),
                    None => place.replacen('@', password, 1),
                };
                check(&text, password);
            }
        }
    }
    let mut letters = Letters(1);
    for _ in 0..4 {
        for token in tokens(&mut letters) {
            for place in ANYWHERE {
                check(&place.replace('@', &token), &token);
            }
        }
    }
    println!("{planted} planted secrets, {} seen", seen.len());
    assert!(planted > 800 && seen.is_empty(), "{} of {planted}:\n{}", seen.len(), seen.join("\n"));
}

/// Random things that are no secrets, as logs and manifests have them.
fn harmless(letters: &mut Letters) -> Vec<String> {
    let pod = "bcdfghjklmnpqrstvwxz2456789";
    let crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let der: Vec<u8> =
        [0x30, 0x82, 0x03].into_iter().chain((0..90).map(|n| u8::try_from(n * 37 % 256).unwrap())).collect();
    let certificate = base64(&der);
    vec![
        format!("image: registry.io/team/web@sha256:{}", letters.hex(64)),
        format!("Container ID:  containerd://{}", letters.hex(64)),
        format!("uid: {}", letters.uuid()),
        format!("commit {}", letters.hex(40)),
        format!("md5 {}", letters.hex(32)),
        format!("pod web-{}-{} is ready", letters.of(pod, 10), letters.of(pod, 5)),
        format!("pod-template-hash: {}", letters.of(pod, 10)),
        format!("resourceVersion: \"{}\"", letters.digits(9)),
        format!("traceparent: 00-{}-{}-01", letters.hex(32), letters.hex(16)),
        format!("{{\"trace_id\":\"{}\",\"span_id\":\"{}\"}}", letters.hex(32), letters.hex(16)),
        format!("etag: W/\"{}-{}\"", letters.hex(2), letters.word(27)),
        format!("ETag: \"{}\"", letters.hex(32)),
        format!("integrity=\"sha512-{}\"", base64(letters.word(64).as_bytes())),
        format!("SHA256:{}", letters.word(43)),
        format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} ops@host", letters.word(43)),
        format!(
            "-----BEGIN CERTIFICATE-----\n{certificate}\n{}\n-----END CERTIFICATE-----",
            letters.word(64)
        ),
        format!(
            "certificate-authority-data: {}",
            base64(format!("-----BEGIN CERTIFICATE-----\nMII{}\n", letters.word(40)).as_bytes())
        ),
        format!("caBundle: {certificate}"),
        format!("order 01{} placed", letters.of(crockford, 24)),
        format!("session for nanoid {}", letters.word(21)),
        format!("request_id={} took 3ms", letters.word(27)),
        format!("charge ch_{} succeeded", letters.word(24)),
        format!("{{\"id\":\"chatcmpl-{}\"}}", letters.word(29)),
        format!("version v1.{}.{}-rc.1+{}", letters.digits(2), letters.digits(1), letters.hex(7)),
        format!("rev {} of configmap/app-{}", letters.digits(4), letters.of(pod, 10)),
        format!("docker-pullable://nginx@sha256:{}", letters.hex(64)),
        format!("volume pvc-{} bound", letters.uuid()),
        format!("cni eth0 mac {}:{}:{}", letters.hex(2), letters.hex(2), letters.hex(2)),
        format!("lease held by node-1_{}", letters.uuid()),
        format!("GET /assets/main.{}.js 200", letters.hex(20)),
        format!("checksum/config: {}", letters.hex(64)),
        format!("secret \"db-{}\" not found", letters.of(pod, 5)),
        format!("secretName: tls-{}", letters.of(pod, 5)),
        format!("token expired for serviceaccount app-{}", letters.of(pod, 5)),
        format!(
            "continue: {}",
            base64(
                format!("{{\"v\":\"meta.k8s.io/v1\",\"rv\":{},\"start\":\"x\"}}", letters.digits(6))
                    .as_bytes()
            )
        ),
        format!(
            "at com.example.OrdersV2Controller$Handler3.processIncoming{}(OrdersV2Controller.java:42)",
            letters.digits(2)
        ),
        format!("PodSandbox \"{}\" not found", letters.hex(64)),
        format!("etcd member {} elected", letters.hex(16)),
        format!(
            "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~projected/kube-api-access-{}",
            letters.uuid(),
            letters.of(pod, 5)
        ),
        format!(
            "welcome: {}",
            base64(format!("Good morning number {}, all is well today", letters.digits(6)).as_bytes())
        ),
    ]
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let mut letters = Letters(2);
    let texts: Vec<String> = (0..25).flat_map(|_| harmless(&mut letters)).collect();
    let masked: Vec<String> =
        texts.iter().filter(|text| Redacted::new(text).as_str() != *text).cloned().collect();
    println!("{} harmless look-alikes, {} masked", texts.len(), masked.len());
    let examples = masked.iter().take(20).map(|text| format!("{text}\n  became {}", Redacted::new(text)));
    let examples: Vec<String> = examples.collect();
    assert!(
        texts.len() >= 500 && masked.len() * 50 <= texts.len(),
        "{} of {}:\n{}",
        masked.len(),
        texts.len(),
        examples.join("\n")
    );
}
