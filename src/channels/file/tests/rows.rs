//! Rows: what they come to, and complaints that leave the others alone.

use super::*;
use crate::channels::file::row::{NotANumber, read_images, read_number};

#[test]
fn every_column_arrives() {
    let shop = Shop::new(
        "products.csv",
        "sku,title,price,currency,stock,product_id,description,brand,category,barcode,images,option.Size,price.GBP,note\n\
         A-1,\"Cup, blue\",19.90,EUR,4,P1,\"<p>Two\nlines</p>\",Acme,Cups > Blue,4006381333931,https://x.test/1.jpg https://x.test/2.jpg,M,17,mine\n",
    );
    let (listings, complaints, _) = shop.read().unwrap();
    assert_eq!(complaints, []);
    insta::assert_json_snapshot!(listings, @r#"
    [
      {
        "sku": "A-1",
        "product_id": "P1",
        "refs": null,
        "title": "Cup, blue",
        "description": "<p>Two\nlines</p>",
        "brand": "Acme",
        "category": "Cups > Blue",
        "barcode": "4006381333931",
        "images": [
          "https://x.test/1.jpg",
          "https://x.test/2.jpg"
        ],
        "options": [
          [
            "Size",
            "M"
          ]
        ],
        "prices": [
          {
            "amount": "19.90",
            "currency": "EUR"
          },
          {
            "amount": "17",
            "currency": "GBP"
          }
        ],
        "stock": 4,
        "status": "active"
      }
    ]
    "#);
}

#[test]
fn bad_rows_are_complaints_and_the_others_go_on() {
    let shop = Shop::new(
        "products.csv",
        "sku,title,price,currency,stock\n\
         A-1,good,19.90,EUR,4\n\
         A-2,negative price,-1,EUR,4\n\
         A-3,no number,free,EUR,4\n\
         A-4,negative stock,1,EUR,-4\n\
         A-5,half a piece,1,EUR,1.5\n\
         A-6,unknown currency,1,Euro,4\n\
         A-7,no currency,1,,4\n\
         ,no sku,1,EUR,4\n\
         A-1,again,1,EUR,4\n\
         A-8,two ways,\"1,234\",EUR,4\n\
         A-9,too exact,1.999,EUR,4\n\
         A-10,short row,1\n\
         A-11,a, comma,1,EUR,4\n\
         \n\
         ,,,,\n\
         A-12,no price and no stock,,,\n",
    );
    insta::assert_snapshot!(shop.brief(), @"
    A-1 | good | [19.90 EUR] | Some(4)
    A-12 | no price and no stock | [] | None
    A-2 [price] products.csv:3: price `-1` is negative; write zero or more
    A-3 [price] products.csv:4: price `free` is not a number; write digits with a decimal point, for example 19.90
    A-4 [stock] products.csv:5: stock `-4` is negative; write zero or more
    A-5 [stock] products.csv:6: stock `1.5` is not a whole number; write pieces without a fraction
    A-6 [currency] products.csv:7: `Euro` is not a currency; use three letters of ISO 4217, for example EUR
    A-7 [currency] products.csv:8: the row names no currency; fill its `currency`, or set `currency` for the whole file
    products.csv:9 [sku] products.csv:9: the SKU is empty; give every variant a SKU
    A-1 [duplicate_sku] products.csv:10: the SKU `A-1` stands on products.csv:2 already; the first one counts; remove one of the two rows
    A-8 [price] products.csv:11: price `1,234` can be read in two ways; write it without thousands separators and with a point
    A-9 [price] products.csv:12: price `1.999` has more digits after the point than EUR has; round it in the file
    A-10 [columns] products.csv:13: the row has 3 columns, the header 5; put cells that contain the delimiter in quotes
    A-11 [columns] products.csv:14: the row has 6 columns, the header 5; put cells that contain the delimiter in quotes
    ");
}

#[test]
fn numbers_are_read_where_they_can_be_read_in_one_way() {
    let good = [
        ("19.90", "19.90"),
        ("19,90", "19.90"),
        ("19,9", "19.9"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("0,125", "0.125"),
        ("1234,567", "1234.567"),
        ("7", "7"),
        ("1.5", "1.5"),
        (" 3 ", "3"),
        ("-2", "-2"),
    ];
    for (text, number) in good {
        assert_eq!(read_number(text), Ok(number.parse().unwrap()), "{text}");
    }
    assert_eq!(read_number("1,234"), Err(NotANumber::Ambiguous));
    for text in ["", "free", "1e3", "1 000", "€5", "--1", "1,23,456", "12.34.56", ".", ",", "1.2,3.4", "NaN"] {
        assert_eq!(read_number(text), Err(NotANumber::NoNumber), "{text}");
    }
    assert_eq!(read_number(&"9".repeat(60)), Err(NotANumber::NoNumber));
}

#[test]
fn images_are_parted_by_white_space_or_a_bar() {
    assert_eq!(read_images("a.jpg b.jpg"), ["a.jpg", "b.jpg"]);
    assert_eq!(read_images("a.jpg, b,c.jpg|d.jpg\n"), ["a.jpg", "b,c.jpg", "d.jpg"]);
    assert!(read_images(" ").is_empty());
}

#[test]
fn other_headers_delimiters_and_line_ends_are_understood() {
    let shop = Shop::with(
        "products.csv",
        "\u{feff}Artikelnummer;TITLE;Preis;Bestand;sku\r\nA-1;Tasse;\"1.019,90\";4;intern\r\n\r\nA-2;Becher;5;0;intern\r\n",
        &json!({ "currency": "EUR", "columns": { "sku": "Artikelnummer", "price": "Preis", "stock": "Bestand" } }),
    );
    insta::assert_snapshot!(shop.brief(), @"
    A-1 | Tasse | [1019.90 EUR] | Some(4)
    A-2 | Becher | [5 EUR] | Some(0)
    ");
    let tabs = Shop::new("products.tsv", "sku\ttitle\tprice\tcurrency\tstock\nA\tone, two; three\t1\tEUR\t1");
    insta::assert_snapshot!(tabs.brief(), @"A | one, two; three | [1 EUR] | Some(1)");
}

#[test]
fn json_lines_say_the_same_as_csv() {
    let shop = Shop::new(
        "products.jsonl",
        r#"{"sku":"A-1","title":"Cup, blue","price":19.90,"currency":"EUR","stock":4,"product_id":"P1","images":["https://x.test/1.jpg"],"option.Size":"M","price.GBP":"17","note":{"mine":true}}

{"sku":"A-2","title":"Mug","price":"-1","currency":"EUR","stock":null}
{"sku":7,"title":null,"price":{"amount":1},"currency":"EUR","stock":1}
"#,
    );
    let (listings, complaints, _) = shop.read().unwrap();
    insta::assert_json_snapshot!(listings, @r#"
    [
      {
        "sku": "A-1",
        "product_id": "P1",
        "refs": null,
        "title": "Cup, blue",
        "description": null,
        "brand": null,
        "barcode": null,
        "images": [
          "https://x.test/1.jpg"
        ],
        "options": [
          [
            "Size",
            "M"
          ]
        ],
        "prices": [
          {
            "amount": "19.90",
            "currency": "EUR"
          },
          {
            "amount": "17",
            "currency": "GBP"
          }
        ],
        "stock": 4,
        "status": "active"
      }
    ]
    "#);
    let texts: Vec<&str> = complaints.iter().map(|complaint| complaint.text.as_str()).collect();
    insta::assert_json_snapshot!(texts, @r#"
    [
      "products.jsonl:3: price `-1` is negative; write zero or more",
      "products.jsonl:4: price `{\"amount\":1}` is not a number; write digits with a decimal point, for example 19.90"
    ]
    "#);
}
