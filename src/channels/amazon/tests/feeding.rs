//! Many changes as one feed.

use super::exporting::{both, creation, mapped, refused, stock};
use super::importing::seed;
use super::*;
use crate::channels::{PushResult, Settled, Ticket};
use crate::domain::plan::Change;

impl Scene {
    fn crowd() -> Self {
        let mut scene = Self::seeded(&(0..30).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
        scene.own = mapped();
        scene
    }

    async fn settle(&self, ticket: &Ticket, changes: &[Change]) -> Settled {
        self.channel().settle(&self.access(), ticket, changes).await.unwrap()
    }
}

/// The one ticket of a push, and the SKUs that wait for it.
fn ticket(results: &[PushResult]) -> (Ticket, Vec<&str>) {
    let pending = results.iter().filter_map(|result| match result {
        PushResult::Pending { sku, ticket } => Some((ticket.clone(), sku.as_str())),
        _ => None,
    });
    let (mut tickets, skus): (Vec<_>, Vec<_>) = pending.unzip();
    tickets.dedup();
    assert_eq!(tickets.len(), 1, "{results:?}");
    (tickets.remove(0), skus)
}

#[tokio::test]
async fn a_feed_is_judged_message_by_message_in_whatever_order_it_is_asked_for() {
    let scene = Scene::crowd();
    scene.fake.refuse_item(SELLER, "DE", "S-07", "Restricted Products Policy Violation");
    let listings = scene.read().await;
    let mut changes: Vec<_> = listings.iter().map(|listing| both(listing, "21.50 EUR", 9)).collect();
    changes[3] = stock(&listings[3], -1);
    changes.push(creation("NEW/1"));
    let mut bare = creation("NEW/2");
    if let Some((product, _)) = &mut bare.product {
        product.description = None;
    }
    changes.push(bare);
    let results = scene.push(&changes).await;
    let codes: Vec<_> = refused(&results).iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["stock", "90220"], "what a new SKU lacks is told before anything is sent");
    let (ticket, waiting) = ticket(&results);
    assert_eq!(waiting.len(), 30);
    let mut asked: Vec<_> = changes.iter().filter(|change| waiting.contains(&change.sku.as_str())).cloned().collect();
    asked.reverse();
    assert_eq!(scene.settle(&ticket, &asked).await, Settled::Open);
    assert_eq!(scene.item("S-00")["stock"], 5, "nothing is done yet");
    scene.clock.advance(SignedDuration::from_mins(2));
    let Settled::Judged(judged) = scene.settle(&ticket, &asked).await else { panic!("it is not judged") };
    assert_eq!(judged.len(), 30);
    let complaints = refused(&judged);
    assert_eq!((complaints.len(), complaints[0].sku.as_str(), complaints[0].code.as_str()), (1, "S-07", "18742"));
    assert_eq!((&scene.item("S-00")["stock"], &scene.item("S-00")["price"]), (&json!(9), &json!("21.5")));
    assert_eq!((&scene.item("S-07")["stock"], &scene.item("S-03")["stock"]), (&json!(5), &json!(5)));
    assert_eq!(scene.item("NEW/1")["product_type"], "DRINKING_CUP");
    let stats = scene.fake.stats();
    assert_eq!((stats.tokens_to_store, stats.bad_requests, stats.rate_violations, stats.attributes_lost), (0, 0, 0, 0));
    assert_eq!(
        (stats.calls["createFeed"], stats.calls.get("patchListingsItem"), stats.calls["putListingsItem"]),
        (1, None, 2),
        "two previews"
    );
}

#[tokio::test]
async fn a_feed_that_amazon_ends_is_refused_whole_with_the_reason() {
    for end in ["FATAL", "CANCELLED"] {
        let scene = Scene::crowd();
        scene.fake.rules(|rules| rules.ends_as = Some(end));
        let listings = scene.read().await;
        let changes: Vec<_> = listings.iter().map(|listing| stock(listing, 9)).collect();
        let results = scene.push(&changes).await;
        let (ticket, _) = ticket(&results);
        scene.clock.advance(SignedDuration::from_mins(2));
        let Settled::Judged(judged) = scene.settle(&ticket, &changes).await else { panic!("it is not judged") };
        let complaints = refused(&judged);
        assert_eq!((complaints.len(), complaints[0].code.as_str()), (30, "feed"));
        assert!(complaints[0].text.contains(end), "{complaints:?}");
    }
}

