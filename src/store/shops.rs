//! What a shop has beyond its settings, and what holds its jobs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::shop_rows,
    row::{Both, Row, json as json_text, ms},
};
use crate::domain::{
    Authorization, AuthorizationId, AuthorizationState, ChannelName, JobKind, Period, ShopId, hold::Facts,
};

/// What became of a shop that was to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    /// Everything kept of it is gone, in words: ("listings", 120) and so on.
    Erased(Vec<(&'static str, u64)>),
    /// It stands in the accepted settings, so all of it stays.
    Served,
    /// Nothing is known of it.
    Unknown,
}

/// A shop as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopRow {
    /// Its id.
    pub id: ShopId,
    /// Its channel.
    pub channel: ChannelName,
    /// What people call it.
    pub name: String,
    /// The channel's word for the place of sale.
    pub place: Option<String>,
    /// What the channel noted for its calls; null without.
    pub place_data: serde_json::Value,
    /// The app that the settings name for it; `None`: its channel needs none.
    pub app: Option<String>,
    /// Its authorization, whichever app it was given to.
    pub authorization: Option<AuthorizationId>,
    /// Whether it stands in the settings.
    pub configured: bool,
    /// Whether a person paused it.
    pub paused: bool,
    /// The channel's word that it is closed.
    pub closed_why: Option<String>,
    /// Since when; `None` where it is open, or was noted by a version that did not keep it.
    pub closed_since: Option<Timestamp>,
    /// The job that was told so; `None`: a probe, or nobody noted it.
    pub closed_found_by: Option<JobKind>,
    /// A right its authorization lacks.
    pub scope_missing: Option<String>,
    /// The job that was told so; `None`: a probe, or nobody noted it.
    pub scope_found_by: Option<JobKind>,
    /// Something was heard of it that the next look has to prove, however lately it was proven.
    pub to_prove: bool,
    /// The rules that `wanted` was computed with.
    pub rules_digest: Option<String>,
    /// The variants' revision that `wanted` was computed from.
    pub wanted_revision: i64,
    /// The content that the last complete import read.
    pub seen_fingerprint: Option<String>,
    /// The plan that a guard stopped last, and that people were told of.
    pub stopped_plan: Option<String>,
    /// What a person let through and has not been sent yet.
    pub released_plan: Option<String>,
}

impl ShopRow {
    /// Whether its authorization is of use: it may have been given to an app that the settings name no more.
    pub fn works_with(&self, authorization: &Authorization) -> bool {
        self.authorization == Some(authorization.id) && self.app.as_ref() == Some(&authorization.account.app)
    }

    /// Whether a call of this job found something that holds the shop.
    pub fn obstacles_found_by(&self, job: JobKind) -> bool {
        [self.closed_found_by, self.scope_found_by].contains(&Some(job))
    }
}

/// A shop as the settings want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedShop {
    /// Its id.
    pub id: ShopId,
    /// Its channel.
    pub channel: ChannelName,
    /// What people call it.
    pub name: String,
    /// The channel's word for the place of sale.
    pub place: String,
    /// The app that the settings name for it; `None`: its channel needs none.
    pub app: Option<String>,
}

/// The alarm that a channel refuses an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppAlarm {
    /// Under which keys of the settings the app's id and secret stand.
    pub keys: [String; 2],
    /// The channel's word for it.
    pub why: String,
}

fn shop(row: &Row) -> Result<ShopRow, StoreError> {
    Ok(ShopRow {
        id: row.named("shops", "id", |text| text.parse().ok())?,
        channel: ChannelName::from(row.text("channel")?.as_str()),
        name: row.text("name")?,
        place: row.opt_text("place")?,
        place_data: row.opt_json("shops", "place_data")?.unwrap_or_default(),
        app: row.opt_text("app")?,
        authorization: row.opt_int("authorization_id")?.map(AuthorizationId),
        configured: row.flag("configured")?,
        paused: row.flag("paused")?,
        closed_why: row.opt_text("closed_why")?,
        closed_since: row.opt_instant("closed_since")?,
        closed_found_by: row.opt_named("shops", "closed_found_by", |text| text.parse().ok())?,
        scope_missing: row.opt_text("scope_missing")?,
        scope_found_by: row.opt_named("shops", "scope_found_by", |text| text.parse().ok())?,
        to_prove: row.flag("to_prove")?,
        rules_digest: row.opt_text("rules_digest")?,
        wanted_revision: row.int("wanted_revision")?,
        seen_fingerprint: row.opt_text("seen_fingerprint")?,
        stopped_plan: row.opt_text("stopped_plan")?,
        released_plan: row.opt_text("released_plan")?,
    })
}

