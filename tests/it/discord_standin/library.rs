//! The library that we use, against the stand-in: whatever it can't read it drops without a word, so each kind of
//! event and answer is seen to arrive.

use std::time::Duration;

use serenity::{
    all::{
        AutocompleteChoice, ButtonStyle, ChannelId, CommandOptionType, Context, CreateActionRow,
        CreateAllowedMentions, CreateAttachment, CreateAutocompleteResponse, CreateButton, CreateCommand,
        CreateCommandOption, CreateEmbed, CreateInteractionResponse, CreateInteractionResponseFollowup,
        CreateInteractionResponseMessage, CreateMessage, CreateThread, EditInteractionResponse, EditMessage,
        EventHandler, GatewayIntents, GetMessages, Guild, GuildChannel, GuildId, Http, Interaction, Message,
        MessageId, MessageUpdateEvent, Nonce, Ready, ResumedEvent, TypingStartEvent, UserId,
    },
    async_trait,
    gateway::ShardManager,
    http::HttpBuilder,
};
use std::sync::Arc;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use crate::support::discord::{Builder, Discord, Home};

struct Ear(UnboundedSender<String>);

impl Ear {
    fn tell(&self, what: String) {
        self.0.send(what).unwrap();
    }
}

fn quiet() -> CreateAllowedMentions {
    CreateAllowedMentions::new()
}

#[async_trait]
impl EventHandler for Ear {
    async fn ready(&self, _: Context, ready: Ready) {
        self.tell(format!("ready {} in {}", ready.user.name, ready.guilds.len()));
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        self.tell("resumed".to_owned());
    }

    async fn guild_create(&self, _: Context, guild: Guild, _: Option<bool>) {
        self.tell(format!(
            "{}: {} channels, {} threads",
            guild.name,
            guild.channels.len(),
            guild.threads.len()
        ));
    }

    async fn thread_create(&self, _: Context, thread: GuildChannel) {
        self.tell(format!("thread {}", thread.name));
    }

    async fn typing_start(&self, _: Context, event: TypingStartEvent) {
        self.tell(format!("typing in {}", event.guild_id.is_some()));
    }

    async fn message(&self, _: Context, message: Message) {
        let roles = message.member.map_or(0, |member| member.roles.len());
        let (name, mentions) = (message.author.name, message.mentions.len());
        self.tell(format!("{name}: {} ({roles} roles, {mentions} mentions)", message.content));
    }

    async fn message_update(
        &self,
        _: Context,
        _: Option<Message>,
        _: Option<Message>,
        event: MessageUpdateEvent,
    ) {
        self.tell(format!("now {}", event.content.unwrap_or_default()));
    }

    async fn message_delete(&self, _: Context, _: ChannelId, _: MessageId, _: Option<GuildId>) {
        self.tell("deleted".to_owned());
    }

    async fn interaction_create(&self, context: Context, interaction: Interaction) {
        let http = &context.http;
        match interaction {
            Interaction::Command(asked) => {
                asked.defer(http).await.unwrap();
                let edit = EditInteractionResponse::new().content("Looking…").allowed_mentions(quiet());
                asked.edit_response(http, edit).await.unwrap();
                let more =
                    CreateInteractionResponseFollowup::new().content("Found.").allowed_mentions(quiet());
                asked.create_followup(http, more.ephemeral(true)).await.unwrap();
                self.tell(format!("command {} by {}", asked.data.name, asked.user.name));
            }
            Interaction::Autocomplete(asked) => {
                let typed = asked.data.autocomplete().unwrap().value.to_owned();
                let offer = CreateAutocompleteResponse::new()
                    .set_choices(vec![AutocompleteChoice::new(typed, "web-1")]);
                asked.create_response(http, CreateInteractionResponse::Autocomplete(offer)).await.unwrap();
            }
            Interaction::Component(asked) => {
                let shown =
                    CreateInteractionResponseMessage::new().content("Stopped.").allowed_mentions(quiet());
                let answer = CreateInteractionResponse::UpdateMessage(shown.components(Vec::new()));
                asked.create_response(http, answer).await.unwrap();
                self.tell(format!("pressed {} on {}", asked.data.custom_id, asked.message.content));
            }
            other => self.tell(format!("{other:?}")),
        }
    }
}

