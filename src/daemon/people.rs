//! From the settings to what notices and mail need to know.

use std::{path::Path, sync::Arc};

use super::{Files, StartError};
use crate::{
    clock::Clock,
    config::{self, Config, load::DEFAULT_FILE},
    domain::{ShopId, reminder::Ladder},
    keeper::{LINK_LIFE, Links},
    mail::{self, Mailer, Sender},
    notices::{AppSecret, LinkMaker, People, Recipient, RenewLink, ShopPeople},
};

/// Who is told what, by the settings.
pub(super) fn people(config: &Config, files: &Files, links: &Links, clock: &Clock) -> Result<People, StartError> {
    let (links, clock) = (links.clone(), clock.clone());
    let link = move |shop: &ShopId, account: Option<&str>| {
        let now = clock.now();
        RenewLink { url: links.renew_link(shop, account, now), until: Some(now + LINK_LIFE) }
    };
    Ok(People { command: command(files.config.as_deref()), ..people_with(config, Arc::new(link))? })
}

/// What is typed to reach a daemon whose main file is this one: commands look for it at the default place.
fn command(main: Option<&Path>) -> String {
    let Some(main) = main.filter(|main| *main != Path::new(DEFAULT_FILE)) else { return "shopsyncd".to_owned() };
    let path = std::path::absolute(main).unwrap_or_else(|_| main.to_owned()).display().to_string();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:".contains(c));
    let path = if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
    format!("shopsyncd --config {path}")
}

/// The same for commands that send nothing: its links lead to the page and are not signed.
pub fn people_of(config: &Config) -> Result<People, StartError> {
    let page = super::force::page(config);
    people_with(
        config,
        Arc::new(move |shop: &ShopId, _: Option<&str>| page.address(&format!("authorize/{shop}")).into()),
    )
}

fn people_with(config: &Config, link: LinkMaker) -> Result<People, StartError> {
    let shops = config.shops.iter().map(|(id, shop)| {
        let known = ShopPeople {
            name: shop.name.clone(),
            channel_title: channel_title(shop.channel.as_str()),
            recipients: recipients(&shop.remind),
        };
        (id.clone(), known)
    });
    let app_secrets = config.channels.iter().filter_map(|(channel, settings)| {
        let ends_on = settings.client_secret_ends?;
        Some(AppSecret { channel: channel.clone(), channel_title: channel_title(channel.as_str()), ends_on })
    });
    let everybody = config.mail.operator.iter().chain(config.shops.values().flat_map(|shop| &shop.remind));
    let named = everybody.filter_map(|known| Some((known.address.clone(), known.name.clone()?)));
    Ok(People {
        shops: shops.collect(),
        names: named.collect(),
        operator: recipients(&config.mail.operator),
        language: config.mail.language,
        ladder: ladder(config),
        sender: Sender::parse(&config.mail.from)?,
        link,
        command: "shopsyncd".to_owned(),
        app_secrets: app_secrets.collect(),
    })
}

/// The ladder of `[reminders]`.
fn ladder(config: &Config) -> Ladder {
    let config::Reminders { start, every, extra, at, .. } = config.reminders.clone();
    Ladder { start, every, extra, at, zone: config.timezone.clone() }
}

/// What people call a channel: `tiktok_shop` is TikTok Shop.
fn channel_title(channel: &str) -> String {
    crate::channels::find(channel).map_or(channel, |def| def.title).to_owned()
}

fn recipients(known: &[config::Recipient]) -> Vec<Recipient> {
    let recipient = |known: &config::Recipient| Recipient { address: known.address.clone(), language: known.language };
    known.iter().map(recipient).collect()
}

/// How mail leaves, by the settings.
pub(super) fn mailer(config: &Config, clock: &Clock) -> Result<Mailer, StartError> {
    let transport = match &config.mail.transport {
        config::Transport::None => mail::Transport::None,
        config::Transport::Folder => mail::Transport::Folder(config.state_dir.join("mail")),
        config::Transport::Smtp(smtp) => mail::Transport::Smtp(mail::Smtp {
            host: smtp.host.clone(),
            port: smtp.port,
            tls: match smtp.tls {
                config::Tls::Starttls => mail::Tls::Starttls,
                config::Tls::Implicit => mail::Tls::Implicit,
                config::Tls::None => mail::Tls::None,
            },
            username: smtp.username.clone(),
            password: smtp.password.clone(),
            ca: smtp.ca.clone(),
        }),
    };
    Ok(Mailer::new(&mail::Settings { transport }, clock.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_mails_name_the_settings_that_are_not_at_their_place() {
        assert_eq!(command(None), "shopsyncd");
        assert_eq!(command(Some(Path::new(DEFAULT_FILE))), "shopsyncd");
        let path = Path::new("/srv/shops/shopsyncd.toml");
        assert_eq!(command(Some(path)), "shopsyncd --config /srv/shops/shopsyncd.toml");
        let path = Path::new("/srv/my shops/it's.toml");
        assert_eq!(command(Some(path)), r"shopsyncd --config '/srv/my shops/it'\''s.toml'");
    }
}
