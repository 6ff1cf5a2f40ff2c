//! Changes written into files.

use std::{
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    channels::file::{Writer, write::cannot_write},
    domain::{Price, Product, Variant},
};

fn price(amount: &str, currency: &str) -> Price {
    Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
}

fn stock(pieces: i64) -> Values {
    Values { stock: Some(pieces), ..Values::default() }
}

fn creation(sku: &str) -> Change {
    let product = Product {
        id: "P-9".to_owned(),
        title: "Jug; \"big\"".to_owned(),
        description: Some("<p>a</p>\n<p>b</p>".to_owned()),
        brand: Some("Acme".to_owned()),
        category: Some("Kitchen > Jugs, large".to_owned()),
        images: vec!["https://x.test/1.jpg".to_owned(), "https://x.test/2.jpg".to_owned()],
    };
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: product.id.clone(),
        barcode: None,
        prices: vec![price("12.50", "EUR"), price("11", "GBP")],
        stock: Some(3),
        options: vec![("Size".to_owned(), "L".to_owned())],
    };
    let wanted = Values { price: Some(price("12.5", "EUR")), stock: Some(2), ..Values::default() };
    let fields = vec![Field::Price, Field::Stock];
    Change {
        sku: variant.sku.clone(),
        listing: None,
        product: Some((product, variant)),
        siblings: Vec::new(),
        wanted,
        fields,
    }
}

#[test]
fn what_the_source_has_is_written_so_that_it_reads_back_the_same() {
    for name in ["dump.csv", "dump.jsonl"] {
        let shop = Shop::new(name, "");
        let (product, variant) = creation("J \"1\", big").product.unwrap();
        let plain = Variant { sku: "J-2".parse().unwrap(), prices: vec![price("3", "EUR")], ..variant.clone() };
        let (options, currencies) = (["Size".to_owned()].into(), ["GBP".parse().unwrap()].into());
        let mut writer = Writer::create(&shop.path, &options, &currencies).unwrap();
        for variant in [&variant, &plain] {
            writer.write(&product, variant).unwrap();
        }
        assert_eq!(shop.text(), "", "until it is complete");
        assert_eq!(writer.finish().unwrap(), 2);
        let (listings, complaints, _) = shop.read().unwrap();
        assert_eq!(complaints, [], "{name}");
        for (listing, variant) in listings.iter().zip([&variant, &plain]) {
            assert_eq!((&listing.sku, &listing.prices), (&variant.sku, &variant.prices), "{name}");
            assert_eq!((&listing.options, listing.stock), (&variant.options, variant.stock), "{name}");
            assert_eq!((&listing.title, &listing.description), (&product.title, &product.description), "{name}");
            assert_eq!((&listing.images, &listing.product_id), (&product.images, &product.id), "{name}");
            assert_eq!((&listing.brand, &listing.category), (&product.brand, &product.category), "{name}");
        }
        assert_eq!(listings.len(), 2);
    }
}

const GERMAN: &str = "\u{feff}sku;Lager;title;price;currency;stock;price.GBP\r\n\
    A-1;\"hinten; links\";\"Tasse\";19,90;EUR;4;17,00\r\n\
    \r\n\
    A-2;;Becher;5.00;EUR;0;\r\n\
    A-1;;zweite;1,00;EUR;1;";

#[test]
fn only_the_cells_that_change_are_written() {
    let shop = Shop::new("products.csv", GERMAN);
    let wanted = Values {
        price: Some(price("21", "EUR")),
        stock: Some(5),
        title: Some("Tasse".to_owned()),
        ..Values::default()
    };
    let answer = shop.set("A-1", wanted, &[Field::Price, Field::Stock, Field::Title]);
    assert_eq!(answer, "done: A-1 | Tasse | [21.00 EUR, 17.00 GBP] | Some(5)");
    assert_eq!(shop.text(), GERMAN.replacen("19,90;EUR;4", "21,00;EUR;5", 1));
}

