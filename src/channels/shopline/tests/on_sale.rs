//! Products that go off sale and come back: both platforms know only whole ones.

use super::{
    exporting::{BOTH, done, new, of, push, refused},
    importing::{listings, seed},
    *,
};
use crate::{
    channels::shopline::fake::Seed,
    domain::{Field, Listing, ListingStatus, Values, plan::Change},
};

fn sized(sku: &str, size: &str) -> Seed {
    Seed { product: "shirt".into(), options: vec![("Size".into(), size.into())], ..seed(sku) }
}

fn leave(listing: &Listing) -> Change {
    of(listing, Values { retired: true, dropped: true, ..Values::default() }, &[])
}

/// SKU, status and stock of everything in a shop.
fn shown(scene: &Scene, account: &str) -> Vec<String> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let shown = |one: Value| format!("{} {} {}", text(&one, "sku"), text(&one, "status"), one["stock"]);
    scene.fake.listings(account).into_iter().map(shown).collect()
}

#[tokio::test]
async fn a_product_goes_off_sale_with_its_last_sku_and_a_part_of_it_gets_no_stock() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[sized("M", "M"), sized("L", "L"), seed("mug")]).unwrap();
        let read = listings(&scene, platform, account).await;
        let results = push(&scene, platform, account, &[leave(&read[0])]).await;
        assert_eq!(refused(&results[0]).code, "siblings", "{platform}");
        let shop = scene.fake.listings(account);
        assert_eq!(
            (&shop[0]["stock"], &shop[1]["stock"], &shop[0]["status"]),
            (&0.into(), &3.into(), &"active".into())
        );
        let results = push(&scene, platform, account, &read.iter().map(leave).collect::<Vec<_>>()).await;
        assert!(
            done(&results).iter().all(|listing| listing.status == ListingStatus::Inactive),
            "{platform}: {results:?}"
        );
        assert!(scene.fake.listings(account).iter().all(|listing| listing["status"] == "draft"));
        assert_eq!(scene.fake.stats().taken_off_sale, 2, "{platform}");
    }
}

#[tokio::test]
async fn a_product_that_its_owner_took_off_sale_stays_so_when_a_sku_joins_it() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[sized("TS-M", "M")]).unwrap();
        scene.fake.set_status(account, "TS-M", "draft");
        let siblings = listings(&scene, platform, account).await;
        let results = push(&scene, platform, account, &[Change { siblings, ..new("TS-L", "L", currency) }]).await;
        assert_eq!(done(&results)[0].status, ListingStatus::Inactive, "{platform}");
        assert_eq!(shown(&scene, account), ["TS-M draft 3", "TS-L draft 7"], "{platform}");
    }
}

#[tokio::test]
async fn a_product_that_lost_all_its_skus_is_on_sale_again_when_a_new_one_joins_it() {
    for (platform, account, currency) in BOTH {
        // Each call in turn has its answer lost, and the export sends once more what it knows nothing of.
        for failing in 0..9 {
            let scene = Scene::new();
            scene.fake.seed_products(account, &[sized("TS-M", "M"), sized("TS-L", "L")]).unwrap();
            let known = listings(&scene, platform, account).await;
            push(&scene, platform, account, &known.iter().map(leave).collect::<Vec<_>>()).await;
            assert_eq!(shown(&scene, account), ["TS-M draft 3", "TS-L draft 3"], "{platform}");
            let siblings = listings(&scene, platform, account).await;
            let change = Change { siblings, ..new("TS-N", "N", currency) };
            let change = Change { wanted: Values { relisted: true, ..change.wanted.clone() }, ..change };
            (0..failing).for_each(|_| scene.fake.fail_next(Mishap::UnknownField));
            scene.fake.fail_next(Mishap::ReplyLost);
            let channel = scene.channel(platform);
            let mut results = channel.push(&scene.access(account), std::slice::from_ref(&change)).await;
            if results.is_err() {
                results = channel.push(&scene.access(account), std::slice::from_ref(&change)).await;
            }
            let results = results.unwrap();
            assert_eq!(done(&results)[0].status, ListingStatus::Active, "{platform} {failing}");
            let expected = ["TS-M active 0", "TS-L active 0", "TS-N active 7"];
            assert_eq!(shown(&scene, account), expected, "{platform} {failing}: what the source dropped is not sold");
        }
    }
}

