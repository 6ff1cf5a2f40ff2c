//! Judging `[channels.X]` and `[shops.X]`: periods, rules of export, and what the shop's channel can do of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use figment::value::Value;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::{
    ChannelFacts, ChannelSettings, Config, Language, OwnKey, Recipient, Severity, ShopConfig, Transport,
    check::{recipients, word, word_of},
    flat::digest_of_shop,
    keys::{self, choose, one_of, suggestion},
    secret::secret,
    section::{Item, Section},
    values,
};
use crate::domain::{
    ChannelName, Currency, Field, JobKind, Period, ShopId,
    wanted::{Retire, Rules},
};

/// What to do with dropped SKUs, by name.
pub(super) const RETIRE: [(&str, Retire); 3] =
    [("keep", Retire::Keep), ("zero_stock", Retire::ZeroStock), ("deactivate", Retire::Deactivate)];

/// What shops take from the rest of the settings.
pub(super) struct Common<'a> {
    pub(super) facts: &'a [ChannelFacts],
    pub(super) source: Option<&'a ShopId>,
    pub(super) zone: &'a TimeZone,
    pub(super) language: Language,
    pub(super) remind: &'a [Recipient],
}

/// The periods that a `jobs` table names.
#[derive(Default)]
struct Jobs {
    periods: BTreeMap<JobKind, Period>,
    full_import: Option<Period>,
}

type Channels = BTreeMap<ChannelName, ChannelSettings>;
type Shops = BTreeMap<ShopId, Arc<ShopConfig>>;

/// Reads all channels and shops.
pub(super) fn read(top: &Section<'_>, common: &Common<'_>) -> (Channels, Shops) {
    let mut channels = Channels::new();
    let mut jobs: BTreeMap<&str, Jobs> = BTreeMap::new();
    let section = top.open("channels");
    for name in section.keys() {
        let Some(facts) = common.find(&section, &name, &name) else { continue };
        let Some(table) = section.get(&name).and_then(|item| item.table()) else { continue };
        channels.insert(ChannelName::from(facts.name), channel(&table, facts, common.zone));
        jobs.insert(facts.name, read_jobs(&table, facts, common.zone));
    }
    let mut shops = Shops::new();
    let section = top.open("shops");
    for id in section.keys() {
        let Some(table) = section.get(&id).and_then(|item| item.table()) else { continue };
        if let Some((id, shop)) = shop(&table, &id, common, &jobs) {
            channels.entry(shop.channel.clone()).or_default();
            shops.insert(id, Arc::new(shop));
        }
    }
    (channels, shops)
}

impl Common<'_> {
    /// What is known of the channel; an unknown one is a finding about `key`.
    fn find(&self, section: &Section<'_>, key: &str, name: &str) -> Option<&ChannelFacts> {
        let found = self.facts.iter().find(|facts| facts.name == name);
        if found.is_none() {
            let names: Vec<&str> = self.facts.iter().map(|facts| facts.name).collect();
            let cause = format!("there is no channel `{name}`");
            section.book.find(&section.at(key), Severity::Error, cause, choose(name, &names));
        }
        found
    }
}

fn channel(table: &Section<'_>, facts: &ChannelFacts, zone: &TimeZone) -> ChannelSettings {
    table.refuse_unknown(keys::CHANNEL.iter().copied().chain(own_keys(facts).map(|key| key.name)));
    for key in ["api_url", "token_url", "consent_url"] {
        table.parsed(key, "an address that begins with https://", values::service);
    }
    let secrets: Vec<&str> = facts.app_secrets.iter().map(|key| key.name).collect();
    let mut raw = raw(table, &[&["client_secret", "jobs"], secrets.as_slice()].concat());
    if let Some(client_id) = table.text("client_id") {
        raw.insert("client_id".to_owned(), client_id.into());
    }
    ChannelSettings {
        raw,
        client_secret: secret(table, "client_secret"),
        secrets: secrets
            .into_iter()
            .filter(|key| table.get(key).is_some())
            .map(|key| (key.to_owned(), secret(table, key)))
            .collect(),
        client_secret_ends: client_secret_ends(table, zone),
    }
}

