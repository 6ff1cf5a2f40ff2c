//! What the pretend marketplace knows: shops, permissions, tokens, and what it has seen of its callers.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::catalogue::{Item, currency_of};
use crate::{
    channels::fake::{Mishap, Recent},
    secrets::random_text,
};

/// The order of the item list. No page of the vendor names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// By id.
    Id,
    /// Changed longest ago first.
    Oldest,
    /// Changed last first.
    Newest,
}

/// How the pretend marketplace behaves. The defaults are the vendor's where the vendor says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// How long an access token lives: 4 hours.
    pub access_token_life: SignedDuration,
    /// How long a refresh token lives: 30 days.
    pub refresh_token_life: SignedDuration,
    /// How long the previous access token goes on working after a refresh: 5 minutes.
    pub previous_access_grace: SignedDuration,
    /// How long an authorization lives where the consent page is not told `days`: 365 days.
    pub authorization_life: SignedDuration,
    /// Whether a spent refresh token brings the same new pair again when the reply to its first use was lost: an FAQ says so, for
    /// about 4 hours, the guide does not.
    pub lost_reply_forgiven: bool,
    /// Whether the reply to a renewal counts as lost until one of its tokens is used: for callers that are killed, of whom nobody
    /// can tell what they have read.
    pub unread_until_used: bool,
    /// Whether errors come with 403 instead of 200: sources disagree.
    pub errors_are_403: bool,
    /// Whether the words of errors come with a prefix.
    pub errors_have_prefix: bool,
    /// Whether `expire_in` is an instant, as in one of the vendor's samples.
    pub expire_in_is_an_instant: bool,
    /// Whether a suspended shop is told by `shop_banned` instead of by its status.
    pub banned_is_an_error: bool,
    /// Calls a second per shop, by the real clock. `None`: no limit; the vendor publishes none.
    pub rate: Option<u32>,
    /// The app's calls of the day are used up.
    pub daily_limit_reached: bool,
    /// The app's live key has expired.
    pub partner_key_expired: bool,
    /// The caller's address is not declared for the app.
    pub source_ip_undeclared: bool,
    /// The most items in an answer of the list, whatever was asked for; the vendor's is 100.
    pub page_cap: usize,
    /// The highest offset of the list. The vendor names the error and not the number.
    pub offset_cap: Option<usize>,
    /// The order of the list.
    pub list_order: ListOrder,
    /// Whether `total_count` counts all items of the shop instead of those found: the page does not say.
    pub total_counts_everything: bool,
    /// Whether each page of the list but the first names itself as the next one.
    pub list_goes_round: bool,
    /// Items of which the base data never tells.
    pub untold_items: BTreeSet<u64>,
    /// Whether the search by SKU finds models' SKUs too: the page speaks of items.
    pub search_finds_models: bool,
    /// How long after it was made the search finds an item.
    pub search_lag: SignedDuration,
    /// Whether a stock below the reserved one refuses the whole call instead of the model.
    pub reserved_stock_refuses_the_call: bool,
    /// Whether sellers may name locations: those without warehouses may not, although they read one.
    pub names_locations: bool,
    /// The longest name of an item.
    pub longest_name: usize,
    /// The longest description.
    pub longest_description: usize,
    /// What new items must have: the bounds differ by category, but not here.
    pub bounds: Bounds,
    /// The attributes that every item must have: they differ by category, but not here.
    pub mandatory_attributes: BTreeSet<u64>,
    /// Attributes of other categories, which no item can have.
    pub foreign_attributes: BTreeSet<u64>,
    /// A warning that comes with what `update_item` answers.
    pub update_warning: String,
}

/// From what to what, of new items.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// Characters of the name; the most are [`Rules::longest_name`].
    pub least_name: usize,
    /// The price.
    pub price: [Decimal; 2],
    /// Images.
    pub images: [usize; 2],
    /// Characters of an option's value, at the most.
    pub option: usize,
    /// Days to ship of pre-orders; `None`: the category takes none.
    pub days_to_ship: Option<[i64; 2]>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            least_name: 1,
            price: [Decimal::new(1, 1), Decimal::from(10_000_000)],
            images: [1, 9],
            option: 20,
            days_to_ship: Some([5, 30]),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            access_token_life: SignedDuration::from_hours(4),
            refresh_token_life: SignedDuration::from_hours(30 * 24),
            previous_access_grace: SignedDuration::from_mins(5),
            authorization_life: SignedDuration::from_hours(365 * 24),
            lost_reply_forgiven: true,
            unread_until_used: false,
            errors_are_403: false,
            errors_have_prefix: false,
            expire_in_is_an_instant: false,
            banned_is_an_error: false,
            rate: None,
            daily_limit_reached: false,
            partner_key_expired: false,
            source_ip_undeclared: false,
            page_cap: 100,
            offset_cap: None,
            list_order: ListOrder::Newest,
            total_counts_everything: false,
            list_goes_round: false,
            untold_items: BTreeSet::new(),
            search_finds_models: true,
            search_lag: SignedDuration::ZERO,
            reserved_stock_refuses_the_call: false,
            names_locations: true,
            longest_name: 120,
            longest_description: 3_000,
            bounds: Bounds::default(),
            mandatory_attributes: BTreeSet::new(),
            foreign_attributes: BTreeSet::new(),
            update_warning: String::new(),
        }
    }
}

