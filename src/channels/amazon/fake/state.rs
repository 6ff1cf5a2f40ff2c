//! What the pretend marketplace knows: the app with its secrets, sellers, tokens, and what it has seen of its callers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::{APP_SECRET, api::Operation, documents::Document, items::Item, works::Work};
use crate::{
    channels::{
        amazon::marketplaces::{self, Marketplace},
        fake::Mishap,
    },
    secrets::random_text,
};

/// After a rotation the secret before it works this much longer.
const OLD_SECRET_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A code can be traded for this long.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// How the pretend marketplace behaves. The defaults are the vendor's where the vendor says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long an access token lives: an hour.
    pub access_token_life: SignedDuration,
    /// How long an authorization lives: 365 days.
    pub authorization_life: SignedDuration,
    /// Whether the app is a draft: its consent links must say `version=beta`.
    pub draft: bool,
    /// Whether a renewed authorization ends the tokens of the one before. The vendor does not say of public apps, and has said both
    /// of private ones; here it does, since a daemon that relies on the old ones would be the worse for it.
    pub renewal_ends_old_tokens: bool,
    /// Whether the answer to a renewal of tokens leaves out the refresh token, which stays the same.
    pub leaves_out_refresh_token: bool,
    /// Whether the app lacks the role for every call.
    pub role_missing: bool,
    /// Whether calls beyond the documented rates are refused.
    pub rates: bool,
    /// How many items a page has at most, whatever is asked for: 20.
    pub page_cap: usize,
    /// How many items a search reaches: 1,000.
    pub search_reach: usize,
    /// Whether a search that is not by SKU tells of a thousand items more than there are, as if its shop were too large.
    pub tells_more_than_there_are: bool,
    /// How many patches are still taken before the next ones come too often; `None`: as many as the rate allows.
    pub patches_left: Option<u32>,
    /// Whether every page but the first leads to itself.
    pub loops_token: bool,
    /// How long a report or feed takes. For its first third it is in the queue.
    pub processing: SignedDuration,
    /// Whether reports and feeds are done when they were looked at this often, whatever the clock says.
    pub done_after_looks: Option<u32>,
    /// How reports and feeds end instead of as `DONE`.
    pub ends_as: Option<&'static str>,
    /// Whether documents come packed.
    pub gzip: bool,
    /// The content type of reports; `None`: none that tells a character set.
    pub report_content_type: Option<&'static str>,
    /// Whether a 429 tells the rate in `x-amzn-RateLimit-Limit`. The vendor's model says that it no longer does.
    pub throttled_tells_rate: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            access_token_life: SignedDuration::from_hours(1),
            authorization_life: SignedDuration::from_hours(365 * 24),
            draft: false,
            renewal_ends_old_tokens: true,
            leaves_out_refresh_token: false,
            role_missing: false,
            rates: true,
            page_cap: 20,
            search_reach: 1_000,
            tells_more_than_there_are: false,
            patches_left: None,
            loops_token: false,
            processing: SignedDuration::from_mins(1),
            done_after_looks: None,
            ends_as: None,
            gzip: true,
            report_content_type: Some("text/plain; charset=ISO-8859-1"),
            throttled_tells_rate: false,
        }
    }
}

/// What the pretend marketplace has seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Calls by endpoint, those of products by the name of their operation.
    pub calls: BTreeMap<String, u64>,
    /// Calls that no model allows: parameters or bodies of another shape.
    pub bad_requests: u64,
    /// Calls of the store of documents that brought an access token along, which is nothing of its business.
    pub tokens_to_store: u64,
    /// Items kept by Amazon that a change of stock made the seller's own to ship.
    pub fba_converted: u64,
    /// Items that a replacement robbed of attributes they had.
    pub attributes_lost: u64,
    /// Calls beyond the rate limit.
    pub rate_violations: u64,
    /// Tokens renewed.
    pub refreshes: u64,
    /// Codes traded.
    pub exchanges: u64,
    /// Flows that came back after the marketplace had begun them.
    pub starts: u64,
    /// Calls with a token that was expired, revoked or unknown.
    pub bad_tokens: u64,
    /// Calls of the token host with a wrong client id or secret.
    pub bad_clients: u64,
    /// Calls of the API without a user agent that names the language, or with a date that is missing or more than 15 minutes off.
    pub odd_headers: u64,
}

/// Tokens, as handed to an app.
#[derive(Debug, Clone, Serialize)]
pub struct Issued {
    /// Whose they are.
    #[serde(rename = "account")]
    pub seller: String,
    /// For calls.
    pub access_token: String,
    /// When it ends.
    #[serde(skip)]
    pub access_token_ends_at: Timestamp,
    /// For renewing.
    pub refresh_token: String,
    /// When the seller gave the authorization.
    pub authorized_at: Timestamp,
    /// When the authorization ends, which no answer of the vendor's tells.
    #[serde(skip)]
    pub ends_at: Timestamp,
}

