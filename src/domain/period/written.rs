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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn periods_are_read_as_people_write_them_and_kept_in_one_form() {
        for (text, seconds, stored) in [
            ("90 seconds", 90, "90 seconds"),
            ("60s", 60, "1 minute"),
            ("15m", 900, "15 minutes"),
            ("6h", 21_600, "6 hours"),
            ("1h 30m", 5_400, "90 minutes"),
            ("1 hour, 30 minutes", 5_400, "90 minutes"),
            ("1 day", 86_400, "1 day"),
            ("24h", 86_400, "1 day"),
            ("36h", 129_600, "36 hours"),
            ("1 week", 604_800, "1 week"),
            ("30 days", 2_592_000, "30 days"),
            (" 2 weeks ", 1_209_600, "2 weeks"),
        ] {
            let period = parse(text).unwrap();
            assert_eq!(period, Period::Every(SignedDuration::from_secs(seconds)), "{text}");
            assert_eq!(to_stored(&period), stored, "{text}");
            assert_eq!(from_stored(stored).unwrap(), period, "{text}");
        }
        assert_eq!(to_stored(&parse("1500ms").unwrap()), "1500 milliseconds");
        assert_eq!(parse("None").unwrap(), Period::None);
        assert_eq!(from_stored(&to_stored(&Period::None)).unwrap(), Period::None);
    }

    #[test]
    fn what_is_not_a_period_is_refused_with_what_would_be() {
        let texts = [
            "none",
            "",
            "15",
            "soon",
            "0s",
            "-5 minutes",
            "5 minutes ago",
            "1 month",
            "2 years",
            "11 years 1 day",
            "4000 days",
            "10us",
        ];
        let said: Vec<String> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        `none` is not a period; to switch the job off write "None"
        `` is not a period; to switch the job off write "None"
        `15` has no unit; write for example "15 minutes"
        `soon` is not a period; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
        `0s` is no time at all; to switch the job off write "None"
        `-5 minutes` is negative; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
        `5 minutes ago` is negative; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
        `1 month` is not an exact period: months and years differ in length; write days, for example "30 days", or { cron = "0 3 1 * *" }
        `2 years` is not an exact period: months and years differ in length; write days, for example "30 days", or { cron = "0 3 1 * *" }
        `11 years 1 day` is not an exact period: months and years differ in length; write days, for example "30 days", or { cron = "0 3 1 * *" }
        `4000 days` is longer than ten years; to switch the job off write "None"
        `10us` is finer than a millisecond; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
        "#);
    }

    #[test]
    fn cron_has_five_fields_and_a_named_zone() {
        let period = parse_cron(" 0 3  * * MON-FRI ", berlin()).unwrap();
        assert_eq!(to_stored(&period), "cron 0 3 * * MON-FRI Europe/Berlin");
        assert_eq!(from_stored("cron 0 3 * * MON-FRI Europe/Berlin").unwrap(), period);
        let utc = parse_cron("0 3 * * *", TimeZone::UTC).unwrap();
        assert_eq!(from_stored(&to_stored(&utc)).unwrap(), utc);
    }

    #[test]
    fn cron_expressions_that_cannot_be_meant_are_refused() {
        let texts = ["0 0 3 * * *", "@daily", "", "0 3 * *", "0 25 * * *", "0 3 30 2 *", "0 3 * * MOO", "0 0 31 4 *"];
        let said: Vec<String> = texts.iter().map(|text| parse_cron(text, berlin()).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        cron `0 0 3 * * *` has six fields, and seconds are not among those known here; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `@daily` has one field instead of five; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `` has 0 fields instead of five; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `0 3 * *` has 4 fields instead of five; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `0 25 * * *` cannot be read; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `0 3 30 2 *` never comes: no year has such a day; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `0 3 * * MOO` cannot be read; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        cron `0 0 31 4 *` never comes: no year has such a day; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
        "#);
        let nameless = TimeZone::fixed(jiff::tz::offset(1));
        assert!(parse_cron("0 3 * * *", nameless).unwrap_err().to_string().contains("timezone"));
        assert!(from_stored("cron 0 3 * * * Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
        assert!(from_stored("cron ").is_err());
    }
}
