//! What the daemon answers on its control socket.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Zoned;
use serde_json::{Value, json};
use url::Url;

use super::{Shared, waited::Until};
use crate::{
    config::{Config, suggestion},
    control::{Answerer, ProgressSink, Refusal, Request},
    domain::{Demand, Field, Hold, JobKind, ShopId, Trigger, counted},
    keeper::{By, ConsentError, Consented, HandedIn, KeeperError, ShopEntry, settle_holds},
    mail::is_address,
    notices::{self, People},
    report::{self, Status, Surroundings},
    secrets::Secret,
    store::{Asked, Forgotten, MailState, NewRun, StoreError, Tx},
};

type Answered = Result<Value, Refusal>;

#[async_trait]
impl Answerer for Shared {
    async fn answer(&self, request: Request, progress: ProgressSink) -> Answered {
        match request {
            Request::Reload => self.reload_asked().await,
            Request::Diff { main } => {
                let (changes, config) = self.difference(main.as_deref()).await?;
                let source = report::source_change(&mut self.reading().await?, &self.config.load(), &config).await;
                Ok(json!({ "changes": changes.lines, "source": source.map_err(unavailable)? }))
            }
            Request::Health => {
                let reasons = self.ailments().await;
                let timezone = self.config.load().timezone.iana_name().map(str::to_owned);
                Ok(json!({ "healthy": reasons.is_empty(), "reasons": reasons, "timezone": timezone }))
            }
            Request::Status { shop, limit } => {
                if let Some(shop) = &shop {
                    self.known(shop)?;
                }
                let (config, people) = (self.config.load_full(), self.people.load_full());
                let status = status_of(&mut self.reading().await?, &config, &people, shop.as_ref(), limit).await;
                value(&status.map_err(unavailable)?)
            }
            Request::Upcoming { days, every } => {
                let (config, people) = (self.config.load_full(), self.people.load_full());
                let upcoming = report::upcoming(&mut self.reading().await?, &config, &people, days, every).await;
                value(&upcoming.map_err(unavailable)?)
            }
            Request::Shops => {
                let mut tx = self.reading().await?;
                value(&report::shops(Some(&mut tx), &self.config.load_full()).await.map_err(unavailable)?)
            }
            Request::Settings { shop } => {
                self.known_or_kept(&shop).await?;
                value(&report::shop_settings(&self.config.load(), &shop).unwrap_or_default())
            }
            Request::Why { shop, job } => {
                has_job(&*self.known_or_kept(&shop).await?, job)?;
                let around = self.surroundings().await;
                let why = report::why(&mut self.reading().await?, &self.config.load(), &shop, job, around).await;
                value(&why.map_err(unavailable)?)
            }
            Request::RunNow { shop, job, demand, wait } => self.run_now(&shop, job, demand, wait, progress).await,
            Request::Authorize { shop } => {
                self.known(&shop)?;
                let link = self.keeper.begin_consent(&shop, None).await.map_err(|error| consent_refused(&error))?;
                Ok(json!({ "link": link }))
            }
            Request::Authorized { shop, address } => self.authorized(&shop, &address.0).await,
            Request::HandIn { shop, tokens } => self.hand_in(&shop, tokens.0).await,
            Request::Test { shop } => {
                let entry = self.known(&shop)?;
                let status = self.keeper.test(&shop).await.map_err(|error| keeper_refused(&error))?;
                let name = status.name.map(|name| format!(" and calls it \"{name}\"")).unwrap_or_default();
                let channel = &entry.shop.channel;
                let what = if super::needs_authorization(channel) {
                    "the channel accepts the permission".to_owned()
                } else {
                    format!("it can be reached; channel `{channel}` needs no permission")
                };
                Ok(json!({ "text": format!("shop `{shop}`: {what}{name}") }))
            }
            Request::Pause { shop } => self.pause(&shop, true).await,
            Request::Resume { shop } => self.pause(&shop, false).await,
            Request::Forget { shop } => self.forget(&shop).await,
            Request::MailRetry { id } => self.mail_retry(id, progress).await,
            Request::MailTest { address } => self.mail_test(&address, progress).await,
            Request::Reseal => {
                let (resealed, all) = self.keeper.reseal().await.map_err(|error| keeper_refused(&error))?;
                let key = self.keeper.seal_key_id();
                let text = format!(
                    "{} sealed anew; {} sealed with key {key} now, the first that this daemon was started with",
                    counted(resealed, "authorization was", "authorizations were"),
                    counted(all, "authorization is", "authorizations are")
                );
                Ok(json!({ "resealed": resealed, "all": all, "key": key, "text": text }))
            }
        }
    }
}

