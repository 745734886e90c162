//! Limits: a server is not flooded, and waiting costs nobody their time.

use std::time::{Duration, Instant};

use kubertnetes::llm::{Config, Provider};

use super::{ask, model, question};
use crate::support::llm::{Answer, ScriptedServer};

fn one_at_a_time(server: &ScriptedServer) -> Config {
    let mut config = server.config(Provider::OpenAi);
    let scripted = config.models.get_mut("scripted").unwrap();
    (scripted.max_concurrent, scripted.retries) = (Some(1), 0);
    config
}

async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_second_waits_for_the_first_and_may_leave() {
    let server = ScriptedServer::start([Answer::say("Well").stalled(), Answer::say("Yes.")]);
    let model = model(&one_at_a_time(&server));
    let prompt = question();
    let mut first = Box::pin(ask(model.as_ref(), &prompt));
    let mut second = Box::pin(ask(model.as_ref(), &prompt));
    let mut third = Box::pin(ask(model.as_ref(), &prompt));
    tokio::select! {
        _ = &mut first => panic!("it is silent for ever"),
        () = until(|| server.requests().len() == 1) => {}
    }
    assert!(futures::poll!(&mut second).is_pending());
    assert!(futures::poll!(&mut third).is_pending());
    drop(second);
    drop(first);
    assert_eq!(third.await.0.unwrap().text.as_str(), "Yes.");
    assert_eq!(server.requests().len(), 2, "who left has asked nothing");
}

#[tokio::test]
async fn waiting_for_a_turn_is_no_part_of_a_calls_time() {
    let server = ScriptedServer::start(vec![Answer::say("Well").stalled(); 2]);
    let mut config = one_at_a_time(&server);
    config.models.get_mut("scripted").unwrap().timeout_seconds = 1;
    let model = model(&config);
    let prompt = question();
    let began = Instant::now();
    let (first, second) = tokio::join!(ask(model.as_ref(), &prompt), ask(model.as_ref(), &prompt));
    for outcome in [first.0, second.0] {
        assert!(outcome.unwrap_err().to_string().contains("no answer within 1 s"));
    }
    assert!(began.elapsed() >= Duration::from_millis(1900), "the second had a second of its own");
}

#[tokio::test]
async fn a_reply_has_its_price() {
    for (provider, cost) in [
        (Provider::OpenAi, 56 * 2 + 6 + 20 * 10),
        (Provider::Anthropic, 16 * 2 + 40 * 2 * 5 / 4 + 6 + 20 * 10),
    ] {
        let server = ScriptedServer::start([Answer::say("Yes.")]);
        let mut config = server.config(provider);
        let scripted = config.models.get_mut("scripted").unwrap();
        scripted.price_input = Some(2.0);
        scripted.price_cached = Some(0.1);
        scripted.price_output = Some(10.0);
        let reply = ask(model(&config).as_ref(), &question()).await.0.unwrap();
        // 64 cached tokens at 0.1 are 6.4 millionths, and a begun one counts whole.
        assert_eq!(reply.usage.cost, cost + 1, "{provider:?}");
    }
}
