//! Durations as people write and read them.

use std::time::Duration;

const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

/// Parses `90s`, `10m`, `2h` or `3d`.
///
/// # Errors
/// A description of the accepted form.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refusal =
        || "must be a whole number with s, m, h or d, such as 90s, 10m, 2h or 3d".to_owned();
    let unit = text.chars().last().ok_or_else(refusal)?;
    let (_, seconds) = UNITS.iter().find(|(letter, _)| *letter == unit).ok_or_else(refusal)?;
    let number = &text[..text.len() - 1];
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal());
    }
    let number: u64 = number.parse().map_err(|_| refusal())?;
    number.checked_mul(*seconds).map(Duration::from_secs).ok_or_else(refusal)
}

/// Formats a duration in its largest whole unit: `40s`, `12m`, `3h`, `13d`.
pub(crate) fn short(age: Duration) -> String {
    let (letter, seconds) =
        UNITS.iter().rev().find(|(_, seconds)| age.as_secs() >= *seconds).unwrap_or(&UNITS[0]);
    format!("{}{letter}", age.as_secs() / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7_200), ("3d", 259_200)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "10", "10 m", "-1m", "+1m", "1.5h", "1w", "99999999999999999999d", "1ä"]
        {
            assert!(parse(text).is_err_and(|refusal| refusal.contains("10m")), "{text}");
        }
    }

    #[test]
    fn durations_are_formatted_in_the_largest_unit() {
        let formatted = [0, 59, 60, 3_599, 3_600, 86_399, 1_209_600]
            .map(|seconds| short(Duration::from_secs(seconds)));
        assert_eq!(formatted, ["0s", "59s", "1m", "59m", "1h", "23h", "14d"]);
    }
}