/// The channel's own keys under `[channels.X]`.
fn own_keys(facts: &ChannelFacts) -> impl Iterator<Item = &OwnKey> {
    facts.app_keys.iter().chain(&facts.app_secrets)
}

fn client_secret_ends(table: &Section<'_>, zone: &TimeZone) -> Option<jiff::civil::Date> {
    let item = table.get("client_secret_ends")?;
    let ends = item.parsed("a date, for example \"2027-03-01\"", values::date)?;
    if ends < table.book.env.now.to_zoned(zone.clone()).date() {
        let remedy =
            "make a new one in the channel's developer pages, and set `client_secret` and `client_secret_ends`";
        item.warning(format!("the client secret has ended on {ends}"), remedy);
    }
    Some(ends)
}

/// What the channel itself reads.
fn raw(table: &Section<'_>, without: &[&str]) -> serde_json::Map<String, serde_json::Value> {
    let own = table.dict.into_iter().flatten().filter(|(key, _)| !without.contains(&key.as_str()));
    own.map(|(key, value)| (key.clone(), raw_value(table, key, value))).collect()
}

/// Every value of the settings is text, number, yes or no, list or table, all of which JSON has. A variable of the environment
/// has no type, and what looks like a number is most often an id: it stays text.
fn raw_value(table: &Section<'_>, key: &str, value: &Value) -> serde_json::Value {
    match table.book.layers.origin(&table.at(key)).1 {
        Some(variable) if matches!(value, Value::Num(..)) => variable.text.clone().into(),
        _ => serde_json::to_value(value).unwrap_or_default(),
    }
}

fn read_jobs(owner: &Section<'_>, facts: &ChannelFacts, zone: &TimeZone) -> Jobs {
    let table = owner.table("jobs", keys::JOBS);
    let mut jobs = Jobs::default();
    for job in JobKind::OF_SHOPS {
        let Some(item) = table.get(job.as_str()) else { continue };
        let Some((_, shortest, _)) = facts.periods.iter().find(|(kind, ..)| *kind == job) else {
            item.error(format!("channel `{}` has no job `{job}`", facts.name), "leave it out");
            continue;
        };
        let Some(period) = period(&item, zone) else { continue };
        if period.length(item.book.env.now).is_some_and(|length| length < *shortest) {
            let shortest = Period::Every(*shortest).to_stored();
            let cause = format!("the period is shorter than channel `{}` allows", facts.name);
            item.error(cause, format!("write \"{shortest}\" or more, or \"None\""));
            continue;
        }
        jobs.periods.insert(job, period);
    }
    jobs.full_import = table.get("full_import").and_then(|item| period(&item, zone));
    jobs
}

fn period(item: &Item<'_>, zone: &TimeZone) -> Option<Period> {
    let expected = "a period, for example \"15 minutes\", \"None\" or { cron = \"0 3 * * *\" }";
    if !matches!(item.value, Value::Dict(..)) {
        return item.parsed(expected, Period::parse);
    }
    let table = item.table()?;
    table.refuse_unknown(keys::CRON.iter().copied());
    let expected = "five fields of cron, for example \"0 3 * * *\"";
    if table.get("cron").is_none() {
        item.error("the period has no `cron`", "write { cron = \"0 3 * * *\" }");
    }
    table.parsed("cron", expected, |text| Period::parse_cron(text, zone.clone()))
}

