//! What files of the real world have in them.

use super::*;
use crate::channels::file::row::{NotANumber, read_number};

const HEADER: &str = "sku,title,price,currency,stock,description\n";

fn brief(rows: &str) -> String {
    Shop::new("p.csv", format!("{HEADER}{rows}")).brief()
}

#[test]
fn skus_are_read_to_the_letter() {
    let long = "x".repeat(200);
    let rows =
        format!("a/b c,T,1,EUR,1,\nGrößé ß,T,1,EUR,1,\n☕🇩🇪,T,1,EUR,1,\n\"a,\"\"b\",T,1,EUR,1,\n{long},T,1,EUR,1,\n");
    let shop = Shop::new("p.csv", format!("{HEADER}{rows}"));
    let (listings, complaints, _) = shop.read().unwrap();
    let skus: Vec<_> = listings.iter().map(|listing| listing.sku.as_str()).collect();
    assert_eq!(skus, ["a/b c", "Größé ß", "☕🇩🇪", "a,\"b", &long]);
    assert_eq!(complaints, []);
    let wanted = Values { stock: Some(8), ..Values::default() };
    shop.set("☕🇩🇪", wanted, &[Field::Stock]);
    assert_eq!(shop.text(), format!("{HEADER}{rows}").replace("☕🇩🇪,T,1,EUR,1", "☕🇩🇪,T,1,EUR,8"));
    assert!(brief(&format!("{long}y,T,1,EUR,1,\nok,T,1,EUR,1,\n")).contains("longer than 200 characters"));
}

#[test]
fn prices_have_the_digits_of_their_currency() {
    assert_eq!(
        brief(
            "A,T,1.999,EUR,1,\nB,T,1.234,KWD,1,\nC,T,1500,JPY,1,\nD,T,15.5,JPY,1,\nE,T,15.000,IDR,1,\nF,T,0,EUR,1,\nG,T,,EUR,1,\nH,T,1.000,EUR,1,\nI,T,1.0000,EUR,1,\nJ,T,2,EUR,1.000,\n"
        ),
        "B | T | [1.234 KWD] | Some(1)\n\
         C | T | [1500 JPY] | Some(1)\n\
         F | T | [0 EUR] | Some(1)\n\
         G | T | [] | Some(1)\n\
         I | T | [1.0000 EUR] | Some(1)\n\
         A [price] p.csv:2: price `1.999` has more digits after the point than EUR has; round it in the file\n\
         D [price] p.csv:5: price `15.5` has more digits after the point than JPY has; round it in the file\n\
         E [price] p.csv:6: price `15.000` can be read in two ways; write it without thousands separators and with a point\n\
         H [price] p.csv:9: price `1.000` can be read in two ways; write it without thousands separators and with a point\n\
         J [stock] p.csv:11: stock `1.000` can be read in two ways; write it without thousands separators and with a point"
    );
}

#[test]
fn swiss_thousands_are_parted_by_apostrophes() {
    for (text, number) in
        [("1'234.50", "1234.50"), ("1’234,5", "1234.5"), ("12'345'678", "12345678"), ("1'000", "1000")]
    {
        assert_eq!(read_number(text), Ok(number.parse().unwrap()), "{text}");
    }
    for text in ["1'23", "'1", "1'234.5.6", "1'234,567,890", "1,234'567", "1'"] {
        assert_eq!(read_number(text), Err(NotANumber::NoNumber), "{text}");
    }
}

#[test]
fn descriptions_may_be_html_have_control_characters_and_be_long() {
    let html = "<p style=\"\"a\"\">\u{8}\u{1b}[1m & <b>Ü</b>\r\n</p>";
    let megabyte = "x".repeat(1024 * 1024);
    let rows =
        format!("A,T,1,EUR,1,\"{html}\"\nB,T,1,EUR,1,{megabyte}\nC,T,1,EUR,1,{megabyte}{megabyte}\nD,T,1,EUR,1,\n");
    let (listings, complaints, _) = Shop::new("p.csv", format!("{HEADER}{rows}")).read().unwrap();
    let skus: Vec<_> = listings.iter().map(|listing| listing.sku.as_str()).collect();
    assert_eq!(skus, ["A", "B", "D"]);
    assert_eq!(listings[0].description.as_deref(), Some("<p style=\"a\">\u{8}\u{1b}[1m & <b>Ü</b>\r\n</p>"));
    assert_eq!(complaints[0].code, "description");
    assert!(complaints[0].text.contains("the description is longer than 1 MiB"), "{}", complaints[0].text);
}

#[test]
fn files_without_products_are_refused_in_every_format() {
    let headers = [
        ("shopify", "Handle,Title,Variant SKU,Variant Price\n"),
        ("woocommerce", "Type,SKU,Name,Regular price\n"),
        ("google", "id\ttitle\tprice\tavailability\tlink\n"),
        ("csv", "sku,title,price,stock\n"),
        ("jsonl", "\n"),
    ];
    for (format, header) in headers {
        let refusal =
            |content: &str| Shop::with("p.txt", content, &json!({ "format": format, "currency": "EUR" })).refusal();
        assert!(refusal("").contains("the file is empty"), "{format}");
        let said = refusal(header);
        assert!(said.contains("the file has no rows") || said.contains("the file is empty"), "{format}: {said}");
    }
    let parents = "Type,SKU,Name,Regular price\nvariable,A,Cup,\n";
    let refusal = Shop::with("p.csv", parents, &json!({ "currency": "EUR" })).refusal();
    assert!(refusal.contains("the file has no rows"), "products without variations are nothing to sell: {refusal}");
}