macro_rules! facts_sql {
    () => {
        "select s.id, s.paused, s.closed_why, s.scope_missing, a.state, c.app as alarmed, r.period
        from shops s
            left join authorizations a on a.id = s.authorization_id and a.app = s.app
            left join app_alarms c on c.channel = s.channel and c.app = s.app
            left join schedules r on r.shop = s.id and r.job = 'authorization_refresh'"
    };
}

/// What is known of a shop that is not here.
const NO_FACTS: Facts = Facts {
    paused: false,
    app_alarm: false,
    needs_authorization: false,
    authorization: None,
    closed: false,
    scope_missing: false,
    refresh_none: false,
    has_source: false,
};

fn facts(row: &Row) -> Result<Facts, StoreError> {
    Ok(Facts {
        paused: row.flag("paused")?,
        app_alarm: row.opt_text("alarmed")?.is_some(),
        authorization: row.opt_named("authorizations", "state", AuthorizationState::from_name)?,
        closed: row.opt_text("closed_why")?.is_some(),
        scope_missing: row.opt_text("scope_missing")?.is_some(),
        refresh_none: row.opt_text("period")? == Some(Period::None.to_stored()),
        ..NO_FACTS
    })
}

impl Tx {
    /// Brings the table in line with the settings: new shops come, others stay with `configured` off and lose nothing. A shop that
    /// names another channel or place of sale than before keeps its history, but is tied to its authorization no more, and what was noted
    /// about the place goes; its next import is complete. Should it soon name a place again where it was before, it is tied to the
    /// authorization that it had there.
    pub async fn sync_shops(&mut self, wanted: &[WantedShop]) -> Result<(), StoreError> {
        self.sync_some_shops(wanted, None).await
    }

    /// The same for these shops alone, where the table is known to be in line with the settings but for them: `among` names those of
    /// `wanted`, and those that left the settings.
    pub async fn sync_shops_among(
        &mut self,
        wanted: &[WantedShop],
        among: &BTreeSet<ShopId>,
    ) -> Result<(), StoreError> {
        self.sync_some_shops(wanted, Some(among)).await
    }

