//! Permission, and everything that can go wrong on the way to a shop.

use super::{
    Fault, Owner, Rig, Verdict, World, always, checks, consents, ensure, hides_secrets, imports, read_all, remote,
    tells_no_secret, writing,
};
use crate::{
    channels::{Access, ChannelDef, ChannelError, Consent, From, OwnersEnd},
    domain::{Failure, Field, PassKind, plan::Change},
};
use jiff::SignedDuration;

checks! {
    a_probe_of_an_open_shop_succeeds if always;
    one_shop_has_one_place if always;
    a_throttled_call_waits_as_told if remote;
    a_throttled_call_that_is_told_nothing_waits_sensibly if remote;
    a_server_error_is_unavailable if remote;
    a_cut_off_answer_is_unavailable if remote;
    unknown_fields_are_ignored if remote;
    an_expired_token_is_told_apart_from_an_ended_authorization if consents;
    consent_leads_to_tokens_that_work if consents;
    a_spent_refresh_token_is_refused if |def, rig| consents(def, rig) && rig.rotates();
    a_refresh_after_the_end_says_that_the_authorization_ended if consents;
    a_declined_consent_is_a_refusal if consents;
    a_callback_without_a_code_is_a_refusal if consents;
    a_made_up_code_is_refused if consents;
    no_error_tells_a_secret if |def, rig| consents(def, rig) && rig.remote();
}

async fn a_probe_of_an_open_shop_succeeds(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    world.channel().probe(&world.access()).await.map_err(said)?;
    Ok(())
}

async fn one_shop_has_one_place(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let place = world.channel().place();
    ensure!(!place.is_empty() && place == world.channel().place(), "the place is `{place}`, then another");
    Ok(())
}

async fn a_throttled_call_waits_as_told(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let change = some_change(def, world.as_ref()).await?;
    world.break_down(Some(Fault::Throttled { retry_after: Some(37) })).await;
    let now = world.clock().now();
    for (call, error) in failing_calls(def, world.as_ref(), &world.access(), change.as_ref()).await? {
        let Failure::Throttled { until } = error.failure else { return Err(format!("{call}: {}", said(error))) };
        let wait = until.duration_since(now).as_secs();
        ensure!((37..=38).contains(&wait), "{call}: told to wait 37 seconds, waits {wait}");
    }
    world.break_down(None).await;
    works(def, world.as_ref()).await
}

async fn a_throttled_call_that_is_told_nothing_waits_sensibly(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let change = some_change(def, world.as_ref()).await?;
    world.break_down(Some(Fault::Throttled { retry_after: None })).await;
    let now = world.clock().now();
    for (call, error) in failing_calls(def, world.as_ref(), &world.access(), change.as_ref()).await? {
        let Failure::Throttled { until } = error.failure else { return Err(format!("{call}: {}", said(error))) };
        let wait = until.duration_since(now);
        let sensible = wait > SignedDuration::ZERO && wait <= SignedDuration::from_hours(1);
        ensure!(sensible, "{call}: not told how long, waits {wait:?}");
    }
    Ok(())
}

async fn a_server_error_is_unavailable(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    unavailable(def, rig, Fault::ServerError).await
}

async fn a_cut_off_answer_is_unavailable(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    unavailable(def, rig, Fault::CutOff).await
}

async fn unavailable(def: &ChannelDef, rig: &dyn Rig, fault: Fault) -> Verdict {
    let world = rig.start(2).await;
    let change = some_change(def, world.as_ref()).await?;
    world.break_down(Some(fault)).await;
    for (call, error) in failing_calls(def, world.as_ref(), &world.access(), change.as_ref()).await? {
        ensure!(matches!(error.failure, Failure::Unavailable { .. }), "{call}: {}", said(error));
    }
    world.break_down(None).await;
    works(def, world.as_ref()).await
}

async fn unknown_fields_are_ignored(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(rig.page_size() + 1).await;
    let channel = world.channel();
    let before = channel.probe(&world.access()).await.map_err(said)?;
    world.break_down(Some(Fault::UnknownField)).await;
    let after = channel.probe(&world.access()).await.map_err(said)?;
    ensure!(before == after, "with unknown fields the probe is read differently");
    if imports(def) {
        let after = read_all(world.as_ref()).await?;
        world.break_down(None).await;
        let before = read_all(world.as_ref()).await?;
        ensure!(before.listings == after.listings, "with unknown fields the listings are read differently");
    }
    Ok(())
}

/// That calls succeed.
async fn works(def: &ChannelDef, world: &dyn World) -> Verdict {
    world.channel().probe(&world.access()).await.map_err(said)?;
    if imports(def) { read_all(world).await.map(drop) } else { Ok(()) }
}