#[test]
fn the_same_sku_twice_counts_once_in_every_format() {
    let woo = "Type,SKU,Name,Regular price,Parent\nsimple,A,Cup,1,\nvariable,P,Big,,\nvariation,A,Big - S,2,P\n";
    let google = "id\ttitle\tprice\tavailability\tlink\nA\tCup\t1 EUR\tin_stock\tx\nA\tMug\t2 EUR\tin_stock\tx\n";
    let shopify = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\ncup,Cup,,,A,1\nmug,Mug,,,A,2\n";
    let csv = format!("{HEADER}A,Cup,1,EUR,1,\nA,Mug,2,EUR,1,\n");
    let line = |title: &str| format!("{{\"sku\":\"A\",\"title\":\"{title}\",\"price\":1,\"stock\":1}}\n");
    let lines = line("Cup") + &line("Mug");
    for content in [woo, google, shopify, &csv, &lines] {
        let (listings, complaints, _) = Shop::with("p.csv", content, &json!({ "currency": "EUR" })).read().unwrap();
        assert_eq!((listings.len(), listings[0].title.as_str()), (1, "Cup"), "{content}");
        assert_eq!((complaints.len(), complaints[0].code.as_str()), (1, "duplicate_sku"), "{content}");
    }
}

#[test]
fn odd_skus_are_the_same_in_every_format() {
    let odd = ["a/b c", "Größé ß", "☕🇩🇪", "a,\"b", "0012"];
    let cells = odd.map(|sku| format!("\"{}\"", sku.replace('"', "\"\"")));
    let rows = |end: &str| cells.iter().flat_map(|cell| [cell.as_str(), end, "\n"]).collect::<String>();
    let files = [
        format!("Variant SKU,Handle,Title,Variant Price,Option1 Name,Option1 Value\n{}", rows(",cup,Cup,1,,")),
        format!("SKU,Type,Name,Regular price\n{}", rows(",simple,Cup,1")),
        format!("id,title,price,availability,link\n{}", rows(",Cup,1 EUR,in_stock,x")),
        format!("sku,title,price,stock\n{}", rows(",Cup,1,1")),
        odd.map(|sku| format!("{}\n", json!({ "sku": sku, "title": "Cup", "price": 1, "stock": 1 }))).concat(),
    ];
    for content in files {
        let (listings, complaints, _) = Shop::with("p.txt", &content, &json!({ "currency": "EUR" })).read().unwrap();
        assert_eq!(complaints, [], "{content}");
        assert_eq!(listings.iter().map(|listing| listing.sku.as_str()).collect::<Vec<_>>(), odd, "{content}");
    }
}

#[test]
fn a_product_has_all_its_variants_however_many() {
    for count in [1, 500] {
        let rows = |row: &dyn Fn(usize) -> String| (0..count).map(row).collect::<String>();
        let files = [
            format!(
                "sku,title,price,stock,product_id,option.Size\n{}",
                rows(&|n| format!("S-{n},Tee,1,{n},tee,{n}\n"))
            ),
            rows(&|n| {
                format!("{{\"sku\":\"S-{n}\",\"title\":\"Tee\",\"price\":1,\"stock\":{n},\"product_id\":\"tee\"}}\n")
            }),
            format!(
                "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n{}",
                rows(&|n| format!("tee,{},Size,{n},S-{n},1\n", if n == 0 { "Tee" } else { "" }))
            ),
            format!(
                "id\ttitle\tprice\tavailability\tlink\titem_group_id\n{}",
                rows(&|n| format!("S-{n}\tTee\t1 EUR\tin_stock\tx\ttee\n"))
            ),
        ];
        for content in files {
            let (listings, complaints, _) =
                Shop::with("p.txt", &content, &json!({ "currency": "EUR" })).read().unwrap();
            let start = &content[..40];
            assert_eq!((listings.len(), complaints), (count, Vec::new()), "{start}");
            assert!(listings.iter().all(|listing| listing.product_id == "tee" && listing.title == "Tee"), "{start}");
        }
    }
}

#[test]
fn a_product_without_variants_is_named() {
    let content = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n\
        cup,Cup,,,A,1,\nbare,Bare,,,,,https://x.test/1.jpg\nbare,,,,,,https://x.test/2.jpg\nmug,Mug,,,B,1,\n";
    let shop = Shop::with("export.csv", content, &json!({ "currency": "EUR" }));
    insta::assert_snapshot!(shop.brief(), @r"
    A | Cup | [1 EUR] | None
    B | Mug | [1 EUR] | None
    export.csv:3 [no_variations] export.csv:3: the product `bare` has no variant: none of its rows says a SKU, a price or an option; export the product again, with its variants
    ");
}

#[test]
fn keys_of_json_lines_are_mapped_and_written_as_such() {
    let content = "{\"Artikelnummer\":\"A\",\"title\":\"Cup\",\"price\":\"1'234,50\",\"currency\":\"CHF\",\"Bestand\":2,\"stock\":99}\n";
    let columns = json!({ "sku": "Artikelnummer", "stock": "Bestand" });
    let shop = Shop::with("p.jsonl", content, &json!({ "columns": columns }));
    assert_eq!(shop.brief(), "A | Cup | [1234.50 CHF] | Some(2)");
    shop.set("A", Values { stock: Some(3), ..Values::default() }, &[Field::Stock]);
    assert_eq!(shop.text(), content.replace("\"Bestand\":2", "\"Bestand\":3"));
}
