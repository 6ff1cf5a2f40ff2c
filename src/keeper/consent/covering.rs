//! Which shops a consent is for: the right account, the right place of sale, and everything else it covers.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{ConsentError, consent_of, in_time, named};
use crate::{
    channels::{ChannelError, Consent, Grant, Identity, OwnersEnd, Place},
    domain::{Authorization, AuthorizationId, EndSource, Ending, Failure},
    keeper::{ShopEntry, TokenKeeper},
    store::Tx,
};

/// How long a marketplace that granted tokens is asked what they are for.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// A permission that has been checked, ready to be recorded.
#[derive(Clone)]
pub(super) struct Proven {
    /// The shop it was checked for.
    pub(super) entry: Arc<ShopEntry>,
    pub(super) grant: Grant,
    /// The shops it covers, with what the channel noted about each.
    pub(super) covered: Vec<(Arc<ShopEntry>, serde_json::Value)>,
    pub(super) authorized_at: Timestamp,
    pub(super) ends: Option<Ending>,
    /// The authorization that has its tokens already.
    pub(super) kept: Option<AuthorizationId>,
}

/// A grant with the places it covers.
struct Found {
    /// The shop whose channel was asked.
    entry: Arc<ShopEntry>,
    grant: Grant,
    places: Vec<Place>,
    authorized_at: Timestamp,
    ends: Option<Ending>,
}

impl Found {
    /// The place among those covered that is this shop's.
    fn place(&self, entry: &ShopEntry) -> Option<&Place> {
        let id = entry.channel.place_of(&self.grant.account);
        self.places.iter().find(|place| place.id == id)
    }

    fn account(&self) -> String {
        named(self.grant.account_name.as_deref(), &self.grant.account)
    }

    fn covers(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(|place| place.name.as_str()).collect();
        if names.is_empty() { "nothing".into() } else { names.join(", ") }
    }

    fn concerns_nobody(&self) -> ConsentError {
        ConsentError::NoShop(format!(
            "account `{}` consented, but what it covers ({}) is no shop in the settings; add it, and start again",
            self.account(),
            self.covers()
        ))
    }

    /// Ready to be recorded, but for the shops.
    fn proven(self) -> Proven {
        let Self { entry, grant, authorized_at, ends, .. } = self;
        Proven { entry, grant, covered: Vec::new(), authorized_at, ends, kept: None }
    }
}

impl TokenKeeper {
    /// Which of the grants are for which shops. `asked`: the shop the consent was begun for, which must be among them. One
    /// consent may grant several accounts, and so more shops than were asked for.
    pub(super) async fn prove(
        &self,
        asked: Option<&Arc<ShopEntry>>,
        reader: &Arc<ShopEntry>,
        grants: Vec<Grant>,
        authorized_at: Timestamp,
    ) -> Result<Vec<Proven>, ConsentError> {
        let (mut proven, mut others, mut refusal) = (Vec::new(), Vec::new(), None);
        for grant in grants {
            match asked.filter(|_| proven.is_empty()) {
                None => others.push(grant),
                Some(entry) => match self.weigh(entry, grant.clone(), authorized_at).await {
                    Ok(one) => proven.push(one),
                    Err(error) if is_passing(&error) && self.is_of(entry, &grant).await? => {
                        Self::tell_unlearnt(&grant, reader, &error);
                        proven.extend(self.known_to_cover(entry, &grant, authorized_at).await?);
                    }
                    Err(error) => {
                        refusal = refusal.or(Some(error));
                        others.push(grant);
                    }
                },
            }
        }
        if asked.is_some() && proven.is_empty() {
            return Err(refusal.unwrap_or_else(|| {
                ConsentError::Incomplete("the channel granted nothing; start again from the link".into())
            }));
        }
        for grant in others {
            let found = match self.places(reader, grant.clone(), authorized_at).await {
                Ok(found) => found,
                // The code is spent: what the other grants are for is not lost for this one, and the tokens that their shops had may
                // have died with it.
                Err(error) => {
                    Self::tell_unlearnt(&grant, reader, &error);
                    match self.known_to_cover(reader, &grant, authorized_at).await? {
                        Some(known) if is_passing(&error) => proven.push(known),
                        _ => refusal = refusal.or(Some(error)),
                    }
                    continue;
                }
            };
            let covered = self.covered(&found, None).await?;
            if !covered.is_empty() {
                proven.push(Proven { covered, ..found.proven() });
            } else if asked.is_none() {
                refusal = refusal.or(Some(found.concerns_nobody()));
            }
        }
        match refusal {
            Some(error) if proven.is_empty() => Err(error),
            _ => Ok(proven),
        }
    }

    fn tell_unlearnt(grant: &Grant, reader: &ShopEntry, error: &ConsentError) {
        let account = named(grant.account_name.as_deref(), &grant.account);
        tracing::warn!(event = "consent.failed", channel.name = %reader.shop.channel,
            "what account `{account}` consented to could not be learnt: {error}");
    }

