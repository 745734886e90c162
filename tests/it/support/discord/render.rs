//! A channel or thread as a person would see it, in plain text.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    clock::Id,
    message::{HAS_THREAD, LOADING, Message},
    world::World,
};

impl World {
    /// All messages, oldest first, with marks for what was edited, who alone sees it, files and buttons.
    pub fn render(&self, channel: Id) -> String {
        let Some(place) = self.channels.get(&channel) else { return "(no such channel)\n".to_owned() };
        let parent = place.parent.and_then(|id| self.channels.get(&id));
        let mut out = match parent {
            Some(parent) => format!("── {} (thread in #{})", place.name, parent.name),
            None => format!("── #{}", place.name),
        };
        if place.archived {
            out += ", archived";
        }
        out.push('\n');
        for message in self.all_messages(channel) {
            self.render_message(&mut out, message);
        }
        out
    }

    fn render_message(&self, out: &mut String, message: &Message) {
        let mut head = self.user_name(message.author).to_owned();
        if let Some(asked) = message.interaction.and_then(|id| self.interactions.get(&id)) {
            let _ = write!(
                head,
                " ← {} {}",
                self.user_name(asked.user),
                if asked.kind == 2 { "/" } else { "pressed " }
            );
            head += &asked.what;
        }
        if let Some(only) = message.only_for {
            let _ = write!(head, " (only {} sees this)", self.user_name(only));
        }
        if message.edits() > 0 {
            let _ = write!(head, " (edited {}×)", message.edits());
        }
        let _ = writeln!(out, "{head}");
        match message.kind {
            18 => indent(out, "  ", &format!("(opened the thread “{}”)", message.content)),
            21 => indent(out, "  ", &self.starter(message)),
            _ if message.flags & LOADING != 0 => indent(out, "  ", "(is thinking…)"),
            _ => indent(out, "  ", &self.with_names(&message.content)),
        }
        self.render_rest(out, message);
    }

    fn render_rest(&self, out: &mut String, message: &Message) {
        for embed in &message.embeds {
            let texts = ["/author/name", "/title", "/description"];
            let texts = texts.iter().filter_map(|at| embed.pointer(at)?.as_str());
            texts.for_each(|text| indent(out, "  ▌ ", &self.with_names(text)));
            for field in embed["fields"].as_array().into_iter().flatten() {
                let (name, value) = (word(&field["name"]), word(&field["value"]));
                indent(out, "  ▌ ", &format!("{name}: {value}"));
            }
            if let Some(footer) = embed["footer"]["text"].as_str() {
                indent(out, "  ▌ ", &format!("· {footer}"));
            }
        }
        for file in &message.attachments {
            let _ = writeln!(out, "  [file {}, {} bytes]", file.name, file.bytes.len());
        }
        for row in &message.components {
            let buttons = row["components"].as_array().into_iter().flatten();
            let shown: Vec<_> = buttons.map(button).collect();
            let _ = writeln!(out, "  {}", shown.join(" "));
        }
        if let Some(thread) = self.channels.get(&message.id).filter(|_| message.flags & HAS_THREAD != 0) {
            let _ = writeln!(out, "  └ thread “{}”, {} messages", thread.name, thread.sent);
        }
    }

    fn starter(&self, message: &Message) -> String {
        let told = message.reference.and_then(|(channel, id)| self.messages.get(&(channel, id?)));
        told.map_or_else(|| "(the message is gone)".to_owned(), |told| self.with_names(&told.content))
    }

    /// Ids as the names that people see instead.
    fn with_names(&self, text: &str) -> String {
        let users = self.users.iter().map(|(id, user)| (format!("<@{id}>"), format!("@{}", user.name)));
        let roles = self.guilds.values().flat_map(|guild| &guild.roles);
        let roles = roles.map(|role| (format!("<@&{}>", role.id), format!("@{}", role.name)));
        let channels = self
            .channels
            .values()
            .map(|channel| (format!("<#{}>", channel.id), format!("#{}", channel.name)));
        let all = users.chain(roles).chain(channels);
        all.fold(text.to_owned(), |text, (mark, name)| text.replace(&mark, &name))
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn button(component: &Value) -> String {
    let label = component["label"].as_str().unwrap_or("?");
    let off = if component["disabled"] == true { " (off)" } else { "" };
    format!("[{label}{off}]")
}

fn indent(out: &mut String, margin: &str, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("{margin}{line}").trim_end());
    }
}