impl Shared {
    pub(super) async fn reading(&self) -> Result<Tx, Refusal> {
        self.store.read(self.clock.now()).await.map_err(unavailable)
    }

    async fn writing(&self) -> Result<Tx, Refusal> {
        self.store.write(self.clock.now()).await.map_err(unavailable)
    }

    fn known(&self, shop: &ShopId) -> Result<std::sync::Arc<ShopEntry>, Refusal> {
        self.shops.get(shop).ok_or_else(|| {
            Refusal::new(64, format!("shop `{shop}` is not in the settings in force; see `shopsyncd shops list`"))
        })
    }

    /// A shop that is served; of one that was taken out of the settings while its data is kept, that is said.
    async fn known_or_kept(&self, shop: &ShopId) -> Result<std::sync::Arc<ShopEntry>, Refusal> {
        match self.known(shop) {
            Err(_) if self.reading().await?.shop(shop).await.map_err(unavailable)?.is_some() => {
                Err(Refusal::new(64, report::kept_text(shop)))
            }
            known => known,
        }
    }

    async fn run_now(
        &self,
        shop: &ShopId,
        job: JobKind,
        demand: Demand,
        wait: bool,
        progress: ProgressSink,
    ) -> Answered {
        let asked_at = self.clock.now();
        let asked = self.ask_for(shop, job, demand).await?;
        let mut run = asked.run;
        if wait {
            self.tell_joined(asked, asked_at, &progress).await?;
            let over = self.wait_for(asked, Until::OverOrFarOff, &progress).await?;
            if demand != Demand::default() && over.demand != demand {
                let text = format!(
                    "run {} ended without what was demanded, which was called off meanwhile; see `shopsyncd jobs why {shop} {job}`",
                    over.id
                );
                return Err(Refusal::new(77, text));
            }
            run = over.id;
        }
        let view = report::run_show(&mut self.reading().await?, run).await.map_err(unavailable)?;
        value(&view)
    }

    /// A held job does not run because a person asks: they are told why. A look at a permission or a shop that may have
    /// come back is worth it all the same. Nor does a refresh that is `None`, which is off and not held: such a shop gets
    /// no call that its owner did not ask for. Nor does an export to the product source, ever.
    async fn refuses_runs(&self, entry: &ShopEntry, job: JobKind) -> Result<Option<String>, Refusal> {
        let shop = &entry.shop.id;
        let refresh = job == JobKind::AuthorizationRefresh;
        let around = Surroundings { daemon: true, ..Surroundings::default() };
        let why = report::why(&mut self.reading().await?, &self.config.load(), shop, job, around)
            .await
            .map_err(unavailable)?;
        let to_source = job == JobKind::ProductExport && self.config.load().product_source.as_ref() == Some(shop);
        if to_source || (refresh && entry.refresh_is_none()) {
            return Ok(Some(why.text));
        }
        let hold = why.held_by.and_then(Hold::from_name);
        let looks = refresh && hold.is_some_and(Hold::looks_daily);
        Ok(hold.filter(|_| !looks).map(|_| why.text))
    }

    /// Asks for a run as a person does: what the shop refused before is tried again.
    pub(super) async fn ask_for(&self, shop: &ShopId, job: JobKind, demand: Demand) -> Result<Asked, Refusal> {
        let entry = self.known(shop)?;
        has_job(&entry, job)?;
        refuse_resend(&entry, demand.resend)?;
        if let Some(text) = self.refuses_runs(&entry, job).await? {
            return Err(Refusal::new(77, text));
        }
        let mut tx = self.writing().await?;
        let asked = async {
            // A release is for the plan that was stopped, and that left out what was refused.
            if job == JobKind::ProductExport && !demand.release_guard {
                tx.retry_refused(shop).await?;
            }
            if let Some(field) = demand.resend {
                // Once, here: an attempt that goes on after a crash does not begin anew.
                tx.forget_accepted(shop, field).await?;
            }
            let asked = tx.run_now(&NewRun { shop: Some(shop.clone()), job, demand }, Trigger::Now).await?;
            tx.commit().await?;
            Ok(asked)
        };
        let asked = asked.await.map_err(unavailable)?;
        self.handle.wake();
        Ok(asked)
    }

