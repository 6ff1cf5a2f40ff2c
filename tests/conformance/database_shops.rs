//! What the store keeps of shops, through the same checks on every database: authorizations, products, listings, passes,
//! complaints, reminders, mails and the rest.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::json;
use shopsyncd::{
    domain::{
        Account, Authorization, AuthorizationId, AuthorizationState, ChannelName, Complaint, Counts, Cursor, Demand,
        Doubt, EndSource, Ending, Field, Holder, InstanceId, Intent, JobKind, Language, Lease, Listing, ListingStatus,
        MailKind, Part, PassKind, Period, Price, RunId, ShopId, Sku, Trigger, Values, plan::Change, reminder::StepDate,
    },
    secrets::Sealed,
    store::{
        AppAlarm, Comparison, Delivery, Forgotten, MailFilter, MailState, Named, NewGrant, NewMail, NewRun, OpenTicket,
        Refused, ReminderKind, SealedGrant, SealedTokens, SeenListing, ShopRow, Standing, Store, Tx, WantedRow,
        WantedSchedule, WantedShop,
    },
};

use super::Check;

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin(async { $name(store).await; Ok(()) }))),*]
    };
}

pub(crate) const CHECKS: &[Check] = checks![
    a_consent_makes_an_authorization_and_another_renews_it,
    tokens_are_kept_before_the_consent_that_brought_them_is_recorded,
    authorizations_that_no_shop_names_any_more_are_erased,
    a_place_in_other_words_moves_nobody,
    tokens_are_replaced_only_from_the_generation_that_was_read,
    tokens_are_replaced_only_while_the_lease_stands,
    intents_count_the_exchanges_without_an_answer,
    a_later_end_counts_as_a_renewal_only_when_said_so,
    sealing_anew_keeps_the_generation_and_loses_to_a_refresh,
    an_equal_page_of_listings_rewrites_no_row,
    an_equal_page_of_the_source_rewrites_no_row,
    a_sku_that_comes_twice_in_a_page_is_stored_as_it_came_last,
    a_changed_product_changes_all_its_variants,
    texts_are_kept_once_and_go_with_the_last_that_has_them,
    variants_are_paged_by_product_and_by_sku,
    only_what_a_complete_pass_did_not_see_is_gone,
    a_variant_that_the_source_dropped_gets_a_revision,
    accepted_values_survive_an_older_page,
    differences_are_what_is_wanted_and_not_seen,
    a_refused_difference_comes_back_when_wanted_or_seen_changes,
    what_is_no_longer_wanted_leaves_no_trace,
    the_usual_currency_is_that_of_most_live_listings,
    at_stake_is_what_is_on_sale_and_wanted,
    a_sku_is_found_in_every_shop,
    a_pass_moves_with_its_page,
    a_pass_that_begins_abandons_the_open_one,
    complaints_keep_their_since_until_they_are_resolved,
    tickets_keep_what_was_sent_until_it_is_judged,
    skus_are_found_by_barcode_and_by_product,
    a_page_resolves_only_what_a_page_can_tell,
    skus_are_unknown_until_the_source_knows_them,
    a_state_is_used_once_and_in_time,
    a_session_goes_on_until_its_end_and_for_its_password,
    a_mail_is_owed_once_per_reason,
    a_mail_is_frozen_at_its_first_attempt,
    a_mail_that_certainly_did_not_leave_may_change,
    what_was_silent_is_owed_again_and_no_more_once_it_is_forgotten,
    a_refused_mail_starts_over_when_retried,
    mails_are_found_by_state_address_and_shop,
    only_mail_that_ended_is_pruned,
    a_reminder_is_owed_once,
    a_renewal_cancels_what_is_owed_and_keeps_what_was_sent,
    shops_that_swap_their_places_both_stay,
    a_shop_that_moves_elsewhere_starts_anew,
    a_source_is_unread_until_it_was_read_completely_as_the_source,
    a_source_is_compared_with_what_another_shop_has,
    a_locked_shop_is_read_after_whoever_locked_it_first,
    the_facts_that_hold_a_shop_are_those_noted,
    an_alarm_of_an_app_is_raised_once_and_is_of_its_shops_alone,
    an_authorization_is_of_no_use_while_the_settings_name_another_app,
    what_is_owed_of_an_authorization_can_be_forgotten_and_owed_anew,
    forgetting_a_shop_says_what_went,
    a_shop_in_the_settings_is_not_forgotten,
    an_authorization_outlives_the_first_of_two_shops,
    the_journal_is_read_from_its_end,
];

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(super) fn shop(id: &str) -> ShopId {
    id.parse().unwrap()
}

pub(super) fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub(super) fn skus(texts: &[&str]) -> Vec<Sku> {
    texts.iter().map(|text| sku(text)).collect()
}

pub(super) fn price(amount: &str, currency: &str) -> Price {
    Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
}

pub(super) fn seen(code: &str, amount: &str) -> SeenListing {
    let listing = Listing {
        sku: sku(code),
        shop_sku: None,
        product_id: "p1".to_owned(),
        refs: json!({ "id": 7 }),
        title: "Shirt".to_owned(),
        description: None,
        brand: None,
        category: None,
        barcode: None,
        images: Vec::new(),
        options: Vec::new(),
        prices: vec![price(amount, "EUR")],
        stock: Some(5),
        status: ListingStatus::Active,
    };
    SeenListing::of(listing, &[Field::Price].into())
}

/// The same listing, said otherwise.
fn said(code: &str, change: impl FnOnce(&mut Listing)) -> SeenListing {
    let mut listing = seen(code, "1").listing;
    change(&mut listing);
    SeenListing::of(listing, &[Field::Price].into())
}

pub(super) fn wanted(code: &str, amount: &str) -> WantedRow {
    WantedRow { sku: sku(code), wanted: Some(Values { price: Some(price(amount, "EUR")), ..Values::default() }) }
}

/// A listing of the source.
fn variant(product: &str, title: &str, code: &str, amount: &str) -> SeenListing {
    let listing = seen(code, amount).listing;
    let of_product = Listing { product_id: product.to_owned(), title: title.to_owned(), ..listing };
    SeenListing::of(of_product, &BTreeSet::new())
}

async fn put_variants(tx: &mut Tx, page: &[SeenListing]) -> Counts {
    tx.put_variants(&page.iter().collect::<Vec<_>>()).await.unwrap()
}

pub(super) fn wanted_shop(id: &str, place: &str) -> WantedShop {
    WantedShop {
        id: shop(id),
        channel: ChannelName::from("tiktok_shop"),
        name: id.to_owned(),
        place: place.to_owned(),
        app: Some("app".to_owned()),
    }
}

fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

fn sealed_grant(text: &str, ends: Option<i64>) -> SealedGrant {
    SealedGrant {
        access_token: sealed(&format!("access {text}")),
        access_token_issued_at: at(0),
        access_token_ends_at: at(3600),
        refresh_token: Some(sealed(&format!("refresh {text}"))),
        refresh_token_ends_at: Some(at(100_000)),
        ends: ends.map(|second| Ending { at: at(second), source: EndSource::Told }),
    }
}

fn new_grant(account: &str) -> NewGrant {
    NewGrant {
        account: Account {
            channel: ChannelName::from("tiktok_shop"),
            app: "app".to_owned(),
            account: account.to_owned(),
        },
        account_name: Some("Shirts".to_owned()),
        authorized_at: at(0),
    }
}

pub(super) async fn granted(tx: &mut Tx, account: &str) -> AuthorizationId {
    tx.grant(&new_grant(account), |_, _| sealed_grant("1", Some(1000))).await.unwrap().id
}

async fn lease(tx: &mut Tx, holder: &str) -> Lease {
    let holder: Holder = InstanceId(holder.to_owned());
    tx.take_lease("authorization/1", &holder, 0).await.unwrap().unwrap()
}

pub(super) async fn put(tx: &mut Tx, id: &str, page: &[SeenListing]) {
    tx.put_listings(&shop(id), page, at(0)).await.unwrap();
}

/// Refusals of a price that was wanted where another was seen (none: it was to be created).
fn refused(rows: &[(&str, &str, &str)]) -> Vec<Refused> {
    let row = |(code, wanted_amount, seen_amount): &(&str, &str, &str)| Refused {
        sku: sku(code),
        wanted_hash: wanted(code, wanted_amount).wanted.unwrap().hash(),
        seen_hash: if seen_amount.is_empty() { String::new() } else { seen(code, seen_amount).seen_hash },
    };
    rows.iter().map(row).collect()
}

/// How many listings of a shop there are and not gone.
async fn there(tx: &mut Tx, id: &str) -> usize {
    let all = tx.listings(&shop(id), None, 1_000).await.unwrap();
    all.iter().filter(|one| one.listing.is_some() && !one.gone).count()
}

async fn differing(tx: &mut Tx, id: &str) -> Vec<String> {
    let found = tx.differences(&shop(id), None, 100).await.unwrap();
    found.iter().map(|one| one.sku.to_string()).collect()
}

/// What tells whether any row of these tables was written: the places and writers of all rows on PostgreSQL, on SQLite the
/// writer's count of all rows that it ever changed.
async fn writes(store: &Store, tables: &[&str]) -> String {
    match store {
        Store::Sqlite { writer, .. } => {
            sqlx::query_scalar::<_, i64>("select total_changes()").fetch_one(writer).await.unwrap().to_string()
        }
        Store::Postgres(pool) => {
            let mut rows = Vec::new();
            for table in tables {
                let sql = format!("select concat(ctid, ' ', xmin, ' ', xmax) from {table} order by 1");
                let found = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
                assert!(!found.is_empty(), "{table} is empty and would prove nothing");
                rows.extend(found);
            }
            rows.join("\n")
        }
    }
}

// Authorizations

async fn a_consent_makes_an_authorization_and_another_renews_it(store: Store) {
    let mut tx = store.write(at(5)).await.unwrap();
    let made = tx
        .grant(&new_grant("a"), |_, generation| {
            assert_eq!(generation, 1);
            sealed_grant("1", Some(1000))
        })
        .await
        .unwrap();
    assert_eq!((made.grant_number, made.generation, made.state), (1, 1, AuthorizationState::Active));
    let other = granted(&mut tx, "b").await;
    tx.set_authorization_state(made.id, 1, AuthorizationState::Revoked, Some("changed password")).await.unwrap();
    tx.set_probed(made.id).await.unwrap();
    let untouched = tx.authorization(other).await.unwrap();

    let mut again = new_grant("a");
    again.account_name = None;
    again.authorized_at = at(500);
    let renewed = tx
        .grant(&again, |id, generation| {
            assert_eq!((id, generation), (made.id, 2), "sealing is for this row and generation");
            sealed_grant("2", None)
        })
        .await
        .unwrap();
    assert_eq!((renewed.grant_number, renewed.generation, renewed.state), (2, 2, AuthorizationState::Active));
    assert_eq!((renewed.why.as_deref(), renewed.probed_at, renewed.ends), (None, None, None));
    assert_eq!(renewed.account_name.as_deref(), Some("Shirts"), "a name once told stays");
    assert_eq!(renewed.authorized_at, at(500));
    let tokens = tx.sealed_tokens(made.id).await.unwrap().unwrap();
    assert_eq!(tokens.access_token, sealed("access 2"));
    assert_eq!(tokens.previous_refresh_token, None, "tokens of an earlier consent are of no use");
    assert_eq!(tx.authorization(other).await.unwrap(), untouched, "the other account is as it was");
    assert_eq!(tx.authorization(made.id).await.unwrap(), Some(renewed));
    let all = tx.authorizations().await.unwrap();
    assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [made.id, other]);
}