fn shop(
    table: &Section<'_>,
    id: &str,
    common: &Common<'_>,
    channel_jobs: &BTreeMap<&str, Jobs>,
) -> Option<(ShopId, ShopConfig)> {
    let id: Result<ShopId, _> = id.parse();
    if let Err(error) = &id {
        let remedy = "use lower-case letters, digits, `-` and `_`, at most 64; `name` is free";
        table.book.find(&table.path, Severity::Error, format!("`{}` is not a shop id", error.0), remedy);
    }
    if table.get("channel").is_none() {
        find_no_channel(table, common);
    }
    let facts = common.find(table, "channel", &table.text("channel")?)?;
    table.refuse_unknown(keys::SHOP.iter().copied().chain(facts.shop_keys.iter().map(|key| key.name)));
    demand_keys(table, facts);
    let own_jobs = read_jobs(table, facts, common.zone);
    let inherited = channel_jobs.get(facts.name);
    let (export, warehouse) = export(&table.table("export", keys::EXPORT), facts);
    let remind = recipients(table, "remind", common.language).unwrap_or_else(|| common.remind.to_vec());
    let id = id.ok()?;
    let mut jobs = resolve(facts, &own_jobs, inherited);
    if common.source == Some(&id) {
        never_export(table, &own_jobs, &mut jobs);
    }
    let mut shop = ShopConfig {
        channel: ChannelName::from(facts.name),
        name: table.text("name").unwrap_or_else(|| id.to_string()),
        remind,
        full_import: own_jobs
            .full_import
            .clone()
            .or_else(|| inherited.and_then(|jobs| jobs.full_import.clone()))
            .unwrap_or_else(ShopConfig::default_full_import),
        jobs,
        match_barcode: table.boolean("match_barcode").unwrap_or(false),
        export,
        warehouse,
        own: raw(table, keys::SHOP),
        digest: String::new(),
    };
    shop.digest = digest_of_shop(&id, &shop);
    Some((id, shop))
}

/// The product source is never exported to. The channel's period is for its other shops; only what is said of this very shop is a mistake.
fn never_export(shop: &Section<'_>, own: &Jobs, jobs: &mut BTreeMap<JobKind, Period>) {
    let export = JobKind::ProductExport;
    if own.periods.get(&export).is_some_and(|period| *period != Period::None)
        && let Some(item) = shop.open("jobs").get(export.as_str())
    {
        let cause = format!("`{}` is the product source, which is never exported to", shop.last());
        item.error(cause, "leave it out, or write \"None\"");
    }
    if let Some(period) = jobs.get_mut(&export) {
        *period = Period::None;
    }
}

/// Without its channel nobody knows which keys the shop may have, but one that is nearly `channel` was meant to be it.
fn find_no_channel(shop: &Section<'_>, common: &Common<'_>) {
    let known = |key: &str| {
        keys::SHOP.contains(&key) || common.facts.iter().any(|facts| facts.shop_keys.iter().any(|own| own.name == key))
    };
    let meant = |key: &String| !known(key) && suggestion(key, ["channel"]).is_some();
    if let Some(key) = shop.keys().iter().find(|key| meant(key)) {
        return shop.book.find(&shop.at(key), Severity::Error, "unknown key", "did you mean `channel`?".to_owned());
    }
    let names: Vec<&str> = common.facts.iter().map(|facts| facts.name).collect();
    let remedy = format!("set `channel` to {}", one_of(&names));
    shop.book.find(&shop.at("channel"), Severity::Error, "the shop has no channel", remedy);
}

/// Shop, then channel, then the channel's built-in default.
fn resolve(facts: &ChannelFacts, own: &Jobs, inherited: Option<&Jobs>) -> BTreeMap<JobKind, Period> {
    let said = |job: JobKind| own.periods.get(&job).or_else(|| inherited?.periods.get(&job)).cloned();
    let built_in = |text: &str| Period::parse(text).expect("built-in periods are periods; a test reads them all");
    facts.periods.iter().map(|(job, _, text)| (*job, said(*job).unwrap_or_else(|| built_in(text)))).collect()
}

/// The keys without which the shop cannot work, its own and its channel's.
fn demand_keys(shop: &Section<'_>, facts: &ChannelFacts) {
    let book = shop.book;
    for key in facts.shop_keys.iter().filter(|key| key.required && shop.get(key.name).is_none()) {
        let remedy = format!("set it; `shopsyncd channels show {}` says how", facts.name);
        book.find(&shop.at(key.name), Severity::Error, "the key is missing", remedy);
    }
    if book.layers.incomplete {
        return;
    }
    let channels = book.top_level().open("channels");
    let app: &[&str] = if facts.needs_authorization { &["client_id", "client_secret"] } else { &[] };
    let own = own_keys(facts).filter(|key| key.required).map(|key| key.name);
    let demanded: Vec<&str> = app.iter().copied().chain(own).collect();
    if channels.get(facts.name).is_none() && !demanded.is_empty() {
        let cause = format!("the section `[channels.{}]` is missing", facts.name);
        let known = book.findings.borrow().iter().any(|finding| finding.cause == cause);
        if !known {
            let keys = one_of(&demanded).replace(" or ", " and ");
            let remedy = format!("write it with {keys}; `shopsyncd channels show {}` says how", facts.name);
            book.find(&shop.at("channel"), Severity::Error, cause, remedy);
        }
        return;
    }
    let channel = channels.open(facts.name);
    for key in demanded.into_iter().filter(|key| channel.get(key).is_none()) {
        let cause = "the key is missing, and the channel's shops need it";
        let remedy = format!("set it; `shopsyncd channels show {}` says how", facts.name);
        book.find(&channel.at(key), Severity::Error, cause, remedy);
    }
}

