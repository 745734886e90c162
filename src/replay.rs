//! Prints a conversation from its log: as people saw it, or every prompt as the model saw it. Asks neither cluster nor
//! model.

use std::fmt::Write as _;

use crate::{
    agent::prompt::prompt,
    app::{Problem, store},
    chat::{
        render::{render, tally_line},
        terminal,
    },
    config::Config,
    event::{Entry, Event, tally},
    llm::{Message, Prompt},
    tools::Toolbox,
};

/// The conversation whose id begins with `which`, or the latest where that is `last`, as text.
pub async fn replay(config: &Config, which: &str, prompts: bool) -> Result<String, Problem> {
    let store = store(config).await?;
    let begins = if which == "last" { "" } else { which };
    let found = store.conversations_like(begins, 2).await?;
    let log = match found.as_slice() {
        [] => Err(Problem::Setup(format!(
            "there is no conversation whose id begins with `{which}`: `ask --json` tells the id, `last` is the latest"
        ))),
        [_, _] if which != "last" => {
            Err(Problem::Setup(format!("several conversations begin with `{which}`: give more of the id")))
        }
        [conversation, ..] => Ok(store.log(&conversation.id, 0).await?),
    };
    store.close().await;
    let log = log?;
    Ok(if prompts { as_the_model_saw_it(&log) } else { as_people_saw_it(&log) })
}

fn as_people_saw_it(log: &[Entry]) -> String {
    let posts = render(log, terminal::LIMITS);
    let mut text = String::new();
    let mut turn = Vec::new();
    for entry in log {
        match &entry.event {
            Event::UserSaid { author, text: said, .. } => {
                let _ = write!(text, "\n**{}** · {}\n{said}\n", author.name, at(entry.at_ms));
            }
            Event::TurnStarted { .. } => turn = vec![entry.clone()],
            Event::TurnEnded { .. } => {
                let begun = turn.first().map_or(entry.seq, |first: &Entry| first.seq);
                turn.push(entry.clone());
                let _ =
                    write!(text, "\n**kuBERTnetes** · {} · {}\n", at(entry.at_ms), tally_line(&tally(&turn)));
                for post in posts.iter().filter(|post| post.key.starts_with(&format!("{begun}/"))) {
                    let card = post.card.as_ref();
                    let parts =
                        [Some(&post.text), card.map(|card| &card.text), card.map(|card| &card.footer)];
                    for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
                        let _ = writeln!(text, "{part}");
                    }
                }
                turn.clear();
            }
            _ => turn.push(entry.clone()),
        }
    }
    text.trim().to_owned()
}

fn as_the_model_saw_it(log: &[Entry]) -> String {
    let mut text = String::new();
    let specs = Toolbox::standard().specs();
    for entry in log {
        let Event::ModelReplied { read_to, text: said, calls, usage, model, last, took_ms, .. } =
            &entry.event
        else {
            continue;
        };
        // What was said while the model was writing came before its reply, and was not in the prompt.
        let read = log.get(..log.partition_point(|entry| entry.seq <= *read_to)).unwrap_or_default();
        let _ = writeln!(text, "=== prompt of entry {} · {}", entry.seq, at(entry.at_ms));
        text.push_str(&written(&prompt(read, specs.clone(), *last)));
        let by = model.as_ref().map(|model| format!(" · {model}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "=== reply · {} tokens in ({} cached), {} out · {took_ms} ms{by}\n{said}",
            usage.input, usage.cached, usage.output
        );
        for call in calls {
            let _ = writeln!(text, "[call {}] {} {}", call.id, call.tool, *call.args);
        }
        text.push('\n');
    }
    if text.is_empty() { "No model was asked yet.".into() } else { text.trim_end().to_owned() }
}

fn written(prompt: &Prompt) -> String {
    let tools: Vec<&str> = prompt.tools.iter().map(|tool| tool.name).collect();
    let mut text = format!("[system]\n{}\n[tools] {}\n", prompt.system, tools.join(", "));
    for message in &prompt.messages {
        let _ = match message {
            Message::User(said) | Message::Scan { text: said, .. } => writeln!(text, "[user]\n{said}"),
            Message::Model { text: said, calls, .. } => {
                let calls: Vec<String> = calls
                    .iter()
                    .map(|call| format!("[call {}] {} {}", call.id, call.tool, *call.args))
                    .collect();
                writeln!(text, "[model]\n{said}{}", calls.join("\n"))
            }
            Message::Tool { call, ok, output } => {
                writeln!(text, "[answer to {call}{}]\n{output}", if *ok { "" } else { ", refused" })
            }
        };
    }
    text
}

/// A time for people, to the second, in UTC.
fn at(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |at| at.strftime("%F %T UTC").to_string())
}