#[tokio::test]
async fn what_the_source_dropped_and_cannot_be_emptied_keeps_the_product_off_sale_with_a_complaint() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[sized("TS-M", "M")]).unwrap();
        let known = listings(&scene, platform, account).await;
        push(&scene, platform, account, &[leave(&known[0])]).await;
        scene.fake.refuse(account, "TS-M");
        let siblings = listings(&scene, platform, account).await;
        let change = Change { siblings, ..new("TS-L", "L", currency) };
        let change = Change { wanted: Values { relisted: true, ..change.wanted.clone() }, ..change };
        let results = push(&scene, platform, account, &[change]).await;
        let complaint = refused(&results[0]);
        assert_eq!((complaint.sku.as_str(), complaint.code.as_str()), ("TS-L", "siblings"), "{platform}");
        assert!(complaint.text.contains("TS-M"), "{}", complaint.text);
        assert_eq!(shown(&scene, account), ["TS-M draft 3", "TS-L draft 7"], "{platform}");
    }
}

#[tokio::test]
async fn a_product_that_got_a_sku_since_the_last_import_stays_on_sale_with_it() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[sized("TS-M", "M")]).unwrap();
        let known = listings(&scene, platform, account).await;
        scene.fake.seed_products(account, &[sized("TS-L", "L")]).unwrap();
        let results = push(&scene, platform, account, &[leave(&known[0])]).await;
        assert_eq!(refused(&results[0]).code, "siblings", "{platform}");
        assert_eq!(shown(&scene, account), ["TS-M active 0", "TS-L active 3"], "{platform}");
        // What cannot be read for certain is not taken off sale.
        scene.fake.garble(account, "TS-M");
        let results = push(&scene, platform, account, &[leave(&known[0])]).await;
        assert_eq!(refused(&results[0]).code, "unreadable", "{platform}");
        assert_eq!(shown(&scene, account), ["TS-M active 0", "TS-L active 3"], "{platform}");
    }
}

#[tokio::test]
async fn a_new_title_does_not_put_on_sale_what_its_owner_took_off_since_the_last_import() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[seed("A")]).unwrap();
        let read = listings(&scene, platform, account).await;
        scene.fake.set_status(account, "A", "draft");
        let wanted = Values { title: Some("New".into()), ..Values::default() };
        push(&scene, platform, account, &[of(&read[0], wanted, &[Field::Title])]).await;
        assert_eq!(shown(&scene, account), ["A draft 3"], "{platform}");
        assert_eq!(scene.fake.listings(account)[0]["title"], "New");
    }
}

#[tokio::test]
async fn a_product_comes_back_with_one_sku_while_the_other_gets_no_stock() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[sized("M", "M"), sized("L", "L"), seed("mug")]).unwrap();
        let read = listings(&scene, platform, account).await;
        push(&scene, platform, account, &read.iter().map(leave).collect::<Vec<_>>()).await;
        let off = listings(&scene, platform, account).await;
        let wanted = Values { stock: Some(8), relisted: true, ..Values::default() };
        let results = push(&scene, platform, account, &[of(&off[0], wanted, &[Field::Stock]), leave(&off[1])]).await;
        let listing = done(&results[..1])[0];
        assert_eq!((listing.stock, listing.status), (Some(8), ListingStatus::Active), "{platform}");
        assert_eq!(refused(&results[1]).code, "siblings", "{platform}");
        assert_eq!(shown(&scene, account), ["M active 8", "L active 0", "mug draft 3"], "{platform}");
        assert_eq!(listing, &listings(&scene, platform, account).await[0], "as the next import reads it");
    }
}