/// The library on the gateway of a stand-in.
struct Library {
    http: Arc<Http>,
    hears: UnboundedReceiver<String>,
    shards: Arc<ShardManager>,
    running: JoinHandle<serenity::Result<()>>,
}

impl Library {
    async fn start(discord: &Discord) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = HttpBuilder::new(discord.token()).proxy(discord.api()).ratelimiter_disabled(true).build();
        let intents = GatewayIntents::GUILDS
            | GatewayIntents::GUILD_MESSAGES
            | GatewayIntents::GUILD_MESSAGE_TYPING
            | GatewayIntents::MESSAGE_CONTENT;
        let (heard, hears) = unbounded_channel();
        let builder = serenity::client::ClientBuilder::new_with_http(http, intents).event_handler(Ear(heard));
        let mut client = builder.await.unwrap();
        let (http, shards) = (client.http.clone(), client.shard_manager.clone());
        let running = tokio::spawn(async move { client.start().await });
        let mut library = Self { http, hears, shards, running };
        library.hears("ready kuBERTnetes in 1").await;
        library.hears("Acme: 1 channels, 0 threads").await;
        library
    }

    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(Duration::from_secs(30), self.hears.recv()).await;
        next.expect("the library hears nothing").unwrap()
    }

    async fn hears(&mut self, what: &str) {
        assert_eq!(self.next().await, what);
    }

    async fn stop(self, discord: &Discord) {
        self.shards.shutdown_all().await;
        self.running.await.unwrap().unwrap();
        discord.wait_until("the session to end", |world| world.gateway.listening() == 0).await;
        discord.assert_faithful();
    }
}

async fn begin(builder: Builder) -> (Discord, Home, Library) {
    let discord = builder.start();
    let home = discord.home();
    let role = discord.role(home.guild, "sre");
    discord.join(home.guild, home.person, &[role]);
    let library = Library::start(&discord).await;
    (discord, home, library)
}

#[tokio::test]
async fn the_library_hears_what_happens() {
    let (discord, home, mut library) = begin(Discord::builder()).await;
    let said = format!("{} hello", discord.mention());
    let id = discord.user_says(home.channel, home.person, &said);
    library.hears(&format!("mira: {said} (1 roles, 1 mentions)")).await;
    discord.user_edits(id, "hi");
    library.hears("now hi").await;
    discord.user_types(home.channel, home.person);
    library.hears("typing in true").await;
    discord.user_replies(home.channel, home.person, id, "and?");
    library.hears("mira: and? (1 roles, 1 mentions)").await;
    discord.user_opens_thread(home.channel, home.person, "chat");
    let mut both = [library.next().await, library.next().await];
    both.sort();
    assert_eq!(both, ["mira: chat (1 roles, 0 mentions)", "thread chat"]);
    discord.delete(id);
    library.hears("deleted").await;
    library.stop(&discord).await;
}

#[tokio::test]
async fn the_library_reads_what_it_is_answered() {
    let (discord, home, library) = begin(Discord::builder()).await;
    let (http, channel) = (library.http.clone(), ChannelId::new(home.channel));
    let asked = discord.user_says(home.channel, home.person, "why?");
    let thread = channel.create_thread_from_message(&http, asked, CreateThread::new("why")).await.unwrap();
    let message = CreateMessage::new()
        .embed(CreateEmbed::new().description("cause"))
        .components(vec![CreateActionRow::Buttons(vec![
            CreateButton::new("stop").label("Stop").style(ButtonStyle::Danger),
        ])])
        .add_file(CreateAttachment::bytes("lines".as_bytes(), "worker.log"))
        .allowed_mentions(quiet())
        .nonce(Nonce::String("1/cause".to_owned()))
        .enforce_nonce(true);
    let mut made = thread.send_message(&http, message).await.unwrap();
    assert_eq!((made.attachments.len(), made.components.len()), (1, 1));
    let edit = EditMessage::new().content("later").components(Vec::new()).allowed_mentions(quiet());
    made.edit(&http, edit).await.unwrap();
    assert_eq!(thread.messages(&http, GetMessages::new()).await.unwrap().len(), 2);
    thread.broadcast_typing(&http).await.unwrap();
    let guild = GuildId::new(home.guild);
    assert_eq!(guild.get_active_threads(&http).await.unwrap().threads[0].id, thread.id);
    assert_eq!(channel.get_archived_public_threads(&http, None, None).await.unwrap().threads.len(), 0);
    assert_eq!(guild.member(&http, home.person).await.unwrap().roles.len(), 1);
    assert_eq!(guild.roles(&http).await.unwrap().len(), 3);
    http.get_current_application_info().await.unwrap();
    let direct = UserId::new(home.person).create_dm_channel(&http).await.unwrap();
    assert_eq!(direct.recipient.id.get(), home.person);
    let refused = http.get_message(channel, MessageId::new(1)).await.unwrap_err();
    assert!(refused.to_string().contains("Unknown Message"), "{refused}");
    library.stop(&discord).await;
}

