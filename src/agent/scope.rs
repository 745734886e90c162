//! What a question is about: its words, matched against the names that the cluster has. Pure.

use std::collections::BTreeSet;

use crate::{
    analyzers::lookalike::{akin, distance, near},
    event::Unknown,
    finding::Resource,
    redact::Redacted,
};

/// A question, as far as it says where to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// What was said in this turn.
    pub texts: Vec<Redacted>,
    /// The objects that commands named.
    pub named: Vec<Resource>,
    /// What the conversation was about before.
    pub earlier: Vec<Resource>,
}

/// Where to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aim {
    /// The objects that the question names, surest match first.
    pub about: Vec<Resource>,
    /// The namespaces that they are in; empty for all.
    pub namespaces: Vec<String>,
    /// The names that nothing has.
    pub unknown: Vec<Unknown>,
}

/// Clusters with at most this many named objects are looked at as a whole: causes cross namespaces.
const SMALL: usize = 1_500;
/// More matches than this mean that a word is too common to say anything.
const MOST_MATCHES: usize = 12;

/// Matches the words of `question` against `names`.
pub fn aim(question: &Question, names: &[Resource]) -> Aim {
    let mut about = question.named.clone();
    for text in &question.texts {
        for found in matches(text, names) {
            if !about.contains(&found) {
                about.push(found);
            }
        }
    }
    let unknown: Vec<Unknown> = question.texts.iter().flat_map(|text| unknown(text, names)).collect();
    if about.is_empty() && unknown.is_empty() {
        about.clone_from(&question.earlier);
    }
    let namespaces = if names.len() <= SMALL { Vec::new() } else { namespaces_of(&about) };
    Aim { about, namespaces, unknown }
}

/// Whether the words speak of something that people reach over the network.
pub fn asks_for_what_is_served(texts: &[Redacted]) -> bool {
    const SERVED: [&str; 14] = [
        "page",
        "site",
        "website",
        "web",
        "served",
        "serve",
        "serves",
        "url",
        "http",
        "https",
        "browser",
        "reach",
        "reachable",
        "endpoint",
    ];
    texts.iter().any(|text| words(text).iter().any(|word| SERVED.contains(&word.as_str())))
}

fn namespaces_of(about: &[Resource]) -> Vec<String> {
    let names: BTreeSet<&String> = about
        .iter()
        .filter_map(|resource| match resource.kind.as_str() {
            "Namespace" => Some(&resource.name),
            _ => resource.namespace.as_ref(),
        })
        .collect();
    names.into_iter().cloned().collect()
}

/// The objects that the words of `text` name: exactly, as the owner of a generated name, or nearly.
fn matches(text: &str, names: &[Resource]) -> Vec<Resource> {
    let words = words(text);
    let namespaces: BTreeSet<&str> = words
        .iter()
        .filter(|word| names.iter().any(|n| n.kind == "Namespace" && n.name == **word))
        .map(String::as_str)
        .collect();
    let mut found = Vec::new();
    for word in &words {
        for rule in [is_exactly, is_nearly] {
            let mut hits: Vec<&Resource> =
                names.iter().filter(|name| !is_common(word) && rule(word, &name.name)).collect();
            // A namespace that the question names too decides between objects of one name.
            if hits.iter().any(|hit| hit.namespace.as_deref().is_some_and(|n| namespaces.contains(n))) {
                hits.retain(|hit| hit.namespace.as_deref().is_none_or(|n| namespaces.contains(n)));
            }
            if !hits.is_empty() {
                if hits.len() <= MOST_MATCHES {
                    found.extend(hits.into_iter().cloned());
                }
                break;
            }
        }
    }
    found.sort_by_key(|resource| usize::from(resource.kind == "Namespace"));
    found.dedup();
    found
}

/// The words that could be names: letters, digits, dashes and dots.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
        .map(|word| word.trim_matches(['-', '.']).to_ascii_lowercase())
        .filter(|word| word.len() > 1)
        .collect()
}

/// Words of everyday questions that are also common names of objects.
fn is_common(word: &str) -> bool {
    const COMMON: [&str; 24] = [
        "app",
        "application",
        "the",
        "pod",
        "pods",
        "service",
        "services",
        "deployment",
        "cluster",
        "namespace",
        "node",
        "nodes",
        "job",
        "jobs",
        "is",
        "it",
        "and",
        "my",
        "in",
        "on",
        "of",
        "to",
        "not",
        "default",
    ];
    COMMON.contains(&word)
}

fn is_exactly(word: &str, name: &str) -> bool {
    word == name
}

/// A slip in a word long enough for that to mean something.
fn is_nearly(word: &str, name: &str) -> bool {
    word.len() >= 5 && name.len() >= 5 && near(word, name)
}

