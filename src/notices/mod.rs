//! Notices: who is told what, and the promises to tell.
//!
//! Everything in here happens inside a transaction of the caller: what is owed to people is written down together with what caused it, and
//! the outbox delivers it later. A mail is kept as a `Payload`, a list of references; it is composed at the last moment, so that it never
//! speaks of what has been settled meanwhile.

mod compose;
mod digest;
mod failing;
mod operator;
mod owe;
mod payload;
mod readdress;
mod upcoming;
mod watched;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
pub use compose::{drop_unsaid, is_for_nobody, is_out_of_date, letter, mark_sent, silence, subject, unsilence};
pub use failing::owe_failing;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
pub use operator::{
    gather, note_app_refused, note_settings_refused, note_shops_gone, note_undeliverable, owe_operator_mail,
};
pub use owe::{
    Pass, bring_up_to_date, note_end_moved, note_ended, note_obstacle, note_renewal, note_shops_changed,
    note_works_again, owe_due, owe_fresh_link, owe_test_mail,
};
use payload::{GrantRef, Payload, StepRef};
pub use readdress::pass_on;
pub use upcoming::{UpcomingMail, next_reminders, upcoming_mails};
pub use watched::{Watched, watched};

pub use crate::mail::{Language, News, RenewLink};
use crate::{
    domain::{ChannelName, ShopId, reminder::Ladder},
    mail::Sender,
};

/// Who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// In which language.
    pub language: Language,
}

/// What notices need to know of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopPeople {
    /// What people call it.
    pub name: String,
    /// What people call its channel.
    pub channel_title: String,
    /// Who is reminded.
    pub recipients: Vec<Recipient>,
}

/// The secret of an app that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSecret {
    /// The channel.
    pub channel: ChannelName,
    /// What people call it.
    pub channel_title: String,
    /// The local date on which it ends.
    pub ends_on: Date,
}

/// Makes the address where a shop's owner renews the permission.
pub type LinkMaker = Arc<dyn Fn(&ShopId, Option<&str>) -> RenewLink + Send + Sync>;

/// Everything that notices need to know of the settings: who is to be told, when, and under which name.
#[derive(Clone)]
pub struct People {
    /// The shops in the settings.
    pub shops: BTreeMap<ShopId, ShopPeople>,
    /// What people are called, by their addresses.
    pub names: BTreeMap<String, String>,
    /// Who hears about the daemon itself.
    pub operator: Vec<Recipient>,
    /// The language for an address that is not among the recipients.
    pub language: Language,
    /// When people are reminded, and the zone of all dates.
    pub ladder: Ladder,
    /// The sender of every mail.
    pub sender: Sender,
    /// Makes the links.
    pub link: LinkMaker,
    /// What a reader of mails types for `shopsyncd`.
    pub command: String,
    /// Secrets of apps whose end is known.
    pub app_secrets: Vec<AppSecret>,
}

/// The people in force: replaced whole when the settings change.
pub type SharedPeople = Arc<ArcSwap<People>>;

impl People {
    /// The same of these shops alone.
    #[must_use]
    pub fn of(&self, shops: &BTreeSet<ShopId>) -> Self {
        let named = shops.iter().filter_map(|id| Some((id.clone(), self.shops.get(id)?.clone())));
        Self {
            shops: named.collect(),
            names: self.names.clone(),
            operator: self.operator.clone(),
            language: self.language,
            ladder: self.ladder.clone(),
            sender: self.sender.clone(),
            link: Arc::clone(&self.link),
            command: self.command.clone(),
            app_secrets: self.app_secrets.clone(),
        }
    }

    /// The zone of all dates.
    pub const fn zone(&self) -> &TimeZone {
        &self.ladder.zone
    }

    /// An instant as people read it.
    fn shown(&self, at: Timestamp) -> String {
        at.to_zoned(self.ladder.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// Whether anybody is reminded of a shop.
    fn is_heard(&self, shop: &ShopId) -> bool {
        self.shops.get(shop).is_some_and(|shop| !shop.recipients.is_empty())
    }

    /// Whether the owner of an address is reminded of a shop.
    fn reads(&self, address: &str, shop: &ShopId) -> bool {
        let known = self.shops.get(shop);
        known.is_some_and(|shop| shop.recipients.iter().any(|recipient| recipient.address == address))
    }

    /// What people call a shop, on one line; one that left the settings is called by its id.
    fn name(&self, shop: &ShopId) -> String {
        let name = self.shops.get(shop).map_or_else(|| shop.to_string(), |known| known.name.clone());
        name.replace(char::is_control, " ")
    }

    /// What people call the channel of these shops.
    fn channel_title(&self, shops: &[ShopId], channel: &ChannelName) -> String {
        let known = shops.iter().find_map(|shop| self.shops.get(shop));
        known.map_or_else(|| channel.to_string(), |shop| shop.channel_title.clone())
    }
}
