//! How alike two names are: finds the name that was probably meant. Knows no cluster.

/// How many letters have to be changed, added, dropped or swapped with their neighbour to turn `a` into `b`.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// Whether somebody may have written one and meant the other: the same but for case and separators, or a slip of
/// one letter (two in names of seven letters and more). Names that differ in their numbers alone, such as `db-1` and
/// `db-2`, are different names.
pub fn near(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', '.'], "");
    let (a, b) = (plain(a), plain(b));
    let shorter = a.chars().count().min(b.chars().count());
    let slips = match shorter {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    let letters = |name: &str| name.replace(|letter: char| letter.is_ascii_digit(), "");
    let only_numbers_differ = a != b && letters(&a) == letters(&b);
    !only_numbers_differ && distance(&a, &b) <= slips
}

/// The nearest of `candidates` that [`near`] accepts, `name` itself left out.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && near(name, candidate))
        .min_by_key(|candidate| (distance(name, candidate), *candidate))
}

/// Whether two names share a word of three letters and more that is not a word for everything: `redis-master` and
/// `redis-primary`, `cart-service` and `cart`.
pub fn akin(a: &str, b: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        name.to_lowercase()
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| word.len() >= 3 && !COMMON_WORDS.contains(word))
            .map(str::to_owned)
            .collect()
    };
    let others = words(b);
    words(a).iter().any(|word| others.contains(word))
}

/// Words that are in names of things which have nothing to do with each other.
const COMMON_WORDS: &[&str] = &[
    "api", "app", "service", "svc", "server", "web", "main", "data", "config", "prod", "dev", "staging",
    "test", "default", "cluster", "local", "http", "https", "com", "example",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("nginx", "nginx", 0),
            ("ngnix", "nginx", 1),
            ("", "abc", 3),
            ("redis", "reids", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn nearness() {
        for (a, b) in [
            ("features-cache", "feature-cache"),
            ("smtp-relai", "smtp-relay"),
            ("uploads-data", "upload-data"),
            ("smtp_host", "SMTP_HOST"),
            ("catalogue", "catalog"),
        ] {
            assert!(near(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("api", "app"),
            ("web", "wap"),
            ("orders", "ledger"),
            ("node", "mongo"),
            ("shard-1", "shard-2"),
            ("web1", "web2"),
        ] {
            assert!(!near(a, b), "{a} {b}");
        }
        assert_eq!(nearest("redsi", ["redis", "nginx", "redsi"]), Some("redis"));
    }

    #[test]
    fn kinship() {
        assert!(akin("redis-master", "redis-primary"));
        assert!(akin("cart-service", "cart"));
        assert!(!akin("orders-api", "billing-api"));
    }
}