/// A seller.
#[derive(Debug, Clone)]
pub(super) struct Seller {
    pub(super) name: String,
    pub(super) marketplaces: BTreeMap<&'static str, Taking>,
}

/// How a seller takes part in a marketplace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    pub(super) participates: bool,
    pub(super) suspended: bool,
}

/// An access token. Without `refresh_token` it is one of no seller.
pub(super) struct Access {
    pub(super) refresh_token: Option<String>,
    pub(super) ends_at: Timestamp,
}

/// An authorization: its refresh token stays the same.
pub(super) struct Authorization {
    pub(super) seller: String,
    pub(super) ends_at: Timestamp,
    pub(super) revoked: bool,
}

pub(super) struct Code {
    pub(super) seller: String,
    pub(super) redirect: String,
    pub(super) until: Timestamp,
    pub(super) used: bool,
}

/// A secret of the app.
pub(super) struct AppSecret {
    pub(super) text: String,
    /// When it ends; `None`: it is the newest, and no end is set.
    pub(super) ends_at: Option<Timestamp>,
}

/// Calls that are left. Rates below one call in two seconds are about minutes and go by the handed-in clock; faster ones are about
/// real packets.
pub(super) struct Bucket {
    left: f64,
    /// By the handed-in clock.
    at: Timestamp,
    /// By the machine's.
    seen: tokio::time::Instant,
}

/// All of it.
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) redirects: Vec<Url>,
    pub(super) login_url: Option<Url>,
    pub(super) secrets: Vec<AppSecret>,
    pub(super) sellers: BTreeMap<String, Seller>,
    pub(super) access: HashMap<String, Access>,
    pub(super) authorizations: HashMap<String, Authorization>,
    pub(super) codes: HashMap<String, Code>,
    /// The sellers of flows that were begun here, by `amazon_state`.
    pub(super) begun: HashMap<String, String>,
    pub(super) broken: Option<Mishap>,
    pub(super) next_of_api: VecDeque<Mishap>,
    pub(super) next_of_tokens: VecDeque<Mishap>,
    pub(super) buckets: HashMap<(String, String), Bucket>,
    pub(super) stats: Stats,
    pub(super) items: BTreeMap<Place, BTreeMap<String, Item>>,
    pub(super) works: BTreeMap<String, Work>,
    pub(super) documents: BTreeMap<String, Document>,
    /// What the ids that are handed out count up.
    pub(super) last_id: u64,
}

/// A seller on a marketplace, by the vendor's ids.
pub(super) type Place = (String, &'static str);

impl Default for World {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            redirects: Vec::new(),
            login_url: None,
            secrets: vec![AppSecret { text: APP_SECRET.to_owned(), ends_at: None }],
            sellers: BTreeMap::new(),
            access: HashMap::new(),
            authorizations: HashMap::new(),
            codes: HashMap::new(),
            begun: HashMap::new(),
            broken: None,
            next_of_api: VecDeque::new(),
            next_of_tokens: VecDeque::new(),
            buckets: HashMap::new(),
            stats: Stats::default(),
            items: BTreeMap::new(),
            works: BTreeMap::new(),
            documents: BTreeMap::new(),
            last_id: 0,
        }
    }
}

impl World {
    /// Hands out the tokens of an authorization that is new here.
    pub(super) fn issue(&mut self, seller: &str, authorized_at: Timestamp, now: Timestamp) -> Issued {
        if self.rules.renewal_ends_old_tokens {
            self.revoke(seller);
        }
        let refresh_token = format!("Atzr|{}", random_text(60));
        let ends_at = authorized_at + self.rules.authorization_life;
        let authorization = Authorization { seller: seller.to_owned(), ends_at, revoked: false };
        self.authorizations.insert(refresh_token.clone(), authorization);
        let (access_token, access_token_ends_at) = self.issue_access(Some(&refresh_token), now);
        let seller = seller.to_owned();
        Issued { seller, access_token, access_token_ends_at, refresh_token, authorized_at, ends_at }
    }

    /// An access token for an authorization, or for none; and its end.
    pub(super) fn issue_access(&mut self, refresh_token: Option<&str>, now: Timestamp) -> (String, Timestamp) {
        let text = format!("Atza|{}", random_text(90));
        let ends_at = now + self.rules.access_token_life;
        self.access.insert(text.clone(), Access { refresh_token: refresh_token.map(str::to_owned), ends_at });
        (text, ends_at)
    }

    /// A code for a seller who agreed.
    pub(super) fn issue_code(&mut self, seller: &str, redirect: &str, now: Timestamp) -> String {
        let text = format!("AN{}", random_text(12));
        let code =
            Code { seller: seller.to_owned(), redirect: redirect.to_owned(), until: now + CODE_LIFE, used: false };
        self.codes.insert(text.clone(), code);
        text
    }