async fn an_expired_token_is_told_apart_from_an_ended_authorization(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let change = some_change(def, world.as_ref()).await?;
    let access = world.access();
    owner(world.as_ref())?.expire_access_token().await;
    for (call, error) in failing_calls(def, world.as_ref(), &access, change.as_ref()).await? {
        ensure!(error.failure == Failure::TokenRejected, "{call} with an expired token: {}", said(error));
        ensure!(error.not_acted(), "{call} with an expired token: the channel may have acted");
    }
    let world = rig.start(2).await;
    let change = some_change(def, world.as_ref()).await?;
    let access = world.access();
    owner(world.as_ref())?.end_authorization().await;
    for (call, error) in failing_calls(def, world.as_ref(), &access, change.as_ref()).await? {
        // Where a channel answers calls alike in both cases, refreshing tells: that is checked by itself.
        let told = matches!(error.failure, Failure::AuthorizationEnded { .. } | Failure::TokenRejected);
        ensure!(told, "{call} after the end: {}", said(error));
    }
    Ok(())
}

async fn consent_leads_to_tokens_that_work(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let channel = world.channel();
    let consent = consent(channel.consent())?;
    let link = consent.link("state-of-the-suite");
    hides_secrets(world.as_ref(), "the link", link.as_str())?;
    let query = owner(world.as_ref())?.agree(&link).await;
    let callback = consent.read_callback(&query).map_err(said)?;
    if let Some(state) = &callback.state {
        ensure!(state == "state-of-the-suite", "the state came back as `{state}`");
    }
    let grants = consent.exchange(&callback).await.map_err(said)?;
    let grant = grants.first().ok_or("the exchange grants nothing")?;
    hides_secrets(world.as_ref(), "Debug of a callback or grant", &format!("{callback:?} {grants:?}"))?;
    ensure!(!grant.account.is_empty(), "the grant names no account");
    let now = world.clock().now();
    ensure!(grant.access_token_ends_at > now, "the new access token has ended already");
    world.clock().advance(rig.rest());
    let renewed = consent.refresh(&grant.tokens, &grant.account).await.map_err(said)?;
    ensure!(renewed.account == grant.account, "the renewed tokens are of another account");
    let identity = consent.identify(&renewed).await.map_err(said)?;
    let own = channel.place_of(&grant.account);
    let place = identity.places.iter().find(|place| place.id == own);
    let place = place.ok_or("the shop is not among the places of its own permission")?;
    consent.check_place(place).map_err(said)?;
    let access = Access { token: Some(renewed.tokens.access_token.clone()), place: place.data.clone() };
    let status = channel.probe(&access).await.map_err(said)?;
    let told = grant.ends.or(identity.ends).or(status.ends);
    match consent.end() {
        OwnersEnd::Told => ensure!(told.is_some_and(|ending| ending.at > now), "the end is not told: {told:?}"),
        OwnersEnd::After(_) | OwnersEnd::Never => ensure!(told.is_none(), "an end is told after all: {told:?}"),
    }
    if imports(def) {
        let from = From { kind: PassKind::Full, cursor: None, first: true };
        channel.pull(&access, &from).await.map_err(said)?;
    }
    Ok(())
}

async fn a_spent_refresh_token_is_refused(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let channel = world.channel();
    let consent = consent(channel.consent())?;
    let (spent, account) = (owner(world.as_ref())?.tokens(), owner(world.as_ref())?.account());
    let renewed = consent.refresh(&spent, &account).await.map_err(said)?;
    let text = |tokens: &crate::channels::Tokens| tokens.refresh_token.as_ref().map(|token| token.expose().to_owned());
    ensure!(text(&renewed.tokens) != text(&spent), "the refresh token did not change");
    let Err(error) = consent.refresh(&spent, &account).await else {
        return Err("a spent refresh token was accepted".to_owned());
    };
    ensure!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "spent refresh token: {}", said(error));
    consent.refresh(&renewed.tokens, &account).await.map_err(said)?;
    Ok(())
}

async fn a_refresh_after_the_end_says_that_the_authorization_ended(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let channel = world.channel();
    let (tokens, account) = (owner(world.as_ref())?.tokens(), owner(world.as_ref())?.account());
    owner(world.as_ref())?.end_authorization().await;
    let Err(error) = consent(channel.consent())?.refresh(&tokens, &account).await else {
        return Err("tokens were renewed after the authorization had ended".to_owned());
    };
    tells_no_secret(world.as_ref(), &error)?;
    let Failure::AuthorizationEnded { why } = &error.failure else { return Err(said(error)) };
    ensure!(!why.is_empty(), "it does not say why");
    Ok(())
}

