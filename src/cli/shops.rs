//! `shops`: list, show, authorize, test, pause, resume, forget.

use std::{
    io::{self, BufRead, IsTerminal},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Outcome, ShopsCommand, exit,
    open::{self, Env},
    origins, print,
    table::Table,
};
use crate::{
    control::{Hidden, Refusal, Request},
    domain::{JobKind, ShopId},
    report::{self, Setting, ShopsView},
};

pub(super) async fn shops(env: &Env, command: ShopsCommand) -> Outcome {
    match command {
        ShopsCommand::List => list(env).await,
        ShopsCommand::Show { shop } => show(env, &shop).await,
        ShopsCommand::Authorize { shop } => authorize(env, shop).await,
        ShopsCommand::Test { shop } => say(env, Request::Test { shop }).await,
        ShopsCommand::Pause { shop } => say(env, Request::Pause { shop }).await,
        ShopsCommand::Resume { shop } => say(env, Request::Resume { shop }).await,
        ShopsCommand::Forget { shop, yes: false } => {
            let text = format!("`shops forget {shop}` erases its tokens, listings and history; add --yes to do it");
            Err(Refusal::new(exit::USAGE, text))
        }
        ShopsCommand::Forget { shop, yes: true } => say(env, Request::Forget { shop }).await,
    }
}

/// Asks the daemon and prints its words.
async fn say(env: &Env, request: Request) -> Outcome {
    let answer = env.ask(&request).await?;
    if env.json { print::json(&answer) } else { print::text(answer["text"].as_str().unwrap_or("done")) }
}

async fn list(env: &Env) -> Outcome {
    let view: ShopsView = if env.serves_before().await {
        env.ask_for(&Request::Shops).await?
    } else {
        let config = env.readable()?;
        // Before the first start there is no database, and while it is away the files still have their shops.
        let mut kept = open::reading(&config).await.ok();
        report::shops(kept.as_mut(), &config).await.map_err(open::unavailable)?
    };
    if env.json { print::json(&view) } else { table(&view).print() }
}

fn table(view: &ShopsView) -> Table {
    let mut table =
        Table::new(&["SHOP", "NAME", "CHANNEL", "REFRESH", "IMPORT", "EXPORT"]).wide("NAME").spare(&["CHANNEL"]);
    for shop in &view.shops {
        let cell = |job: JobKind| shop.jobs.get(&job).map_or("-", String::as_str).to_owned();
        let name = if shop.source { format!("{} (product source)", shop.name) } else { shop.name.clone() };
        table.row([
            shop.id.to_string(),
            name,
            shop.channel.to_string(),
            cell(JobKind::AuthorizationRefresh),
            cell(JobKind::ProductImport),
            cell(JobKind::ProductExport),
        ]);
        table.note(shop.removed.then(|| report::kept_text(&shop.id)).as_deref());
    }
    table
}

/// The shop's settings as resolved, each with where it comes from.
async fn show(env: &Env, shop: &ShopId) -> Outcome {
    let rows: Vec<Setting> = if env.serves_before().await {
        env.ask_for(&Request::Settings { shop: shop.clone() }).await?
    } else {
        let config = env.readable()?;
        open::known_or_kept(&config, shop).await?;
        report::shop_settings(&config, shop).unwrap_or_default()
    };
    if env.json {
        return print::json(&json!({ "id": shop, "settings": origins::as_json(rows) }));
    }
    origins::print(rows)
}

/// How long what is piped in may take to come. Whoever brings tokens needs no link; whoever acts on the link waits for it.
const PATIENCE: Duration = Duration::from_millis(300);

/// Prints the consent link alone on standard output (with `--json` an object in a line), and reads what comes back from
/// standard input: the address on which the browser ended, or tokens as JSON. Where that is there already no consent begins.
async fn authorize(env: &Env, shop: ShopId) -> Outcome {
    let mut input = Input::begin();
    let input = match input.at_once().await? {
        Some(brought) if !brought.trim().is_empty() => brought,
        ended => {
            print_link(env, &shop).await?;
            if ended.is_some() {
                return Ok(());
            }
            input.rest().await?
        }
    };
    let Some(brought) = Brought::read(&input)? else { return Ok(()) };
    let request = match brought {
        Brought::Tokens(tokens) => Request::HandIn { shop, tokens: Hidden(tokens) },
        Brought::Address(address) => Request::Authorized { shop, address: Hidden(address) },
    };
    say(env, request).await
}

/// What came back on standard input.
enum Brought {
    Address(String),
    Tokens(Value),
}

