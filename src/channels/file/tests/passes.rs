//! Passes, cursors, and files that change under them.

use super::*;

const HEADER: &str = "sku,title,price,currency,stock\n";

fn rows(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("S{n:03},Product {n},{n}.50,EUR,{n}\n")).collect::<Vec<_>>().concat()
}

fn skus(listings: &[Listing]) -> Vec<&str> {
    listings.iter().map(|listing| listing.sku.as_str()).collect()
}

#[test]
fn an_unchanged_file_is_an_empty_pass_of_changes() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 5)));
    shop.age();
    let (_, _, resume) = shop.read().unwrap();
    let page = shop.pull(PassKind::Changes, Some(&resume), true).unwrap();
    assert_eq!(page, Page { resume: Some(resume), ..Page::default() });
}

#[test]
fn a_file_written_a_moment_ago_is_read_again_since_another_write_would_not_show() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 2)));
    let (_, _, resume) = shop.read().unwrap();
    assert!(Mark::read(&resume).unwrap().young);
    let page = shop.pull(PassKind::Changes, Some(&resume), true).unwrap();
    assert_eq!(skus(&page.listings), ["S000", "S001"]);
}

#[test]
fn a_file_replaced_between_two_pages_begins_the_pass_again() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 7)));
    let first = shop.pull(PassKind::Full, None, true).unwrap();
    assert!(!first.restart);
    fs::write(&shop.path, format!("{HEADER}{}", rows(2, 9))).unwrap();
    fs::write(shop.folder.path().join("other"), "").unwrap();
    shop.age();
    let second = shop.pull(PassKind::Full, first.next.as_ref(), false).unwrap();
    assert!(second.restart);
    assert_eq!(skus(&second.listings), ["S002", "S003", "S004"]);
    let third = shop.pull(PassKind::Full, second.next.as_ref(), false).unwrap();
    assert!(!third.restart);
    assert_eq!(skus(&third.listings), ["S005", "S006", "S007"]);
}

#[test]
fn a_cursor_that_cannot_be_read_begins_the_pass_again() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 2)));
    let page = shop.pull(PassKind::Full, Some(&Cursor("page-7".to_owned())), false).unwrap();
    assert!(page.restart);
    assert_eq!(skus(&page.listings), ["S000", "S001"]);
}

#[test]
fn other_settings_are_other_content() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 2)));
    shop.age();
    let (_, _, resume) = shop.read().unwrap();
    let other = Shop::channel(&shop.path, &json!({ "currency": "EUR" }), 3);
    let from = From { kind: PassKind::Changes, cursor: Some(resume), first: true };
    assert_eq!(other.0.pull(&from).unwrap().listings.len(), 2);
}

#[test]
fn the_files_of_a_pattern_are_read_in_name_order_and_hidden_ones_are_left_out() {
    let shop = Shop::new("b.csv", format!("{HEADER}{}", rows(4, 6)));
    fs::write(shop.folder.path().join("a.csv"), format!("{HEADER}{}", rows(0, 4))).unwrap();
    fs::write(shop.folder.path().join(".c.csv"), "half").unwrap();
    fs::write(shop.folder.path().join("notes.txt"), "mine").unwrap();
    let shop =
        Shop { channel: Shop::channel(&shop.folder.path().join("*.csv"), &json!({ "settle": "None" }), 3), ..shop };
    let (listings, complaints, _) = shop.read().unwrap();
    assert_eq!(skus(&listings), ["S000", "S001", "S002", "S003", "S004", "S005"]);
    assert_eq!(complaints, []);
}