/// What the pretend marketplace has seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Calls by path.
    pub calls: BTreeMap<String, u64>,
    /// Calls beyond the rate limit.
    pub rate_violations: u64,
    /// Refresh tokens that came again for the same shop although the reply to their first use had been sent whole.
    pub refresh_tokens_spent_twice: u64,
    /// Refresh tokens that came again for the same shop after a reply that was lost.
    pub refresh_tokens_spent_after_lost_reply: u64,
    /// Tokens renewed.
    pub refreshes: u64,
    /// Codes traded.
    pub exchanges: u64,
    /// Calls with a wrong signature or timestamp.
    pub bad_signatures: u64,
    /// Calls with a token that was expired, revoked or unknown.
    pub bad_tokens: u64,
    /// Calls for shops whose permission has ended: the vendor wants more than 90% of an app's calls to succeed.
    pub calls_after_the_end: u64,
    /// Calls that asked for more than a page of the vendor allows.
    pub beyond_documented: u64,
    /// Prices set.
    pub prices_changed: u64,
    /// Stocks set.
    pub stocks_changed: u64,
    /// Items taken off sale or put back.
    pub unlisted: u64,
    /// Items whose name or description was set.
    pub texts_changed: u64,
    /// Items whose images were set.
    pub images_changed: u64,
    /// Items whose attributes were set.
    pub attributes_changed: u64,
    /// Items made.
    pub created: u64,
    /// Variations added to items that had some.
    pub joined: u64,
    /// Items that were to get their variations sooner than five seconds after they were made.
    pub varied_too_early: u64,
}

/// Tokens, as handed to an app.
#[derive(Debug, Clone, Serialize)]
pub struct Issued {
    /// The shop whose they are; of a main account's pair the first.
    #[serde(serialize_with = "as_text")]
    pub account: u64,
    /// For calls.
    pub access_token: String,
    /// When it ends.
    #[serde(skip)]
    pub access_token_ends_at: Timestamp,
    /// For renewing.
    pub refresh_token: String,
    /// When the owner gave the authorization.
    pub authorized_at: Timestamp,
    /// When the authorization ends.
    pub ends_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: serde::Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// A shop.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) main_account: Option<u64>,
    pub(super) status: String,
    /// The permission that its owner gave last, whatever became of it.
    pub(super) permission: Option<Permission>,
    pub(super) currency: &'static str,
    /// Where its seller keeps stock.
    pub(super) locations: Vec<String>,
    /// Whether its seller is on holiday: then stock cannot be changed.
    pub(super) holiday: bool,
    pub(super) items: BTreeMap<u64, Item>,
}

impl Shop {
    pub(super) fn new(name: &str, region: &str) -> Self {
        Self {
            name: name.to_owned(),
            region: region.to_owned(),
            main_account: None,
            status: "NORMAL".to_owned(),
            permission: None,
            currency: currency_of(region),
            locations: vec![format!("{region}Z")],
            holiday: false,
            items: BTreeMap::new(),
        }
    }

    /// Whether prices have two decimals; elsewhere they are whole and what is sent is rounded.
    pub(super) fn has_cents(&self) -> bool {
        ["SGD", "MYR", "BRL", "MXN"].contains(&self.currency)
    }
}

/// An owner's permission. Only another consent moves its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permission {
    pub(super) given_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) cancelled: bool,
}

/// An access token as it stands for one shop.
pub(super) struct Access {
    pub(super) ends_at: Timestamp,
    /// The refresh token that it was traded for, until it is used.
    pub(super) traded_for: Option<String>,
}

/// A refresh token as it stands for one shop: a main account's is spent once for each of its shops.
pub(super) struct Refresh {
    pub(super) ends_at: Timestamp,
    /// The access token that came with it.
    pub(super) access_token: String,
    /// When it was spent, and on what.
    pub(super) spent: Option<(Timestamp, Issued)>,
    /// Whether the reply to its use was lost.
    pub(super) unread: bool,
}

