//! Budgets: the last reply has to answer, and what is known is told.

use std::time::Duration;

use kubertnetes::{
    agent::{Config, budget::Allowance, budget::today},
    chat::{Limits, render::answer},
    event::{Event, Usage},
    llm::{Message, Reply},
};

use super::{Desk, calls, diagnosis, failure, looks, reports, says, shows};

const LIMITS: Limits = Limits { text: 2000, card: 4096, title: 100 };

fn steps(steps: u64) -> Config {
    Config { turn: Allowance { steps: Some(steps), ..Allowance::default() }, ..Config::default() }
}

#[tokio::test]
async fn the_last_reply_has_to_answer() {
    let look =
        |asked: usize| calls(vec![looks(&format!("c{asked}"), &format!("get pod web-{asked} -n shop"))]);
    let desk = Desk::new(
        steps(3),
        1,
        |_| shows("web-1 0/1"),
        move |prompt, asked| {
            assert_eq!(prompt.answer_now, asked == 3, "prompt {asked}");
            if asked < 3 { look(asked) } else { says("`web` has the tag `v2`.") }
        },
    )
    .await;
    let log = desk.ask("m1", "why is web down?").await;
    let Some(Message::User(told)) = desk.prompts()[2].messages.last().cloned() else { panic!("no remark") };
    assert!(told.contains("last step"), "{told}");
    assert_eq!(failure(&log), None);
    assert!(answer(&log, LIMITS).contains("has the tag `v2`"), "an answer in words stands at the end");
    assert!(log.iter().any(|entry| matches!(entry.event, Event::ModelReplied { last: true, .. })));

    // One that goes on calling is told of, with what is known.
    let desk = Desk::new(steps(3), 1, |_| shows("web-1 0/1"), move |_, asked| look(asked)).await;
    let log = desk.ask("m1", "why is web down?").await;
    assert_eq!((desk.prompts().len(), desk.eyes.calls.lock().unwrap().len()), (3, 2));
    let why = failure(&log).unwrap();
    assert!(why.contains("the 3 replies of the model that one question may take"), "{why}");
    assert!(answer(&log, LIMITS).contains("What I know so far"), "{}", answer(&log, LIMITS));

    // What it reports with its last reply is checked, and cannot be sent back.
    let desk = Desk::new(steps(1), 1, |_| shows("web-1 0/1"), |_, _| reports("r", "It is `web-9`.")).await;
    let log = desk.ask("m1", "why is web down?").await;
    assert_eq!(diagnosis(&log).unwrap().doubts.len(), 1);
}

#[tokio::test]
async fn a_persons_day_and_everybodys_end() {
    let allow = |tokens: u64| Allowance { tokens: Some(tokens), ..Allowance::default() };
    let cost = || {
        says("").map(|reply| Reply { usage: Usage { input: 80, output: 20, cached: 0, cost: 1500 }, ..reply })
    };
    let report = move || {
        reports("r", "It has the tag `v2`.").map(|reply| Reply { usage: cost().unwrap().usage, ..reply })
    };
    let config = Config { person: allow(100), day: allow(150), ..Config::default() };
    let desk = Desk::new(config.clone(), 1, |_| shows("web-1 0/1"), move |_, _| report()).await;
    let ask = async |message: &str, person: &str| {
        let mut said = crate::support::world::said(message, "why is web down?");
        said.queues.deliver = None;
        said.spot = kubertnetes::store::Spot::Channel { channel: "general".into(), origin: message.into() };
        said.author.id = person.into();
        let received = desk.store().receive(&said).await.unwrap();
        let kubertnetes::store::Received::Taken(id) = received else { panic!("{received:?}") };
        desk.work(&id).await
    };
    assert!(diagnosis(&ask("m1", "ana").await).is_some());
    let again = ask("m2", "ana").await;
    let why = failure(&again).unwrap();
    assert!(
        why.contains("the 100 tokens that one person a day may take") && why.contains("tomorrow"),
        "{why}"
    );
    assert!(answer(&again, LIMITS).contains("does not exist"), "the look is free");
    assert!(diagnosis(&ask("m3", "bob").await).is_some(), "another person's day is another");
    let why = ask("m4", "eve").await;
    assert!(failure(&why).unwrap().contains("the 150 tokens that a day may take"));
    let told = today(desk.store(), &config, "ana").await.unwrap();
    for words in [
        "you: 1 reply, 100 tokens, $0.0015",
        "everybody: 2 replies, 200 tokens, $0.0030",
        "(allowed: 150 tokens)",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    desk.clock.advance(Duration::from_secs(24 * 3600));
    assert!(diagnosis(&ask("m5", "ana").await).is_some(), "tomorrow is another day");
}