    /// The authorizations of a seller.
    fn of_seller(&mut self, seller: &str) -> impl Iterator<Item = &mut Authorization> {
        self.authorizations.values_mut().filter(move |authorization| authorization.seller == seller)
    }

    /// The seller ends the permission.
    pub(super) fn revoke(&mut self, seller: &str) {
        self.of_seller(seller).for_each(|authorization| authorization.revoked = true);
    }

    /// The end of the permission is reached.
    pub(super) fn lapse(&mut self, seller: &str, now: Timestamp) {
        self.of_seller(seller).for_each(|authorization| authorization.ends_at = now);
    }

    /// Every access token of a seller is too old.
    pub(super) fn expire_access_tokens(&mut self, seller: &str, now: Timestamp) {
        let (access, authorizations) = (&mut self.access, &self.authorizations);
        let of_seller = |token: &Access| {
            token
                .refresh_token
                .as_ref()
                .and_then(|text| authorizations.get(text))
                .is_some_and(|one| one.seller == seller)
        };
        access.values_mut().filter(|token| of_seller(token)).for_each(|token| token.ends_at = now);
    }

    /// The seller of an authorization that stands, by its refresh token.
    pub(super) fn standing(&self, refresh_token: &str, now: Timestamp) -> Option<String> {
        let found = self.authorizations.get(refresh_token);
        found.filter(|one| !one.revoked && now < one.ends_at).map(|one| one.seller.clone())
    }

    /// Whether this is a secret of the app that works.
    pub(super) fn is_secret(&self, text: &str, now: Timestamp) -> bool {
        self.secrets.iter().any(|secret| secret.text == text && secret.works(now))
    }

    /// Whether the app has any secret that works.
    pub(super) fn has_secret(&self, now: Timestamp) -> bool {
        self.secrets.iter().any(|secret| secret.works(now))
    }

    /// Makes a new secret. Those before work seven days more, if they have not ended.
    pub(super) fn rotate_secret(&mut self, now: Timestamp) -> String {
        let last = now + OLD_SECRET_LIFE;
        for secret in &mut self.secrets {
            secret.ends_at = Some(secret.ends_at.map_or(last, |known| known.min(last)));
        }
        let text = format!("amzn1.oa2-cs.v1.{}", random_text(32));
        self.secrets.push(AppSecret { text: text.clone(), ends_at: None });
        text
    }

    /// Ends all secrets.
    pub(super) fn end_secrets(&mut self, now: Timestamp) {
        self.secrets.iter_mut().for_each(|secret| secret.ends_at = Some(now));
    }

    /// How a seller takes part in the marketplace of a country.
    pub(super) fn taking(&mut self, seller: &str, country: &str) -> Option<&mut Taking> {
        self.sellers.get_mut(seller)?.marketplaces.get_mut(country)
    }

    /// Takes a call out of the bucket of a seller and an operation; `false`: there is none left.
    pub(super) fn within_rate(&mut self, seller: &str, operation: &Operation, now: Timestamp) -> bool {
        if !self.rules.rates {
            return true;
        }
        let Operation { rate, burst, .. } = *operation;
        let seen = tokio::time::Instant::now();
        let key = (seller.to_owned(), operation.name.to_owned());
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: burst, at: now, seen });
        let rested = if rate < 0.5 {
            now.duration_since(bucket.at).as_secs_f64().max(0.0)
        } else {
            seen.duration_since(bucket.seen).as_secs_f64()
        };
        *bucket = Bucket { left: (bucket.left + rested * rate).min(burst), at: now, seen };
        // What came a moment early, by the few milliseconds of the way, is not held against anybody.
        if bucket.left < 0.98 {
            self.stats.rate_violations += 1;
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    /// A new id.
    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        50_000_000_000 + self.last_id
    }
}

impl AppSecret {
    fn works(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|ends_at| now < ends_at)
    }
}

impl Seller {
    /// A `MarketplaceParticipationList` of the vendor's model.
    pub(super) fn participations(&self) -> Value {
        let one = |(country, taking): (&&'static str, &Taking)| {
            let marketplace = marketplaces::of_country(country)?;
            Some(json!({
                "marketplace": described(marketplace),
                "participation": {"isParticipating": taking.participates, "hasSuspendedListings": taking.suspended},
                "storeName": self.name,
            }))
        };
        self.marketplaces.iter().filter_map(one).collect()
    }
}

/// A `Marketplace` of the vendor's model.
fn described(marketplace: &Marketplace) -> Value {
    json!({
        "id": marketplace.id, "name": format!("Amazon.{}", marketplace.ending), "countryCode": marketplace.country,
        "defaultCurrencyCode": marketplace.currency, "defaultLanguageCode": marketplace.language,
        "domainName": format!("www.amazon.{}", marketplace.ending),
    })
}
