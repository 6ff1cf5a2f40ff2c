//! Files that are refused as a whole.

use super::*;
use crate::domain::Failure;

fn refused(content: impl AsRef<[u8]>) -> String {
    Shop::new("products.csv", content).refusal()
}

#[test]
fn a_refused_file_is_a_matter_of_data() {
    let error = Shop::new("products.csv", "").read().unwrap_err();
    assert_eq!(error.failure, Failure::Rejected);
    assert!(error.not_acted());
}

#[test]
fn an_empty_file_or_one_without_rows_is_refused() {
    insta::assert_snapshot!(refused(""), @"products.csv, line 1, column 1: the file is empty; write a header and at least one product");
    insta::assert_snapshot!(refused("sku,title,price,currency,stock\n"), @"products.csv, line 1, column 1: the file has no rows; write at least one product; a file without any would take every product off sale");
    insta::assert_snapshot!(refused("\n\n"), @"products.csv, line 1, column 1: the file is empty; write a header and at least one product");
}

#[test]
fn a_file_without_a_header_is_refused() {
    insta::assert_snapshot!(refused("A-1,Cup,9.90,EUR,4\nA-2,Mug,9.90,EUR,4\n"), @"products.csv, line 1, column 1: the first line is not a header with our columns; the first line must name sku, title, price, currency and stock; map other names with `columns`, and name the currency with `currency` where the file does not say it");
}

#[test]
fn a_header_that_lacks_columns_names_them() {
    insta::assert_snapshot!(refused("sku,title,price\nA-1,Cup,9.90\n"), @"products.csv, line 1, column 1: the header lacks `stock`, `currency`; the first line must name sku, title, price, currency and stock; map other names with `columns`, and name the currency with `currency` where the file does not say it");
    let shop = Shop::with(
        "products.csv",
        "Artikel;title;price;stock\nA-1;Cup;9,90;4\n",
        &json!({ "currency": "EUR", "columns": { "sku": "Artikelnummer" } }),
    );
    insta::assert_snapshot!(shop.refusal(), @"products.csv, line 1, column 1: the header lacks `Artikelnummer`; the first line must name sku, title, price, currency and stock; map other names with `columns`, and name the currency with `currency` where the file does not say it");
}

#[test]
fn a_header_that_names_a_column_twice_is_refused() {
    insta::assert_snapshot!(refused("sku,title,price,currency,stock,Price\nA-1,Cup,1,EUR,4,2\n"), @"products.csv, line 1, column 32: the header names `Price` twice; rename or remove one of the two columns");
}

#[test]
fn a_short_last_line_means_half_written() {
    insta::assert_snapshot!(refused("sku,title,price,currency,stock\nA-1,Cup,1,EUR,4\nA-2,Mu"), @"products.csv, line 3, column 7: the last line is short: 2 of 5 columns; write the file again: it is half written");
    insta::assert_snapshot!(refused("sku,title,price,currency,stock\nA-1,Cup,1,EUR,4\nA-2,Mug,1\n"), @"products.csv, line 3, column 10: the last line is short: 3 of 5 columns; write the file again: it is half written");
}

#[test]
fn a_quote_that_is_never_closed_refuses_the_file_and_is_found() {
    insta::assert_snapshot!(refused("sku,title,price,currency,stock\nA-1,\"Cup,1,EUR,4\nA-2,Mug,1,EUR,4\n"), @"products.csv, line 2, column 5: the quote that opens here is never closed; close it, or write the file again: it may be half written");
}

#[test]
fn letters_after_a_closing_quote_refuse_the_file() {
    insta::assert_snapshot!(refused("sku,title,price,currency,stock\nA-1,\"12\" pipe\",1,EUR,4\n"), @r#"products.csv, line 2, column 9: after a closing quote something other than the end of the cell follows; double the quotes within a quoted cell: "12"" pipe""#);
}

#[test]
fn an_undeclared_encoding_is_refused_with_place_and_remedy() {
    insta::assert_snapshot!(refused(b"sku,title,price,currency,stock\nA-1,Gr\xF6\xDFe,1,EUR,4\n"), @r#"products.csv, line 2, column 7: byte 0xF6 is not UTF-8; set `encoding` if the file is written as "windows-1252" or "iso-8859-15", or write it as UTF-8"#);
    insta::assert_snapshot!(refused(b"s\0k\0u\0,\0t\0i\0t\0l\0e\0\n\0"), @r#"products.csv, line 1, column 2: a zero byte stands in the text; if the file is UTF-16 without a byte order mark, set `encoding = "utf-16"`"#);
    let mut broken = vec![0xFF, 0xFE];
    broken
        .extend("sku,title,price,currency,stock\nA,".encode_utf16().chain([0xD800, 0x0041]).flat_map(u16::to_le_bytes));
    insta::assert_snapshot!(refused(broken), @"products.csv, line 2, column 1: the text from here on is not UTF-16, although the file begins as such; write the file again, best as UTF-8");
}

#[test]
fn a_line_of_a_million_columns_is_refused_without_being_read() {
    let wide = format!("sku,title,price,currency,stock\n{}\n", ",".repeat(1_000_000));
    insta::assert_snapshot!(refused(wide), @"products.csv, line 2, column 1000: the line has more than 1,000 columns; check the file: it is not a product file");
    insta::assert_snapshot!(refused("a,".repeat(5_000_000)), @"products.csv, line 1, column 1: the line is longer than 8 MiB; check the file: it is not a product file, or its line ends are missing");
    insta::assert_snapshot!(refused(format!("sku,title,price,currency,stock\nA,{},1,EUR,1\n", "x".repeat(1 << 24))), @"products.csv, line 2, column 1: the line is longer than 8 MiB; check the file: it is not a product file, or its line ends are missing");
    insta::assert_snapshot!(refused(format!("sku,title,price,currency,stock\nA,\"{}\",1,EUR,1\n", "x".repeat(1 << 24))), @"products.csv, line 2, column 3: the quote that opens here is not closed within 8 MiB; close it where the cell ends");
}

#[test]
fn a_broken_line_of_json_refuses_the_file() {
    let refused = |content: &str| Shop::new("products.jsonl", content).refusal();
    insta::assert_snapshot!(refused("{\"sku\": \"A\", \"price\": 1, \"currency\": \"EUR\"}\n{\"sku\": \"B\", \"pri"), @"products.jsonl, line 2, column 17: the last line is cut off: EOF while parsing a string; write the file again: it is half written");
    insta::assert_snapshot!(refused("{\"sku\": \"A\"}\n{\"sku\": B}\n{\"sku\": \"C\"}\n"), @r#"products.jsonl, line 2, column 9: the line is not a JSON object: expected value; write one object a line, for example {"sku": "A-1", "stock": 3}"#);
    insta::assert_snapshot!(refused("{\"sku\": \"A\"}\n[1, 2]\n"), @r#"products.jsonl, line 2, column 1: the line is not a JSON object: invalid type: sequence, expected an object; write one object a line, for example {"sku": "A-1", "stock": 3}"#);
}

#[test]
fn a_fault_at_the_end_refuses_the_first_page_too() {
    let rows = (0..50).map(|n| format!("S{n},T,1,EUR,1\n")).collect::<Vec<_>>().concat();
    let shop = Shop::new("products.csv", format!("sku,title,price,currency,stock\n{rows}S50,\"T"));
    assert!(shop.pull(PassKind::Full, None, true).is_err());
}