    /// Whether a grant is of the account on record of a shop.
    async fn is_of(&self, entry: &ShopEntry, grant: &Grant) -> Result<bool, ConsentError> {
        Ok(self.account_of(entry).await?.is_some_and(|(known, _)| known == grant.account))
    }

    /// Checks that the right account consented and that the shop is covered.
    pub(super) async fn weigh(
        &self,
        entry: &Arc<ShopEntry>,
        grant: Grant,
        authorized_at: Timestamp,
    ) -> Result<Proven, ConsentError> {
        self.check_account(entry, &grant).await?;
        self.check_replaces_nobodys(entry, &grant).await?;
        let found = self.places(entry, grant, authorized_at).await?;
        let place = found.place(entry).ok_or_else(|| ConsentError::NotCovered {
            shop: entry.shop.id.clone(),
            account: found.account(),
            covers: found.covers(),
        })?;
        consent_of(entry)?.check_place(place).map_err(ConsentError::Channel)?;
        self.check_place_is_free(entry, &found).await?;
        let covered = self.covered(&found, Some(entry)).await?;
        Ok(Proven { covered, ..found.proven() })
    }

    /// What a grant covers, by the channel's word.
    async fn places(
        &self,
        entry: &Arc<ShopEntry>,
        grant: Grant,
        authorized_at: Timestamp,
    ) -> Result<Found, ConsentError> {
        let consent = consent_of(entry)?;
        let identity = self.identify(entry, &grant).await?;
        let ends = grant.ends.or(identity.ends).or(computed_end(consent, authorized_at));
        Ok(Found { entry: Arc::clone(entry), grant, places: identity.places, authorized_at, ends })
    }

    /// The tokens have arrived and the code is spent: a marketplace that does not answer now is asked again for a while.
    async fn identify(&self, entry: &Arc<ShopEntry>, grant: &Grant) -> Result<Identity, ConsentError> {
        let (until, mut wait) = (self.0.clock.now() + ASK_AGAIN, SignedDuration::from_secs(1));
        loop {
            let error = match in_time(consent_of(entry)?.identify(grant)).await {
                Err(error) if is_passing(&error) => error,
                identified => return identified,
            };
            let told = match &error {
                ConsentError::Channel(ChannelError { failure: Failure::Throttled { until }, .. }) => *until,
                _ => Timestamp::MIN,
            };
            let next = told.max(self.0.clock.now() + wait);
            let mut gives_up = self.0.gives_up.subscribe();
            if next > until || *gives_up.borrow() {
                return Err(error);
            }
            tokio::select! {
                () = self.0.clock.sleep_until(next) => {}
                _ = gives_up.wait_for(|given_up| *given_up) => return Err(error),
            }
            wait *= 2;
        }
    }

    /// What a grant of an account on record covers by what is known already, where the channel would not say: the shops that work
    /// with it go on with the new tokens, and their next look learns the rest. `None`: the account is not on record.
    async fn known_to_cover(
        &self,
        reader: &Arc<ShopEntry>,
        grant: &Grant,
        authorized_at: Timestamp,
    ) -> Result<Option<Proven>, ConsentError> {
        let mut covered = Vec::new();
        for entry in self.others(reader)?.into_iter().chain([Arc::clone(reader)]) {
            let mut tx = self.0.store.read(self.0.clock.now()).await?;
            if account_in(&mut tx, &entry).await?.is_some_and(|(known, _)| known == grant.account) {
                let place = tx.shop(&entry.shop.id).await?.map(|row| row.place_data).unwrap_or_default();
                covered.push((entry, place));
            }
        }
        // The shop that was asked for is told first.
        covered.sort_by_key(|(entry, _)| entry.shop.id != reader.shop.id);
        let Some((entry, _)) = covered.first() else { return Ok(None) };
        let ends = grant.ends.or(computed_end(consent_of(entry)?, authorized_at));
        Ok(Some(Proven { entry: Arc::clone(entry), grant: grant.clone(), covered, authorized_at, ends, kept: None }))
    }

    /// The account on record of a shop, with what people call it.
    pub(super) async fn account_of(&self, entry: &ShopEntry) -> Result<Option<(String, Option<String>)>, ConsentError> {
        account_in(&mut self.0.store.read(self.0.clock.now()).await?, entry).await
    }

    /// The account on record must be the one that consents.
    async fn check_account(&self, entry: &ShopEntry, grant: &Grant) -> Result<(), ConsentError> {
        check_account_in(&mut self.0.store.read(self.0.clock.now()).await?, entry, grant).await
    }

    /// A consent whose account nothing but the callback's address names does not replace the tokens that other shops work
    /// with: that takes a consent for one of those.
    async fn check_replaces_nobodys(&self, entry: &ShopEntry, grant: &Grant) -> Result<(), ConsentError> {
        if consent_of(entry)?.proves_account() || self.account_of(entry).await?.is_some() {
            return Ok(());
        }
        for other in self.others(entry)? {
            if self.account_of(&other).await?.is_some_and(|(known, _)| known == grant.account) {
                return Err(ConsentError::OnRecordElsewhere {
                    shop: entry.shop.id.clone(),
                    other: other.shop.id.clone(),
                    account: grant.account.clone(),
                });
            }
        }
        Ok(())
    }