async fn tokens_are_replaced_only_from_the_generation_that_was_read(store: Store) {
    let mut tx = store.write(at(5)).await.unwrap();
    let (id, lease) = (granted(&mut tx, "a").await, lease(&mut tx, "one").await);
    assert!(tx.note_intent(id, 1, &lease).await.unwrap());
    assert!(tx.replace_tokens(id, 1, &lease, &sealed_grant("2", None), false).await.unwrap());
    let after = tx.authorization(id).await.unwrap().unwrap();
    assert_eq!((after.generation, after.grant_number, after.intent), (2, 1, None));
    assert_eq!(after.ends.map(|ends| ends.at), Some(at(1000)), "an end that was not told again stays");
    let tokens = tx.sealed_tokens(id).await.unwrap().unwrap();
    assert_eq!(tokens.previous_refresh_token, Some(sealed("refresh 1")));

    assert!(!tx.replace_tokens(id, 1, &lease, &sealed_grant("3", None), true).await.unwrap());
    assert!(!tx.note_intent(id, 1, &lease).await.unwrap());
    assert!(!tx.set_authorization_state(id, 1, AuthorizationState::Revoked, Some("late news")).await.unwrap());
    assert_eq!(tx.authorization(id).await.unwrap(), Some(after), "whoever came late changed nothing");
    assert_eq!(tx.sealed_tokens(id).await.unwrap(), Some(tokens));
}

async fn tokens_are_replaced_only_while_the_lease_stands(store: Store) {
    let mut tx = store.write(at(5)).await.unwrap();
    let (id, lost) = (granted(&mut tx, "a").await, lease(&mut tx, "one").await);
    let stands = lease(&mut tx, "two").await;
    tx.note_intent(id, 1, &stands).await.unwrap();
    let before = tx.authorization(id).await.unwrap();
    let tokens = tx.sealed_tokens(id).await.unwrap();
    assert!(!tx.replace_tokens(id, 1, &lost, &sealed_grant("2", None), false).await.unwrap());
    assert!(!tx.note_intent(id, 1, &lost).await.unwrap());
    tx.take_back_intent(id, &lost, None).await.unwrap();
    assert_eq!(tx.authorization(id).await.unwrap(), before);
    assert_eq!(tx.sealed_tokens(id).await.unwrap(), tokens);
    assert!(tx.replace_tokens(id, 1, &stands, &sealed_grant("2", Some(9000)), true).await.unwrap());
    let after = tx.authorization(id).await.unwrap().unwrap();
    assert_eq!((after.grant_number, after.authorized_at, after.generation), (2, at(5), 2));
}

async fn intents_count_the_exchanges_without_an_answer(store: Store) {
    let mut tx = store.write(at(5)).await.unwrap();
    let (id, lease) = (granted(&mut tx, "a").await, lease(&mut tx, "one").await);
    for unanswered in 0..3 {
        assert!(tx.note_intent(id, 1, &lease).await.unwrap());
        let intent = tx.authorization(id).await.unwrap().unwrap().intent.unwrap();
        assert_eq!((intent.generation, intent.unanswered, intent.begun_at), (1, unanswered, at(5)));
    }
    let third = tx.authorization(id).await.unwrap().unwrap().intent;
    assert_eq!(third.unwrap().doubt, Doubt::CutOff);
    let third = third.map(|intent| Intent { doubt: Doubt::Silent, ..intent });
    assert!(tx.note_intent(id, 1, &lease).await.unwrap());
    tx.take_back_intent(id, &lease, third).await.unwrap();
    assert_eq!(tx.authorization(id).await.unwrap().unwrap().intent, third);
    tx.take_back_intent(id, &lease, None).await.unwrap();
    assert_eq!(tx.authorization(id).await.unwrap().unwrap().intent, None);
    tx.note_intent(id, 1, &lease).await.unwrap();
    assert_eq!(tx.authorization(id).await.unwrap().unwrap().intent.unwrap().unanswered, 0);
}

async fn tokens_are_kept_before_the_consent_that_brought_them_is_recorded(store: Store) {
    let mut tx = store.write(at(50)).await.unwrap();
    let (id, lease) = (granted(&mut tx, "a").await, lease(&mut tx, "one").await);
    let other = granted(&mut tx, "b").await;
    let untouched = tx.authorization(other).await.unwrap();
    tx.set_authorization_state(id, 1, AuthorizationState::Revoked, Some("changed password")).await.unwrap();
    assert!(tx.note_intent(id, 1, &lease).await.unwrap());
    let before = tx.authorization(id).await.unwrap().unwrap();
    let seal = |generation: i64| {
        assert_eq!(generation, 2);
        sealed_grant("2", Some(9000))
    };
    assert!(tx.keep_granted(id, seal).await.unwrap());
    let kept = tx.authorization(id).await.unwrap().unwrap();
    let expected = Authorization { generation: 2, intent: None, ..before };
    assert_eq!(kept, expected, "the permission stands as it stood, with its end");
    let tokens = tx.sealed_tokens(id).await.unwrap().unwrap();
    assert_eq!((tokens.access_token, tokens.previous_refresh_token), (sealed("access 2"), None));
    // They are renewed once more before the consent is recorded.
    assert!(tx.replace_tokens(id, 2, &lease, &sealed_grant("3", None), false).await.unwrap());

    let again = NewGrant { authorized_at: at(40), account_name: None, ..new_grant("a") };
    let ends = Some(Ending { at: at(7000), source: EndSource::Computed });
    let recorded = tx.grant_kept(id, &again, ends).await.unwrap().unwrap();
    assert_eq!((recorded.grant_number, recorded.generation, recorded.state), (2, 3, AuthorizationState::Active));
    assert_eq!((recorded.why, recorded.authorized_at, recorded.ends), (None, at(40), ends));
    assert_eq!(recorded.account_name.as_deref(), Some("Shirts"));
    assert_eq!(tx.sealed_tokens(id).await.unwrap().unwrap().access_token, sealed("access 3"));
    assert_eq!(tx.authorization(other).await.unwrap(), untouched);
    let unknown = AuthorizationId(99);
    assert!(!tx.keep_granted(unknown, |_| sealed_grant("x", None)).await.unwrap());
    assert_eq!(tx.grant_kept(unknown, &again, None).await.unwrap(), None);
}

async fn a_place_in_other_words_moves_nobody(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2")]).await.unwrap();
    for one in ["a", "b"] {
        let id = granted(&mut tx, one).await;
        tx.tie_shop(&shop(one), id, &json!({ "cipher": one })).await.unwrap();
        assert_eq!(tx.account_on_record(&shop(one)).await.unwrap().as_deref(), Some(one));
    }
    let before = [tx.shop(&shop("a")).await.unwrap().unwrap(), tx.shop(&shop("b")).await.unwrap().unwrap()];
    // Even where the names are swapped.
    for (one, place) in [("a", "2"), ("b", "1")] {
        tx.rename_place(&shop(one), place).await.unwrap();
    }
    tx.sync_shops(&[wanted_shop("a", "2"), wanted_shop("b", "1")]).await.unwrap();
    for (row, place) in before.into_iter().zip(["2", "1"]) {
        let renamed = ShopRow { place: Some(place.to_owned()), ..row };
        assert_eq!(tx.shop(&renamed.id).await.unwrap(), Some(renamed));
    }
    assert_eq!(tx.account_on_record(&shop("unknown")).await.unwrap(), None);
}

async fn authorizations_that_no_shop_names_any_more_are_erased(store: Store) {
    let wanted = |id: &str, place: &str| WantedShop {
        id: shop(id),
        channel: "market".into(),
        name: id.to_owned(),
        place: place.to_owned(),
        app: Some("app".to_owned()),
    };
    let mut tx = store.write(at(5)).await.unwrap();
    tx.sync_shops(&[wanted("a", "1"), wanted("b", "2")]).await.unwrap();
    let (a, b) = (granted(&mut tx, "a").await, granted(&mut tx, "b").await);
    tx.tie_shop(&shop("a"), a, &json!(null)).await.unwrap();
    tx.tie_shop(&shop("b"), b, &json!(null)).await.unwrap();
    assert!(tx.owe_reminder(a, 1, ReminderKind::Ended, None).await.unwrap());
    // Whoever merely leaves the settings keeps everything.
    tx.sync_shops(&[wanted("b", "2")]).await.unwrap();
    assert!(tx.sealed_tokens(a).await.unwrap().is_some());
    // A shop that becomes another place of sale works with no tokens of the one before, and has them back if that was a mistake.
    let authorization = async |tx: &mut Tx| tx.shop(&shop("a")).await.unwrap().unwrap().authorization;
    for (place, tied) in [("3", None), ("1", Some(a)), ("3", None), ("one", Some(a)), ("3", None)] {
        if place == "one" {
            assert_eq!(tx.former_places(&shop("a")).await.unwrap(), [("1".to_owned(), "a".to_owned())]);
            tx.rename_former_place(&shop("a"), "1", place).await.unwrap();
        }
        tx.sync_shops(&[wanted("a", place), wanted("b", "2")]).await.unwrap();
        assert_eq!(authorization(&mut tx).await, tied, "at {place}");
        assert_eq!(tx.prune_orphans(at(5)).await.unwrap(), 0, "at {place}");
    }
    // Some days later they go.
    assert_eq!(tx.prune_orphans(at(6)).await.unwrap(), 1);
    assert!(tx.sealed_tokens(a).await.unwrap().is_none());
    assert!(tx.reminders_of(a, 1).await.unwrap().is_empty());
    assert!(tx.sealed_tokens(b).await.unwrap().is_some());
    tx.sync_shops(&[wanted("a", "1"), wanted("b", "2")]).await.unwrap();
    assert_eq!(authorization(&mut tx).await, None);
}

async fn a_later_end_counts_as_a_renewal_only_when_said_so(store: Store) {
    let mut tx = store.write(at(50)).await.unwrap();
    let (id, lease) = (granted(&mut tx, "a").await, lease(&mut tx, "one").await);
    tx.replace_tokens(id, 1, &lease, &sealed_grant("2", Some(2000)), false).await.unwrap();
    let moved = tx.authorization(id).await.unwrap().unwrap();
    assert_eq!((moved.ends.unwrap().at, moved.grant_number, moved.authorized_at), (at(2000), 1, at(0)));
    tx.replace_tokens(id, 2, &lease, &sealed_grant("3", Some(9000)), true).await.unwrap();
    let renewed = tx.authorization(id).await.unwrap().unwrap();
    assert_eq!((renewed.ends.unwrap().at, renewed.grant_number, renewed.authorized_at), (at(9000), 2, at(50)));
}

async fn sealing_anew_keeps_the_generation_and_loses_to_a_refresh(store: Store) {
    let mut tx = store.write(at(5)).await.unwrap();
    let (first, second) = (granted(&mut tx, "a").await, granted(&mut tx, "b").await);
    let page = tx.authorizations_sealed_after(AuthorizationId(0), 1).await.unwrap();
    assert_eq!(page.iter().map(|one| one.0).collect::<Vec<_>>(), [first]);
    let rest = tx.authorizations_sealed_after(first, 10).await.unwrap();
    assert_eq!(rest.iter().map(|one| one.0).collect::<Vec<_>>(), [second]);

    let anew = SealedTokens { access_token: sealed("anew"), ..page[0].1.clone() };
    assert!(tx.put_sealed(first, anew.generation, &anew).await.unwrap());
    assert_eq!(tx.sealed_tokens(first).await.unwrap(), Some(anew));
    assert_eq!(tx.sealed_tokens(second).await.unwrap().as_ref(), Some(&rest[0].1));

    let lease = lease(&mut tx, "one").await;
    tx.replace_tokens(second, 1, &lease, &sealed_grant("2", None), false).await.unwrap();
    assert!(!tx.put_sealed(second, 1, &rest[0].1).await.unwrap());
    assert_eq!(tx.sealed_tokens(second).await.unwrap().unwrap().access_token, sealed("access 2"));
}

// Listings, products and passes