    async fn sync_some_shops(
        &mut self,
        wanted: &[WantedShop],
        among: Option<&BTreeSet<ShopId>>,
    ) -> Result<(), StoreError> {
        // Places are freed before others take them, so that two shops may swap theirs. (Not by a `not exists` of the page's rows, which
        // would take the page apart anew for each shop.)
        const FREE: Both = bulk!([id, channel, place]
            sqlite: "
            update shops set configured = 0
            where configured = 1 and ($2 is null or id in (select value from json_each($2))) and id not in (
                select known.id from page join shops known on known.id = page.id
                where known.channel = page.channel and known.place = page.place)",
            postgres: "
            update shops set configured = 0
            where configured = 1 and ($2::text is null or id in (select json_array_elements_text($2::json)))
                and id not in (
                    select known.id from page join shops known on known.id = page.id
                    where known.channel = page.channel and known.place = page.place)");
        const MOVED: Both = bulk!([id, channel, place] "
            select shops.id from shops join page on page.id = shops.id
            where page.channel <> shops.channel or page.place is distinct from shops.place");
        const CLEAR: &str = "
            update shops set authorization_id = null, place_data = null, closed_why = null, closed_since = null, closed_found_by = null,
                scope_missing = null, scope_found_by = null, to_prove = 0, seen_fingerprint = null, stopped_plan = null, released_plan = null
            where id = $1";
        const LEAVE: &str = "
            insert into former_places (shop, channel, place, authorization_id, place_data, left_at)
            select id, channel, place, authorization_id, place_data, cast($2 as bigint) from shops
            where id = $1 and place is not null and authorization_id is not null
            on conflict (shop, channel, place) do update
                set authorization_id = excluded.authorization_id, place_data = excluded.place_data, left_at = excluded.left_at";
        const RETURN: &str = "
            update shops set (authorization_id, place_data) = (
                select f.authorization_id, f.place_data from former_places f
                where f.shop = shops.id and f.channel = shops.channel and f.place = shops.place)
            where id = $1";
        const RETURNED: &str = "
            delete from former_places where shop = $1 and exists (
                select 1 from shops s where s.id = former_places.shop and s.channel = former_places.channel
                    and s.place = former_places.place)";
        const PUT: Both = bulk!([id, channel, name, place, app] "
            insert into shops (id, channel, name, place, app, configured)
            select id, channel, name, place, app, 1 from page where not exists (
                select 1 from shops known
                where known.id = page.id and known.channel = page.channel and known.name = page.name
                    and known.place = page.place and known.app is not distinct from page.app and known.configured = 1)
            on conflict (id) do update
                set channel = excluded.channel, name = excluded.name, place = excluded.place, app = excluded.app,
                    configured = 1");
        let rows: Vec<_> = wanted
            .iter()
            .map(|shop| {
                json!({ "id": shop.id.as_str(), "channel": shop.channel.as_str(), "name": shop.name, "place": shop.place, "app": shop.app })
            })
            .collect();
        let rows = json_text(&rows);
        let among = among.map(json_text);
        on_db!(self.execute(FREE, rows.as_str(), among.as_deref()))?;
        let now = ms(self.now);
        let mut moved: Vec<ShopId> = Vec::new();
        for row in on_db!(self.rows(MOVED, rows.as_str()))? {
            moved.push(row.named("shops", "id", |text| text.parse().ok())?);
        }
        for shop in &moved {
            on_db!(self.execute(LEAVE, shop.as_str(), now))?;
            on_db!(self.execute(CLEAR, shop.as_str()))?;
            self.forget_passes(shop).await?;
            self.forget_remembered(shop).await?;
            on_db!(self.execute("delete from tickets where shop = $1", shop.as_str()))?;
        }
        on_db!(self.execute(PUT, rows.as_str()))?;
        for shop in &moved {
            on_db!(self.execute(RETURN, shop.as_str()))?;
            on_db!(self.execute(RETURNED, shop.as_str()))?;
        }
        Ok(())
    }

    /// Notes that what the settings call otherwise now is the place of sale that the shop had before. The settings are to be
    /// brought in line afterwards.
    pub async fn rename_place(&mut self, shop: &ShopId, place: &str) -> Result<(), StoreError> {
        // Two shops may swap the names of their places; who has which is settled once all are renamed.
        const SQL: &str = "update shops set place = $2, configured = 0 where id = $1";
        on_db!(self.execute(SQL, shop.as_str(), place))?;
        Ok(())
    }

    /// Where a shop was on its channel before it moved, each place with the account that had authorized it there.
    pub async fn former_places(&mut self, shop: &ShopId) -> Result<Vec<(String, String)>, StoreError> {
        const SQL: &str = "
            select f.place, a.account
            from former_places f
                join shops s on s.id = f.shop and s.channel = f.channel
                join authorizations a on a.id = f.authorization_id
            where f.shop = $1 order by f.left_at desc, f.place";
        on_db!(self.rows(SQL, shop.as_str()))?
            .iter()
            .map(|row| Ok((row.text("place")?, row.text("account")?)))
            .collect()
    }

    /// Notes that what the settings call otherwise now is this place where the shop was.
    pub async fn rename_former_place(&mut self, shop: &ShopId, before: &str, place: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            update former_places set place = $3
            where shop = $1 and place = $2 and channel = (select channel from shops where id = $1)
                and not exists (
                    select 1 from former_places f
                    where f.shop = $1 and f.channel = former_places.channel and f.place = $3)";
        on_db!(self.execute(SQL, shop.as_str(), before, place))?;
        Ok(())
    }

    /// Deletes authorizations that no shop names any more, with their reminders: those of a shop that moved before `cutoff`, or that
    /// another account's consent took. A shop that merely left the settings names its own still. How many went.
    pub async fn prune_orphans(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        const PLACES: &str = "delete from former_places where left_at < $1";
        const REMINDERS: &str = "
            delete from reminders
            where not exists (select 1 from shops where shops.authorization_id = reminders.authorization_id)
                and not exists (select 1 from former_places f where f.authorization_id = reminders.authorization_id)";
        const AUTHORIZATIONS: &str = "
            delete from authorizations
            where not exists (select 1 from shops where shops.authorization_id = authorizations.id)
                and not exists (select 1 from former_places f where f.authorization_id = authorizations.id)";
        on_db!(self.execute(PLACES, ms(cutoff)))?;
        on_db!(self.execute(REMINDERS))?;
        on_db!(self.execute(AUTHORIZATIONS))
    }

    /// One shop.
    pub async fn shop(&mut self, id: &ShopId) -> Result<Option<ShopRow>, StoreError> {
        on_db!(self.row("select * from shops where id = $1", id.as_str()))?.as_ref().map(shop).transpose()
    }

    /// The account that a shop's authorization is of, whichever app it was given to.
    pub async fn account_on_record(&mut self, shop: &ShopId) -> Result<Option<String>, StoreError> {
        const SQL: &str = "
            select a.account from shops s join authorizations a on a.id = s.authorization_id where s.id = $1";
        on_db!(self.row(SQL, shop.as_str()))?.map(|row| row.text("account")).transpose()
    }

    /// Waits until nobody else changes these shops, and keeps others from it until this transaction ends.
    pub async fn lock_shops(&mut self, ids: &BTreeSet<&ShopId>) -> Result<(), StoreError> {
        const SQL: Both = Both {
            // Whoever writes has the whole database to itself.
            sqlite: "select 1 from shops where id = $1",
            postgres: "select 1 from shops where id = $1 for update",
        };
        // In one order everywhere: two that want the same shops never wait for each other.
        for id in ids {
            on_db!(self.row(SQL, id.as_str()))?;
        }
        Ok(())
    }

    /// All shops, in order of id, those that left the settings too.
    pub async fn shops(&mut self) -> Result<Vec<ShopRow>, StoreError> {
        on_db!(self.rows("select * from shops order by id"))?.iter().map(shop).collect()
    }

    /// These shops, in order of id.
    pub async fn shops_among(&mut self, among: &BTreeSet<ShopId>) -> Result<Vec<ShopRow>, StoreError> {
        const SQL: Both = bulk!([shop] "select s.* from page join shops s on s.id = page.shop order by s.id");
        on_db!(self.rows(SQL, shop_rows(among)))?.iter().map(shop).collect()
    }

    /// The ids of all shops, those that left the settings too.
    pub async fn shop_ids(&mut self) -> Result<BTreeSet<ShopId>, StoreError> {
        on_db!(self.rows("select id from shops"))?
            .iter()
            .map(|row| row.named("shops", "id", |text| text.parse().ok()))
            .collect()
    }

    /// The configured shops that work with an authorization: not those whose settings name another app than it was given to.
    pub async fn shops_of(&mut self, authorization: AuthorizationId) -> Result<Vec<ShopRow>, StoreError> {
        const SQL: &str = "
            select s.* from shops s join authorizations a on a.id = s.authorization_id and a.app = s.app
            where s.authorization_id = $1 and s.configured = 1 order by s.id";
        on_db!(self.rows(SQL, authorization.0))?.iter().map(shop).collect()
    }

    /// Ties a shop to its authorization, with what the channel noted about the place.
    pub async fn tie_shop(
        &mut self,
        shop: &ShopId,
        authorization: AuthorizationId,
        place_data: &serde_json::Value,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set authorization_id = $2, place_data = $3
            where id = $1 and (authorization_id is distinct from $2 or place_data is distinct from $3)";
        let place_data = (!place_data.is_null()).then(|| json_text(place_data));
        on_db!(self.execute(SQL, shop.as_str(), authorization.0, place_data.as_deref()))?;
        Ok(())
    }

    /// Pauses a shop, or ends its pause.
    pub async fn set_paused(&mut self, shop: &ShopId, paused: bool) -> Result<(), StoreError> {
        const SQL: &str = "update shops set paused = $2 where id = $1 and paused <> $2";
        on_db!(self.execute(SQL, shop.as_str(), i64::from(paused)))?;
        Ok(())
    }

    /// Notes or clears the channel's word that the shop is closed. `found_by`: the job that was told so; `None`: a probe.
    pub async fn set_closed(
        &mut self,
        shop: &ShopId,
        why: Option<&str>,
        found_by: Option<JobKind>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set closed_why = $2, closed_found_by = $3,
                closed_since = case when $2 is null then null when closed_why is null then $4 else closed_since end
            where id = $1 and (closed_why is distinct from $2 or closed_found_by is distinct from $3)";
        let now = ms(self.now);
        on_db!(self.execute(SQL, shop.as_str(), why, found_by.map(JobKind::as_str), now))?;
        Ok(())
    }

    /// Notes or clears a missing right. `found_by`: the job that was told so; `None`: a probe.
    pub async fn set_scope_missing(
        &mut self,
        shop: &ShopId,
        scope: Option<&str>,
        found_by: Option<JobKind>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set scope_missing = $2, scope_found_by = $3
            where id = $1 and (scope_missing is distinct from $2 or scope_found_by is distinct from $3)";
        on_db!(self.execute(SQL, shop.as_str(), scope, found_by.map(JobKind::as_str)))?;
        Ok(())
    }

    /// Notes that the next look has to prove the shop, or that it did.
    pub async fn set_to_prove(&mut self, shop: &ShopId, to_prove: bool) -> Result<(), StoreError> {
        const SQL: &str = "update shops set to_prove = $2 where id = $1 and to_prove <> $2";
        on_db!(self.execute(SQL, shop.as_str(), i64::from(to_prove)))?;
        Ok(())
    }

    /// Notes what `wanted` was computed with.
    pub async fn set_wanted_mark(
        &mut self,
        shop: &ShopId,
        rules_digest: &str,
        revision: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set rules_digest = $2, wanted_revision = $3
            where id = $1 and (rules_digest is distinct from $2 or wanted_revision <> $3)";
        on_db!(self.execute(SQL, shop.as_str(), rules_digest, revision))?;
        Ok(())
    }

    /// Forgets what `wanted` was computed from, so that all of it is computed anew.
    pub async fn forget_wanted_mark(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        const SQL: &str = "update shops set wanted_revision = 0 where id = $1 and wanted_revision <> 0";
        on_db!(self.execute(SQL, shop.as_str()))?;
        Ok(())
    }

    /// Notes the content that the last complete import read.
    pub async fn set_seen_fingerprint(&mut self, shop: &ShopId, fingerprint: Option<&str>) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set seen_fingerprint = $2 where id = $1 and seen_fingerprint is distinct from $2";
        on_db!(self.execute(SQL, shop.as_str(), fingerprint))?;
        Ok(())
    }

    /// Notes the plan that a guard stopped, and what a person let through of it.
    pub async fn set_plans(
        &mut self,
        shop: &ShopId,
        stopped: Option<&str>,
        released: Option<&str>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update shops set stopped_plan = $2, released_plan = $3
            where id = $1 and (stopped_plan is distinct from $2 or released_plan is distinct from $3)";
        on_db!(self.execute(SQL, shop.as_str(), stopped, released))?;
        Ok(())
    }

    /// Raises the alarm that a channel refuses one of our apps. `false`: it stands already.
    pub async fn raise_app_alarm(
        &mut self,
        channel: &ChannelName,
        app: &str,
        alarm: &AppAlarm,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            insert into app_alarms (channel, app, id_key, secret_key, why, since) values ($1, $2, $3, $4, $5, $6)
            on conflict (channel, app) do nothing";
        let ([id, secret], now) = (&alarm.keys, ms(self.now));
        let raised =
            on_db!(self.execute(SQL, channel.as_str(), app, id.as_str(), secret.as_str(), alarm.why.as_str(), now))?;
        Ok(raised > 0)
    }

    /// Ends the alarm of an app. `false`: there was none.
    pub async fn clear_app_alarm(&mut self, channel: &ChannelName, app: &str) -> Result<bool, StoreError> {
        const SQL: &str = "delete from app_alarms where channel = $1 and app = $2";
        Ok(on_db!(self.execute(SQL, channel.as_str(), app))? > 0)
    }

    /// Ends the alarms of all apps of a channel. `false`: there was none.
    pub async fn clear_app_alarms(&mut self, channel: &ChannelName) -> Result<bool, StoreError> {
        Ok(on_db!(self.execute("delete from app_alarms where channel = $1", channel.as_str()))? > 0)
    }

    /// The apps that their channels refuse, as pairs of channel and app.
    pub async fn alarmed_apps(&mut self) -> Result<BTreeSet<(ChannelName, String)>, StoreError> {
        on_db!(self.rows("select channel, app from app_alarms"))?
            .iter()
            .map(|row| Ok((ChannelName::from(row.text("channel")?.as_str()), row.text("app")?)))
            .collect()
    }

    /// The alarm of the app that the settings name for a shop, if one stands.
    pub async fn app_alarm(&mut self, shop: &ShopId) -> Result<Option<AppAlarm>, StoreError> {
        const SQL: &str = "
            select c.id_key, c.secret_key, c.why
            from shops s join app_alarms c on c.channel = s.channel and c.app = s.app where s.id = $1";
        let row = on_db!(self.row(SQL, shop.as_str()))?;
        row.map(|row| Ok(AppAlarm { keys: [row.text("id_key")?, row.text("secret_key")?], why: row.text("why")? }))
            .transpose()
    }

    /// The facts that hold a shop's jobs, as the database knows them; `refresh_none` by the stored schedule. The caller fills in
    /// what the settings say.
    pub async fn hold_facts(
        &mut self,
        shop: &ShopId,
        needs_authorization: bool,
        has_source: bool,
    ) -> Result<Facts, StoreError> {
        const SQL: &str = concat!(facts_sql!(), " where s.id = $1");
        let row = on_db!(self.row(SQL, shop.as_str()))?;
        let facts = row.as_ref().map(facts).transpose()?.unwrap_or(NO_FACTS);
        Ok(Facts { needs_authorization, has_source, ..facts })
    }

    /// The same facts of all shops, in one statement; the caller fills in what the settings say.
    pub async fn all_hold_facts(&mut self) -> Result<BTreeMap<ShopId, Facts>, StoreError> {
        on_db!(self.rows(facts_sql!()))?
            .iter()
            .map(|row| Ok((row.named("shops", "id", |text| text.parse().ok())?, facts(row)?)))
            .collect()
    }

    /// Deletes everything kept about a shop that is not in the settings; its authorization too when no other shop uses it. The
    /// journal keeps its lines.
    pub async fn forget_shop(&mut self, shop: &ShopId) -> Result<Forgotten, StoreError> {
        const SHOP: &str = "delete from shops where id = $1 and configured = 0 returning authorization_id";
        const PARTS: [(&str, &str); 10] = [
            ("listings", "delete from listings where shop = $1"),
            ("remembered fields", "delete from remembered where shop = $1"),
            ("changes that wait for judgement", "delete from tickets where shop = $1"),
            ("complaints", "delete from complaints where shop = $1"),
            ("passes", "delete from passes where shop = $1"),
            ("pages of passes", "delete from passes_seen where shop = $1"),
            ("schedules", "delete from schedules where shop = $1"),
            ("runs", "delete from runs where shop = $1"),
            ("authorizations under way", "delete from oauth_states where shop = $1"),
            ("former places", "delete from former_places where shop = $1"),
        ];
        const MAIL: &str = "
            update outbox set state = 'cancelled', next_attempt_at = $2 where state = 'owed' and shops = $1";
        const REMINDERS: &str = "
            delete from reminders
            where authorization_id = $1 and not exists (select 1 from shops where authorization_id = $1)
                and not exists (select 1 from former_places where authorization_id = $1)";
        const AUTHORIZATION: &str = "
            delete from authorizations
            where id = $1 and not exists (select 1 from shops where authorization_id = $1)
                and not exists (select 1 from former_places where authorization_id = $1)";
        let Some(row) = on_db!(self.row(SHOP, shop.as_str()))? else {
            let there = self.shop(shop).await?;
            return Ok(if there.is_some() { Forgotten::Served } else { Forgotten::Unknown });
        };
        let mut gone = Vec::new();
        for (words, sql) in PARTS {
            gone.push((words, on_db!(self.execute(sql, shop.as_str()))?));
        }
        let now = ms(self.now);
        gone.push(("owed mails", on_db!(self.execute(MAIL, json_text(&[shop]), now))?));
        if let Some(id) = row.opt_int("authorization_id")? {
            gone.push(("reminders", on_db!(self.execute(REMINDERS, id))?));
            gone.push(("authorization", on_db!(self.execute(AUTHORIZATION, id))?));
        }
        gone.push(("shop", 1));
        Ok(Forgotten::Erased(gone.into_iter().filter(|(_, count)| *count > 0).collect()))
    }
}
