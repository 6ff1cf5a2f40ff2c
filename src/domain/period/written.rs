//! Periods as people write them in the settings, and as the database keeps them.

use jiff::{SignedDuration, Span, SpanRelativeTo, fmt::friendly, tz::TimeZone};

use super::{Period, PeriodError, cron};

/// Longer than anybody means, and short enough for every sum of instants to stay within the calendar.
const LONGEST: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

const WOULD_BE_GOOD: &str = "write \"None\", an exact duration such as \"90 seconds\", \"15m\", \"6h\", \"1 day\" or \"1 week\", or { cron = \"0 3 * * *\" }";

pub(super) fn parse(text: &str) -> Result<Period, PeriodError> {
    if text == "None" {
        return Ok(Period::None);
    }
    let fault = |why: &str, remedy: &str| PeriodError(format!("`{text}` {why}; {remedy}"));
    if matches!(text.trim().to_ascii_lowercase().as_str(), "none" | "off" | "never" | "no" | "false" | "") {
        return Err(fault("is not a period", "to switch the job off write \"None\""));
    }
    if text.trim().parse::<f64>().is_ok() {
        return Err(fault("has no unit", &format!("write for example \"{} minutes\"", text.trim())));
    }
    let span: Span =
        friendly::SpanParser::new().parse_span(text.trim()).map_err(|_| fault("is not a period", WOULD_BE_GOOD))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(fault(
            "is not an exact period: months and years differ in length",
            "write days, for example \"30 days\", or { cron = \"0 3 1 * *\" }",
        ));
    }
    let length =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| fault("is not a period", WOULD_BE_GOOD))?;
    if length.is_zero() {
        return Err(fault("is no time at all", "to switch the job off write \"None\""));
    }
    if length.is_negative() {
        return Err(fault("is negative", WOULD_BE_GOOD));
    }
    if length > LONGEST {
        return Err(fault("is longer than ten years", "to switch the job off write \"None\""));
    }
    if length.subsec_nanos() % 1_000_000 != 0 {
        return Err(fault("is finer than a millisecond", WOULD_BE_GOOD));
    }
    Ok(Period::Every(length))
}

pub(super) fn parse_cron(expression: &str, zone: TimeZone) -> Result<Period, PeriodError> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let expression = fields.join(" ");
    let fault = |why: &str, remedy: &str| PeriodError(format!("cron `{expression}` {why}; {remedy}"));
    const FIVE: &str =
        "write minute, hour, day of month, month and weekday, for example \"0 3 * * *\" for every day at 03:00";
    match fields.len() {
        5 => {}
        6 => return Err(fault("has six fields, and seconds are not among those known here", FIVE)),
        1 => return Err(fault("has one field instead of five", FIVE)),
        count => return Err(fault(&format!("has {count} fields instead of five"), FIVE)),
    }
    if zone.iana_name().is_none() {
        return Err(fault("needs a zone with a name", "set `timezone`, for example \"Europe/Berlin\""));
    }
    cron::check(&expression).map_err(|why| fault(&why, FIVE))?;
    Ok(Period::Cron { expression, zone })
}

pub(super) fn to_stored(period: &Period) -> String {
    match period {
        Period::None => "None".to_owned(),
        Period::Every(length) => duration(*length),
        Period::Cron { expression, zone } => {
            format!("cron {expression} {}", zone.iana_name().unwrap_or("UTC"))
        }
    }
}

pub(super) fn from_stored(text: &str) -> Result<Period, PeriodError> {
    let Some(rest) = text.strip_prefix("cron ") else {
        return parse(text);
    };
    let (expression, zone) = rest
        .rsplit_once(' ')
        .ok_or_else(|| PeriodError(format!("`{text}` is not a stored period; it should end in the name of a zone")))?;
    let zone = TimeZone::get(zone)
        .map_err(|_| PeriodError(format!("`{zone}` is not a zone; use a name such as \"Europe/Berlin\"")))?;
    parse_cron(expression, zone)
}

/// One number of the largest unit that goes into it without a rest: nearest to what people write.
fn duration(length: SignedDuration) -> String {
    const UNITS: [(i128, &str); 6] = [
        (7 * 24 * 3_600_000, "week"),
        (24 * 3_600_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
        (1, "millisecond"),
    ];
    let millis = length.as_millis();
    let (size, name) = UNITS.into_iter().find(|(size, _)| millis % size == 0).unwrap_or(UNITS[5]);
    let count = millis / size;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}
