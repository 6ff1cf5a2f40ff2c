//! What a reload and a start write: the shops that changed alone, and everything in bulk as it would be one by one.

use std::collections::{BTreeSet, HashMap};

use jiff::SignedDuration;
use shopsyncd::{
    domain::{Demand, Hold, JobKind, Period, RunState, ShopId, Trigger, hold::Facts},
    store::{AppAlarm, NewRun, RunFilter, ScheduleRow, ShopRow, Store, Tx, WantedSchedule},
};

use super::{
    Check, Checked, noon,
    shops::{shop, wanted_shop},
};

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin($name(store)))),*]
    };
}

pub(crate) const CHECKS: &[Check] = checks![
    shops_among_others_are_brought_in_line_and_the_others_are_not_looked_at,
    holds_of_many_shops_are_those_of_each,
    what_is_known_of_many_shops_is_what_is_known_of_each,
];

const REFRESH: JobKind = JobKind::AuthorizationRefresh;
const IMPORT: JobKind = JobKind::ProductImport;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn ids<const N: usize>(names: [&str; N]) -> BTreeSet<ShopId> {
    names.into_iter().map(shop).collect()
}

fn schedules_of(id: &str, minutes: i64) -> [WantedSchedule; 2] {
    let period = Period::Every(SignedDuration::from_mins(minutes));
    [REFRESH, IMPORT].map(|job| WantedSchedule { shop: Some(shop(id)), job, period: period.clone() })
}

/// Three shops with two schedules each, and one of the daemon's own.
async fn plant(tx: &mut Tx) -> Result<(), Failure> {
    let names = ["a", "b", "c"];
    tx.sync_shops(&names.map(|id| wanted_shop(id, id))).await?;
    let own = WantedSchedule { shop: None, job: JobKind::Remind, period: Period::Every(SignedDuration::from_hours(6)) };
    let wanted: Vec<_> = names.iter().flat_map(|id| schedules_of(id, 60)).chain([own]).collect();
    tx.sync_schedules(&wanted).await?;
    Ok(())
}

fn others(rows: Vec<ScheduleRow>, but: &BTreeSet<ShopId>) -> Vec<ScheduleRow> {
    rows.into_iter().filter(|row| row.shop.as_ref().is_none_or(|id| !but.contains(id))).collect()
}