#[test]
fn a_price_in_a_further_currency_goes_into_its_own_column() {
    let shop = Shop::new("products.csv", GERMAN);
    let wanted = |currency| Values { price: Some(price("9.5", currency)), ..Values::default() };
    shop.set("A-2", wanted("GBP"), &[Field::Price]);
    assert_eq!(shop.text(), GERMAN.replacen("EUR;0;", "EUR;0;9.50", 1));
    insta::assert_snapshot!(shop.set("A-2", wanted("USD"), &[Field::Price]), @"refused: A-2 [no_column] products.csv has no column `price.USD`; add the column to the file");
}

#[test]
fn what_the_file_says_already_is_not_written() {
    let shop = Shop::new("products.csv", GERMAN);
    shop.age();
    let before = fs::metadata(&shop.path).unwrap().modified().unwrap();
    let wanted = Values { price: Some(price("19.9", "EUR")), stock: Some(4), ..Values::default() };
    shop.set("A-1", wanted, &[Field::Price, Field::Stock]);
    assert_eq!(fs::metadata(&shop.path).unwrap().modified().unwrap(), before);
}

#[test]
fn texts_are_quoted_where_they_need_it() {
    let shop = Shop::new("products.csv", "sku,title,price,currency,stock,description,images\nA,Cup,1,EUR,1,,\n");
    let wanted = Values {
        title: Some("Cup, \"big\"".to_owned()),
        description: Some("<p>one</p>\n<p>two</p>".to_owned()),
        images: Some(vec!["https://x.test/1.jpg".to_owned(), "https://x.test/2.jpg".to_owned()]),
        ..Values::default()
    };
    shop.set("A", wanted, &[Field::Title, Field::Description, Field::Images]);
    insta::assert_snapshot!(shop.text(), @r#"
    sku,title,price,currency,stock,description,images
    A,"Cup, ""big""",1,EUR,1,"<p>one</p>
    <p>two</p>",https://x.test/1.jpg https://x.test/2.jpg
    "#);
    let (listings, _, _) = shop.read().unwrap();
    assert_eq!(listings[0].title, "Cup, \"big\"");
    assert_eq!(listings[0].images.len(), 2);
}

#[test]
fn a_column_that_is_missing_is_a_refusal_of_that_sku() {
    let shop = Shop::new("products.csv", "sku,title,price,currency,stock\nA,Cup,1,EUR,1\n");
    let wanted = Values { description: Some("new".to_owned()), ..Values::default() };
    insta::assert_snapshot!(shop.set("A", wanted, &[Field::Description]), @"refused: A [no_column] products.csv has no column `description`; add the column to the file");
}

#[test]
fn new_skus_are_added_at_the_end_once() {
    let shop = Shop::new("products.csv", GERMAN);
    for _ in 0..2 {
        let results = shop.push(&[creation("N-1")]).unwrap();
        assert!(matches!(results[0], PushResult::Done { .. }));
        let added = "\r\nN-1;;\"Jug; \"\"big\"\"\";12,50;EUR;2;11,00\r\n";
        assert_eq!(shop.text(), format!("{GERMAN}{added}"));
    }
}

#[test]
fn a_new_sku_says_its_category_where_the_file_has_a_place_for_it() {
    let header = "sku,title,price,currency,stock,category\n";
    let shop = Shop::new("p.csv", format!("{header}A,Cup,1,EUR,1,Cups\n"));
    let done = shop.push(&[creation("J")]).unwrap();
    let PushResult::Done { listing, .. } = &done[0] else { panic!("{done:?}") };
    assert_eq!(listing.category.as_deref(), Some("Kitchen > Jugs, large"));
    assert_eq!(shop.text().lines().last(), Some("J,\"Jug; \"\"big\"\"\",12.50,EUR,2,\"Kitchen > Jugs, large\""));
    let lines =
        Shop::new("p.jsonl", "{\"sku\":\"A\",\"title\":\"Cup\",\"price\":1,\"currency\":\"EUR\",\"stock\":1}\n");
    lines.push(&[creation("J")]).unwrap();
    let (listings, _, _) = lines.read().unwrap();
    assert_eq!(listings[1].category.as_deref(), Some("Kitchen > Jugs, large"));
    assert_eq!(listings[0].category, None);
}

#[test]
fn json_lines_keep_order_spaces_and_keys_that_are_not_ours() {
    let content = "{ \"note\": {\"b\":1,\"a\":2}, \"sku\": \"A\", \"title\": \"Cup\", \"price\": 1.10, \"currency\": \"EUR\" }\n{\"sku\":\"B\"}\n";
    let shop = Shop::new("products.jsonl", content);
    let wanted = Values {
        price: Some(price("2", "EUR")),
        stock: Some(3),
        title: Some("Cup \"2\"".to_owned()),
        ..Values::default()
    };
    shop.set("A", wanted, &[Field::Price, Field::Stock, Field::Title]);
    shop.push(&[creation("N-1")]).unwrap();
    insta::assert_snapshot!(shop.text(), @r#"
    { "note": {"b":1,"a":2}, "sku": "A", "title": "Cup \"2\"", "price": 2.00, "currency": "EUR", "stock": 3 }
    {"sku":"B"}
    {"sku": "N-1", "title": "Jug; \"big\"", "price": "12.50", "currency": "EUR", "stock": 2, "product_id": "P-9", "description": "<p>a</p>\n<p>b</p>", "brand": "Acme", "category": "Kitchen > Jugs, large", "images": ["https://x.test/1.jpg","https://x.test/2.jpg"], "option.Size": "L", "price.GBP": "11.00"}
    "#);
    assert_eq!(shop.read().unwrap().0.len(), 3);
}

#[test]
fn the_encoding_and_its_mark_stay() {
    let text = "sku,title,price,currency,stock\nA,Größe,1,EUR,1\n";
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let shop = Shop::new("products.csv", utf16);
    shop.set("A", stock(7), &[Field::Stock]);
    let expected: Vec<u8> =
        format!("\u{feff}{text}").replace("EUR,1", "EUR,7").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(fs::read(&shop.path).unwrap(), expected);

    let latin = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let shop = Shop::with("products.csv", latin, &json!({ "encoding": "windows-1252" }));
    shop.set("A", stock(7), &[Field::Stock]);
    let expected = encoding_rs::WINDOWS_1252.encode(&text.replace("EUR,1", "EUR,7")).0.into_owned();
    assert_eq!(fs::read(&shop.path).unwrap(), expected);
    let wanted = Values { title: Some("杯".to_owned()), ..Values::default() };
    insta::assert_snapshot!(shop.set("A", wanted, &[Field::Title]), @"refused: A [unwritable] the new text has letters that the file's encoding does not have; write the file as UTF-8");
    assert_eq!(fs::read(&shop.path).unwrap(), expected);
}

#[test]
fn a_sku_that_is_gone_and_one_to_be_taken_off_sale_are_refused_alone() {
    let shop = Shop::new("products.csv", GERMAN);
    let (listings, _, _) = shop.read().unwrap();
    let change = |sku: &str, wanted: Values| Change {
        sku: sku.parse().unwrap(),
        listing: Some(listings[0].clone()),
        product: None,
        siblings: Vec::new(),
        wanted,
        fields: vec![Field::Stock],
    };
    let changes = [
        change("gone", stock(1)),
        change("A-1", Values { retired: true, ..Values::default() }),
        change("A-2", stock(9)),
    ];
    let answers: Vec<String> = shop.push(&changes).unwrap().iter().map(said).collect();
    insta::assert_json_snapshot!(answers, @r#"
    [
      "refused: gone [gone] products.csv has no such SKU any more; nothing, or add the row again",
      "refused: A-1 [read_only] a file has no listings that are off sale; use `retire = \"zero_stock\"` or \"keep\"",
      "done: A-2 | Becher | [5.00 EUR] | Some(9)"
    ]
    "#);
    assert_eq!(shop.text(), GERMAN.replacen("5.00;EUR;0", "5.00;EUR;9", 1));
}

#[test]
fn a_broken_file_is_left_as_it_is() {
    let content = "sku,title,price,currency,stock\nA,Cup,1,EUR,1\nB,\"Mug,1,EUR,1\n";
    let shop = Shop::new("products.csv", content);
    let (good, _, _) = Shop::new("x.csv", "sku,title,price,currency,stock\nA,Cup,1,EUR,1\n").read().unwrap();
    let change = Change {
        sku: "A".parse().unwrap(),
        listing: good.into_iter().next(),
        product: None,
        siblings: Vec::new(),
        wanted: stock(5),
        fields: vec![Field::Stock],
    };
    let error = shop.push(std::slice::from_ref(&change)).unwrap_err();
    insta::assert_snapshot!(shop.words(&error), @"products.csv, line 3, column 3: the quote that opens here is never closed; close it, or write the file again: it may be half written");
    assert_eq!(shop.text(), content);
    let names: Vec<_> = fs::read_dir(shop.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["products.csv"], "nothing stays beside it");
}

#[test]
fn a_pattern_is_only_read() {
    let shop = Shop::new("a.csv", GERMAN);
    let (listings, _, _) = shop.read().unwrap();
    let shop = Shop { channel: Shop::channel(&shop.folder.path().join("*.csv"), &json!({}), 3), ..shop };
    let change = Change {
        sku: "A-1".parse().unwrap(),
        listing: listings.into_iter().next(),
        product: None,
        siblings: Vec::new(),
        wanted: stock(5),
        fields: vec![Field::Stock],
    };
    let answer = said(&shop.push(&[change]).unwrap()[0]);
    insta::assert_snapshot!(answer.replace(&shop.folder.path().display().to_string(), "FOLDER"), @"refused: A-1 [read_only] `FOLDER/*.csv` names several files, which are only read; name one file in `path` to write to it");
}

#[test]
fn rights_and_links_survive() {
    let shop = Shop::new("products.csv", GERMAN);
    fs::set_permissions(&shop.path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = shop.folder.path().join("link.csv");
    std::os::unix::fs::symlink("products.csv", &link).unwrap();
    let shop = Shop { channel: Shop::channel(&link, &json!({}), 3), ..shop };
    shop.set("A-2", stock(8), &[Field::Stock]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&shop.path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(shop.text().contains("5.00;EUR;8"));
}

#[test]
fn a_reader_never_sees_a_part() {
    let rows = (0..2_000).map(|n| format!("S{n},Product {n},1,EUR,1\n")).collect::<Vec<_>>().concat();
    let shop = Shop::new("products.csv", format!("sku,title,price,currency,stock\n{rows}"));
    let length = shop.text().len();
    let (listings, _, _) = shop.read().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) || looks == 0 {
                assert_eq!(shop.text().len(), length);
                looks += 1;
            }
        });
        for pieces in 2..9 {
            let change = |listing: &Listing| Change {
                sku: listing.sku.clone(),
                listing: Some(listing.clone()),
                product: None,
                siblings: Vec::new(),
                wanted: stock(pieces),
                fields: vec![Field::Stock],
            };
            let changes: Vec<Change> = listings.iter().map(change).collect();
            shop.push(&changes).unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
}

#[test]
fn a_full_disk_and_a_folder_without_rights_say_what_to_do() {
    let path = std::path::Path::new("/srv/erp/products.csv");
    let words = |kind: std::io::ErrorKind| {
        let error = cannot_write(path, &kind.into());
        format!("{}; {}", error.text, error.remedy)
    };
    insta::assert_snapshot!(words(std::io::ErrorKind::StorageFull), @"/srv/erp/products.csv: the disk is full; the file is as it was; make room on it for a second copy of the file");
    insta::assert_snapshot!(words(std::io::ErrorKind::ReadOnlyFilesystem), @"/srv/erp/products.csv: its folder may not be written to; the file is as it was; let the daemon's user write to /srv/erp, since the file is replaced as a whole; under systemd add `ReadWritePaths=/srv/erp` to the unit");
}