    /// No other entry that this account authorized is the same place of sale.
    async fn check_place_is_free(&self, entry: &ShopEntry, found: &Found) -> Result<(), ConsentError> {
        let account = &found.grant.account;
        for other in self.others(entry)? {
            let same = other.channel.place_of(account) == entry.channel.place_of(account);
            if same && self.account_of(&other).await?.is_some_and(|(known, _)| known == *account) {
                return Err(ConsentError::SamePlace {
                    shop: entry.shop.id.clone(),
                    other: other.shop.id.clone(),
                    account: found.account(),
                });
            }
        }
        Ok(())
    }

    /// The shops that a grant covers, `asked` first. A shop that is tied to another account stays with it; where several
    /// entries without an account would be the same place, nobody can tell which of them is this account's.
    async fn covered(
        &self,
        found: &Found,
        asked: Option<&Arc<ShopEntry>>,
    ) -> Result<Vec<(Arc<ShopEntry>, serde_json::Value)>, ConsentError> {
        let account = &found.grant.account;
        let mut covered: Vec<_> = asked.map(Arc::clone).into_iter().collect();
        let mut free: BTreeMap<String, Vec<Arc<ShopEntry>>> = BTreeMap::new();
        let candidates = match asked {
            Some(asked) => self.others(asked)?,
            None => self.others(&found.entry)?.into_iter().chain([Arc::clone(&found.entry)]).collect(),
        };
        for entry in candidates {
            let Some(place) = found.place(&entry) else { continue };
            if consent_of(&entry)?.check_place(place).is_err() {
                continue;
            }
            match self.account_of(&entry).await? {
                Some((known, _)) if known == *account => covered.push(entry),
                Some(_) => {}
                None => free.entry(place.id.clone()).or_default().push(entry),
            }
        }
        for (place, entries) in free {
            let taken = covered.iter().any(|entry| entry.channel.place_of(account) == place);
            if let ([only], false) = (&entries[..], taken) {
                covered.push(Arc::clone(only));
            }
        }
        let data = |entry: &Arc<ShopEntry>| found.place(entry).map(|place| place.data.clone()).unwrap_or_default();
        Ok(covered.into_iter().map(|entry| (Arc::clone(&entry), data(&entry))).collect())
    }

    /// The other shops of the same app.
    fn others(&self, entry: &ShopEntry) -> Result<Vec<Arc<ShopEntry>>, ConsentError> {
        let app = consent_of(entry)?.app();
        let mut others = self.0.shops.of_channel(&entry.shop.channel);
        others.retain(|other| other.shop.id != entry.shop.id && consent_of(other).is_ok_and(|one| one.app() == app));
        Ok(others)
    }
}

fn computed_end(consent: &dyn Consent, authorized_at: Timestamp) -> Option<Ending> {
    match consent.end() {
        OwnersEnd::After(span) => Some(Ending { at: authorized_at + span, source: EndSource::Computed }),
        OwnersEnd::Told | OwnersEnd::Never => None,
    }
}

/// Whether the channel may say another time what it did not say now.
fn is_passing(error: &ConsentError) -> bool {
    match error {
        ConsentError::TimedOut => true,
        ConsentError::Channel(error) => {
            matches!(error.failure, Failure::Unavailable { .. } | Failure::Throttled { .. })
        }
        _ => false,
    }
}

/// The account on record of a shop, as this transaction sees it; none where it authorized another app.
async fn account_in(tx: &mut Tx, entry: &ShopEntry) -> Result<Option<(String, Option<String>)>, ConsentError> {
    let known = tied_in(tx, entry).await?.filter(|known| entry.is_of_app(&known.account.app));
    Ok(known.map(|known| (known.account.account, known.account_name)))
}

/// What a shop is tied to, whichever app it was given to.
async fn tied_in(tx: &mut Tx, entry: &ShopEntry) -> Result<Option<Authorization>, ConsentError> {
    let shop = &entry.shop.id;
    let tied = tx.shop(shop).await?.ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?.authorization;
    match tied {
        Some(id) => Ok(tx.authorization(id).await?),
        None => Ok(None),
    }
}

/// The account on record must be the one that consents.
pub(super) async fn check_account_in(tx: &mut Tx, entry: &ShopEntry, grant: &Grant) -> Result<(), ConsentError> {
    let compares = |app: &str| entry.is_of_app(app) || entry.consent().is_some_and(Consent::account_outlives_app);
    match tied_in(tx, entry).await? {
        Some(known) if compares(&known.account.app) && known.account.account != grant.account => {
            Err(ConsentError::OtherAccount {
                shop: entry.shop.id.clone(),
                given: named(grant.account_name.as_deref(), &grant.account),
                on_record: named(known.account_name.as_deref(), &known.account.account),
            })
        }
        _ => Ok(()),
    }
}
