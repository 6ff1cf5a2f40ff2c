//! What a seller does to the product file: a price, a stock, a new SKU, one less; and two mistakes.
//!
//! The file is edited as a text editor would, around what else somebody may have changed in it.

use rust_decimal::Decimal;

use super::catalogue::{self, Variant};

/// The SKUs that are edited where none is named: a price, a stock. The next ones are taken out, the last one first.
const SKUS: [&str; 2] = ["T-000-1", "T-000-2"];
const TAKEN_OUT: [&str; 6] = ["T-000-8", "T-000-7", "T-000-6", "T-000-5", "T-000-4", "T-000-3"];
/// How many lines are left of a file that breaks off.
const LINES_LEFT: usize = 20;

/// An edit, as somebody typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// A SKU has another price; two pounds more where none is named.
    Price { sku: String, pounds: Option<Decimal> },
    /// A SKU has another stock; seven pieces more where none is named.
    Stock { sku: String, pieces: Option<i64> },
    /// There is one more product.
    New,
    /// A SKU is gone.
    Remove { sku: Option<String> },
    /// A price lost its decimal point.
    Comma,
    /// The file breaks off: nearly everything is gone.
    Loss,
    /// The file is as it was before a mistake.
    Restore,
}

/// By what an edit is known to have arrived in a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// The SKU has the price that follows from this one.
    Price { sku: String, pounds: Decimal },
    /// The SKU has this stock.
    Stock { sku: String, pieces: i64 },
    /// The SKU is on sale, with price and stock.
    New { sku: String, pounds: Decimal, pieces: i64 },
    /// Nobody can buy the SKU any more.
    Gone { sku: String },
    /// A guard stops the shop's export.
    Stopped,
    /// No guard stops it any more.
    GoesOn,
}

/// What an edit made of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) text: String,
    /// What was done, in words.
    pub(super) done: String,
    pub(super) sign: Sign,
}

impl Edit {
    /// Reads what follows `edit`.
    pub(super) fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let what = words.next().unwrap_or_default();
        let (sku, amount) = (words.next().map(str::to_owned), words.next());
        let or = |index: usize| sku.clone().unwrap_or_else(|| SKUS[index].to_owned());
        match what {
            "price" => {
                let pounds = amount.map(str::parse::<Decimal>).transpose();
                let pounds = pounds.map_err(|_| "a price is a number of pounds, such as 12.50".to_owned())?;
                Ok(Self::Price { sku: or(0), pounds })
            }
            "stock" => {
                let pieces = amount.map(str::parse::<i64>).transpose();
                Ok(Self::Stock { sku: or(1), pieces: pieces.map_err(|_| "a stock is a whole number".to_owned())? })
            }
            "new" => Ok(Self::New),
            "remove" => Ok(Self::Remove { sku }),
            "comma" => Ok(Self::Comma),
            "loss" => Ok(Self::Loss),
            "restore" => Ok(Self::Restore),
            _ => Err("type: edit price | stock | new | remove | comma | loss | restore".to_owned()),
        }
    }

    /// Whether it is a mistake, before which the file is put aside.
    pub(super) fn is_mistake(&self) -> bool {
        matches!(self, Self::Comma | Self::Loss)
    }

    /// Makes the edit. `image`: one that a new product can have.
    pub(super) fn make(&self, text: &str, image: &str) -> Result<Edited, String> {
        match self {
            Self::Price { sku, pounds } => {
                let (_, old) = values(text, sku)?;
                let old: Decimal = old.parse().map_err(|_| format!("{sku} has no price that can be read: `{old}`"))?;
                let pounds = pounds.unwrap_or(old + Decimal::TWO);
                let (text, done) =
                    (with(text, sku, 1, &pounds.to_string())?, format!("{sku} costs {pounds} GBP, not {old}"));
                Ok(Edited { text, done, sign: Sign::Price { sku: sku.clone(), pounds } })
            }
            Self::Stock { sku, pieces } => {
                let (old, _) = values(text, sku)?;
                let old: i64 = old.parse().map_err(|_| format!("{sku} has no stock that can be read: `{old}`"))?;
                let pieces = pieces.unwrap_or(old + 7);
                let (text, done) =
                    (with(text, sku, 0, &pieces.to_string())?, format!("{sku} has {pieces} pieces, not {old}"));
                Ok(Edited { text, done, sign: Sign::Stock { sku: sku.clone(), pieces } })
            }
            Self::New => Ok(one_more(text, image)),
            Self::Remove { sku } => {
                let there = TAKEN_OUT.into_iter().find(|sku| values(text, sku).is_ok());
                let sku = sku.as_deref().or(there).ok_or("name a SKU: edit remove SKU")?;
                let text = without(text, sku)?;
                Ok(Edited { text, done: format!("the row of {sku} is gone"), sign: Sign::Gone { sku: sku.to_owned() } })
            }
            Self::Comma => {
                let sku = SKUS[0];
                let (_, old) = values(text, sku)?;
                let wrong = old.replace('.', "");
                let done = format!("a slip: {sku} costs {wrong} GBP, where {old} was meant");
                Ok(Edited { text: with(text, sku, 1, &wrong)?, done, sign: Sign::Stopped })
            }
            Self::Loss => {
                let (all, text) = (rows(text), broken_off(text));
                let done = format!("the file breaks off: {} of {all} rows are left", rows(&text));
                Ok(Edited { text, done, sign: Sign::Stopped })
            }
            Self::Restore => Ok(Edited {
                text: text.to_owned(),
                done: "the file is as it was before the mistake".to_owned(),
                sign: Sign::GoesOn,
            }),
        }
    }
}