/// Who consented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Shop(u64),
    Main(u64),
}

pub(super) struct Code {
    pub(super) subject: Subject,
    pub(super) until: Timestamp,
    pub(super) life: SignedDuration,
    pub(super) used: bool,
}

/// A token and the shop for which it stands.
type TokenOf = (String, u64);

/// All of it.
#[derive(Default)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) redirect_domain: Option<String>,
    pub(super) shops: BTreeMap<u64, Shop>,
    pub(super) access: HashMap<TokenOf, Access>,
    pub(super) refresh: HashMap<TokenOf, Refresh>,
    pub(super) codes: HashMap<String, Code>,
    /// Every token that was ever handed out.
    pub(super) given: Vec<String>,
    pub(super) broken: Option<Mishap>,
    pub(super) next_of_api: VecDeque<Mishap>,
    pub(super) next_of_tokens: VecDeque<Mishap>,
    pub(super) instead_of_tokens: Option<String>,
    pub(super) stats: Stats,
    pub(super) last_id: u64,
    /// The ids of images that were handed in.
    pub(super) images: BTreeSet<String>,
    /// SKUs of items that somebody edits, one after each call.
    pub(super) edits: VecDeque<String>,
    /// Calls within the last second per shop.
    pub(super) recent: HashMap<u64, Recent>,
}

impl World {
    /// The shops for which somebody consents.
    pub(super) fn shops_of(&self, subject: Subject) -> Vec<u64> {
        match subject {
            Subject::Shop(id) => vec![id],
            Subject::Main(main) => {
                self.shops.iter().filter(|(_, shop)| shop.main_account == Some(main)).map(|(id, _)| *id).collect()
            }
        }
    }

    /// An owner consented for these shops: one pair for all of them, which replaces what they had.
    pub(super) fn grant(&mut self, shops: &[u64], given_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Issued {
        for id in shops {
            self.access.retain(|(_, shop), _| shop != id);
            self.refresh.retain(|(_, shop), _| shop != id);
            if let Some(shop) = self.shops.get_mut(id) {
                shop.permission = Some(Permission { given_at, ends_at, cancelled: false });
            }
        }
        self.issue(shops, now)
    }

    /// Hands out a pair of tokens for these shops, whose permission stands.
    pub(super) fn issue(&mut self, shops: &[u64], now: Timestamp) -> Issued {
        let permission = shops.first().and_then(|id| self.shops.get(id)).and_then(|shop| shop.permission);
        let (authorized_at, ends_at) = permission.map_or((now, now), |given| (given.given_at, given.ends_at));
        let issued = Issued {
            account: shops.first().copied().unwrap_or_default(),
            access_token: random_text(24),
            access_token_ends_at: now + self.rules.access_token_life,
            refresh_token: random_text(24),
            authorized_at,
            ends_at,
        };
        self.given.extend([issued.access_token.clone(), issued.refresh_token.clone()]);
        for id in shops {
            let access = Access { ends_at: issued.access_token_ends_at, traded_for: None };
            self.access.insert((issued.access_token.clone(), *id), access);
            let refresh = Refresh {
                ends_at: now + self.rules.refresh_token_life,
                access_token: issued.access_token.clone(),
                spent: None,
                unread: false,
            };
            self.refresh.insert((issued.refresh_token.clone(), *id), refresh);
        }
        issued
    }

    /// An access token is used: whoever got it has read the reply that brought it.
    pub(super) fn note_use(&mut self, access_token: &str, shop: u64) {
        let access = self.access.get_mut(&(access_token.to_owned(), shop));
        if let Some(spent) = access.and_then(|token| token.traded_for.take())
            && let Some(token) = self.refresh.get_mut(&(spent, shop))
        {
            token.unread = false;
        }
    }

    /// Ends the permission of a shop.
    pub(super) fn revoke(&mut self, shop_id: u64) {
        if let Some(permission) = self.permission_mut(shop_id) {
            permission.cancelled = true;
        }
    }

    /// The permission of a shop has reached its end.
    pub(super) fn end(&mut self, shop_id: u64, now: Timestamp) {
        if let Some(permission) = self.permission_mut(shop_id) {
            permission.ends_at = now;
        }
    }

    fn permission_mut(&mut self, shop_id: u64) -> Option<&mut Permission> {
        self.shops.get_mut(&shop_id)?.permission.as_mut()
    }

    /// The access tokens of a shop are too old.
    pub(super) fn expire(&mut self, shop_id: u64, now: Timestamp) {
        self.access.iter_mut().filter(|((_, shop), _)| *shop == shop_id).for_each(|(_, token)| token.ends_at = now);
    }
}
