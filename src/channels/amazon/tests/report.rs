//! What reports are read into.

use super::*;

fn read(text: &[u8]) -> Result<Vec<String>, String> {
    skus(text, (None, WINDOWS_1252))
}

#[test]
fn the_character_set_is_the_content_types_else_the_marketplaces() {
    let table = [
        (Some("text/plain; charset=ISO-8859-1"), "DE", Some(WINDOWS_1252), WINDOWS_1252),
        (Some("text/xls;charset=Cp1252"), "DE", Some(WINDOWS_1252), WINDOWS_1252),
        (Some("text/plain;charset=\"UTF-8\""), "DE", Some(UTF_8), WINDOWS_1252),
        (Some("text/plain; charset=Shift_JIS"), "JP", Some(SHIFT_JIS), SHIFT_JIS),
        (Some("text/plain; charset=windows-31j"), "JP", Some(SHIFT_JIS), SHIFT_JIS),
        (Some("text/plain; charset=x-unheard-of"), "JP", None, SHIFT_JIS),
        (Some("text/plain"), "US", None, WINDOWS_1252),
        (None, "JP", None, SHIFT_JIS),
    ];
    for (kind, country, told, own) in table {
        assert_eq!(charset(kind, country), (told, own), "{kind:?} {country}");
    }
}

#[test]
fn skus_are_read_in_every_character_set() {
    let text = "item-name\tseller-sku\tprice\r\nX\tGröße \"M\"\t1\r\n";
    let expected = ["Größe \"M\""];
    assert_eq!(read(text.as_bytes()).unwrap(), expected, "UTF-8 is known by itself");
    assert_eq!(read(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()).unwrap(), expected);
    assert_eq!(read(&WINDOWS_1252.encode(text).0).unwrap(), expected);
    let japanese = "商品名\t出品者SKU\t価格\n表\t能-1\t1299\n";
    let encoded = SHIFT_JIS.encode(japanese).0;
    assert_eq!(skus(&encoded[..], (Some(SHIFT_JIS), SHIFT_JIS)).unwrap(), ["能-1"]);
    assert_eq!(skus(&encoded[..], (None, SHIFT_JIS)).unwrap(), ["能-1"]);
}

#[test]
fn lines_that_are_broken_are_mended_or_named() {
    let header = "item-name\tseller-sku\tprice\n";
    let with = |rest: &str| read(format!("{header}{rest}").as_bytes());
    assert_eq!(with("").unwrap(), Vec::<String>::new());
    assert_eq!(with("x\ta\t1\n\nx\tb\t2").unwrap(), ["a", "b"], "an empty line is nothing");
    assert_eq!(with("x\ta\t1\nx\ta\t1\nx\t \t1\n").unwrap(), ["a"], "once each, and never nothing");
    assert_eq!(with("broken\r\nname\ta\t1\nx\tb\t2\n").unwrap(), ["a", "b"]);
    assert_eq!(with("x\ta\t1\nx\tb").unwrap_err(), "line 3 is cut off");
    assert_eq!(with("x\ta\t1\t9\n").unwrap_err(), "line 2 has 4 fields instead of 3");
    assert_eq!(read(b"").unwrap_err(), "it is empty");
    assert!(read(b"<html>no\tsuch").unwrap_err().contains("no column `seller-sku`, only <html>no"));
}

#[test]
fn a_packed_report_that_breaks_off_is_an_error() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, b"seller-sku\na\nb\n").unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(skus(MultiGzDecoder::new(&packed[..]), (None, UTF_8)).unwrap(), ["a", "b"]);
    let error = skus(MultiGzDecoder::new(&packed[..packed.len() - 6]), (None, UTF_8)).unwrap_err();
    assert!(error.contains("breaks off"), "{error}");
}