fn export(table: &Section<'_>, facts: &ChannelFacts) -> (Rules, Option<String>) {
    let defaults = ShopConfig::default_rules();
    let stock = table.table("stock", keys::STOCK);
    let price = table.table("price", keys::PRICE);
    let guard = table.table("guard", keys::GUARD);
    let pieces = "a whole number of pieces, 0 or more";
    let share = "a percentage, for example \"20%\"";
    let rules = Rules {
        fields: fields(table, facts).unwrap_or_else(|| able_of(&defaults.fields, facts)),
        create: create(table, facts).unwrap_or(defaults.create),
        retire: retire(table, facts).unwrap_or(defaults.retire),
        reserve: stock.integer("reserve", pieces, |number| number >= 0).unwrap_or(defaults.reserve),
        max: stock.integer("max", pieces, |number| number >= 0),
        factor: decimal(&price, "factor", "an exact number, for example \"1.10\"", values::factor)
            .unwrap_or(defaults.factor),
        round: decimal(&price, "round", "the ending of a price, for example \"0.99\"", values::ending),
        convert: convert(&price),
        guard_retire: guard.parsed("retire", share, |text| values::share(text, 100)).unwrap_or(defaults.guard_retire),
        guard_price: guard.parsed("price", share, |text| values::share(text, 10_000)).unwrap_or(defaults.guard_price),
    };
    (rules, table.text("warehouse"))
}

/// The default fields, as far as the channel can export them.
fn able_of(fields: &BTreeSet<Field>, facts: &ChannelFacts) -> BTreeSet<Field> {
    fields.iter().filter(|field| facts.export_fields.contains(field)).copied().collect()
}

fn fields(table: &Section<'_>, facts: &ChannelFacts) -> Option<BTreeSet<Field>> {
    let items = table.list("fields", "a list of fields, for example [\"price\", \"stock\"]")?;
    let mut fields = BTreeSet::new();
    for item in items {
        let Some(field) = word_of(&item, &Field::EVERY.map(|field| (field.as_str(), field))) else { continue };
        if facts.export_fields.contains(&field) {
            fields.insert(field);
        } else {
            let able: Vec<&str> =
                Field::EVERY.iter().filter(|field| facts.export_fields.contains(field)).map(|it| it.as_str()).collect();
            let cause = format!("channel `{}` cannot export `{}`", facts.name, field.as_str());
            item.error(cause, format!("use {}", one_of(&able)));
        }
    }
    Some(fields)
}

fn create(table: &Section<'_>, facts: &ChannelFacts) -> Option<bool> {
    let create = table.boolean("create")?;
    if create && !facts.can_create {
        table.get("create")?.error(format!("channel `{}` cannot list new SKUs", facts.name), "write `false`");
    }
    Some(create)
}

fn retire(table: &Section<'_>, facts: &ChannelFacts) -> Option<Retire> {
    let retire = word(table, "retire", &RETIRE)?;
    if retire != Retire::Keep && !facts.retire.contains(&retire) {
        let able = |retire: &Retire| *retire == Retire::Keep || facts.retire.contains(retire);
        let able: Vec<&str> = RETIRE.iter().filter(|(_, retire)| able(retire)).map(|(name, _)| *name).collect();
        table.get("retire")?.error(
            format!("channel `{}` cannot do that to a dropped SKU", facts.name),
            format!("use {}", one_of(&able)),
        );
    }
    Some(retire)
}

/// An exact number: text, or a whole number. A number with a point would not be exact.
fn decimal(
    table: &Section<'_>,
    key: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<Decimal, String>,
) -> Option<Decimal> {
    let item = table.get(key)?;
    let Some(whole) = item.value.to_i128() else { return item.parsed(expected, parse) };
    parse(&whole.to_string()).map_err(|cause| item.error(cause, format!("write {expected}"))).ok()
}