async fn an_equal_page_of_listings_rewrites_no_row(store: Store) {
    let tables = ["listings"];
    let page = [seen("a", "1"), seen("b", "2"), seen("c", "3")];
    let mut tx = store.write(at(10)).await.unwrap();
    let (counts, _) = tx.put_listings(&shop("x"), &page, at(0)).await.unwrap();
    assert_eq!((counts.seen, counts.changed, counts.unchanged), (3, 3, 0));
    tx.put_wanted(&shop("x"), &[wanted("a", "5"), wanted("new", "5")]).await.unwrap();
    tx.put_refused(&shop("x"), &refused(&[("a", "5", "1")])).await.unwrap();
    tx.commit().await.unwrap();
    let before = writes(&store, &tables).await;

    let mut tx = store.write(at(20)).await.unwrap();
    let (counts, _) = tx.put_listings(&shop("x"), &page, at(15)).await.unwrap();
    assert_eq!((counts.seen, counts.changed, counts.unchanged), (3, 0, 3));
    tx.put_wanted(&shop("x"), &[wanted("a", "5.00"), wanted("new", "5")]).await.unwrap();
    tx.put_refused(&shop("x"), &refused(&[("a", "5", "1"), ("b", "5", "2")])).await.unwrap();
    let hashes: Vec<_> = page.iter().map(|one| (one.listing.sku.clone(), one.seen_hash.clone())).collect();
    tx.put_seen_hashes(&shop("x"), &hashes).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(writes(&store, &tables).await, before);

    let mut tx = store.write(at(30)).await.unwrap();
    let (counts, _) = tx.put_listings(&shop("x"), &[seen("a", "1"), seen("b", "9")], at(25)).await.unwrap();
    assert_eq!((counts.changed, counts.unchanged), (1, 1));
    tx.commit().await.unwrap();
    assert_ne!(writes(&store, &tables).await, before, "the proof notices a write");
}

async fn an_equal_page_of_the_source_rewrites_no_row(store: Store) {
    let tables = ["products", "variants"];
    let page = [variant("p1", "Shirt", "a", "1"), variant("p1", "Shirt", "b", "1"), variant("p2", "Hat", "c", "1")];
    let mut tx = store.write(at(10)).await.unwrap();
    let counts = put_variants(&mut tx, &page).await;
    assert_eq!((counts.seen, counts.changed, counts.unchanged), (3, 3, 0));
    tx.commit().await.unwrap();
    let before = writes(&store, &tables).await;

    let mut tx = store.write(at(20)).await.unwrap();
    let counts = put_variants(&mut tx, &page).await;
    assert_eq!((counts.seen, counts.changed, counts.unchanged), (3, 0, 3));
    assert_eq!(tx.variants_revision().await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(writes(&store, &tables).await, before);
}

async fn a_sku_that_comes_twice_in_a_page_is_stored_as_it_came_last(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("a", "2")]).await;
    let stored = tx.listings_of(&shop("x"), &skus(&["a"])).await.unwrap();
    assert_eq!(stored[0].listing.as_ref().unwrap().prices, [price("2", "EUR")]);
    put_variants(&mut tx, &[variant("p", "Old", "a", "1"), variant("p", "New", "a", "2")]).await;
    let stored = tx.variant(&sku("a")).await.unwrap().unwrap();
    assert_eq!((stored.product.title.as_str(), stored.variant.prices[0]), ("New", price("2", "EUR")));
}