#[tokio::test]
async fn the_library_answers_commands_and_buttons() {
    // Slow machines run this beside many others.
    let (discord, home, mut library) = begin(Discord::builder().answer_window(Duration::from_secs(30))).await;
    let http = library.http.clone();
    let pod = CreateCommandOption::new(CommandOptionType::String, "pod", "Which one").required(true);
    let look = CreateCommandOption::new(CommandOptionType::SubCommand, "pod", "Look at a pod");
    let look = look.add_sub_option(pod.set_autocomplete(true));
    let command = CreateCommand::new("diagnose").description("Find out").add_option(look);
    let made = GuildId::new(home.guild).set_commands(&http, vec![command]).await.unwrap();
    assert_eq!(made[0].name, "diagnose");

    let offered = discord.autocomplete(home.channel, home.person, "diagnose pod", &[], ("pod", "we")).await;
    assert_eq!(offered, [("we".to_owned(), "web-1".into())]);
    discord.slash(home.channel, home.person, "diagnose pod", &[("pod", "web-1")]);
    loop {
        match library.next().await {
            told if told == "command diagnose by mira" => break,
            told => assert!(told.contains("Looking…") || told.starts_with("kuBERTnetes: "), "{told}"),
        }
    }
    let message = CreateMessage::new()
        .content("Looking")
        .components(vec![CreateActionRow::Buttons(vec![CreateButton::new("stop").label("Stop")])])
        .allowed_mentions(quiet())
        .nonce(Nonce::Number(7))
        .enforce_nonce(true);
    let made = ChannelId::new(home.channel).send_message(&http, message).await.unwrap();
    discord.press_button(made.id.get(), "stop", home.person);
    while library.next().await != "pressed stop on Looking" {}
    let post = discord.posts(home.channel).pop().unwrap();
    assert_eq!((post.content.as_str(), post.buttons().len()), ("Stopped.", 0));
    library.stop(&discord).await;
}

/// A heartbeat that a test can wait for.
fn lively() -> Builder {
    Discord::builder().heartbeat(Duration::from_millis(400))
}

#[tokio::test]
async fn the_library_resumes_what_ended() {
    let (discord, home, mut library) = begin(lively()).await;
    for disturb in [Discord::cut_gateway, Discord::ask_to_reconnect] {
        disturb(&discord);
        discord.user_says(home.channel, home.person, "still there?");
        // Events run as a task each: the order is not kept.
        let mut both = [library.next().await, library.next().await];
        both.sort();
        assert_eq!(both, ["mira: still there? (1 roles, 0 mentions)", "resumed"]);
    }
    library.stop(&discord).await;
}

/// What was said in between is lost to it.
async fn begins_anew_after(disturb: impl FnOnce(&Discord)) {
    let (discord, home, mut library) = begin(lively()).await;
    disturb(&discord);
    discord.user_says(home.channel, home.person, "lost");
    let mut both = [library.next().await, library.next().await];
    both.sort();
    assert_eq!(both, ["Acme: 1 channels, 0 threads", "ready kuBERTnetes in 1"]);
    assert_eq!(discord.read(|world| (world.gateway.identified, world.gateway.resumed)), (2, 0));
    // The library does not end its connection by itself now.
    library.running.abort();
    discord.assert_faithful();
}

#[tokio::test]
async fn the_library_begins_anew_after_silence() {
    begins_anew_after(Discord::zombify).await;
}

#[tokio::test]
async fn the_library_begins_anew_after_its_session_was_ended() {
    begins_anew_after(|discord| discord.invalidate_sessions(false)).await;
}
