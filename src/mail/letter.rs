//! What a mail says, before it is put into words of a language.

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::{AuthorizationId, JobKind, MailKind, ShopId};

/// A shop as a mail names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopLine {
    /// Its id.
    pub id: ShopId,
    /// What people call it.
    pub name: String,
    /// Where its owner renews the permission.
    pub renew: RenewLink,
}

/// Where the owner of a shop renews the permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewLink {
    /// The address.
    pub url: Url,
    /// Until when it leads on, where it has an end.
    pub until: Option<Timestamp>,
}

/// A link that leads on for ever.
impl From<Url> for RenewLink {
    fn from(url: Url) -> Self {
        Self { url, until: None }
    }
}

/// One authorization, with those of its shops that concern the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number: the calendar entry goes by it.
    pub authorization: AuthorizationId,
    /// What people call the channel.
    pub channel: String,
    /// What the channel calls the account.
    pub account: Option<String>,
    /// The shops; never empty.
    pub shops: Vec<ShopLine>,
    /// When it ends or ended; `None` where a machine can extend it for ever.
    pub ends_at: Option<Timestamp>,
    /// Set when the channel refused it before its end: the reason in the channel's words (may be empty).
    pub revoked: Option<String>,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// Permissions that end, the most urgent first. Never empty.
    Reminder(Vec<Item>),
    /// A permission has ended, or was refused before its end.
    Ended(Item),
    /// A permission was renewed.
    Renewed(Item),
    /// A fresh link, asked for by somebody who followed an old one.
    FreshLink(ShopLine),
    /// The channel lets us no longer work in shops, although the permission stands: their owner has to mend that there. Never empty.
    Obstacles(Vec<Obstructed>),
    /// What the operator has to know, in the order in which it happened. Never empty.
    Operator(Vec<News>),
    /// A test.
    Test,
}

impl Letter {
    /// The kind, as in `X-Shopsyncd-Kind` and in the outbox.
    pub const fn kind(&self) -> MailKind {
        match self {
            Self::Reminder(_) | Self::FreshLink(_) | Self::Obstacles(_) => MailKind::Reminder,
            Self::Ended(_) => MailKind::Ended,
            Self::Renewed(_) => MailKind::Renewed,
            Self::Operator(_) => MailKind::Operator,
            Self::Test => MailKind::Test,
        }
    }

    /// The permissions it speaks of.
    pub fn items(&self) -> &[Item] {
        match self {
            Self::Reminder(items) => items,
            Self::Ended(item) | Self::Renewed(item) => std::slice::from_ref(item),
            Self::FreshLink(_) | Self::Obstacles(_) | Self::Operator(_) | Self::Test => &[],
        }
    }
}

/// Shops that cannot be worked in for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstructed {
    /// The shops: all of a permission that lacks a right. Never empty.
    pub shops: Vec<ShopLine>,
    /// What people call their channel.
    pub channel: String,
    /// What stands in the way.
    pub obstacle: Obstacle,
}

/// What stands in the way of a shop whose permission stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is closed, frozen or suspended: the channel's word for it.
    Closed(String),
    /// The permission lacks this right.
    ScopeMissing(String),
}

/// A mail that was owed before apps were told apart is of the only one there was.
fn usual_keys() -> [String; 2] {
    ["client_id", "client_secret"].map(str::to_owned)
}

/// Mails of before said so whoever was asked.
const fn usually() -> bool {
    true
}

/// What the operator has to know. Kept in the outbox as it is; what it names by number is asked again before it leaves, so that nobody is
/// told what has been settled meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// A channel refused a permission before its end date.
    AuthorizationRevoked {
        /// What people call the channel.
        channel: String,
        /// What the channel calls the account.
        account: Option<String>,
        /// What people call its shops.
        shops: Vec<String>,
        /// The channel's word for it.
        why: String,
        /// The grant that is over.
        #[serde(default)]
        grant: Option<(AuthorizationId, i64)>,
        /// Whether anybody was asked to renew it.
        #[serde(default = "usually")]
        asked: bool,
    },
    /// An authorization has ended because nobody renewed it.
    AuthorizationLapsed {
        /// What people call the channel.
        channel: String,
        /// What the channel calls the account.
        account: Option<String>,
        /// What people call its shops.
        shops: Vec<String>,
        /// The grant that is over.
        #[serde(default)]
        grant: Option<(AuthorizationId, i64)>,
        /// Whether anybody was asked to renew it.
        #[serde(default = "usually")]
        asked: bool,
    },
    /// The settings were refused at run time.
    SettingsRefused {
        /// The findings.
        why: String,
    },
    /// A start found shops in none of the settings files that were there before.
    ShopsGone {
        /// Their ids.
        shops: Vec<ShopId>,
    },
    /// A mail cannot be delivered.
    Undeliverable {
        /// Its number in the outbox.
        id: i64,
        /// Whom it does not reach.
        to: String,
        /// The relay's words.
        why: String,
    },
    /// A channel refuses our app: all its shops wait.
    AppRejected {
        /// What people call the channel.
        channel: String,
        /// Under which keys of the settings the app's id and secret stand.
        #[serde(default = "usual_keys")]
        keys: [String; 2],
        /// The channel's word for it.
        why: String,
        /// One of them.
        #[serde(default)]
        shop: Option<ShopId>,
        /// The others.
        #[serde(default)]
        others: Vec<ShopId>,
    },
    /// The app's secret ends.
    AppSecretEnds {
        /// What people call the channel.
        channel: String,
        /// The local date on which it ends.
        ends_on: civil::Date,
    },
    /// A refresh token ends before its authorization does, although a machine should have replaced it.
    RefreshTokenEnds {
        /// What people call the channel.
        channel: String,
        /// What the channel calls the account.
        account: Option<String>,
        /// What people call its shops.
        shops: Vec<String>,
        /// When.
        ends_at: Timestamp,
        /// Whose it is.
        #[serde(default)]
        authorization: Option<AuthorizationId>,
    },
    /// A guard stopped an export.
    GuardStopped {
        /// The shop's id.
        shop: ShopId,
        /// What people call it.
        name: String,
        /// What the plan would have done.
        why: String,
    },
    /// A job keeps failing.
    JobFailing {
        /// The shop's id.
        shop: ShopId,
        /// What people call it.
        name: String,
        /// The job.
        job: JobKind,
        /// The error.
        why: String,
        /// What to do; may be empty.
        remedy: String,
    },
    /// It works again.
    JobRecovered {
        /// The shop's id.
        shop: ShopId,
        /// What people call it.
        name: String,
        /// The job.
        job: JobKind,
    },
}