async fn a_declined_consent_is_a_refusal(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let channel = world.channel();
    let consent = consent(channel.consent())?;
    let link = consent.link("state");
    let query = owner(world.as_ref())?.decline(&link).await;
    let Err(error) = consent.read_callback(&query) else { return Err(format!("{query:?} counts as consent")) };
    ensure!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{}", said(error));
    Ok(())
}

async fn a_callback_without_a_code_is_a_refusal(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let channel = world.channel();
    let consent = consent(channel.consent())?;
    for query in [vec![], vec![("state".to_owned(), "state".to_owned())]] {
        ensure!(consent.read_callback(&query).is_err(), "{query:?} counts as consent");
    }
    Ok(())
}

async fn a_made_up_code_is_refused(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(1).await;
    let channel = world.channel();
    let consent = consent(channel.consent())?;
    let link = consent.link("state");
    let query = owner(world.as_ref())?.agree(&link).await;
    let mut callback = consent.read_callback(&query).map_err(said)?;
    callback.code = crate::secrets::Secret::new("made-up-by-the-suite");
    let Err(error) = consent.exchange(&callback).await else { return Err("a made-up code was accepted".to_owned()) };
    ensure!(!error.to_string().contains("made-up-by-the-suite"), "the error repeats the code");
    ensure!(!matches!(error.failure, Failure::Unavailable { .. } | Failure::Bug), "{}", said(error));
    Ok(())
}

async fn no_error_tells_a_secret(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let faults = [Fault::Throttled { retry_after: None }, Fault::ServerError, Fault::CutOff];
    for fault in faults {
        let world = rig.start(2).await;
        ensure!(!world.secrets().is_empty(), "the rig names no secrets to look for");
        let change = some_change(def, world.as_ref()).await?;
        world.break_down(Some(fault)).await;
        for (_, error) in failing_calls(def, world.as_ref(), &world.access(), change.as_ref()).await? {
            tells_no_secret(world.as_ref(), &error)?;
        }
    }
    for ended in [false, true] {
        let world = rig.start(2).await;
        let change = some_change(def, world.as_ref()).await?;
        let (access, owner) = (world.access(), owner(world.as_ref())?);
        hides_secrets(world.as_ref(), "Debug of the access", &format!("{access:?} {:?}", owner.tokens()))?;
        if ended {
            owner.end_authorization().await;
        } else {
            owner.expire_access_token().await;
        }
        for (_, error) in failing_calls(def, world.as_ref(), &access, change.as_ref()).await? {
            tells_no_secret(world.as_ref(), &error)?;
        }
    }
    Ok(())
}

/// A change to send while something is wrong, made while nothing is; `None` where the channel exports nothing.
async fn some_change(def: &ChannelDef, world: &dyn World) -> Result<Option<Change>, String> {
    let Some(field) = [Field::Stock, Field::Price].into_iter().find(|field| def.abilities.export.contains(field))
    else {
        return Ok(None);
    };
    let read = read_all(world).await?;
    writing::change(&read.listings[0], &[field]).map(Some)
}

/// The errors of every kind of call, where all of them must fail.
async fn failing_calls(
    def: &ChannelDef,
    world: &dyn World,
    access: &Access,
    change: Option<&Change>,
) -> Result<Vec<(&'static str, ChannelError)>, String> {
    let channel = world.channel();
    let mut errors = Vec::new();
    match channel.probe(access).await {
        Ok(_) => return Err("the probe succeeded".to_owned()),
        Err(error) => errors.push(("probe", error)),
    }
    if imports(def) {
        let from = From { kind: PassKind::Full, cursor: None, first: true };
        match channel.pull(access, &from).await {
            Ok(_) => return Err("the pull succeeded".to_owned()),
            Err(error) => errors.push(("pull", error)),
        }
    }
    if let Some(change) = change {
        match channel.push(access, std::slice::from_ref(change)).await {
            Ok(results) => return Err(format!("the push succeeded: {results:?}")),
            Err(error) => errors.push(("push", error)),
        }
    }
    Ok(errors)
}

fn owner(world: &dyn World) -> Result<&dyn Owner, String> {
    world.owner().ok_or("the rig has no owner although the channel needs consent".to_owned())
}

fn consent(consent: Option<&dyn Consent>) -> Result<&dyn Consent, String> {
    consent.ok_or("the channel has no consent although its abilities say so".to_owned())
}

fn said(error: ChannelError) -> String {
    format!("{error} ({:?})", error.failure)
}