/// The names in the question that nothing has: words that stand beside a kind or are of the form of a generated name, and
/// match nothing.
fn unknown(text: &str, names: &[Resource]) -> Vec<Unknown> {
    // Kinds of which the names are read.
    const KINDS: [&str; 13] = [
        "pod",
        "deployment",
        "deploy",
        "service",
        "svc",
        "statefulset",
        "daemonset",
        "job",
        "cronjob",
        "ingress",
        "namespace",
        "node",
        "hpa",
    ];
    let words = words(text);
    let is_kind = |word: Option<&String>| word.is_some_and(|word| KINDS.contains(&word.as_str()));
    let known = |word: &str| {
        names
            .iter()
            .any(|name| name.name == word || is_nearly(word, &name.name) || is_made_of(&name.name, word))
    };
    let mut found: Vec<Unknown> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let before = is_kind(place.checked_sub(1).and_then(|before| words.get(before)));
        let beside = before || is_kind(words.get(place + 1));
        let named = beside && word.contains('-')
            || before && word.len() > 3 && is_plain_name(word)
            || is_generated(word);
        let seen = found.iter().any(|known| known.name.as_str() == word);
        if named && !seen && !KINDS.contains(&word.as_str()) && !is_common(word) && !known(word) {
            found.push(Unknown { name: Redacted::new(word), near: nearest_to(word, names) });
        }
    }
    found
}

/// Whether a controller made `name` of `owner`.
fn is_made_of(name: &str, owner: &str) -> bool {
    name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('-'))
}

/// A word that comes after a kind and is no word of a sentence: `pod cart`, not `pod keeps`.
fn is_plain_name(word: &str) -> bool {
    word.chars().any(|letter| letter.is_ascii_digit() || letter == '.')
}

/// `web-7d4b9c6f58-x2x9q`: a name that a ReplicaSet gave.
fn is_generated(word: &str) -> bool {
    let mut parts = word.rsplit('-');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let random = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && part.bytes().any(|byte| byte.is_ascii_digit())
    };
    last.len() == 5 && (8..=10).contains(&before.len()) && random(before) && parts.next().is_some()
}

/// The objects whose names come nearest: a slip, the same owner, a shared word.
fn nearest_to(word: &str, names: &[Resource]) -> Vec<Resource> {
    let stem = word.split('-').next().unwrap_or(word);
    let mut close: Vec<&Resource> = names
        .iter()
        .filter(|name| {
            near(word, &name.name) || akin(word, &name.name) || stem.len() >= 3 && name.name.starts_with(stem)
        })
        .collect();
    close.sort_by_key(|name| (distance(word, &name.name), name.kind.clone()));
    close.dedup_by_key(|name| &name.name);
    close.into_iter().take(3).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Resource> {
        vec![
            Resource::global("Namespace", "shop"),
            Resource::global("Namespace", "staging"),
            Resource::namespaced("Deployment", "shop", "checkout"),
            Resource::namespaced("Deployment", "staging", "checkout"),
            Resource::namespaced("Service", "shop", "cart-api"),
            Resource::namespaced("Deployment", "shop", "app"),
        ]
    }

    fn about(text: &str) -> Vec<String> {
        let question = Question { texts: vec![Redacted::new(text)], ..Question::default() };
        aim(&question, &names()).about.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_match_names() {
        for (text, expect) in [
            ("why is cart-api down?", vec!["Service shop/cart-api"]),
            ("why is cart-apii down?", vec!["Service shop/cart-api"]),
            ("why is chekcout slow", vec!["Deployment shop/checkout", "Deployment staging/checkout"]),
            ("checkout in staging is gone", vec!["Deployment staging/checkout", "Namespace staging"]),
            ("is everything alright in shop?", vec!["Namespace shop"]),
            ("why is the application served by my pod not working?", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(about(text), expect, "{text}");
        }
    }

    #[test]
    fn names_that_nothing_has() {
        let unknown = |text: &str| -> Vec<String> {
            let question = Question { texts: vec![Redacted::new(text)], ..Question::default() };
            let found = aim(&question, &names()).unknown;
            found
                .iter()
                .map(|u| format!("{} {:?}", u.name, u.near.iter().map(|n| &n.name).collect::<Vec<_>>()))
                .collect()
        };
        for (text, expect) in [
            ("why does pod cart-db crash?", vec![r#"cart-db ["cart-api"]"#]),
            ("cart-api-7d4b9c6f58-x2x9q is gone", vec![r#"cart-api-7d4b9c6f58-x2x9q ["cart-api"]"#]),
            ("the pod keeps restarting after a roll-back", vec![]),
            ("is the cart-api service down? the checkout deployment is slow", vec![]),
            ("service ledger2 does not answer", vec![r#"ledger2 []"#]),
        ] {
            assert_eq!(unknown(text), expect, "{text}");
        }
    }

    #[test]
    fn a_page_is_something_that_is_served() {
        let asks = |text: &str| asks_for_what_is_served(&[Redacted::new(text)]);
        assert!(asks("Why is the application served by my pod not working?"));
        assert!(asks("the Page is down!"));
        assert!(!asks("why does the worker crash?"));
    }

    #[test]
    fn a_follow_up_is_about_what_the_conversation_was_about() {
        let earlier = vec![Resource::namespaced("Service", "shop", "cart-api")];
        let question = Question {
            texts: vec![Redacted::new("and now?")],
            earlier: earlier.clone(),
            ..Question::default()
        };
        assert_eq!(aim(&question, &names()).about, earlier);
    }

    #[test]
    fn a_small_cluster_is_looked_at_as_a_whole_and_a_large_one_in_part() {
        let question = Question { texts: vec![Redacted::new("cart-api")], ..Question::default() };
        assert!(aim(&question, &names()).namespaces.is_empty());
        let mut many = names();
        many.extend((0..SMALL).map(|n| Resource::namespaced("Pod", "other", &format!("pod-{n}-x"))));
        assert_eq!(aim(&question, &many).namespaces, ["shop"]);
    }
}