impl Brought {
    /// `None`: nothing. Whatever it is, it may hold a token or a code: a refusal never repeats any of it.
    fn read(input: &str) -> Result<Option<Self>, Refusal> {
        let input = bare(input);
        let refused = |cause: &str| {
            Err(Refusal::new(
                exit::USAGE,
                format!(
                    "{cause}; paste all of the address on which the browser ended (https://…), or give {{\"access_token\": …, \"refresh_token\": …, \"account\": …, \"authorized_at\": …, \"ends_at\": …}}"
                ),
            ))
        };
        if input.is_empty() {
            return Ok(None);
        }
        if input.starts_with('{') {
            return match serde_json::from_str(input) {
                Ok(tokens) => Ok(Some(Self::Tokens(tokens))),
                Err(error) => {
                    refused(&format!("the tokens are not JSON (line {}, column {})", error.line(), error.column()))
                }
            };
        }
        match url::Url::parse(input) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(Some(Self::Address(input.to_owned()))),
            _ => refused("what was read is neither an address nor a JSON object of tokens"),
        }
    }
}

/// Without the space around it, and without the mark that some editors put before everything.
fn bare(input: &str) -> &str {
    input.trim().trim_start_matches('\u{feff}').trim_start()
}

async fn print_link(env: &Env, shop: &ShopId) -> Outcome {
    let link = env.ask(&Request::Authorize { shop: shop.clone() }).await?;
    // A line of its own: whoever reads it has to act on it before the rest comes.
    if env.json {
        print::text(&link.to_string())?;
    } else {
        print::text(link["link"].as_str().unwrap_or_default())?;
    }
    if io::stdin().is_terminal() {
        print::aside(
            "open this link as the shop's owner, then paste the address on which the browser ended (or tokens as JSON):",
        );
    }
    Ok(())
}

/// What comes on standard input, read beside everything else: nobody can be interrupted in it.
struct Input(oneshot::Receiver<io::Result<String>>);

impl Input {
    fn begin() -> Self {
        let (read, input) = oneshot::channel();
        std::thread::spawn(move || read.send(read_input()));
        Self(input)
    }

    /// What was piped in; `None` from a terminal, and where nothing has come yet.
    async fn at_once(&mut self) -> Result<Option<String>, Refusal> {
        if io::stdin().is_terminal() {
            return Ok(None);
        }
        timeout(PATIENCE, &mut self.0).await.ok().map(readable).transpose()
    }

    async fn rest(self) -> Result<String, Refusal> {
        readable(self.0.await)
    }
}

fn readable(read: Result<io::Result<String>, oneshot::error::RecvError>) -> Result<String, Refusal> {
    let read = read.unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()));
    read.map_err(|error| Refusal::new(exit::FAILED, format!("cannot read standard input: {error}")))
}

/// One line; or, where it begins with a brace, everything up to the end of the JSON.
fn read_input() -> io::Result<String> {
    let mut text = String::new();
    for line in io::stdin().lock().lines() {
        text.push_str(&line?);
        text.push('\n');
        let tokens = bare(&text).starts_with('{');
        if !bare(&text).is_empty() && (!tokens || serde_json::from_str::<Value>(bare(&text)).is_ok()) {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_told_apart_and_never_repeated() {
        let read = |input: &str| match Brought::read(input) {
            Ok(Some(Brought::Tokens(_))) => "tokens".to_owned(),
            Ok(Some(Brought::Address(_))) => "address".to_owned(),
            Ok(None) => "nothing".to_owned(),
            Err(refusal) => refusal.text,
        };
        assert_eq!(read(" \n"), "nothing");
        assert_eq!(read("\u{feff}{\"access_token\": \"marked\"}\n"), "tokens");
        assert_eq!(read("https://shops.example/oauth/market/callback?code=marked"), "address");
        for input in [
            "[{\"access_token\": \"marked\"}]",
            "\"{\\\"access_token\\\": \\\"marked\\\"}\"",
            "{\"access_token\": \"marked}",
            "{\"access_token\": marked}",
            "shops.example/oauth/market/callback?code=marked",
            "localhost:8420/oauth/market/callback?code=marked",
            "\"https://shops.example/oauth/market/callback?code=marked\"",
            "marked",
        ] {
            let refusal = read(input);
            assert!(refusal.contains("paste all of the address") && !refusal.contains("marked"), "{input}: {refusal}");
        }
        let request = Request::HandIn { shop: "a".parse().expect("an id"), tokens: Hidden("marked".into()) };
        assert!(!format!("{request:?}").contains("marked"), "{request:?}");
    }
}