#[test]
fn a_sku_that_stands_in_two_files_counts_in_the_first() {
    let shop = Shop::new("b.csv", format!("{HEADER}{}", rows(1, 3)));
    fs::write(shop.folder.path().join("a.csv"), format!("{HEADER}{}", rows(0, 2))).unwrap();
    let shop =
        Shop { channel: Shop::channel(&shop.folder.path().join("?.csv"), &json!({ "settle": "None" }), 3), ..shop };
    insta::assert_snapshot!(shop.brief(), @"
    S000 | Product 0 | [0.50 EUR] | Some(0)
    S001 | Product 1 | [1.50 EUR] | Some(1)
    S002 | Product 2 | [2.50 EUR] | Some(2)
    S001 [duplicate_sku] b.csv:2: the SKU `S001` stands on a.csv:3 already; the first one counts; remove one of the two rows
    ");
}

#[test]
fn a_duplicate_is_known_as_such_on_a_later_page_by_a_channel_made_anew() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}S001,Again,9,EUR,9\n", rows(0, 5)));
    let first = shop.pull(PassKind::Full, None, true).unwrap();
    let anew = Shop { channel: Shop::channel(&shop.path, &json!({}), 3), ..shop };
    let second = anew.pull(PassKind::Full, first.next.as_ref(), false).unwrap();
    assert_eq!(skus(&second.listings), ["S003", "S004"]);
    assert_eq!(second.complaints[0].code, "duplicate_sku");
}

#[test]
fn every_encoding_goes_on_where_a_page_ended() {
    let text = format!("{HEADER}{}", rows(0, 8).replace("Product", "Größe"));
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect() };
    let latin9 = |text: &str| encoding_rs::ISO_8859_15.encode(text).0.into_owned();
    let cases: [(&str, Vec<u8>, Value); 6] = [
        ("utf-8", text.clone().into_bytes(), json!({})),
        ("utf-8 with a mark", format!("\u{feff}{text}").into_bytes(), json!({})),
        ("utf-16 little", utf16(u16::to_le_bytes), json!({})),
        ("utf-16 big", utf16(u16::to_be_bytes), json!({ "encoding": "utf-16" })),
        ("windows-1252", encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(), json!({ "encoding": "windows-1252" })),
        ("iso-8859-15", latin9(&text), json!({ "encoding": "iso-8859-15" })),
    ];
    for (name, bytes, more) in cases {
        let (listings, complaints, _) = Shop::with("products.csv", bytes, &more).read().unwrap();
        assert_eq!(listings.len(), 8, "{name}");
        assert_eq!(listings[7].title, "Größe 7", "{name}");
        assert_eq!(complaints, [], "{name}");
    }
}

#[test]
fn a_pass_over_many_pages_has_every_product_once() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 5_000)));
    let channel = Shop::channel(&shop.path, &json!({}), 500);
    let shop = Shop { channel, ..shop };
    let (listings, _, _) = shop.read().unwrap();
    let unique: std::collections::BTreeSet<_> = skus(&listings).into_iter().collect();
    assert_eq!((listings.len(), unique.len()), (5_000, 5_000));
}

#[tokio::test]
async fn the_fingerprint_stands_still_with_the_file_and_moves_with_it() {
    let shop = Shop::new("products.csv", format!("{HEADER}{}", rows(0, 2)));
    shop.age();
    let fingerprint = || crate::channels::Channel::fingerprint(&shop.channel);
    let before = fingerprint().await;
    assert!(before.is_some());
    assert_eq!(fingerprint().await, before);
    fs::write(&shop.path, format!("{HEADER}{}", rows(0, 3))).unwrap();
    assert_ne!(fingerprint().await, before);
    fs::remove_file(&shop.path).unwrap();
    assert_eq!(fingerprint().await, None);
}

#[test]
fn a_probe_names_what_is_wrong() {
    let shop = Shop::new("products.csv", HEADER);
    assert!(shop.channel.0.probe().is_ok());
    fs::remove_file(&shop.path).unwrap();
    insta::assert_snapshot!(shop.words(&shop.channel.0.probe().unwrap_err()), @"products.csv: there is no such file; check `path`, or wait until the file is written");
    fs::create_dir(&shop.path).unwrap();
    insta::assert_snapshot!(shop.words(&shop.channel.0.probe().unwrap_err()), @r#"products.csv: it is a folder; name a file in `path`, or a pattern such as "/srv/erp/*.csv""#);
    let none = Shop::channel(&shop.folder.path().join("*.jsonl"), &json!({}), 3);
    insta::assert_snapshot!(shop.words(&none.0.probe().unwrap_err()), @"*.jsonl: no file matches; check `path`, or wait until the files are written");
}