async fn a_changed_product_changes_all_its_variants(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    put_variants(
        &mut tx,
        &[variant("p1", "Shirt", "a", "1"), variant("p1", "Shirt", "b", "1"), variant("p2", "Hat", "c", "1")],
    )
    .await;
    let counts = put_variants(&mut tx, &[variant("p1", "Better shirt", "a", "1")]).await;
    assert_eq!((counts.seen, counts.changed, counts.unchanged), (1, 1, 0));
    let changed = tx.variants_since(1, None, 10).await.unwrap();
    let changed: Vec<_> = changed.iter().map(|one| (one.variant.sku.as_str(), one.product.title.as_str())).collect();
    assert_eq!(changed, [("a", "Better shirt"), ("b", "Better shirt")], "c belongs to another product");
    put_variants(&mut tx, &[variant("p2", "Hat", "c", "7")]).await;
    let changed = tx.variants_since(2, None, 10).await.unwrap();
    assert_eq!(changed.iter().map(|one| one.variant.sku.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(tx.variants_revision().await.unwrap(), 3);
}

async fn texts_are_kept_once_and_go_with_the_last_that_has_them(store: Store) {
    let titled = |code: &str, title: &str| said(code, |listing| title.clone_into(&mut listing.title));
    let mut tx = store.write(at(10)).await.unwrap();
    put(&mut tx, "x", &[titled("a", "Shirt"), titled("b", "Coat"), titled("c", "Shirt")]).await;
    tx.put_accepted(&shop("y"), &[titled("a", "Shirt")]).await.unwrap();
    put_variants(&mut tx, &[variant("p1", "Shirt", "a", "1")]).await;
    let stored = tx.listings_of(&shop("x"), &skus(&["a", "b", "c"])).await.unwrap();
    let stored: Vec<_> = stored.into_iter().map(|one| one.listing.unwrap()).collect();
    assert_eq!(stored, ["a Shirt", "b Coat", "c Shirt"].map(|it| titled(&it[..1], &it[2..]).listing), "each its own");
    assert_eq!(tx.prune_texts().await.unwrap(), 0);

    put(&mut tx, "x", &[titled("a", "Hat"), titled("b", "Hat"), titled("c", "Hat")]).await;
    assert_eq!(tx.prune_texts().await.unwrap(), 1, "the coat: the other shop and the source have the shirt");
    tx.put_accepted(&shop("y"), &[titled("a", "Hat")]).await.unwrap();
    assert_eq!(tx.prune_texts().await.unwrap(), 0, "the source has it still");
    assert_eq!(tx.variant(&sku("a")).await.unwrap().unwrap().product.title, "Shirt");
    put_variants(&mut tx, &[variant("p1", "Hat", "a", "1")]).await;
    assert_eq!(tx.prune_texts().await.unwrap(), 1);
    assert_eq!(tx.variant(&sku("a")).await.unwrap().unwrap().product.title, "Hat");
    let stored = tx.listings_of(&shop("y"), &skus(&["a"])).await.unwrap();
    assert_eq!(stored[0].listing, Some(titled("a", "Hat").listing));
}

async fn variants_are_paged_by_product_and_by_sku(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let page: Vec<_> = [("p2", "B"), ("p1", "z"), ("p2", "a"), ("p1", "_"), ("p3", "ä")]
        .iter()
        .map(|(product, code)| variant(product, "Shirt", code, "1"))
        .collect();
    put_variants(&mut tx, &page).await;
    let mut found = Vec::new();
    loop {
        let page = tx.variants(found.last(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|one| one.variant.sku));
    }
    assert_eq!(found, skus(&["_", "z", "B", "a", "ä"]), "byte by byte, on every database");
    let mut by_sku = Vec::new();
    loop {
        let page = tx.variants_since(0, by_sku.last(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        by_sku.extend(page.into_iter().map(|one| one.variant.sku));
    }
    assert_eq!(by_sku, skus(&["B", "_", "a", "z", "ä"]));
    let known = tx.variants_of(&skus(&["z", "B", "nowhere"])).await.unwrap();
    assert_eq!(known.into_iter().map(|one| one.variant.sku).collect::<Vec<_>>(), skus(&["B", "z"]));
}

async fn only_what_a_complete_pass_did_not_see_is_gone(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1"), seen("c", "1"), seen("fresh", "1")]).await;
    put(&mut tx, "y", &[seen("a", "1"), seen("c", "1")]).await;
    tx.put_wanted(&shop("x"), &[wanted("only-wanted", "1")]).await.unwrap();
    let pass = tx.begin_pass(&shop("x"), PassKind::Full, RunId(7)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.write(at(20)).await.unwrap();
    tx.put_accepted(&shop("x"), &[seen("fresh", "2")]).await.unwrap();
    tx.note_seen(&shop("x"), pass.number, &skus(&["a"])).await.unwrap();
    tx.note_seen(&shop("x"), pass.number, &skus(&["b"])).await.unwrap();
    tx.note_seen(&shop("y"), pass.number, &skus(&["c"])).await.unwrap();
    let before = [tx.listings(&shop("y"), None, 10).await.unwrap(), tx.listings(&shop("x"), None, 10).await.unwrap()];
    assert_eq!(tx.drop_unseen_listings(&shop("x"), pass.number, pass.started_at).await.unwrap(), 1);
    assert_eq!(tx.listings(&shop("y"), None, 10).await.unwrap(), before[0], "another shop is untouched");
    for (after, before) in tx.listings(&shop("x"), None, 10).await.unwrap().into_iter().zip(&before[1]) {
        if after.sku == sku("c") {
            assert!(after.gone && !before.gone);
        } else {
            assert_eq!(&after, before, "seen, accepted since, or never there");
        }
    }
    assert_eq!(there(&mut tx, "x").await, 3);
    assert_eq!(
        tx.drop_unseen_listings(&shop("y"), pass.number, pass.started_at + SignedDuration::from_secs(5)).await.unwrap(),
        1,
        "the chunks of the other shop were still there"
    );
    put(&mut tx, "x", &[seen("c", "1")]).await;
    assert_eq!(there(&mut tx, "x").await, 4, "what is seen again is back");
}

/// The source has been read completely before.
async fn read_before(tx: &mut Tx) {
    let pass = tx.begin_pass(&shop("erp"), PassKind::Full, RunId(1)).await.unwrap();
    tx.end_pass(&shop("erp"), pass.number, None).await.unwrap();
}

async fn a_variant_that_the_source_dropped_gets_a_revision(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    read_before(&mut tx).await;
    put_variants(&mut tx, &[variant("p", "Shirt", "a", "1"), variant("p", "Shirt", "b", "1")]).await;
    tx.note_seen(&shop("erp"), 1, &skus(&["a"])).await.unwrap();
    tx.note_seen(&shop("erp"), 2, &skus(&["b"])).await.unwrap();
    assert_eq!(tx.drop_unseen_variants(&shop("erp"), 1).await.unwrap(), 1);
    assert_eq!(tx.drop_unseen_variants(&shop("erp"), 1).await.unwrap(), 0, "gone once");
    let changed = tx.variants_since(1, None, 10).await.unwrap();
    assert_eq!(changed.iter().map(|one| (one.variant.sku.as_str(), one.gone)).collect::<Vec<_>>(), [("b", true)]);
    let there = tx.variants(None, 10).await.unwrap();
    assert_eq!(there.iter().map(|one| one.variant.sku.as_str()).collect::<Vec<_>>(), ["a"]);

    put_variants(&mut tx, &[variant("p", "Shirt", "b", "1")]).await;
    let back = tx.variant(&sku("b")).await.unwrap().unwrap();
    assert_eq!((back.gone, back.revision), (false, 3));
}

async fn accepted_values_survive_an_older_page(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1")]).await;
    tx.put_accepted(&shop("x"), &[seen("a", "2")]).await.unwrap();
    let amount = async |tx: &mut Tx, code: &str| {
        let stored = tx.listings_of(&shop("x"), &skus(&[code])).await.unwrap();
        stored[0].listing.as_ref().unwrap().prices[0].amount.to_string()
    };
    let (counts, _) = tx.put_listings(&shop("x"), &[seen("a", "1"), seen("b", "3")], at(10)).await.unwrap();
    assert_eq!((counts.changed, counts.unchanged), (1, 1));
    assert_eq!((amount(&mut tx, "a").await, amount(&mut tx, "b").await), ("2".to_owned(), "3".to_owned()));
    tx.put_listings(&shop("x"), &[seen("a", "1")], at(20)).await.unwrap();
    assert_eq!(amount(&mut tx, "a").await, "2", "of the same instant nobody knows which was first");
    tx.put_listings(&shop("x"), &[seen("a", "4")], at(21)).await.unwrap();
    assert_eq!(amount(&mut tx, "a").await, "4");
}

async fn differences_are_what_is_wanted_and_not_seen(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    put(&mut tx, "x", &[seen("equal", "1"), seen("differs", "1"), seen("left", "1"), seen("gone", "1")]).await;
    let rows = [wanted("equal", "1.00"), wanted("differs", "2"), wanted("new", "3"), wanted("gone", "4")];
    tx.put_wanted(&shop("x"), &rows).await.unwrap();
    tx.put_wanted(&shop("y"), &[wanted("elsewhere", "1")]).await.unwrap();
    tx.note_seen(&shop("x"), 1, &skus(&["equal", "differs", "left"])).await.unwrap();
    tx.drop_unseen_listings(&shop("x"), 1, at(30)).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["differs", "new"]);
    let first = tx.differences(&shop("x"), None, 1).await.unwrap();
    assert_eq!(first[0].wanted, rows[1].wanted);
    let second = tx.differences(&shop("x"), Some(&first[0].sku), 1).await.unwrap();
    assert_eq!((second[0].sku.as_str(), second[0].listing.as_ref()), ("new", None));

    tx.put_accepted(&shop("x"), &[seen("differs", "2"), seen("new", "3")]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, Vec::<String>::new());
    tx.put_seen_hashes(&shop("x"), &[(sku("equal"), "of other fields".to_owned())]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["equal"]);
}

async fn a_refused_difference_comes_back_when_wanted_or_seen_changes(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1")]).await;
    tx.put_wanted(&shop("x"), &[wanted("a", "2"), wanted("b", "2"), wanted("new", "2")]).await.unwrap();
    tx.put_refused(&shop("x"), &refused(&[("a", "2", "1"), ("new", "2", "")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b"]);
    assert!(tx.listings_of(&shop("x"), &skus(&["a"])).await.unwrap()[0].refused);
    assert!(!tx.listings_of(&shop("x"), &skus(&["b"])).await.unwrap()[0].refused);

    tx.put_wanted(&shop("x"), &[wanted("a", "3")]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a", "b"]);
    tx.put_refused(&shop("x"), &refused(&[("a", "2", "1")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a", "b"], "what was refused late is not what is wanted by now");
    tx.put_refused(&shop("x"), &refused(&[("a", "3", "1")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b"]);
    tx.put_listings(&shop("x"), &[seen("a", "1.5")], at(10)).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a", "b"]);

    tx.put_refused(&shop("x"), &refused(&[("a", "3", "1.5"), ("b", "2", "1")])).await.unwrap();
    tx.put_listings(&shop("x"), &[seen("a", "1.5"), seen("b", "1")], at(10)).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, Vec::<String>::new(), "nothing has changed");
    let mended = said("b", |listing| listing.status = ListingStatus::Inactive);
    tx.put_listings(&shop("x"), &[mended], at(10)).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b"], "whatever changed may be what the shop minded");
    tx.put_refused(&shop("x"), &refused(&[("a", "3", "1.5"), ("b", "2", "1")])).await.unwrap();
    tx.retry_refused(&shop("x")).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a", "b", "new"]);
}

async fn what_is_no_longer_wanted_leaves_no_trace(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1")]).await;
    tx.put_wanted(&shop("x"), &[wanted("a", "2"), wanted("new", "2"), wanted("stays", "2")]).await.unwrap();
    let nothing = |code| WantedRow { sku: sku(code), wanted: None };
    tx.put_wanted(&shop("x"), &[nothing("a"), nothing("new"), nothing("never")]).await.unwrap();
    let left = tx.listings(&shop("x"), None, 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|one| (one.sku.as_str(), one.listing.is_some(), one.wanted.is_some())).collect();
    assert_eq!(left, [("a", true, false), ("stays", false, true)]);
    assert_eq!(differing(&mut tx, "x").await, ["stays"]);
}

async fn the_usual_currency_is_that_of_most_live_listings(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    assert_eq!(tx.usual_currency(&shop("x")).await.unwrap(), None);
    let unpriced = ["d", "e"].map(|code| said(code, |listing| listing.prices.clear()));
    let priced = [("a", "GBP"), ("b", "GBP"), ("c", "EUR")]
        .map(|(code, currency)| said(code, |listing| listing.prices = vec![price("1", currency), price("2", "SEK")]));
    put(&mut tx, "x", &[unpriced.as_slice(), &priced].concat()).await;
    tx.put_wanted(&shop("x"), &[wanted("new", "2")]).await.unwrap();
    assert_eq!(tx.usual_currency(&shop("x")).await.unwrap(), Some("GBP".parse().unwrap()));
    assert_eq!(there(&mut tx, "x").await, 5, "those without a price too, those only wanted not");
}

async fn at_stake_is_what_is_on_sale_and_wanted(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    let off = said("off", |listing| listing.status = ListingStatus::Inactive);
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1"), off, seen("own", "1"), seen("gone", "1")]).await;
    let rows = ["a", "b", "off", "gone", "new"].map(|code| wanted(code, "2"));
    tx.put_wanted(&shop("x"), &rows).await.unwrap();
    tx.note_seen(&shop("x"), 1, &skus(&["a", "b", "off", "own"])).await.unwrap();
    tx.drop_unseen_listings(&shop("x"), 1, at(30)).await.unwrap();
    assert_eq!(tx.live_listings(&shop("x")).await.unwrap(), 2);
}

async fn a_sku_is_found_in_every_shop(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    tx.sync_shops(&[wanted_shop("x-2", "1"), wanted_shop("x10", "2"), wanted_shop("z", "3")]).await.unwrap();
    put(&mut tx, "x10", &[seen("a", "1"), seen("b", "1")]).await;
    put(&mut tx, "x-2", &[seen("a", "2")]).await;
    put(&mut tx, "z", &[seen("b", "2")]).await;
    let found = tx.listings_by_sku(&sku("a")).await.unwrap();
    assert_eq!(found.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["x-2", "x10"]);
}

async fn a_pass_moves_with_its_page(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    assert_eq!(tx.open_pass(&shop("x")).await.unwrap(), None);
    let pass = tx.begin_pass(&shop("x"), PassKind::Full, RunId(7)).await.unwrap();
    assert_eq!((pass.number, pass.started_at, pass.run), (1, at(20), RunId(7)));
    tx.commit().await.unwrap();

    let page = Cursor("page 2".to_owned());
    let mut tx = store.write(at(30)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1")]).await;
    tx.move_pass(&shop("x"), 1, &page).await.unwrap();
    drop(tx);
    let mut tx = store.write(at(40)).await.unwrap();
    assert_eq!(tx.open_pass(&shop("x")).await.unwrap(), Some(pass), "page and cursor were undone together");
    assert_eq!(there(&mut tx, "x").await, 0);
    put(&mut tx, "x", &[seen("a", "1")]).await;
    tx.note_seen(&shop("x"), 1, &skus(&["a"])).await.unwrap();
    tx.note_seen(&shop("x"), 1, &skus(&["b", "c"])).await.unwrap();
    tx.move_pass(&shop("x"), 1, &page).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.write(at(50)).await.unwrap();
    let open = tx.open_pass(&shop("x")).await.unwrap().unwrap();
    assert_eq!((open.cursor, open.run), (Some(page), RunId(7)));
    let mut known = tx.seen_in_pass(&shop("x"), 1).await.unwrap();
    known.sort();
    assert_eq!(known, skus(&["a", "b", "c"]));
    let resume = Cursor("since noon".to_owned());
    tx.end_pass(&shop("x"), 1, Some(&resume)).await.unwrap();
    assert_eq!(tx.open_pass(&shop("x")).await.unwrap(), None);
    assert_eq!(tx.seen_in_pass(&shop("x"), 1).await.unwrap(), []);
    assert_eq!(tx.last_pass(&shop("x"), PassKind::Full).await.unwrap().unwrap().ended_at, Some(at(50)));
    assert_eq!(tx.resume_cursor(&shop("x")).await.unwrap(), Some(resume));
    assert_eq!(tx.resume_cursor(&shop("y")).await.unwrap(), None);
}

async fn a_pass_that_begins_abandons_the_open_one(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    let resume = |text: &str| Cursor(text.to_owned());
    tx.begin_pass(&shop("x"), PassKind::Full, RunId(7)).await.unwrap();
    tx.end_pass(&shop("x"), 1, Some(&resume("one"))).await.unwrap();
    tx.begin_pass(&shop("x"), PassKind::Changes, RunId(7)).await.unwrap();
    tx.end_pass(&shop("x"), 2, Some(&resume("two"))).await.unwrap();
    assert_eq!(tx.begin_pass(&shop("x"), PassKind::Full, RunId(7)).await.unwrap().number, 3);
    tx.note_seen(&shop("x"), 3, &skus(&["a"])).await.unwrap();
    let fourth = tx.begin_pass(&shop("x"), PassKind::Changes, RunId(7)).await.unwrap();
    assert_eq!((fourth.number, fourth.cursor), (4, None));
    assert_eq!(tx.resume_cursor(&shop("x")).await.unwrap(), Some(resume("two")), "an abandoned pass leaves nothing");
    tx.move_pass(&shop("x"), 3, &resume("late")).await.unwrap();
    assert_eq!(tx.open_pass(&shop("x")).await.unwrap().unwrap().cursor, None);
    tx.end_pass(&shop("x"), 4, Some(&resume("four"))).await.unwrap();
    assert_eq!(tx.last_pass(&shop("x"), PassKind::Changes).await.unwrap().unwrap().number, 4);
    assert_eq!(tx.last_pass(&shop("x"), PassKind::Full).await.unwrap().unwrap().number, 1);
    put(&mut tx, "x", &[seen("a", "1")]).await;
    assert_eq!(tx.drop_unseen_listings(&shop("x"), 3, at(30)).await.unwrap(), 1, "its chunks went with it");
    tx.forget_passes(&shop("x")).await.unwrap();
    assert_eq!(tx.last_pass(&shop("x"), PassKind::Full).await.unwrap(), None);
    assert_eq!(tx.resume_cursor(&shop("x")).await.unwrap(), None);
}

// Complaints

async fn complaints_keep_their_since_until_they_are_resolved(store: Store) {
    let complaint = |sku: &str, text: &str| Complaint {
        sku: sku.to_owned(),
        code: "price".to_owned(),
        text: text.to_owned(),
        request_id: Some("r1".to_owned()),
    };
    let (import, export) = (JobKind::ProductImport, JobKind::ProductExport);
    let mut tx = store.write(at(10)).await.unwrap();
    tx.put_complaints(&shop("x"), import, RunId(1), &[complaint("a", "no\0 price"), complaint("b", "none")])
        .await
        .unwrap();
    tx.put_complaints(&shop("x"), export, RunId(1), &[complaint("a", "refused")]).await.unwrap();
    tx.put_complaints(&shop("y"), import, RunId(1), &[complaint("a", "none")]).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.write(at(20)).await.unwrap();
    let twice = [complaint("a", "first"), complaint("a", "still no price"), complaint("c", "none")];
    tx.put_complaints(&shop("x"), import, RunId(2), &twice).await.unwrap();
    let standing = tx.complaints(&shop("x"), None).await.unwrap();
    let told = |one: &Standing| (one.job, one.complaint.sku.clone(), one.complaint.text.clone(), one.since, one.run.0);
    let expected = |(job, sku, text, since, run): (JobKind, &str, &str, Timestamp, i64)| {
        (job, sku.to_owned(), text.to_owned(), since, run)
    };
    assert_eq!(
        standing.iter().map(told).collect::<Vec<_>>(),
        [
            (export, "a", "refused", at(10), 1),
            (import, "a", "still no price", at(10), 2),
            (import, "b", "none", at(10), 1),
            (import, "c", "none", at(20), 2),
        ]
        .map(expected)
    );
    assert_eq!(tx.complaints(&shop("x"), Some("a")).await.unwrap(), standing[..2]);
    assert_eq!(tx.complaints_of(&shop("x"), import).await.unwrap(), standing[1..]);
    assert_eq!(tx.complained_with(&shop("x"), import, "price").await.unwrap(), ["a", "b", "c"]);
    assert_eq!(tx.complained_with(&shop("x"), export, "stock").await.unwrap(), Vec::<String>::new());
    let counted = |id, job, count| (shop(id), job, "price".to_owned(), count);
    let counts = [counted("x", export, 1), counted("x", import, 3), counted("y", import, 1)];
    assert_eq!(tx.complaint_counts().await.unwrap(), counts);
    tx.resolve_complaints_before(&shop("x"), import, RunId(2)).await.unwrap();
    let counts = [counted("x", export, 1), counted("x", import, 2), counted("y", import, 1)];
    assert_eq!(tx.complaint_counts().await.unwrap(), counts, "b was not said again");
    let about = tx.complaints_about("a").await.unwrap();
    let about: Vec<_> = about.iter().map(|one| (one.shop.as_str(), one.job, one.complaint.sku.as_str())).collect();
    assert_eq!(about, [("x", export, "a"), ("x", import, "a"), ("y", import, "a")]);
    tx.resolve_complaints(&shop("x"), import, &["a".to_owned()]).await.unwrap();
    let left = async |tx: &mut Tx, id: &str| {
        let standing = tx.complaints(&shop(id), None).await.unwrap();
        standing.into_iter().map(|one| (one.job, one.complaint.sku)).collect::<Vec<_>>()
    };
    assert_eq!(left(&mut tx, "x").await, [(export, "a".to_owned()), (import, "c".to_owned())]);
    tx.resolve_complaints_since(&shop("x"), import, RunId(2)).await.unwrap();
    assert_eq!(left(&mut tx, "x").await, [(export, "a".to_owned())]);
    assert_eq!(left(&mut tx, "y").await, [(import, "a".to_owned())]);
}

const NONE: [&str; 0] = [];

async fn to_ask(tx: &mut Tx, part: Part, limit: u32) -> Vec<String> {
    let open = tx.tickets_to_ask(&shop("x"), part, limit).await.unwrap();
    let told = |one: &OpenTicket| format!("{} since {}", one.ticket, (one.since - at(0)).get_seconds());
    open.iter().map(told).collect()
}

async fn tickets_keep_what_was_sent_until_it_is_judged(store: Store) {
    let change = |code: &str| Change {
        sku: sku(code),
        listing: Some(seen(code, "1").listing),
        product: None,
        siblings: Vec::new(),
        wanted: wanted(code, "2").wanted.unwrap(),
        fields: vec![Field::Price],
    };
    let mut tx = store.write(at(10)).await.unwrap();
    let feed = |ticket: &str, code: &str| (ticket.to_owned(), change(code));
    assert_eq!(tx.waiting(&shop("x")).await.unwrap(), None);
    let (compared, remembered) = (Part::Compared, Part::Remembered);
    let sent = [feed("feed 1", "b"), feed("feed 1", "a"), feed("feed 2", "ä/1")];
    tx.put_tickets(&shop("x"), compared, at(15), &sent).await.unwrap();
    tx.put_tickets(&shop("y"), compared, at(11), &[feed("feed 3", "a")]).await.unwrap();
    assert_eq!(to_ask(&mut tx, compared, 9).await, NONE, "not yet");
    tx.commit().await.unwrap();
    let mut tx = store.write(at(20)).await.unwrap();
    tx.put_tickets(&shop("x"), compared, at(19), &[feed("feed 4", "b")]).await.unwrap();
    // Remembered fields wait apart, under whatever ticket.
    tx.put_tickets(&shop("x"), remembered, at(21), &[feed("feed 1", "a")]).await.unwrap();
    assert_eq!(to_ask(&mut tx, remembered, 9).await, NONE);
    assert_eq!(to_ask(&mut tx, compared, 9).await, ["feed 1 since 10", "feed 2 since 10", "feed 4 since 10"]);
    assert_eq!(to_ask(&mut tx, compared, 2).await, ["feed 1 since 10", "feed 2 since 10"]);
    assert_eq!(tx.changes_of_ticket(&shop("x"), compared, "feed 1").await.unwrap(), [change("a")]);
    let waiting = async |tx: &mut Tx| tx.waiting(&shop("x")).await.unwrap().map(|it| (it.ask_at, it.skus));
    assert_eq!(waiting(&mut tx).await, Some((at(15), 3)), "so many SKUs");

    // Whoever was asked comes after the others.
    tx.ask_again(&shop("x"), compared, "feed 1", at(20)).await.unwrap();
    assert_eq!(to_ask(&mut tx, compared, 9).await, ["feed 2 since 10", "feed 4 since 10", "feed 1 since 10"]);
    tx.ask_again(&shop("x"), compared, "feed 2", at(30)).await.unwrap();
    tx.ask_again(&shop("x"), compared, "feed 4", at(22)).await.unwrap();
    assert_eq!(to_ask(&mut tx, compared, 9).await, ["feed 1 since 10"]);
    tx.ask_again(&shop("x"), compared, "feed 1", at(25)).await.unwrap();
    assert_eq!(waiting(&mut tx).await, Some((at(21), 3)), "of either part");
    tx.put_tickets(&shop("x"), compared, at(40), &[feed("feed 9", "1"), feed("feed 9", "2")]).await.unwrap();
    tx.ask_again(&shop("x"), compared, "feed 9", at(50)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.write(at(45)).await.unwrap();
    let others = ["feed 4 since 10", "feed 1 since 10", "feed 2 since 10"];
    assert_eq!(to_ask(&mut tx, compared, 9).await, others, "a ticket of several is asked after once");
    tx.drop_tickets(&shop("x"), compared, &skus(&["1", "2"])).await.unwrap();
    tx.drop_tickets(&shop("x"), compared, &skus(&["a", "b"])).await.unwrap();
    assert_eq!(tx.waiting_skus(&shop("x"), compared).await.unwrap(), skus(&["ä/1"]));
    assert_eq!(tx.waiting_skus(&shop("x"), remembered).await.unwrap(), skus(&["a"]));
    tx.drop_tickets(&shop("x"), remembered, &skus(&["a", "ä/1"])).await.unwrap();
    assert_eq!(tx.waiting_skus(&shop("x"), remembered).await.unwrap(), skus(&[]));
    assert_eq!(tx.waiting_skus(&shop("x"), compared).await.unwrap(), skus(&["ä/1"]));
    assert_eq!(tx.waiting_skus(&shop("y"), compared).await.unwrap(), skus(&["a"]));
}

async fn skus_are_found_by_barcode_and_by_product(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    read_before(&mut tx).await;
    let coded = |product: &str, code: &str, barcode: &str| {
        let listing = variant(product, "Shirt", code, "1").listing;
        SeenListing::of(Listing { barcode: Some(barcode.to_owned()), ..listing }, &BTreeSet::new())
    };
    let page = [coded("p1", "a", "036000291452"), coded("p1", "b", "0036000291452"), coded("p2", "c", "77")];
    put_variants(&mut tx, &page).await;
    let keys = ["36000291452".to_owned(), "78".to_owned()];
    let found = tx.skus_with_barcodes(&keys).await.unwrap();
    assert_eq!(found, ["a", "b"].map(|code| (keys[0].clone(), sku(code))));
    // A barcode that changes is found anew, and one of a dropped SKU is not.
    put_variants(&mut tx, &[coded("p2", "c", "78")]).await;
    assert_eq!(tx.skus_with_barcodes(&keys[1..]).await.unwrap(), [(keys[1].clone(), sku("c"))]);
    tx.note_seen(&shop("erp"), 1, &skus(&["a", "b"])).await.unwrap();
    tx.drop_unseen_variants(&shop("erp"), 1).await.unwrap();
    assert_eq!(tx.skus_with_barcodes(&keys[1..]).await.unwrap(), []);
    let siblings = tx.skus_of_products(&["p1", "p2", "p3"]).await.unwrap();
    assert_eq!(
        siblings,
        [("p1", "a"), ("p1", "b"), ("p2", "c")].map(|(product, code)| (product.to_owned(), sku(code)))
    );
}

async fn a_page_resolves_only_what_a_page_can_tell(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let import = JobKind::ProductImport;
    let complaint = |sku: &str, code: &str| Complaint {
        sku: sku.to_owned(),
        code: code.to_owned(),
        text: "words".to_owned(),
        request_id: None,
    };
    let all = [complaint("a", "price"), complaint("a", "duplicate_sku"), complaint("a", "unknown_sku")];
    tx.put_complaints(&shop("x"), import, RunId(1), &all).await.unwrap();
    tx.put_complaints(&shop("x"), import, RunId(1), &[complaint("b", "price")]).await.unwrap();
    tx.put_complaints(&shop("x"), JobKind::ProductExport, RunId(1), &all[..1]).await.unwrap();
    tx.resolve_seen(&shop("x"), &skus(&["a"])).await.unwrap();
    let standing = tx.complaints_of(&shop("x"), import).await.unwrap();
    let standing: Vec<_> = standing.iter().map(|one| (&*one.complaint.sku, &*one.complaint.code)).collect();
    assert_eq!(standing, [("a", "duplicate_sku"), ("a", "unknown_sku"), ("b", "price")]);
    assert_eq!(tx.complaints_of(&shop("x"), JobKind::ProductExport).await.unwrap().len(), 1);
}

async fn skus_are_unknown_until_the_source_knows_them(store: Store) {
    let import = JobKind::ProductImport;
    let unknown = async |tx: &mut Tx, id: &str| {
        let standing = tx.complaints(&shop(id), None).await.unwrap();
        standing.into_iter().map(|one| (one.complaint.sku, one.since, one.run.0)).collect::<Vec<_>>()
    };
    let line = |code: &str, second, run| (code.to_owned(), at(second), run);
    let mut tx = store.write(at(10)).await.unwrap();
    put_variants(&mut tx, &[variant("p", "Shirt", "a", "1"), variant("p", "Shirt", "dropped", "1")]).await;
    tx.note_seen(&shop("erp"), 1, &skus(&["a"])).await.unwrap();
    tx.drop_unseen_variants(&shop("erp"), 1).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("dropped", "1"), seen("own", "1"), seen("left", "1")]).await;
    put(&mut tx, "y", &[seen("own", "1")]).await;
    tx.put_wanted(&shop("x"), &[wanted("only-wanted", "1")]).await.unwrap();
    tx.note_seen(&shop("x"), 1, &skus(&["a", "dropped", "own"])).await.unwrap();
    tx.drop_unseen_listings(&shop("x"), 1, at(10)).await.unwrap();
    assert_eq!(tx.put_unknown(&shop("x"), RunId(1), true).await.unwrap(), 2);
    assert_eq!(unknown(&mut tx, "x").await, [line("dropped", 10, 1), line("own", 10, 1)]);
    assert_eq!(unknown(&mut tx, "y").await, [], "each shop by its own pass");
    tx.commit().await.unwrap();

    let mut tx = store.write(at(20)).await.unwrap();
    put(&mut tx, "x", &[seen("new", "1")]).await;
    assert_eq!(tx.put_unknown(&shop("x"), RunId(2), false).await.unwrap(), 1, "only what is new");
    assert_eq!(unknown(&mut tx, "x").await, [line("dropped", 10, 1), line("new", 20, 2), line("own", 10, 1)]);
    put_variants(&mut tx, &[variant("p", "Shirt", "dropped", "1")]).await;
    tx.resolve_known().await.unwrap();
    assert_eq!(unknown(&mut tx, "x").await, [line("new", 20, 2), line("own", 10, 1)]);
    assert_eq!(tx.put_unknown(&shop("x"), RunId(3), true).await.unwrap(), 2);
    tx.resolve_complaints_before(&shop("x"), import, RunId(3)).await.unwrap();
    assert_eq!(unknown(&mut tx, "x").await, [line("new", 20, 3), line("own", 10, 3)]);

    // A rule takes one down: it is what it is to be.
    let down = Values { stock: Some(0), dropped: true, ..Values::default() };
    tx.put_wanted(&shop("x"), &[WantedRow { sku: sku("own"), wanted: Some(down) }]).await.unwrap();
    tx.resolve_retired(&shop("x")).await.unwrap();
    assert_eq!(tx.put_unknown(&shop("x"), RunId(4), false).await.unwrap(), 0);
    assert_eq!(unknown(&mut tx, "x").await, [line("new", 20, 3)]);
}

// States, mails, reminders

async fn a_state_is_used_once_and_in_time(store: Store) {
    let mut tx = store.write(at(100)).await.unwrap();
    tx.put_state("one", &shop("x"), "browser").await.unwrap();
    tx.put_state("two", &shop("y"), "").await.unwrap();
    assert_eq!(tx.use_state("one", at(100)).await.unwrap(), None, "too old");
    assert_eq!(tx.use_state("one", at(99)).await.unwrap(), Some((shop("x"), "browser".to_owned())));
    assert_eq!(tx.use_state("one", at(99)).await.unwrap(), None, "used");
    assert_eq!(tx.use_state("three", at(99)).await.unwrap(), None, "unknown");
    assert_eq!(tx.prune_states(at(100)).await.unwrap(), 0);
    assert_eq!(tx.use_state("two", at(99)).await.unwrap(), Some((shop("y"), String::new())));
    assert_eq!(tx.prune_states(at(101)).await.unwrap(), 2);
}

async fn a_session_goes_on_until_its_end_and_for_its_password(store: Store) {
    let mut tx = store.write(at(100)).await.unwrap();
    for (name, ends_at) in [("one", 200), ("two", 300), ("three", 300)] {
        tx.begin_session(name, "first", at(ends_at)).await.unwrap();
    }
    assert!(!tx.session_goes_on("one", "second").await.unwrap(), "another password");
    assert!(!tx.session_goes_on("four", "first").await.unwrap(), "unknown");
    tx.now = at(199);
    assert_eq!(tx.prune_sessions().await.unwrap(), 0);
    assert!(tx.session_goes_on("one", "first").await.unwrap());
    tx.now = at(200);
    assert!(!tx.session_goes_on("one", "first").await.unwrap(), "it has ended");
    assert!(tx.end_session("two").await.unwrap());
    assert!(!tx.end_session("two").await.unwrap(), "it is gone");
    assert!(!tx.session_goes_on("two", "first").await.unwrap());
    assert_eq!(tx.prune_sessions().await.unwrap(), 1);
    assert!(tx.session_goes_on("three", "first").await.unwrap());
}

fn new_mail(dedup: &str) -> NewMail {
    NewMail {
        dedup: dedup.to_owned(),
        kind: MailKind::Reminder,
        recipient: "owner@example.com".to_owned(),
        language: Language::En,
        shops: vec![shop("x")],
        payload: json!({ "days": 7 }),
    }
}

async fn a_mail_is_owed_once_per_reason(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let id = tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().unwrap();
    let other = tx.owe_mail(&new_mail("other"), "example.com").await.unwrap().unwrap();
    assert_eq!(tx.owe_mail(&new_mail("r"), "example.com").await.unwrap(), None);
    assert!(tx.amend_mail(id, &[shop("x"), shop("y")], &json!({ "days": 6 })).await.unwrap());
    let mail = tx.mail_by_dedup("r").await.unwrap().unwrap();
    assert_eq!((mail.id, mail.shops.len(), &mail.payload), (id, 2, &json!({ "days": 6 })));
    assert!(mail.message_id.starts_with(&format!("<shopsyncd.{id}.")) && mail.message_id.ends_with("@example.com>"));
    assert_eq!(tx.mail(other).await.unwrap().unwrap().payload, json!({ "days": 7 }));

    assert!(tx.cancel_mail(id, "renewed").await.unwrap());
    assert!(!tx.cancel_mail(id, "renewed").await.unwrap());
    assert_eq!(tx.owe_mail(&new_mail("r"), "example.com").await.unwrap(), None, "cancelled is not forgotten");
    assert_eq!(tx.due_mail(10).await.unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), [other]);
    assert_eq!(tx.mail_counts().await.unwrap(), (1, 0));
}

async fn a_mail_is_frozen_at_its_first_attempt(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let id = tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().unwrap();
    assert!(tx.freeze_mail(id, "subject", "body").await.unwrap());
    assert!(!tx.amend_mail(id, &[], &json!(null)).await.unwrap(), "too late");
    assert!(!tx.open_mail(id, Some("other")).await.unwrap(), "too late");
    assert!(tx.freeze_mail(id, "another", "text").await.unwrap(), "still owed");
    let later = Delivery::Deferred { at: at(60), error: "451 later".to_owned(), untaken: false };
    tx.deliver_mail(id, &later).await.unwrap();
    assert_eq!(tx.due_mail(10).await.unwrap(), []);
    assert_eq!(tx.next_mail_at().await.unwrap(), Some(at(60)));
    tx.commit().await.unwrap();

    let mut tx = store.write(at(60)).await.unwrap();
    let due = tx.due_mail(10).await.unwrap().pop().unwrap();
    assert_eq!((due.subject.as_deref(), due.body.as_deref()), (Some("subject"), Some("body")));
    assert_eq!((due.attempts, due.first_attempt_at, due.error.as_deref()), (1, Some(at(10)), Some("451 later")));
    assert!(tx.cancel_mail(id, "renewed").await.unwrap());
    assert!(!tx.deliver_mail(id, &later).await.unwrap(), "it was settled while it was on its way");
    assert!(!tx.deliver_mail(id, &Delivery::Refused { error: "550 no".to_owned() }).await.unwrap());
    assert_eq!(tx.mail(id).await.unwrap().unwrap().state, MailState::Cancelled);
    tx.deliver_mail(id, &Delivery::Sent).await.unwrap();
    let sent = tx.mail(id).await.unwrap().unwrap();
    assert_eq!((sent.state, sent.sent_at, sent.attempts), (MailState::Sent, Some(at(60)), 2), "the relay has it");
    assert!(!tx.freeze_mail(id, "s", "b").await.unwrap());
    assert!(!tx.retry_mail(id).await.unwrap());
}

async fn a_mail_that_certainly_did_not_leave_may_change(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let id = tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().unwrap();
    let answer = |untaken| Delivery::Deferred { at: at(60), error: "451 later".to_owned(), untaken };
    let is_open = async |tx: &mut Tx| tx.mail(id).await.unwrap().unwrap().is_open();
    assert!(tx.freeze_mail(id, "subject", "body").await.unwrap());
    assert!(!is_open(&mut tx).await, "it is on its way");
    assert!(tx.deliver_mail(id, &answer(true)).await.unwrap());
    assert!(is_open(&mut tx).await, "the relay has said no");
    assert_eq!(tx.waiting_mails("owner@example.com").await.unwrap().len(), 1);
    assert!(tx.open_mail(id, Some("moved")).await.unwrap());
    let moved = tx.mail_by_dedup("moved").await.unwrap().unwrap();
    assert_eq!((moved.id, moved.subject, moved.body, moved.attempts), (id, None, None, 1));
    assert!(tx.amend_mail(id, &[shop("y")], &json!({ "days": 5 })).await.unwrap());
    tx.start_mail_over(id).await.unwrap();
    let amended = tx.mail(id).await.unwrap().unwrap();
    assert_eq!((amended.shops, amended.attempts, amended.first_attempt_at), (vec![shop("y")], 0, None));

    // Handed over twice, and one answer never came.
    assert!(tx.freeze_mail(id, "subject", "body").await.unwrap() && tx.freeze_mail(id, "", "").await.unwrap());
    assert!(tx.deliver_mail(id, &answer(true)).await.unwrap() && !is_open(&mut tx).await);
    assert!(tx.deliver_mail(id, &answer(false)).await.unwrap() && !is_open(&mut tx).await, "nor did this one");
    assert!(!tx.open_mail(id, None).await.unwrap());
    assert_eq!(tx.waiting_mails("owner@example.com").await.unwrap(), []);
}

async fn what_was_silent_is_owed_again_and_no_more_once_it_is_forgotten(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let id = tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().unwrap();
    tx.freeze_mail(id, "subject", "body").await.unwrap();
    tx.silence_mail(id).await.unwrap();
    let silent = tx.silenced_mails().await.unwrap();
    assert_eq!(silent.iter().map(|one| (one.id, one.state)).collect::<Vec<_>>(), [(id, MailState::Cancelled)]);
    tx.revive_mail(id, at(70)).await.unwrap();
    let owed = tx.mail(id).await.unwrap().unwrap();
    assert!(owed.is_open() && owed.subject.is_none() && owed.next_attempt_at == at(70), "{owed:?}");
    tx.silence_mail(id).await.unwrap();
    tx.forget_silenced_mail(id, "over").await.unwrap();
    assert_eq!(tx.silenced_mails().await.unwrap(), []);
    assert_eq!(tx.owe_mail(&new_mail("r"), "example.com").await.unwrap(), None);
    tx.free_reason(id).await.unwrap();
    assert!(tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().is_some(), "its reason is free");
}

async fn a_refused_mail_starts_over_when_retried(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let id = tx.owe_mail(&new_mail("r"), "example.com").await.unwrap().unwrap();
    tx.deliver_mail(id, &Delivery::Refused { error: "550 unknown".to_owned() }).await.unwrap();
    let refused = tx.mails(Some(MailState::Refused), 10).await.unwrap();
    assert_eq!(
        refused.iter().map(|one| (one.id, one.error.as_deref())).collect::<Vec<_>>(),
        [(id, Some("550 unknown"))]
    );
    assert_eq!(tx.mail_counts().await.unwrap(), (0, 1));
    assert!(tx.retry_mail(id).await.unwrap());
    let owed = tx.mail(id).await.unwrap().unwrap();
    assert_eq!((owed.state, owed.attempts, owed.first_attempt_at), (MailState::Owed, 0, None));
    assert_eq!(tx.mails(None, 10).await.unwrap(), [owed]);
}

async fn mails_are_found_by_state_address_and_shop(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let owed = [
        ("a", "anna@example.com", vec!["uk", "uk-2"]),
        ("b", "Ben@example.com", vec!["uk-2"]),
        ("c", "anna@example.com", vec![]),
    ];
    for (reason, to, shops) in owed {
        let shops = shops.into_iter().map(|shop| shop.parse().unwrap()).collect();
        tx.owe_mail(&NewMail { recipient: to.to_owned(), shops, ..new_mail(reason) }, "example.com").await.unwrap();
    }
    let first = tx.mail_by_dedup("a").await.unwrap().unwrap().id;
    tx.deliver_mail(first, &Delivery::Sent).await.unwrap();
    let shop = |id: &str| Some(id.parse().unwrap());
    let to = |address: &str| Some(address.to_owned());
    for (filter, found) in [
        (MailFilter::default(), &["c", "b", "a"][..]),
        (MailFilter { state: Some(MailState::Owed), ..MailFilter::default() }, &["c", "b"]),
        (MailFilter { to: to("anna@example.com"), ..MailFilter::default() }, &["c", "a"]),
        (MailFilter { to: to("ben@Example.com"), ..MailFilter::default() }, &["b"]),
        (MailFilter { shop: shop("uk-2"), ..MailFilter::default() }, &["b", "a"]),
        (MailFilter { shop: shop("uk"), ..MailFilter::default() }, &["a"]),
        (MailFilter { shop: shop("uk"), state: Some(MailState::Owed), to: None }, &[]),
    ] {
        let mails = tx.mails_like(&filter, 10).await.unwrap();
        assert_eq!(mails.iter().map(|mail| mail.dedup.as_str()).collect::<Vec<_>>(), found, "{filter:?}");
    }
    assert_eq!(tx.mails_like(&MailFilter::default(), 1).await.unwrap().len(), 1);
}

async fn only_mail_that_ended_is_pruned(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    for reason in ["sent", "refused", "cancelled", "owed"] {
        tx.owe_mail(&new_mail(reason), "example.com").await.unwrap();
    }
    let id = async |tx: &mut Tx, dedup: &str| tx.mail_by_dedup(dedup).await.unwrap().unwrap().id;
    let (sent, refused, cancelled) =
        (id(&mut tx, "sent").await, id(&mut tx, "refused").await, id(&mut tx, "cancelled").await);
    tx.deliver_mail(sent, &Delivery::Sent).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.write(at(20)).await.unwrap();
    tx.deliver_mail(refused, &Delivery::Refused { error: "no".to_owned() }).await.unwrap();
    tx.cancel_mail(cancelled, "renewed").await.unwrap();
    assert_eq!(tx.prune_mail(at(20)).await.unwrap(), 1);
    assert_eq!(tx.mail(sent).await.unwrap(), None);
    assert_eq!(tx.prune_mail(at(9999)).await.unwrap(), 2);
    let left = tx.mails(None, 10).await.unwrap();
    assert_eq!(left.iter().map(|one| one.dedup.as_str()).collect::<Vec<_>>(), ["owed"]);
}

async fn a_reminder_is_owed_once(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let (one, two) = (granted(&mut tx, "a").await, granted(&mut tx, "b").await);
    let day = |day| civil::date(2027, 6, day);
    let step = ReminderKind::Step;
    assert!(tx.owe_reminder(one, 1, step, Some(day(20))).await.unwrap());
    assert!(!tx.owe_reminder(one, 1, step, Some(day(20))).await.unwrap());
    assert!(tx.owe_reminder(one, 2, step, Some(day(20))).await.unwrap(), "another grant has another ladder");
    assert!(tx.owe_reminder(two, 1, step, Some(day(20))).await.unwrap(), "as has another authorization");
    assert!(tx.owe_reminder(one, 1, ReminderKind::Ended, None).await.unwrap());
    assert!(!tx.owe_reminder(one, 1, ReminderKind::Ended, None).await.unwrap());
    tx.mark_reminded(one, 1, step, Some(day(20))).await.unwrap();
    let steps = [day(6), day(13), day(13), day(20)].map(|date| StepDate { date, extra: date == day(6) });
    tx.cover_reminders(one, 1, &steps).await.unwrap();
    let extra = StepDate { date: day(27), extra: true };
    assert!(tx.owe_step(one, 1, extra).await.unwrap() && !tx.owe_step(one, 1, extra).await.unwrap());
    assert!(!tx.owe_reminder(one, 1, step, Some(day(13))).await.unwrap(), "a covered step needs no mail");
    let rows = tx.reminders_of(one, 1).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.kind, row.step_date, row.state.as_str())).collect();
    assert_eq!(
        rows,
        [
            (ReminderKind::Ended, None, "owed"),
            (step, Some(day(6)), "covered"),
            (step, Some(day(13)), "covered"),
            (step, Some(day(20)), "sent"),
            (step, Some(day(27)), "owed"),
        ]
    );
    let extra: Vec<_> = tx
        .reminders_of(one, 1)
        .await
        .unwrap()
        .into_iter()
        .filter(|row| row.extra)
        .filter_map(|row| row.step_date)
        .collect();
    assert_eq!(extra, [day(6), day(27)]);
}

async fn a_renewal_cancels_what_is_owed_and_keeps_what_was_sent(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let (one, two) = (granted(&mut tx, "a").await, granted(&mut tx, "b").await);
    let step = ReminderKind::Step;
    for day in [6, 13] {
        tx.owe_reminder(one, 1, step, Some(civil::date(2027, 6, day))).await.unwrap();
    }
    tx.mark_reminded(one, 1, step, Some(civil::date(2027, 6, 6))).await.unwrap();
    tx.owe_reminder(one, 1, ReminderKind::Ended, None).await.unwrap();
    tx.owe_reminder(one, 1, ReminderKind::Renewed, None).await.unwrap();
    tx.owe_reminder(two, 1, step, Some(civil::date(2027, 6, 6))).await.unwrap();
    assert_eq!(tx.cancel_reminders(one).await.unwrap(), 2);
    let rows = tx.reminders_of(one, 1).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.kind, row.state.as_str())).collect();
    assert_eq!(
        rows,
        [(ReminderKind::Ended, "cancelled"), (ReminderKind::Renewed, "owed"), (step, "sent"), (step, "cancelled")]
    );
    assert_eq!(
        tx.reminders_of(two, 1).await.unwrap()[0].state.as_str(),
        "owed",
        "another authorization's are untouched"
    );
}

// Shops

async fn shops_that_swap_their_places_both_stay(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2"), wanted_shop("c", "3")]).await.unwrap();
    tx.set_paused(&shop("c"), true).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "2"), wanted_shop("b", "1"), wanted_shop("d", "3")]).await.unwrap();
    let shops = tx.shops().await.unwrap();
    let shops: Vec<_> =
        shops.iter().map(|one| (one.id.as_str(), one.place.as_deref().unwrap(), one.configured, one.paused)).collect();
    assert_eq!(
        shops,
        [("a", "2", true, false), ("b", "1", true, false), ("c", "3", false, true), ("d", "3", true, false)]
    );
    tx.commit().await.unwrap();

    let before = writes(&store, &["shops"]).await;
    let mut tx = store.write(at(20)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "2"), wanted_shop("b", "1"), wanted_shop("d", "3")]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(writes(&store, &["shops"]).await, before, "settings that say the same write nothing");
}

async fn a_shop_that_moves_elsewhere_starts_anew(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2")]).await.unwrap();
    let id = granted(&mut tx, "account").await;
    for one in ["a", "b"] {
        tx.tie_shop(&shop(one), id, &json!({ "cipher": one })).await.unwrap();
        tx.set_closed(&shop(one), Some("frozen"), None).await.unwrap();
        tx.set_seen_fingerprint(&shop(one), Some("f")).await.unwrap();
        tx.set_plans(&shop(one), Some("stopped"), Some("released")).await.unwrap();
        tx.begin_pass(&shop(one), PassKind::Full, RunId(7)).await.unwrap();
        tx.end_pass(&shop(one), 1, None).await.unwrap();
        put(&mut tx, one, &[seen("s", "1")]).await;
    }
    let stays = tx.shop(&shop("b")).await.unwrap();
    assert_eq!(stays.as_ref().unwrap().place_data, json!({ "cipher": "b" }));
    tx.sync_shops(&[wanted_shop("a", "9"), wanted_shop("b", "2")]).await.unwrap();
    let moved = tx.shop(&shop("a")).await.unwrap().unwrap();
    assert_eq!((moved.authorization, moved.closed_why, moved.seen_fingerprint), (None, None, None));
    assert_eq!((moved.stopped_plan, moved.released_plan), (None, None));
    assert_eq!((moved.place.as_deref(), moved.place_data, moved.configured), (Some("9"), json!(null), true));
    assert_eq!(tx.last_pass(&shop("a"), PassKind::Full).await.unwrap(), None, "the next import is complete");
    assert_eq!(there(&mut tx, "a").await, 1, "and will tell what is gone");
    assert_eq!(tx.shop(&shop("b")).await.unwrap(), stays);
    assert!(tx.last_pass(&shop("b"), PassKind::Full).await.unwrap().is_some());
    assert_eq!(tx.shops_of(id).await.unwrap().iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

async fn a_source_is_unread_until_it_was_read_completely_as_the_source(store: Store) {
    async fn read(tx: &mut Tx, id: &str, kind: PassKind) {
        let pass = tx.begin_pass(&shop(id), kind, RunId(7)).await.unwrap();
        tx.end_pass(&shop(id), pass.number, None).await.unwrap();
    }
    let (a, b) = (shop("a"), shop("b"));
    let mut tx = store.write(at(20)).await.unwrap();
    assert_eq!(tx.product_source().await.unwrap(), None);
    assert_eq!(tx.name_product_source(Some(&a)).await.unwrap(), Named::First);
    assert!(!tx.is_source_read(&a).await.unwrap());
    read(&mut tx, "a", PassKind::Changes).await;
    assert!(!tx.is_source_read(&a).await.unwrap(), "that was no complete one");
    for id in ["a", "b"] {
        read(&mut tx, id, PassKind::Full).await;
    }
    assert_eq!(tx.name_product_source(Some(&a)).await.unwrap(), Named::Known);
    assert!(tx.is_source_read(&a).await.unwrap());
    assert!(!tx.is_source_read(&b).await.unwrap(), "it is not the source");

    // A pass of its own that has ended, or is under way, says nothing of its products.
    tx.begin_pass(&b, PassKind::Changes, RunId(7)).await.unwrap();
    assert_eq!(tx.name_product_source(Some(&b)).await.unwrap(), Named::Anew);
    assert_eq!(tx.product_source().await.unwrap(), Some(b.clone()));
    assert!(!tx.is_source_read(&b).await.unwrap() && !tx.is_source_read(&a).await.unwrap());
    assert_eq!(tx.open_pass(&b).await.unwrap(), None);
    assert!(tx.last_pass(&a, PassKind::Full).await.unwrap().is_some(), "the one before has been read all the same");
    read(&mut tx, "b", PassKind::Full).await;
    assert!(tx.is_source_read(&b).await.unwrap());

    // Back to one that was the source before, and by way of none.
    assert_eq!(tx.name_product_source(Some(&a)).await.unwrap(), Named::Anew);
    assert!(!tx.is_source_read(&a).await.unwrap());
    read(&mut tx, "a", PassKind::Full).await;
    assert_eq!(tx.name_product_source(None).await.unwrap(), Named::Anew);
    assert_eq!((tx.product_source().await.unwrap(), tx.is_source_read(&a).await.unwrap()), (None, false));
    assert_eq!(tx.name_product_source(None).await.unwrap(), Named::Known);
    assert_eq!(tx.name_product_source(Some(&a)).await.unwrap(), Named::Anew);
    assert!(!tx.is_source_read(&a).await.unwrap());
}

async fn a_source_is_compared_with_what_another_shop_has(store: Store) {
    let mut tx = store.write(at(20)).await.unwrap();
    assert_eq!(tx.source_size().await.unwrap(), (0, 0));
    let shops = [("erp", "1"), ("new", "2"), ("uk", "3"), ("de", "4")];
    tx.sync_shops(&shops.map(|(id, place)| wanted_shop(id, place))).await.unwrap();
    let pass = tx.begin_pass(&shop("erp"), PassKind::Full, RunId(7)).await.unwrap();
    tx.end_pass(&shop("erp"), pass.number, None).await.unwrap();
    let named = tx.name_product_source(Some(&shop("erp"))).await.unwrap();
    assert_eq!(named, Named::Anew, "nobody knows as what it was read");
    let of_source = [("p1", "A"), ("p1", "B"), ("p2", "C"), ("p3", "D")];
    put_variants(&mut tx, &of_source.map(|(product, sku)| variant(product, "Cup", sku, "1"))).await;
    assert_eq!(tx.source_size().await.unwrap(), (3, 4));

    // C was matched by barcode: as a source, the shop would say its own SKU.
    let matched = said("C", |listing| listing.shop_sku = Some(sku("own-c")));
    put(&mut tx, "new", &[seen("A", "1"), matched, seen("X", "1")]).await;
    tx.put_wanted(&shop("new"), &[wanted("D", "1")]).await.unwrap();
    assert_eq!(tx.compared_with_source(&shop("new")).await.unwrap(), Comparison { skus: 3, common: 1 });
    assert_eq!(tx.compared_with_source(&shop("de")).await.unwrap(), Comparison { skus: 0, common: 0 });

    put(&mut tx, "uk", &[seen("A", "1"), seen("B", "1"), seen("C", "1"), seen("OWN", "1")]).await;
    put(&mut tx, "de", &[seen("A", "1"), seen("B", "1")]).await;
    let without = tx.listed_without(&shop("new")).await.unwrap();
    assert_eq!(without, [(shop("de"), 1), (shop("uk"), 2)]);
    let pass = tx.begin_pass(&shop("de"), PassKind::Full, RunId(7)).await.unwrap();
    tx.note_seen(&shop("de"), pass.number, &skus(&["A"])).await.unwrap();
    tx.drop_unseen_listings(&shop("de"), pass.number, at(30)).await.unwrap();
    assert_eq!(tx.listed_without(&shop("new")).await.unwrap(), [(shop("uk"), 2)], "what is gone is listed nowhere");
}

async fn a_locked_shop_is_read_after_whoever_locked_it_first(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1")]).await.unwrap();
    let id = granted(&mut tx, "account").await;
    tx.commit().await.unwrap();
    let (locked, first_locked) = tokio::sync::oneshot::channel();
    let a = shop("a");
    let first = async {
        let mut tx = store.write(at(20)).await.unwrap();
        tx.lock_shops(&[&a].into()).await.unwrap();
        locked.send(()).unwrap();
        // Time enough for the other one to read what is not yet true.
        for _ in 0..100 {
            assert_eq!(tx.shop(&a).await.unwrap().unwrap().authorization, None);
        }
        tx.tie_shop(&a, id, &json!(null)).await.unwrap();
        tx.commit().await.unwrap();
    };
    let second = async {
        first_locked.await.unwrap();
        let mut tx = store.write(at(20)).await.unwrap();
        tx.lock_shops(&[&a].into()).await.unwrap();
        tx.shop(&a).await.unwrap().unwrap().authorization
    };
    assert_eq!(tokio::join!(first, second).1, Some(id));
}

async fn the_facts_that_hold_a_shop_are_those_noted(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2")]).await.unwrap();
    let schedule =
        |id: &str, period| WantedSchedule { shop: Some(shop(id)), job: JobKind::AuthorizationRefresh, period };
    tx.sync_schedules(&[schedule("a", Period::None), schedule("b", Period::parse("1 hour").unwrap())]).await.unwrap();
    let plain = tx.hold_facts(&shop("b"), true, true).await.unwrap();
    assert!(!plain.paused && !plain.app_alarm && !plain.closed && !plain.scope_missing && !plain.refresh_none);
    assert_eq!((plain.needs_authorization, plain.has_source, plain.authorization), (true, true, None));

    let id = granted(&mut tx, "account").await;
    tx.tie_shop(&shop("a"), id, &json!(null)).await.unwrap();
    tx.set_authorization_state(id, 1, AuthorizationState::Lapsed, None).await.unwrap();
    tx.set_paused(&shop("a"), true).await.unwrap();
    tx.set_closed(&shop("a"), Some("frozen"), None).await.unwrap();
    tx.set_scope_missing(&shop("a"), Some("products"), None).await.unwrap();
    assert_eq!(tx.hold_facts(&shop("b"), true, true).await.unwrap(), plain, "the other shop is free");
    tx.raise_app_alarm(&ChannelName::from("tiktok_shop"), "app", &alarm("client secret")).await.unwrap();
    let held = tx.hold_facts(&shop("a"), false, false).await.unwrap();
    assert!(held.paused && held.app_alarm && held.closed && held.scope_missing && held.refresh_none);
    assert_eq!((held.needs_authorization, held.has_source), (false, false));
    assert_eq!(held.authorization, Some(AuthorizationState::Lapsed));
    for note in [None, Some("again")] {
        tx.set_closed(&shop("a"), note, None).await.unwrap();
        assert_eq!(tx.hold_facts(&shop("a"), true, true).await.unwrap().closed, note.is_some());
    }
}

fn alarm(why: &str) -> AppAlarm {
    AppAlarm { keys: ["client_id".to_owned(), "client_secret".to_owned()], why: why.to_owned() }
}

async fn an_alarm_of_an_app_is_raised_once_and_is_of_its_shops_alone(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let elsewhere = WantedShop { channel: "shopee".into(), ..wanted_shop("c", "3") };
    let other_app = WantedShop { app: Some("other".to_owned()), ..wanted_shop("b", "2") };
    tx.sync_shops(&[wanted_shop("a", "1"), other_app, elsewhere]).await.unwrap();
    let channel = ChannelName::from("tiktok_shop");
    assert!(tx.raise_app_alarm(&channel, "app", &alarm("wrong secret")).await.unwrap());
    assert!(!tx.raise_app_alarm(&channel, "app", &alarm("again")).await.unwrap());
    assert_eq!(tx.app_alarm(&shop("a")).await.unwrap(), Some(alarm("wrong secret")));
    for free in ["b", "c"] {
        assert_eq!(tx.app_alarm(&shop(free)).await.unwrap(), None, "{free}");
        assert!(!tx.hold_facts(&shop(free), true, true).await.unwrap().app_alarm, "{free}");
    }
    assert!(tx.raise_app_alarm(&channel, "other", &alarm("it too")).await.unwrap());
    assert!(tx.clear_app_alarm(&channel, "app").await.unwrap());
    assert!(!tx.clear_app_alarm(&channel, "app").await.unwrap());
    assert_eq!(tx.app_alarm(&shop("b")).await.unwrap(), Some(alarm("it too")));
    assert!(tx.clear_app_alarms(&channel).await.unwrap());
    assert!(!tx.clear_app_alarms(&channel).await.unwrap());
}

async fn an_authorization_is_of_no_use_while_the_settings_name_another_app(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let ids = |rows: Vec<ShopRow>| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    for (app, serves) in [("app", true), ("other", false), ("app", true)] {
        let wanted = ["a", "b"].map(|id| WantedShop { app: Some(app.to_owned()), ..wanted_shop(id, id) });
        tx.sync_shops(&wanted).await.unwrap();
        let id = match tx.shop(&shop("a")).await.unwrap().unwrap().authorization {
            Some(id) => id,
            None => granted(&mut tx, "account").await,
        };
        for one in ["a", "b"] {
            tx.tie_shop(&shop(one), id, &json!(null)).await.unwrap();
            let state = tx.hold_facts(&shop(one), true, true).await.unwrap().authorization;
            assert_eq!(state, serves.then_some(AuthorizationState::Active), "{app}: {one}");
        }
        let known = tx.authorization(id).await.unwrap().expect("it is kept");
        assert_eq!(tx.shop(&shop("a")).await.unwrap().unwrap().works_with(&known), serves);
        assert_eq!(ids(tx.shops_of(id).await.unwrap()), if serves { vec!["a", "b"] } else { vec![] }, "{app}");
    }
}

async fn what_is_owed_of_an_authorization_can_be_forgotten_and_owed_anew(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let (one, two) = (granted(&mut tx, "one").await, granted(&mut tx, "two").await);
    let step = ReminderKind::Step;
    for day in [6, 13] {
        tx.owe_reminder(one, 1, step, Some(civil::date(2027, 6, day))).await.unwrap();
    }
    tx.owe_reminder(two, 1, step, Some(civil::date(2027, 6, 6))).await.unwrap();
    tx.mark_reminded(one, 1, step, Some(civil::date(2027, 6, 6))).await.unwrap();
    assert_eq!(tx.forget_owed_reminders(one).await.unwrap(), 1);
    let rows = tx.reminders_of(one, 1).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["sent"], "what was told stays told");
    assert_eq!(tx.reminders_of(two, 1).await.unwrap().len(), 1);
    assert!(tx.owe_reminder(one, 1, step, Some(civil::date(2027, 6, 13))).await.unwrap());
}

/// A shop with something in every table that forgetting concerns.
async fn furnish(tx: &mut Tx, id: &str, authorization: AuthorizationId) {
    let schedule =
        WantedSchedule { shop: Some(shop(id)), job: JobKind::ProductImport, period: Period::parse("1 hour").unwrap() };
    tx.sync_schedules(&[schedule]).await.unwrap();
    let run = NewRun { shop: Some(shop(id)), job: JobKind::ProductImport, demand: Demand::default() };
    tx.run_now(&run, Trigger::Now).await.unwrap();
    tx.tie_shop(&shop(id), authorization, &json!(null)).await.unwrap();
    put(tx, id, &[seen("a", "1"), seen("b", "1")]).await;
    let complaint = Complaint { sku: "a".to_owned(), code: "c".to_owned(), text: "t".to_owned(), request_id: None };
    tx.put_complaints(&shop(id), JobKind::ProductImport, RunId(1), &[complaint]).await.unwrap();
    let pass = tx.begin_pass(&shop(id), PassKind::Full, RunId(7)).await.unwrap();
    tx.note_seen(&shop(id), pass.number, &skus(&["a"])).await.unwrap();
    tx.put_state(&format!("state of {id}"), &shop(id), "").await.unwrap();
    let mail = NewMail { shops: vec![shop(id)], ..new_mail(&format!("mail of {id}")) };
    tx.owe_mail(&mail, "example.com").await.unwrap();
    tx.note("daemon", "imported", Some(&shop(id)), "2 listings").await.unwrap();
}

async fn forgetting_a_shop_says_what_went(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2")]).await.unwrap();
    let (first, second) = (granted(&mut tx, "first").await, granted(&mut tx, "second").await);
    tx.owe_reminder(first, 1, ReminderKind::Ended, None).await.unwrap();
    tx.owe_reminder(second, 1, ReminderKind::Ended, None).await.unwrap();
    furnish(&mut tx, "a", first).await;
    tx.tie_shop(&shop("b"), second, &json!(null)).await.unwrap();
    tx.sync_shops(&[wanted_shop("b", "2")]).await.unwrap();
    let gone = tx.forget_shop(&shop("a")).await.unwrap();
    assert_eq!(
        gone,
        Forgotten::Erased(vec![
            ("listings", 2),
            ("complaints", 1),
            ("passes", 1),
            ("pages of passes", 1),
            ("schedules", 1),
            ("runs", 1),
            ("authorizations under way", 1),
            ("owed mails", 1),
            ("reminders", 1),
            ("authorization", 1),
            ("shop", 1),
        ])
    );
    assert_eq!(tx.shop(&shop("a")).await.unwrap(), None);
    assert_eq!(tx.authorization(first).await.unwrap(), None);
    assert!(tx.authorization(second).await.unwrap().is_some());
    assert_eq!(tx.reminders_of(second, 1).await.unwrap().len(), 1);
    assert_eq!(tx.journal(Some(&shop("a")), 10).await.unwrap().len(), 1, "what happened has happened");
    let again = granted(&mut tx, "first").await;
    assert!(again > second, "no number is given twice");
}

async fn a_shop_in_the_settings_is_not_forgotten(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1")]).await.unwrap();
    put(&mut tx, "a", &[seen("a", "1")]).await;
    assert_eq!(tx.forget_shop(&shop("a")).await.unwrap(), Forgotten::Served);
    assert_eq!(tx.forget_shop(&shop("unknown")).await.unwrap(), Forgotten::Unknown);
    assert_eq!(there(&mut tx, "a").await, 1);
}

async fn an_authorization_outlives_the_first_of_two_shops(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.sync_shops(&[wanted_shop("a", "1"), wanted_shop("b", "2")]).await.unwrap();
    let id = granted(&mut tx, "account").await;
    for one in ["a", "b"] {
        tx.tie_shop(&shop(one), id, &json!(null)).await.unwrap();
        put(&mut tx, one, &[seen("a", "1")]).await;
    }
    tx.sync_shops(&[]).await.unwrap();
    let words = |gone: Forgotten| -> Vec<&str> {
        match gone {
            Forgotten::Erased(gone) => gone.into_iter().map(|one| one.0).collect(),
            kept => panic!("{kept:?}"),
        }
    };
    assert_eq!(words(tx.forget_shop(&shop("a")).await.unwrap()), ["listings", "shop"]);
    assert!(tx.authorization(id).await.unwrap().is_some());
    assert_eq!(there(&mut tx, "b").await, 1);
    assert_eq!(words(tx.forget_shop(&shop("b")).await.unwrap()), ["listings", "authorization", "shop"]);
    assert_eq!(tx.authorization(id).await.unwrap(), None);
}

async fn the_journal_is_read_from_its_end(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    tx.note("daemon", "started", None, "version 1").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.write(at(20)).await.unwrap();
    tx.note("owner", "authorized", Some(&shop("x")), "by \0 link").await.unwrap();
    tx.note("owner", "authorized", Some(&shop("y")), "by link").await.unwrap();
    let lines = tx.journal(None, 2).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|line| (line.0, line.3.as_ref().map(ShopId::as_str))).collect();
    assert_eq!(lines, [(at(20), Some("y")), (at(20), Some("x"))]);
    assert_eq!(tx.prune_journal(at(20)).await.unwrap(), 1);
    let left = tx.journal(Some(&shop("x")), 10).await.unwrap();
    let expected = (at(20), "owner".to_owned(), "authorized".to_owned(), Some(shop("x")), "by  link".to_owned());
    assert_eq!(left, [expected]);
}