    async fn authorized(&self, shop: &ShopId, address: &str) -> Answered {
        let entry = self.known(shop)?;
        let query = query_of(address, &self.shops.page().address(&format!("oauth/{}/callback", entry.shop.channel)))?;
        let consented = self
            .keeper
            .finish_consent(&entry.shop.channel, &query, By::CommandLine(shop))
            .await
            .map_err(|error| consent_refused(&error))?;
        Ok(json!({ "text": words(&consented, &entry, &self.local()) }))
    }

    async fn hand_in(&self, shop: &ShopId, tokens: Value) -> Answered {
        let entry = self.known(shop)?;
        let tokens =
            HandedIn::parse(&Secret::new(tokens.to_string())).map_err(|error| Refusal::new(64, error.to_string()))?;
        let consented = self.keeper.hand_in(shop, tokens).await.map_err(|error| consent_refused(&error))?;
        Ok(json!({ "text": words(&consented, &entry, &self.local()) }))
    }

    async fn pause(&self, shop: &ShopId, paused: bool) -> Answered {
        let entry = self.known(shop)?;
        let mut tx = self.writing().await?;
        if tx.shop(shop).await.map_err(unavailable)?.is_some_and(|row| row.paused == paused) {
            let text = if paused { "was paused already" } else { "was not paused" };
            return Ok(json!({ "text": format!("shop `{shop}` {text}; nothing changed") }));
        }
        let noted = async {
            tx.set_paused(shop, paused).await?;
            settle_holds(&mut tx, &entry).await?;
            let event = if paused { "shop.paused" } else { "shop.resumed" };
            tx.note("operator", event, Some(shop), if paused { "paused" } else { "resumed" }).await?;
            tx.commit().await
        };
        noted.await.map_err(unavailable)?;
        self.handle.wake();
        let text = if paused {
            format!("shop `{shop}` is paused: no job of it runs until `shopsyncd shops resume {shop}`")
        } else {
            format!("shop `{shop}` goes on; what was missed is caught up unasked")
        };
        Ok(json!({ "text": text }))
    }

    async fn forget(&self, shop: &ShopId) -> Answered {
        if self.shops.get(shop).is_some() {
            return Err(Refusal::new(
                77,
                format!("shop `{shop}` is in the settings; take it out of the files first, then forget it"),
            ));
        }
        let mut tx = self.writing().await?;
        let erased = match tx.forget_shop(shop).await.map_err(unavailable)? {
            Forgotten::Erased(erased) => erased,
            Forgotten::Served => return Err(Refusal::new(77, served_elsewhere(shop))),
            Forgotten::Unknown => {
                let known = tx.shop_ids().await.map_err(unavailable)?;
                return Err(Refusal::new(64, nothing_kept(shop, &known)));
            }
        };
        tx.note("operator", "shop.forgotten", None, &format!("forgot shop `{shop}`")).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        let words: Vec<_> = erased.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let text = format!("shop `{shop}`: erased {}", words.join(", "));
        Ok(json!({ "erased": erased.into_iter().collect::<BTreeMap<_, _>>(), "text": text }))
    }

    async fn mail_retry(&self, id: i64, progress: ProgressSink) -> Answered {
        let mut tx = self.writing().await?;
        let due = tx.retry_mail(id).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        if !due {
            if self.reading().await?.mail(id).await.map_err(unavailable)?.is_none() {
                return Err(Refusal::new(64, format!("there is no mail {id}; see `shopsyncd mail list`")));
            }
            return Err(Refusal::new(77, format!("mail {id} is neither owed nor refused; see `shopsyncd mail list`")));
        }
        let asked =
            self.handle.run_now(None, JobKind::SendMail, Demand::default(), Trigger::Now).await.map_err(unavailable)?;
        self.wait_for(asked, Until::Over, &progress).await?;
        let mut tx = self.reading().await?;
        let mail = tx.mail(id).await.map_err(unavailable)?;
        let Some(mail) = mail else { return Err(Refusal::new(1, format!("mail {id} is gone"))) };
        let why = mail.error.unwrap_or_else(|| "not yet attempted".to_owned());
        let text = match mail.state {
            MailState::Sent => format!("mail {id} has left"),
            MailState::Cancelled => format!("mail {id} does not leave: {why}"),
            MailState::Owed | MailState::Refused => {
                return Err(Refusal::new(1, format!("mail {id} has not left: {why}")));
            }
        };
        let taken = tx.mails_told_by(id).await.map_err(unavailable)?;
        let also = match &taken[..] {
            [] => String::new(),
            [one] => format!("; it took along what mail {one} was to tell"),
            all => {
                let all = all.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                format!("; it took along what mails {all} were to tell")
            }
        };
        Ok(json!({ "text": format!("{text}{also}"), "took_along": taken }))
    }