/// Where stock and price of a SKU begin: its row tells who counts the stock just before.
fn place(text: &str, sku: &str) -> Result<usize, String> {
    let cells = format!(",{sku},shopify,");
    let found = text.find(&cells).map(|at| at + cells.len());
    found.ok_or_else(|| format!("products.csv has no row of {sku}"))
}

/// A SKU's stock and price.
fn values<'a>(text: &'a str, sku: &str) -> Result<(&'a str, &'a str), String> {
    let mut cells = text[place(text, sku)?..].split(',');
    Ok((cells.next().unwrap_or_default(), cells.next().unwrap_or_default()))
}

/// The text with another stock (0) or price (1) of a SKU.
fn with(text: &str, sku: &str, which: usize, value: &str) -> Result<String, String> {
    let (before, rest) = text.split_at(place(text, sku)?);
    let mut cells: Vec<&str> = rest.splitn(3, ',').collect();
    if let Some(cell) = cells.get_mut(which) {
        *cell = value;
    }
    Ok([before, &cells.join(",")].concat())
}

/// The text without the row of a SKU.
fn without(text: &str, sku: &str) -> Result<String, String> {
    let at = place(text, sku)?;
    let end = text[at..].find('\n').map_or(text.len(), |line| at + line + 1);
    // A description may go over several lines: the row begins where no quote is open.
    let mut begin = at;
    loop {
        begin = text[..begin].rfind('\n').unwrap_or_default();
        if text[..begin].matches('"').count().is_multiple_of(2) {
            break;
        }
    }
    let row = &text[begin + 1..end];
    let handle = row.split(',').next().unwrap_or_default();
    if row.contains('"') && text[end..].starts_with(&format!("{handle},")) {
        return Err(format!("the row of {sku} tells what all of `{handle}` is called; name another"));
    }
    Ok([&text[..=begin], &text[end..]].concat())
}

fn one_more(text: &str, image: &str) -> Edited {
    let number = (1..=u32::MAX).find(|number| values(text, &format!("NEW-{number}")).is_err()).unwrap_or_default();
    let variant = Variant {
        sku: format!("NEW-{number}"),
        product: format!("new-{number}"),
        title: format!("Harbour enamel mug, limited edition no. {number}"),
        price: Decimal::new(1450, 2),
        stock: 12,
        options: Vec::new(),
        nameless: false,
    };
    let end = if text.ends_with('\n') { "" } else { "\r\n" };
    let row = catalogue::row(&variant, Some(&format!("{image}?new-{number}")));
    let Variant { sku, price, stock, .. } = variant;
    Edited {
        text: [text, end, &row].concat(),
        done: format!("one product more: {sku}, {price} GBP, {stock} pieces"),
        sign: Sign::New { sku, pounds: price, pieces: stock },
    }
}

