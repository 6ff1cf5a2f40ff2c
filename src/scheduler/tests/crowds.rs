//! A channel whose runs hang, while another has work to do.

use super::*;
use crate::store::WantedShop;

/// More shops than runs of one channel may go on at once.
const SILENT: usize = 20;

fn silent(number: usize) -> ShopId {
    format!("silent-{number:02}").parse().unwrap()
}

fn lively() -> ShopId {
    "zebra".parse().unwrap()
}

impl Bench {
    /// A crowd of shops of one channel and a single shop of another, each with an import every `period`.
    async fn with_a_crowd(folder: &Path, period: Period) -> Self {
        let bench = Self::on_file(folder, Period::None).await;
        let shops: Vec<(ShopId, &str)> =
            (0..SILENT).map(|number| (silent(number), "silent")).chain([(lively(), "lively")]).collect();
        let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
        let shop = |(id, channel): &(ShopId, &str)| WantedShop {
            id: id.clone(),
            channel: (*channel).into(),
            name: id.to_string(),
            place: id.to_string(),
            app: None,
        };
        tx.sync_shops(&shops.iter().map(shop).collect::<Vec<_>>()).await.unwrap();
        let schedule =
            |(id, _): &(ShopId, &str)| WantedSchedule { shop: Some(id.clone()), job: IMPORT, period: period.clone() };
        tx.sync_schedules(&shops.iter().map(schedule).collect::<Vec<_>>()).await.unwrap();
        tx.commit().await.unwrap();
        bench.handle.wake();
        bench
    }

    async fn ask_for(&self, shop: &ShopId) {
        self.handle.run_now(Some(shop), IMPORT, Demand::default(), Trigger::Now).await.unwrap();
    }
}

#[tokio::test]
async fn what_waits_of_a_silent_channel_does_not_keep_another_channel_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::with_a_crowd(folder.path(), Period::None).await;
    for number in 0..SILENT {
        bench.ask_for(&silent(number)).await;
        bench.clock.advance(SignedDuration::from_millis(1));
    }
    let mut hang = Vec::new();
    for number in 0..4 {
        let (context, tell) = bench.next().await;
        assert_eq!(context.shop, Some(silent(number)), "in their turn");
        hang.push(tell);
    }
    for _ in 0..3 {
        bench.ask_for(&lively()).await;
        let (context, tell) = bench.next().await;
        assert_eq!(context.shop, Some(lively()));
        tell.send(How::Well).unwrap();
        assert_eq!(bench.handle.wait(context.run).await.unwrap().outcome, Some(Outcome::Done));
    }
    // Only a place that becomes free is for the next of the silent ones.
    assert!(bench.started.try_recv().is_err());
    hang.remove(0).send(How::Badly).unwrap();
    assert_eq!(bench.next().await.0.shop, Some(silent(4)));
    bench.stop().await;
}

#[tokio::test]
async fn what_falls_due_of_a_silent_channel_does_not_keep_another_channel_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::with_a_crowd(folder.path(), Period::Every(MINUTE)).await;
    let mut hang = Vec::new();
    let mut done = 0;
    for _ in 0..5 {
        bench.clock.advance(MINUTE);
        let before = done;
        while done == before {
            let (context, tell) = bench.next().await;
            if context.shop == Some(lively()) {
                tell.send(How::Well).unwrap();
                bench.handle.wait(context.run).await.unwrap();
                done += 1;
            } else {
                hang.push(tell);
            }
        }
    }
    assert_eq!((hang.len(), done), (4, 5), "each minute the lively one had its turn");
    bench.stop().await;
}
