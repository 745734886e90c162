//! What a log looks like to people: within the limits, in an order that never changes, safe whatever is in it.

use kubertnetes::{
    chat::{Limits, Post, render::render},
    event::{Author, CallId, Cause, Diagnosis, Entry, Event, Look, ToolCall, Usage},
    finding::{Confidence, Evidence, Fix, Resource, Severity},
    redact::{Redacted, RedactedJson},
};
use proptest::prelude::*;
use serde_json::json;

const DISCORD: Limits = Limits { text: 2000, card: 4096, title: 100 };

fn log(events: Vec<Event>) -> Vec<Entry> {
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(n, event)| Entry {
            seq: i64::try_from(n).unwrap() + 1,
            at_ms: 700 * i64::try_from(n).unwrap(),
            event,
        })
        .collect()
}

fn cause(name: &str, summary: &str, quote: &str) -> Cause {
    Cause {
        resource: Resource::namespaced("Deployment", "shop", name),
        container: Some("app".into()),
        code: "x".into(),
        severity: Severity::Critical,
        summary: Redacted::new(summary),
        effects: vec![Redacted::new(summary)],
        evidence: vec![Evidence::new("event", quote)],
        fix: Some(Fix {
            summary: Redacted::new("Do this."),
            command: Redacted::new("kubectl -n shop rollout undo deployment/web"),
            risk: None,
            patches: vec![],
        }),
        rests_on: vec![],
        unasked: false,
    }
}

fn turn(causes: Vec<Cause>, words: &str) -> Vec<Event> {
    let call = |id: &str, tool: &str| ToolCall {
        id: CallId(id.into()),
        tool: tool.into(),
        args: RedactedJson::new(json!({ "command": words })),
    };
    let author = Author { id: "1".into(), name: Redacted::new("ana"), roles: vec![] };
    let usage = Usage { input: 100, output: 20, ..Usage::default() };
    vec![
        Event::UserSaid { author, text: Redacted::new(words), about: None },
        Event::TurnStarted { model: "test".into(), person: None },
        Event::ClusterScanned {
            look: Look { cluster: Redacted::new(words), ..Look::default() },
            findings: vec![],
        },
        Event::ModelReplied {
            read_to: 1,
            text: Redacted::new(words),
            calls: vec![call("c1", "kubectl"), call("c2", "report")],
            usage,
            model: None,
            thought: None,
            last: false,
            took_ms: 0,
        },
        Event::ToolReturned {
            call: CallId("c1".into()),
            ok: true,
            output: Redacted::new(words),
            gist: Redacted::new(words),
            artifact: None,
            took_ms: 1,
        },
        Event::Diagnosed {
            call: CallId("c2".into()),
            diagnosis: Diagnosis {
                summary: Redacted::new(words),
                causes,
                confidence: Confidence::Likely,
                not_checked: vec![Redacted::new(words)],
                doubts: vec![],
            },
        },
        Event::TurnEnded { failure: None },
    ]
}

fn assert_fits(post: &Post) {
    assert!(post.text.chars().count() <= DISCORD.text, "{}: text", post.key);
    if let Some(card) = &post.card {
        assert!(card.text.chars().count() <= DISCORD.card, "{}: card", post.key);
        assert!(card.footer.chars().count() <= 2048, "{}: footer", post.key);
        assert!(card.text.chars().count() + card.footer.chars().count() <= 6000, "{}: all", post.key);
    }
    assert!(
        !post.text.is_empty() || post.card.as_ref().is_some_and(|c| !c.text.is_empty()),
        "{}: empty",
        post.key
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_post_fits_and_none_changes_its_place(words in "[a-z `*@<>\\[\\]()\n]{1,400}", long in 0usize..3, causes in 0usize..9) {
        let words = words.repeat(1 + long * 20);
        let causes = (0..causes).map(|n| cause(&format!("web-{n}"), &words, &words)).collect();
        let mut events = turn(causes, &words);
        events.extend(turn(vec![], "and now?"));
        let log = log(events);
        let all = render(&log, DISCORD);
        let keys: Vec<&str> = all.iter().map(|post| post.key.as_str()).collect();
        for n in 0..=log.len() {
            let so_far = render(&log[..n], DISCORD);
            for (post, key) in so_far.iter().zip(&keys) {
                prop_assert_eq!(&post.key.as_str(), key);
            }
            so_far.iter().for_each(assert_fits);
        }
        let mut unique = keys.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), keys.len());
    }
}