    async fn mail_test(&self, address: &str, progress: ProgressSink) -> Answered {
        if !is_address(address) {
            let text = format!("`{address}` is not a mail address; write one like `ops@example.com`");
            return Err(Refusal::new(64, text));
        }
        let mut tx = self.writing().await?;
        let id = notices::owe_test_mail(&mut tx, &self.people.load(), address).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        let asked =
            self.handle.run_now(None, JobKind::SendMail, Demand::default(), Trigger::Now).await.map_err(unavailable)?;
        self.wait_for(asked, Until::Over, &progress).await?;
        let mail = self.reading().await?.mail(id).await.map_err(unavailable)?;
        match mail {
            Some(mail) if mail.state == MailState::Sent => {
                Ok(json!({ "text": format!("sent to {address} as {}", mail.message_id) }))
            }
            Some(mail) => Err(Refusal::new(
                1,
                format!("not sent to {address}: {}", mail.error.unwrap_or_else(|| "not yet attempted".into())),
            )),
            None => Err(Refusal::new(1, "the test mail is gone".to_owned())),
        }
    }
}

/// A channel has its own set of jobs.
fn has_job(entry: &ShopEntry, job: JobKind) -> Result<(), Refusal> {
    if entry.jobs.contains_key(&job) {
        return Ok(());
    }
    Err(Refusal::new(64, report::no_such_job(&entry.shop.id, job, &entry.shop.channel)))
}

/// Only what is exported and remembered can be sent again.
fn refuse_resend(entry: &ShopEntry, resend: Option<Field>) -> Result<(), Refusal> {
    let Some(field) = resend.filter(|field| !entry.remembered().any(|known| known == *field)) else { return Ok(()) };
    let shop = &entry.shop.id;
    let text = format!("shop `{shop}` does not export `{0}`; name `{0}` in its export.fields first", field.as_str());
    Err(Refusal::new(64, text))
}

/// The query of the address on which the browser ended: `callback`, or another one that carries what a channel sends, since some
/// have the callback's address set on pages of their own. Quotes around it are what shells and chats put there.
/// What was pasted may hold a code: it is never repeated.
fn query_of(address: &str, callback: &Url) -> Result<Vec<(String, String)>, Refusal> {
    let address = address.trim().trim_matches(['"', '\'', '<', '>', '`']);
    let url = Url::parse(address).map_err(|error| {
        Refusal::new(64, format!("what was pasted is not an address ({error}); paste all of what the browser shows"))
    })?;
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let sent = query.iter().any(|(name, _)| name == "error" || name.contains("code"));
    if url.path() != callback.path() && !sent {
        let text = format!(
            "this is not the address on which the browser ended: that one begins with `{callback}`; paste all of it"
        );
        return Err(Refusal::new(64, text));
    }
    Ok(query)
}

fn value(view: &impl serde::Serialize) -> Answered {
    serde_json::to_value(view).map_err(|error| Refusal::new(1, error.to_string()))
}

/// What `status` tells: of this shop, of so many at most, or of all.
pub async fn status_of(
    tx: &mut Tx,
    config: &Config,
    people: &People,
    shop: Option<&ShopId>,
    limit: Option<usize>,
) -> Result<Status, StoreError> {
    let among: BTreeSet<ShopId> = match shop {
        Some(shop) => [shop.clone()].into(),
        None => config.shops.keys().take(limit.unwrap_or(usize::MAX)).cloned().collect(),
    };
    // When the others are reminded is not worked out.
    let reminders = notices::next_reminders(tx, &people.of(&among)).await?;
    report::status(tx, config, &among, &reminders, super::needs_authorization, super::refresh_token_end).await
}