#[tokio::test]
async fn a_reply_that_is_lost_while_a_feed_is_asked_about_sends_nothing_twice() {
    let mut lost = 0;
    loop {
        let scene = Scene::crowd();
        let listings = scene.read().await;
        let changes: Vec<_> = listings.iter().map(|listing| stock(listing, 9)).collect();
        let (ticket, _) = ticket(&scene.push(&changes).await);
        scene.clock.advance(SignedDuration::from_mins(2));
        for _ in 0..lost {
            scene.fake.fail_next(Mishap::UnknownField);
        }
        scene.fake.fail_next(Mishap::ReplyLost);
        let cut = scene.channel().settle(&scene.access(), &ticket, &changes).await;
        if cut.is_ok() {
            break;
        }
        let Settled::Judged(judged) = scene.settle(&ticket, &changes).await else { panic!("it is not judged") };
        assert_eq!((judged.len(), refused(&judged).len()), (30, 0), "{lost}");
        assert_eq!((scene.fake.stats().calls["createFeed"], &scene.item("S-00")["stock"]), (1, &json!(9)), "{lost}");
        lost += 1;
    }
    assert!(lost >= 2, "the feed and its report are read: {lost}");
}

#[tokio::test]
async fn feeds_come_no_faster_than_amazon_takes_them() {
    let scene = Scene::crowd();
    let listings = scene.read().await;
    let channel = scene.channel();
    for round in 0..5 {
        let changes: Vec<_> = listings.iter().map(|listing| stock(listing, round)).collect();
        channel.push(&scene.access(), &changes).await.unwrap();
    }
    let changes: Vec<_> = listings.iter().map(|listing| stock(listing, 99)).collect();
    let error = channel.push(&scene.access(), &changes).await.unwrap_err();
    let Failure::Throttled { until } = error.failure else { panic!("{error}") };
    assert_eq!(scene.fake.stats().rate_violations, 0);
    scene.clock.set(until);
    channel.push(&scene.access(), &changes).await.unwrap();
    assert_eq!(scene.fake.stats().rate_violations, 0);
}

#[tokio::test]
async fn the_fake_ends_feeds_of_the_old_types_and_refuses_files_it_cannot_read() {
    let scene = Scene::new();
    scene.fake.rules(|rules| rules.done_after_looks = Some(2));
    let token = scene.issue().access_token;
    let post = |path: &'static str, body: Value| {
        let token = token.clone();
        let scene = &scene;
        async move {
            let headers = [("x-amz-access-token", token.as_str()), ("content-type", "application/json")];
            let answer = scene.send(crate::http::Method::POST, path, &headers, &body.to_string()).await;
            (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
        }
    };
    for (kind, content) in [("POST_PRODUCT_DATA", "<xml/>"), ("JSON_LISTINGS_FEED", "{}")] {
        let (status, document) = post("/feeds/2021-06-30/documents", json!({"contentType": "text/plain"})).await;
        assert_eq!(status, 201);
        let body = |kind: &str| json!({"feedType": kind, "marketplaceIds": ["A1PA6795UKMFR9"], "inputFeedDocumentId": document["feedDocumentId"]});
        assert_eq!(post("/feeds/2021-06-30/feeds", body(kind)).await.0, 400, "nothing is uploaded yet");
        let url = document["url"].as_str().unwrap();
        for (kind, expected) in [("text/html", 403), ("text/plain", 200)] {
            let answer = scene.send(crate::http::Method::PUT, url, &[("content-type", kind)], content).await;
            assert_eq!(answer.status, expected);
        }
        assert_eq!(post("/feeds/2021-06-30/feeds", body("POST_NOTHING")).await.0, 400);
        let (status, feed) = post("/feeds/2021-06-30/feeds", body(kind)).await;
        assert_eq!(status, 202);
        let path = format!("/feeds/2021-06-30/feeds/{}", feed["feedId"].as_str().unwrap());
        for expected in ["IN_QUEUE", "FATAL"] {
            let answer = scene.send(crate::http::Method::GET, &path, &[("x-amz-access-token", &token)], "").await;
            let feed: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(feed["processingStatus"], expected, "{feed}");
        }
        scene.clock.advance(SignedDuration::from_mins(6));
        let answer = scene.send(crate::http::Method::PUT, url, &[("content-type", "text/plain")], content).await;
        assert_eq!(answer.status, 403, "the address is good for five minutes");
    }
}