#[test]
fn the_cause_comes_first_and_the_footer_says_what_it_took() {
    let posts = render(
        &log(turn(
            vec![cause("web", "The tag `v2` does not exist.", "manifest unknown")],
            "why is web down?",
        )),
        DISCORD,
    );
    let keys: Vec<&str> = posts.iter().map(|post| post.key.as_str()).collect();
    assert_eq!(keys, ["2/progress", "2/diagnosis"]);
    assert!(
        posts[0].text.starts_with("**Looked** at `why is web down?` · 2 looks · 3.5 s · 120 tokens · test"),
        "{}",
        posts[0].text
    );
    assert!(posts[0].buttons.is_empty());
    assert_eq!(posts[1].text.as_str(), "**why is web down?**");
    let card = posts[1].card.as_ref().unwrap();
    assert!(card.text.contains("> `manifest unknown` (event)"), "{}", card.text);
    assert!(card.text.contains("```sh\nkubectl -n shop rollout undo deployment/web\n```"), "{}", card.text);
    assert_eq!(card.footer.as_str(), "Not checked: why is web down? · 2 looks · 2.8 s · 120 tokens · test");
}

#[test]
fn whoever_stood_in_for_the_model_is_named() {
    let mut events = turn(vec![], "why is web down?");
    let Event::ModelReplied { model, .. } = &mut events[3] else { panic!() };
    *model = Some("spare".into());
    let posts = render(&log(events.clone()), DISCORD);
    assert!(posts[0].text.contains("120 tokens · spare"), "{}", posts[0].text);
    let Event::ModelReplied { model, .. } = &events[3] else { panic!() };
    assert_eq!(model.as_deref(), Some("spare"));
    let mut first = events[3].clone();
    if let Event::ModelReplied { model, .. } = &mut first {
        *model = None;
    }
    events.insert(3, first);
    let posts = render(&log(events), DISCORD);
    assert!(posts[0].text.contains("240 tokens · test, spare"), "{}", posts[0].text);
}

#[test]
fn a_turn_under_way_shows_what_is_being_done_and_can_be_stopped() {
    let mut events = turn(vec![], "get pods");
    events.truncate(4);
    let posts = render(&log(events), DISCORD);
    assert_eq!(posts.len(), 1);
    assert!(posts[0].live && posts[0].text.contains("· `kubectl get pods` …"), "{}", posts[0].text);
    assert_eq!(posts[0].buttons[0].says, "stop");
}

#[test]
fn model_text_cannot_act() {
    let words = "@everyone <@1> [x](https://evil.example) ```\nout";
    let mut events = turn(vec![cause("web", words, words)], words);
    events.push(Event::TurnStarted { model: "test".into(), person: None });
    events.push(Event::ModelReplied {
        read_to: 1,
        text: Redacted::new(words),
        calls: vec![],
        usage: Usage::default(),
        model: None,
        thought: None,
        last: false,
        took_ms: 0,
    });
    for post in render(&log(events), DISCORD) {
        let card = post.card.as_ref().map(|card| card.text.to_string()).unwrap_or_default();
        for text in [post.text.to_string(), card] {
            let outside: String = text.split("```").step_by(2).collect();
            let outside: String = outside.split('`').step_by(2).collect();
            for acts in ["@everyone", "<@1>", "](", "https://"] {
                assert!(!outside.contains(acts), "{}: {acts} in {text}", post.key);
            }
            assert_eq!(text.matches("```").count() % 2, 0, "{}: {text}", post.key);
        }
    }
}