/// That the accepted settings name a shop which those here do not.
fn served_elsewhere(shop: &ShopId) -> String {
    format!(
        "shop `{shop}` is served by another instance, whose settings name it, so nothing of it was erased; take it out of the files of all \
         instances first, then forget it"
    )
}

fn nothing_kept(shop: &ShopId, known: &BTreeSet<ShopId>) -> String {
    let remedy = match suggestion(shop.as_str(), known.iter().map(ShopId::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`shopsyncd status` tells those of which something is kept".to_owned(),
    };
    format!("nothing is kept of a shop `{shop}`; {remedy}")
}

/// Why the store did not do as asked, as a command is told.
pub fn unavailable(error: StoreError) -> Refusal {
    let exit = match error {
        StoreError::Url { .. } | StoreError::Newer { .. } | StoreError::Denied { .. } => 78,
        StoreError::Older { .. } => 69,
        _ if error.is_away() => 69,
        _ => 1,
    };
    Refusal::new(exit, error.to_string())
}

fn keeper_refused(error: &KeeperError) -> Refusal {
    let remedy = error.remedy();
    let mut text = error.to_string();
    if !remedy.is_empty() {
        // The channel's full stop ends no half sentence.
        text = format!("{}; {remedy}", text.trim_end_matches('.'));
    }
    Refusal::new(exit_of(error), text)
}

fn exit_of(error: &KeeperError) -> u8 {
    use crate::domain::Failure::{
        AppCredentialRejected, AuthorizationEnded, ScopeMissing, ShopClosed, Throttled, Unavailable,
    };
    match error.failure() {
        Unavailable { .. } | Throttled { .. } => 75,
        AuthorizationEnded { .. } | ScopeMissing { .. } | ShopClosed { .. } => 77,
        AppCredentialRejected { .. } => 78,
        _ => 1,
    }
}

fn consent_refused(error: &ConsentError) -> Refusal {
    let exit = match error {
        ConsentError::UnknownShop(_)
        | ConsentError::NotNeeded(_)
        | ConsentError::NoSuchChannel(_)
        | ConsentError::Incomplete(_) => 64,
        error if error.is_refusal() => 77,
        _ => 75,
    };
    Refusal::new(exit, error.to_string())
}

/// What the consent for a shop came to.
fn words(consented: &Consented, entry: &ShopEntry, now: &Zoned) -> String {
    let shops: Vec<_> = consented.shops.iter().map(|shop| format!("`{shop}`")).collect();
    let end = match consented.ends_at {
        Some(at) => format!("it ends {}", report::when(at, now)),
        None if entry.never_ends() => "it has no end".to_owned(),
        None => "the channel tells its end with the next renewal of the tokens".to_owned(),
    };
    let then = consented.what_follows();
    format!("account `{}` is authorized for {}; {end}; {then}", consented.account, shops.join(", "))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_pasted_address_may_stand_in_quotes_and_must_be_the_callbacks() {
        let callback = "http://127.0.0.1:8420/oauth/market/callback".parse().unwrap();
        let read = |address: &str| query_of(address, &callback);
        let ended = format!("{callback}?code=c&state=s");
        for pasted in [ended.clone(), format!(" \"{ended}\"\n"), format!("'{ended}'"), format!("<{ended}>")] {
            assert_eq!(read(&pasted).unwrap(), [("code".into(), "c".into()), ("state".into(), "s".into())], "{pasted}");
        }
        assert!(read("https://elsewhere.example/back?app_key=a&code=c&state=s").is_ok(), "set at the channel");
        for (pasted, told) in [
            ("https://market.example/consent?state=s", "this is not the address on which the browser ended"),
            ("code=geheim", "what was pasted is not an address"),
        ] {
            let refusal = read(pasted).unwrap_err();
            assert_eq!(refusal.exit, 64);
            assert!(refusal.text.starts_with(told) && !refusal.text.contains("geheim"), "{}", refusal.text);
        }
    }

    #[test]
    fn the_channels_full_stop_ends_no_half_sentence() {
        let error = crate::channels::ChannelError {
            text: "the market says no.".into(),
            remedy: "ask its owner".into(),
            ..crate::channels::ChannelError::bug("")
        };
        let refusal = keeper_refused(&KeeperError::Channel { shop: "a".parse().unwrap(), error: Box::new(error) });
        assert_eq!(refusal.text, "shop `a`: the market says no; ask its owner");
    }
}