fn convert(price: &Section<'_>) -> BTreeMap<Currency, Decimal> {
    let table = price.open("convert");
    let mut rates = BTreeMap::new();
    for key in table.keys() {
        let rate = decimal(&table, &key, "an exact number, for example \"0.86\"", values::factor);
        match (key.parse::<Currency>(), rate) {
            (Ok(currency), Some(rate)) => drop(rates.insert(currency, rate)),
            (Ok(_), None) => {}
            (Err(error), _) => table.book.find(&table.at(&key), Severity::Error, error.text, error.remedy),
        }
    }
    rates
}

/// What concerns several shops, or shops and the rest.
pub(super) fn whole(top: &Section<'_>, config: &Config, facts: &[ChannelFacts]) {
    product_source(top, config);
    let shops = top.open("shops");
    let mails = !matches!(config.mail.transport, Transport::None);
    let mut unreminded = false;
    for (id, shop) in &config.shops {
        let Some(facts) = facts.iter().find(|facts| facts.name == shop.channel.as_str()) else { continue };
        if !facts.needs_authorization {
            continue;
        }
        unreminded |= !mails;
        let table = shops.open(id.as_str());
        if mails && shop.remind.is_empty() {
            let cause = "nobody is reminded before the shop's authorization ends";
            top.book.find(&table.path, Severity::Warning, cause, "set `remind` here, or `reminders.to`");
        }
        refresh_period(top, &table, shop, facts);
    }
    if unreminded && !top.book.layers.incomplete {
        let cause = "mail is off, so nobody is reminded before an authorization ends";
        let remedy = "set `mail.transport`, and `reminders.to`";
        top.book.find(&top.open("mail").at("transport"), Severity::Warning, cause, remedy);
    }
}

/// What follows from how often the authorization is looked at.
fn refresh_period(top: &Section<'_>, table: &Section<'_>, shop: &ShopConfig, facts: &ChannelFacts) {
    let job = JobKind::AuthorizationRefresh;
    let own = table.open("jobs");
    let channel = top.open("channels").open(facts.name).open("jobs");
    let inherited = own.get(job.as_str()).is_none() && channel.get(job.as_str()).is_some();
    let place = if inherited { channel.at(job.as_str()) } else { own.at(job.as_str()) };
    match (shop.jobs.get(&job).and_then(|period| Some((period, period.length(top.book.env.now)?))), facts.token_life) {
        (None, _) if shop.jobs.contains_key(&job) => {
            let cause =
                format!("no automatic call is made for shop `{}`, so its import and export are held", table.last());
            top.book.find(&place, Severity::Note, cause, "give it a period if that is not meant");
        }
        (Some((period, length)), Some(life)) if length > life => {
            let life = Period::Every(life).to_stored();
            let cause = format!("{} is longer than the life of an access token, {life}", period.to_stored());
            top.book.find(
                &place,
                Severity::Note,
                cause,
                "nothing has to be done: tokens are also renewed when they are needed",
            );
        }
        _ => {}
    }
}

/// The product source exists, and nothing is exported without one.
fn product_source(top: &Section<'_>, config: &Config) {
    let shops = top.open("shops");
    let incomplete = top.book.layers.incomplete;
    let Some(source) = &config.product_source else {
        let exports = |shop: &ShopConfig| shop.jobs.get(&JobKind::ProductExport).is_some_and(|p| *p != Period::None);
        for (id, _) in config.shops.iter().filter(|(_, shop)| !incomplete && exports(shop)) {
            if let Some(item) = shops.open(id.as_str()).open("jobs").get(JobKind::ProductExport.as_str()) {
                item.warning("nothing is exported without a product source", "set `product_source` to a shop's id");
            }
        }
        return;
    };
    if config.shops.contains_key(source) || shops.get(source.as_str()).is_some() || incomplete {
        return;
    }
    let ids = shops.keys();
    let remedy = match suggestion(source.as_str(), ids.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "name one of the shops, or \"None\"".to_owned(),
    };
    top.book.find(&top.at("product_source"), Severity::Error, format!("there is no shop `{source}`"), remedy);
}
