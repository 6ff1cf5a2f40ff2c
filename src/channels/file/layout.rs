//! How a file is laid out: told by its settings, or by its beginning.

use super::{
    columns::{self, Columns},
    google,
    json_lines::Names,
    records::{Fault, ReadError, Record, Records},
    settings::{Format, Settings},
    shopify, woocommerce,
};

/// How a file is laid out.
pub(super) enum Layout {
    Csv(Columns),
    JsonLines(Names),
    Shopify(Box<shopify::Columns>, u8),
    WooCommerce(Box<woocommerce::Columns>),
    Google(google::Columns),
}

impl Layout {
    /// Reads the header, if there is one. The rows come next.
    pub(super) fn read(records: &mut Records, record: &mut Record, settings: &Settings) -> Result<Self, ReadError> {
        let mut place = records.place();
        loop {
            if !records.next_line(record)? {
                let cause = "the file is empty".to_owned();
                let remedy = "write a header and at least one product".to_owned();
                return Err(Fault { line: 1, column: 1, cause, remedy }.into());
            }
            if !record.line_text().trim().is_empty() {
                break;
            }
            place = records.place();
        }
        let is_json = settings.format == Format::Auto && record.line_text().trim_start().starts_with('{');
        let delimiter = columns::delimiter_of(record.line_text());
        records.seek(place)?;
        if is_json || settings.format == Format::JsonLines {
            return Ok(Self::JsonLines(Names::new(settings)));
        }
        records.next_record(delimiter, record)?;
        let format = if settings.format == Format::Auto { format_of(record) } else { settings.format };
        let says_no_currency = |what: &str| {
            let cause = format!("this is {what}, which does not say the currency of its prices");
            let remedy = "set `currency`, for example \"EUR\"".to_owned();
            Err::<Self, _>(Fault { line: record.line, column: 1, cause, remedy })
        };
        Ok(match format {
            Format::Shopify if settings.currency.is_none() => says_no_currency("Shopify's product export")?,
            Format::WooCommerce if settings.currency.is_none() => says_no_currency("WooCommerce's product CSV")?,
            Format::Shopify => Self::Shopify(Box::new(shopify::Columns::read(record)?), delimiter),
            Format::WooCommerce => {
                Self::WooCommerce(Box::new(woocommerce::Columns::read(record, delimiter, settings)?))
            }
            Format::Google => Self::Google(google::Columns::read(record, delimiter, settings)?),
            Format::Auto | Format::Csv | Format::JsonLines => Self::Csv(Columns::read(record, delimiter, settings)?),
        })
    }

    /// The delimiter of its cells and how many a row has; `None` where lines are objects.
    pub(super) fn cells(&self) -> Option<(u8, usize)> {
        match self {
            Self::Csv(columns) => Some((columns.delimiter, columns.width)),
            Self::JsonLines(_) => None,
            Self::Shopify(columns, delimiter) => Some((*delimiter, columns.width)),
            Self::WooCommerce(columns) => Some((columns.header.delimiter, columns.header.width)),
            Self::Google(columns) => Some((columns.0.delimiter, columns.0.width)),
        }
    }

    /// The cells of a row that say something of ours, by our column name; `None` where the file has no column for it.
    /// `old` is the row as it stands, unless it is a new one; `currency` is that of its price.
    pub(super) fn cells_of(
        &self,
        old: Option<&Record>,
        currency: &str,
        name: &str,
        text: &str,
    ) -> Option<Vec<(usize, String)>> {
        match self {
            Self::Csv(columns) => Some(vec![(columns.index(name)?, text.to_owned())]),
            Self::WooCommerce(columns) => columns.cells(old, name, text),
            Self::Google(columns) => columns.cells(old, currency, name, text),
            Self::JsonLines(_) | Self::Shopify(..) => None,
        }
    }

    /// What the file calls one of our columns, for people.
    pub(super) fn column_of<'a>(&'a self, name: &'a str) -> &'a str {
        let (header, name) = match self {
            Self::WooCommerce(columns) => (&columns.header, woocommerce::Columns::column_of(name)),
            Self::Google(columns) => (&columns.0, google::Columns::column_of(name)),
            Self::Csv(_) | Self::JsonLines(_) | Self::Shopify(..) => return name,
        };
        header.written(name).unwrap_or(name)
    }

    /// Whether a row can say the currency of its price.
    pub(super) fn says_currency(&self) -> bool {
        match self {
            Self::Csv(columns) => columns.index("currency").is_some(),
            Self::JsonLines(_) | Self::Google(_) => true,
            Self::Shopify(..) | Self::WooCommerce(_) => false,
        }
    }
}

/// Whether a row has as many cells as the header; cells beyond it that say nothing do not count.
pub(super) fn fits(record: &Record, width: usize) -> bool {
    record.width() >= width
        && (width..record.width()).all(|index| record.cell(index).is_none_or(|cell| cell.is_empty()))
}

/// The format that a header belongs to.
fn format_of(header: &Record) -> Format {
    if shopify::is_header(header) {
        Format::Shopify
    } else if woocommerce::is_header(header) {
        Format::WooCommerce
    } else if google::is_header(header) {
        Format::Google
    } else {
        Format::Csv
    }
}
