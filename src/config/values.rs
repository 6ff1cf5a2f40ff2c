//! Texts of the settings read as values: addresses, spans, percentages, amounts.

use std::net::SocketAddr;

use jiff::{SignedDuration, Span, Unit, civil};
use lettre::{
    Address,
    message::Mailbox,
    transport::smtp::client::{Certificate, CertificateStore, TlsParameters},
};
use rust_decimal::Decimal;
use url::{Host, Url};

use crate::domain::{Period, is_local_name};

/// A span of the calendar: `1 month`, `2 weeks`, `10 days`. Never empty, never negative, no hours.
pub(super) fn calendar_span(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|_| format!("`{text}` is not a span of the calendar"))?;
    let clock = [Unit::Hour, Unit::Minute, Unit::Second, Unit::Millisecond, Unit::Microsecond, Unit::Nanosecond];
    let timed = clock.into_iter().any(|unit| amount(span, unit) != 0);
    if timed {
        return Err(format!("`{text}` has hours in it; spans of the calendar are whole days"));
    }
    if !span.is_positive() {
        return Err(format!("`{text}` is not longer than nothing"));
    }
    Ok(span)
}

fn amount(span: Span, unit: Unit) -> i64 {
    match unit {
        Unit::Hour => i64::from(span.get_hours()),
        Unit::Minute => span.get_minutes(),
        Unit::Second => span.get_seconds(),
        Unit::Millisecond => span.get_milliseconds(),
        Unit::Microsecond => span.get_microseconds(),
        _ => span.get_nanoseconds(),
    }
}

/// An exact duration: `90 days`, of 24 hours each.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    match Period::parse(text) {
        Ok(Period::Every(length)) => Ok(length),
        Ok(_) => Err(format!("`{text}` is not a duration")),
        Err(error) => Err(error.to_string()),
    }
}

/// A time of day: `08:00`.
pub(super) fn time_of_day(text: &str) -> Result<civil::Time, String> {
    civil::Time::strptime("%H:%M", text).or_else(|_| text.parse()).map_err(|_| format!("`{text}` is not a time of day"))
}

/// A date: `2027-03-01`.
pub(super) fn date(text: &str) -> Result<civil::Date, String> {
    civil::Date::strptime("%Y-%m-%d", text).map_err(|_| format!("`{text}` is not a date"))
}

/// A share: `20%` is 0.2. At most `most` per cent.
pub(super) fn share(text: &str, most: i64) -> Result<Decimal, String> {
    let number = text.strip_suffix('%').map(str::trim_end).ok_or_else(|| format!("`{text}` has no per cent sign"))?;
    let percent: Decimal = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    if percent.is_sign_negative() || percent > Decimal::from(most) {
        return Err(format!("`{text}` is not between 0% and {most}%"));
    }
    Ok((percent / Decimal::ONE_HUNDRED).normalize())
}

/// An exact number above zero.
pub(super) fn factor(text: &str) -> Result<Decimal, String> {
    let number: Decimal = text.trim().parse().map_err(|_| format!("`{text}` is not a number"))?;
    if number <= Decimal::ZERO { Err(format!("`{text}` is not above zero")) } else { Ok(number) }
}

/// The ending of an amount: zero or above.
pub(super) fn ending(text: &str) -> Result<Decimal, String> {
    let number: Decimal = text.trim().parse().map_err(|_| format!("`{text}` is not a number"))?;
    if number < Decimal::ZERO { Err(format!("`{text}` is below zero")) } else { Ok(number) }
}

/// An address to listen on, or `None`.
pub(super) fn listener(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "None" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("`{text}` is not an IP address with a port"))
}

/// The address of a web service: `https`, or `http` on this machine; an origin with an optional path.
pub(super) fn service(text: &str) -> Result<Url, String> {
    let url = web_address(text)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!("`{text}` is plain http, which is refused but for this machine"));
    }
    Ok(url)
}

/// An address of the web: an origin with an optional path.
pub(super) fn web_address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("`{text}` is not a web address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("`{text}` is not a web address"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("the address has more in it than an origin and a path".to_owned());
    }
    Ok(url)
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => is_local_name(name),
        None => false,
    }
}

/// A mail address, with a name before it or not: `ops@example.com`, `Anna Müller <anna@example.com>`.
pub(super) fn recipient(text: &str) -> Result<(Option<String>, String), String> {
    let mailbox = mailbox(text).ok_or_else(|| format!("`{text}` is not a mail address"))?;
    Ok((mailbox.name, mailbox.email.to_string()))
}

/// A sender: a mail address, with a name before it or not.
pub(super) fn sender(text: &str) -> Result<String, String> {
    mailbox(text).map(|_| text.to_owned()).ok_or_else(|| format!("`{text}` is not a sender"))
}

fn mailbox(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    if let Ok(address) = text.parse::<Address>() {
        return Some(address.into());
    }
    text.parse().ok()
}

/// Certificates in a file's text.
pub(super) fn certificates(pem: &str) -> Result<(), String> {
    let stated = pem.contains("-----BEGIN CERTIFICATE-----");
    let read = Certificate::from_pem(pem.as_bytes()).ok().filter(|_| stated);
    let trusted = read.and_then(|certificates| {
        let trust = TlsParameters::builder("relay".to_owned()).certificate_store(CertificateStore::None);
        trust.add_root_certificate(certificates).build().ok()
    });
    trusted.map(drop).ok_or_else(|| "it holds no certificate in PEM".to_owned())
}

/// A span in words, whole units: `1 month`.
pub(super) fn span_in_words(span: Span) -> String {
    let units = [
        (i64::from(span.get_years()), "year"),
        (i64::from(span.get_months()), "month"),
        (i64::from(span.get_weeks()), "week"),
        (i64::from(span.get_days()), "day"),
    ];
    let some = units.into_iter().filter(|(number, _)| *number != 0);
    some.map(|(number, unit)| format!("{number} {unit}{}", if number == 1 { "" } else { "s" }))
        .collect::<Vec<_>>()
        .join(" ")
}