/// The beginning of the text, whole rows of it.
fn broken_off(text: &str) -> String {
    let mut left = String::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number >= LINES_LEFT && left.matches('"').count().is_multiple_of(2) {
            break;
        }
        left.push_str(line);
    }
    left
}

/// How many rows there are, the header left out.
fn rows(text: &str) -> usize {
    let mut quoted = false;
    let ends = text.chars().filter(|letter| {
        quoted ^= *letter == '"';
        *letter == '\n' && !quoted
    });
    ends.count().saturating_sub(1)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn file() -> String {
        catalogue::shopify_csv(&"https://img.example.test/1.png".parse().unwrap())
    }

    fn edit(line: &str, text: &str) -> Result<Edited, String> {
        Edit::read(line.split_whitespace())?.make(text, "https://img.example.test/1.png")
    }

    /// The lines of one text that the other does not have.
    fn beyond(one: &str, other: &str) -> Vec<String> {
        one.lines().filter(|line| !other.lines().any(|known| known == *line)).map(str::to_owned).collect()
    }

    #[test]
    fn an_edit_changes_what_it_says_and_nothing_else() {
        let text = file();
        let row = |cells: &str| format!(",{cells},");
        for (line, done, gone, come) in [
            ("price", "T-000-1 costs 11.90 GBP, not 9.90", "T-000-1,shopify,11,9.90", "T-000-1,shopify,11,11.90"),
            (
                "price C-002-3 12.50",
                "C-002-3 costs 12.50 GBP, not 13.90",
                "C-002-3,shopify,31,13.90",
                "C-002-3,shopify,31,12.50",
            ),
            ("stock", "T-000-2 has 21 pieces, not 14", "T-000-2,shopify,14,10.40", "T-000-2,shopify,21,10.40"),
            ("stock C-002-3 0", "C-002-3 has 0 pieces, not 31", "C-002-3,shopify,31,13.90", "C-002-3,shopify,0,13.90"),
            (
                "comma",
                "a slip: T-000-1 costs 990 GBP, where 9.90 was meant",
                "T-000-1,shopify,11,9.90",
                "T-000-1,shopify,11,990",
            ),
        ] {
            let edited = edit(line, &text).unwrap();
            let (lost, won) = (beyond(&text, &edited.text), beyond(&edited.text, &text));
            assert_eq!((edited.done.as_str(), lost.len(), won.len()), (done, 1, 1), "{line}: {lost:?} {won:?}");
            assert!(lost[0].contains(&row(gone)) && won[0].contains(&row(come)), "{line}: {lost:?} {won:?}");
            assert_eq!(lost[0].replace(gone, come), won[0], "the rest of the row stays");
        }
        let edited = edit("remove", &text).unwrap();
        assert_eq!((edited.done.as_str(), beyond(&edited.text, &text).len()), ("the row of T-000-8 is gone", 0));
        let lost = beyond(&text, &edited.text);
        assert!(lost.len() == 1 && lost[0].contains(",T-000-8,shopify,"), "{lost:?}");
        let loss = edit("loss", &text).unwrap();
        assert_eq!(loss.done, "the file breaks off: 13 of 555 rows are left");
        assert!(text.starts_with(&loss.text) && loss.text.ends_with("\r\n"));
    }

    #[test]
    fn a_new_product_comes_and_goes_whole_and_what_cannot_be_edited_is_said() {
        let text = file();
        let whole = edit("new", &text).unwrap().text;
        assert!(whole.starts_with(&text) && whole.contains(",NEW-1,shopify,12,14.50,"));
        assert_eq!(edit("remove NEW-1", &whole).unwrap().text, text);
        assert_eq!(edit("new", &whole).unwrap().done, "one product more: NEW-2, 14.50 GBP, 12 pieces");
        let less = edit("remove", &text).unwrap().text;
        assert_eq!(edit("remove", &less).unwrap().sign, Sign::Gone { sku: "T-000-7".to_owned() });
        let said = ["", "price T-000-1 much", "stock X 1", "remove T-000-1"].map(|line| edit(line, &text).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @r"
        type: edit price | stock | new | remove | comma | loss | restore
        a price is a number of pounds, such as 12.50
        products.csv has no row of X
        the row of T-000-1 tells what all of `harbour-000` is called; name another
        ");
    }
}