async fn shops_among_others_are_brought_in_line_and_the_others_are_not_looked_at(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    plant(&mut tx).await?;
    tx.commit().await?;

    // `a` has another place and period, `b` left, `d` came; of `c` nothing is said.
    let mut tx = store.write(noon() + SignedDuration::from_mins(5)).await?;
    let touched = ids(["a", "b", "d"]);
    let (before, known) = (tx.schedules(None).await?, tx.shop(&shop("c")).await?);
    tx.sync_shops_among(&[wanted_shop("a", "elsewhere"), wanted_shop("d", "d")], &touched).await?;
    let wanted: Vec<_> = schedules_of("a", 10).into_iter().chain(schedules_of("d", 60)).collect();
    assert_eq!(tx.sync_schedules_among(&wanted, &touched).await?, 6, "two changed, two went, two came");
    let configured = |rows: Vec<ShopRow>| {
        rows.into_iter().filter(|row| row.configured).map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(configured(tx.shops().await?), ["a", "c", "d"]);
    assert_eq!(tx.shop(&shop("a")).await?.and_then(|row| row.place).as_deref(), Some("elsewhere"));
    assert_eq!(tx.shop(&shop("c")).await?, known);
    let after = tx.schedules(None).await?;
    assert_eq!(others(after.clone(), &touched), others(before, &touched), "the schedules of the others stand");
    let of = |id: &str| after.iter().filter(|row| row.shop == Some(shop(id))).count();
    assert_eq!((of("a"), of("b"), of("d")), (2, 0, 2));

    // Two swap their places: neither stands in the other's way.
    tx.sync_shops_among(&[wanted_shop("a", "d"), wanted_shop("d", "elsewhere")], &ids(["a", "d"])).await?;
    assert_eq!(tx.shop(&shop("d")).await?.and_then(|row| row.place).as_deref(), Some("elsewhere"));
    assert_eq!(configured(tx.shops().await?), ["a", "c", "d"]);
    Ok(())
}

async fn holds_of_many_shops_are_those_of_each(store: Store) -> Checked {
    let holds = [
        ("a", REFRESH, Some(Hold::Lapsed)),
        ("a", IMPORT, Some(Hold::Lapsed)),
        ("b", REFRESH, Some(Hold::Paused)),
        ("b", IMPORT, Some(Hold::Paused)),
        ("c", IMPORT, None),
    ];
    let waits = |id: &str| NewRun { shop: Some(shop(id)), job: IMPORT, demand: Demand::default() };
    let mut tx = store.write(noon()).await?;
    plant(&mut tx).await?;
    for id in ["a", "c"] {
        tx.run_now(&waits(id), Trigger::Now).await?;
    }
    tx.commit().await?;
    // As each shop's own are set, in a transaction that is given up...
    let mut tx = store.write(noon()).await?;
    for (id, job, hold) in holds {
        tx.set_holds(&shop(id), &[(job, hold)]).await?;
    }
    let one_by_one = tx.schedules(None).await?;
    drop(tx);
    // ... and all at once.
    let mut tx = store.write(noon()).await?;
    let all: HashMap<_, _> = holds.into_iter().map(|(id, job, hold)| ((shop(id), job), hold)).collect();
    tx.set_all_holds(&all).await?;
    assert_eq!(tx.schedules(None).await?, one_by_one);
    assert!(one_by_one.iter().any(|row| row.held_by == Some(Hold::Lapsed) && row.next_due_at.is_some()));
    let waiting = RunFilter { state: Some(RunState::Available), ..RunFilter::default() };
    let waiting: Vec<_> = tx.runs(&waiting, 10).await?.into_iter().filter_map(|run| run.shop).collect();
    assert_eq!(waiting, [shop("c")], "what is held does not run after all");
    tx.commit().await?;

    // What stands already is not put off, and what ends is caught up.
    let mut tx = store.write(noon() + SignedDuration::from_hours(1)).await?;
    tx.set_all_holds(&all).await?;
    assert_eq!(tx.schedules(None).await?, one_by_one);
    tx.set_all_holds(&all.into_keys().map(|of| (of, None)).collect()).await?;
    assert!(tx.schedules(None).await?.iter().all(|row| row.held_by.is_none() && row.next_due_at == row.grid_at));
    Ok(())
}

async fn what_is_known_of_many_shops_is_what_is_known_of_each(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    plant(&mut tx).await?;
    tx.set_paused(&shop("a"), true).await?;
    tx.set_closed(&shop("b"), Some("frozen"), None).await?;
    let alarm = AppAlarm { keys: ["client_id".to_owned(), "client_secret".to_owned()], why: "refused".to_owned() };
    tx.raise_app_alarm(&"tiktok_shop".into(), "app", &alarm).await?;
    assert_eq!(tx.alarmed_apps().await?, [("tiktok_shop".into(), "app".to_owned())].into());
    tx.run_now(&NewRun { shop: Some(shop("c")), job: IMPORT, demand: Demand::default() }, Trigger::Now).await?;

    let facts = tx.all_hold_facts().await?;
    assert_eq!(facts.len(), 3);
    for (id, known) in &facts {
        let own = tx.hold_facts(id, true, true).await?;
        assert_eq!(Facts { needs_authorization: true, has_source: true, ..*known }, own, "{id}");
    }
    assert!(facts[&shop("a")].paused && facts[&shop("b")].closed && facts[&shop("c")].app_alarm);

    let two = ids(["a", "c", "nobody"]);
    let all = tx.shops().await?.into_iter().filter(|row| two.contains(&row.id)).collect::<Vec<_>>();
    assert_eq!(tx.shops_among(&two).await?, all);
    let mut each = tx.schedules(Some(&shop("a"))).await?;
    each.extend(tx.schedules(Some(&shop("c"))).await?);
    assert_eq!(tx.schedules_among(&two).await?, each);
    assert_eq!(tx.latest_runs_among(&two).await?, tx.latest_runs(Some(&shop("c"))).await?);
    assert_eq!(tx.shop_ids().await?, ids(["a", "b", "c"]));
    Ok(())
}
