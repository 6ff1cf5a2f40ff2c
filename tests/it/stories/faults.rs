//! What a daemon lives through: what is around it breaks and is mended, and nobody has to help it.

use shopsyncd::{channels::tiktok_shop::fake::Mishap, domain::Outcome};

use crate::world::{Database, EXPORT, IMPORT, Log, World, minutes};
/// How often the lines say that something came: those that sum up count for what they sum up.
fn told(lines: &[String]) -> u64 {
    let repeated = |line: &String| line.split("repeated=").nth(1)?.split(' ').next()?.parse().ok();
    lines.iter().map(|line| repeated(line).unwrap_or(1)).sum()
}

#[tokio::test]
async fn a_marketplace_that_is_down_for_two_hours_takes_few_lines_and_is_caught_up_with() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    let (log, repetition, _kept) = Log::counting(&world.clock);
    world.write_main("1 hour", "5 minutes", "5 minutes");
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(10)).await;
    let before = log.all().len();

    world.fake.break_down(Some(Mishap::ServerError));
    world.source(&[("A", "11.00", 5)]);
    for _ in 0..24 {
        world.pass(minutes(5)).await;
        repetition.tell_due();
    }
    repetition.tell_all();
    let during: Vec<_> = log.all().split_off(before);
    let failed: Vec<_> = during.iter().filter(|line| line.contains("event=\"run.failed\"")).cloned().collect();
    // Of import and export, and of each both what is tried again and what is given up.
    assert!((4..4 * 10).contains(&failed.len()), "few lines: {failed:#?}");
    assert!(during.len() < failed.len() + 20, "and few others: {during:#?}");
    assert!(told(&failed) > 100, "{} failures: {failed:#?}", told(&failed));

    world.fake.break_down(None);
    world.pass(minutes(11)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"]);
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.last_run("uk", job).await.outcome, Some(Outcome::Done), "{job}");
    }
    world.end_with_mails().await;
}
