//! The language of scenarios: forms such as `expect {event} [within {duration}]`, and matching a
//! line with them.
//!
//! A form is words, slots in braces and optional parts in brackets. A comma is a word of its own.

use rialto_contracts::SOURCES;
use std::time::Duration;

/// What a slot of a form takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Event,
    Duration,
    Count,
    Times,
    Money,
    Product,
    Lines,
    Method,
    Code,
    OrderState,
    Reason,
    PaymentState,
    LineState,
    ProductStatus,
}

/// What a slot took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Event(&'static str),
    Duration(Duration),
    Number(u32),
    Text(String),
    Lines(Vec<(u32, String)>),
}

/// Why a line has none of the forms.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// How many words of the line were understood.
    understood: usize,
    expected: Vec<String>,
    form: &'static str,
}

const ORDER_STATES: &[&str] = &["PENDING", "CONFIRMED", "COMPLETED", "CANCELLED"];
const REASONS: &[&str] = &["OUT_OF_STOCK", "PAYMENT_FAILED", "TIMEOUT", "BUYER", "SELLER"];
const PAYMENT_STATES: &[&str] = &[
    "PENDING",
    "PROCESSING",
    "REQUIRES_ACTION",
    "CAPTURED",
    "FAILED",
    "VOIDED",
    "PARTIALLY_REFUNDED",
    "REFUNDED",
];
const LINE_STATES: &[&str] = &[
    "ORDERED",
    "ACCEPTED",
    "REJECTED",
    "CANCELING",
    "CANCELLED",
    "COMPLETED",
    "RETURN_REQUESTED",
    "RETURNED",
];
const PRODUCT_STATUSES: &[&str] = &["SELL", "SOLD_OUT"];

impl Slot {
    /// The slot's name in a form.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event" => Self::Event,
            "duration" => Self::Duration,
            "count" => Self::Count,
            "times" => Self::Times,
            "price" => Self::Money,
            "product" => Self::Product,
            "lines" => Self::Lines,
            "method" => Self::Method,
            "code" => Self::Code,
            "state" => Self::OrderState,
            "reason" => Self::Reason,
            "payment state" => Self::PaymentState,
            "line state" => Self::LineState,
            "status" => Self::ProductStatus,
            _ => return None,
        })
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::OrderState => ORDER_STATES,
            Self::Reason => REASONS,
            Self::PaymentState => PAYMENT_STATES,
            Self::LineState => LINE_STATES,
            Self::ProductStatus => PRODUCT_STATUSES,
            _ => &[],
        }
    }

    /// What is expected, for error messages.
    fn expected(self, got: Option<&str>) -> String {
        match self {
            Self::Event => {
                let near = got.and_then(nearest_event);
                let hint = near.map(|event| format!(" (did you mean {event}?)"));
                format!("a type of event such as OrderConfirmed{}", hint.unwrap_or_default())
            }
            Self::Duration => "a duration such as 20 s, 500 ms or 2 min".to_owned(),
            Self::Count | Self::Money => "a whole number".to_owned(),
            Self::Times => "once or a number of times such as 2 times".to_owned(),
            Self::Product => "a product's name such as A".to_owned(),
            Self::Lines => "products such as 2 of A and 1 of B".to_owned(),
            Self::Method => "a payment method such as pm_card_visa".to_owned(),
            Self::Code => "a problem's code such as illegal_transition".to_owned(),
            Self::OrderState
            | Self::Reason
            | Self::PaymentState
            | Self::LineState
            | Self::ProductStatus => {
                format!("one of {}", self.names().join(", "))
            }
        }
    }

    /// The value, and how many words it takes.
    fn take(self, words: &[&str]) -> Option<(Value, usize)> {
        let first = *words.first()?;
        let text = |accepted: bool| accepted.then(|| (Value::Text(first.to_owned()), 1));
        match self {
            Self::Event => event_named(first).map(|event| (Value::Event(event), 1)),
            Self::Duration => duration(first, words.get(1)?).map(|time| (Value::Duration(time), 2)),
            Self::Count | Self::Money => number(first).map(|number| (Value::Number(number), 1)),
            Self::Times if first == "once" => Some((Value::Number(1), 1)),
            Self::Times => {
                let number = number(first).filter(|_| words.get(1) == Some(&"times"))?;
                Some((Value::Number(number), 2))
            }
            Self::Product => text(is_name(first)),
            Self::Lines => lines(words),
            Self::Method => text(first.starts_with("pm_")),
            Self::Code => text(first.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')),
            _ => text(self.names().contains(&first)),
        }
    }

    /// The slot as a regular expression, for the JSON Schema.
    fn pattern(self) -> String {
        match self {
            Self::Event => format!("({})", event_names().collect::<Vec<_>>().join("|")),
            Self::Duration => "[0-9]+ (ms|s|min)".to_owned(),
            Self::Count | Self::Money => "[0-9]+".to_owned(),
            Self::Times => "(once|[0-9]+ times)".to_owned(),
            Self::Product => NAME.to_owned(),
            Self::Lines => format!("[0-9]+ of {NAME}( and [0-9]+ of {NAME})*"),
            Self::Method => "pm_[A-Za-z0-9_]+".to_owned(),
            Self::Code => "[a-z_]+".to_owned(),
            _ => format!("({})", self.names().join("|")),
        }
    }
}

const NAME: &str = "[A-Z][A-Za-z0-9]*";

fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn number(word: &str) -> Option<u32> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

fn duration(number_of: &str, unit: &str) -> Option<Duration> {
    let number = u64::from(number(number_of)?);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "min" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
}

/// `2 of A and 1 of B`.
fn lines(words: &[&str]) -> Option<(Value, usize)> {
    let mut lines = Vec::new();
    let mut used = 0;
    loop {
        match words.get(used..used + 3) {
            Some([quantity, "of", product]) if is_name(product) => {
                lines.push((number(quantity)?, (*product).to_owned()));
                used += 3;
            }
            _ => return None,
        }
        if words.get(used) != Some(&"and") {
            return Some((Value::Lines(lines), used));
        }
        used += 1;
    }
}

fn event_names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().flat_map(|(_, events)| events.iter().map(|(name, _)| *name))
}

fn event_named(word: &str) -> Option<&'static str> {
    event_names().find(|name| *name == word)
}

/// The event whose name differs by the fewest letters, if it is a misspelling.
fn nearest_event(word: &str) -> Option<&'static str> {
    let near = event_names().map(|name| (distance(word, name), name)).min()?;
    (near.0 <= 3).then_some(near.1)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(&'static str),
    Slot(Slot),
}

/// The words of a line; a comma is one of its own.
fn words(line: &str) -> Vec<&str> {
    let split = |word| match str::strip_suffix(word, ",") {
        Some("") | None => vec![word],
        Some(before) => vec![before, ","],
    };
    line.split_whitespace().flat_map(split).collect()
}

/// Every variant of a form, with each of its optional parts or without it.
fn variants(form: &'static str) -> Vec<Vec<Part>> {
    let mut variants = vec![Vec::new()];
    let mut rest = form;
    while !rest.is_empty() {
        let (optional, text);
        match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inside, after)) => (optional, text, rest) = (true, inside, after),
            None => {
                let end = rest.find('[').unwrap_or(rest.len());
                (optional, text, rest) = (false, &rest[..end], &rest[end..]);
            }
        }
        let parts = parts(text);
        let with = variants.iter().map(|variant| [&variant[..], &parts[..]].concat());
        let with: Vec<_> = with.collect();
        if optional {
            variants.extend(with);
        } else {
            variants = with;
        }
    }
    variants
}

/// The words and slots of a form without optional parts.
fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        parts.extend(words(&rest[..start]).into_iter().map(Part::Word));
        let end = rest.find('}').unwrap_or(rest.len() - 1);
        // Tests parse every form.
        parts.extend(Slot::named(&rest[start + 1..end]).map(Part::Slot));
        rest = &rest[end + 1..];
    }
    parts.extend(words(rest).into_iter().map(Part::Word));
    parts
}

/// Matches a line with one of the forms. Returns its index and the values of its slots.
///
/// # Errors
/// [`Mismatch`] with the form that understands the most words.
pub(crate) fn match_line(
    forms: &[&'static str],
    line: &str,
) -> Result<(usize, Vec<Value>), Mismatch> {
    let words = words(line);
    let mut best: Option<Mismatch> = None;
    for (at, form) in forms.iter().enumerate() {
        for variant in variants(form) {
            match take_all(&variant, &words) {
                Ok(values) => return Ok((at, values)),
                Err((understood, expected)) => match &mut best {
                    Some(best) if best.understood > understood => {}
                    Some(best) if best.understood == understood => {
                        if !best.expected.contains(&expected) {
                            best.expected.push(expected);
                        }
                    }
                    _ => best = Some(Mismatch { understood, expected: vec![expected], form }),
                },
            }
        }
    }
    Err(best.unwrap_or(Mismatch { understood: 0, expected: Vec::new(), form: "" }))
}

/// The values, or how many words were understood and what was expected then.
fn take_all(variant: &[Part], words: &[&str]) -> Result<Vec<Value>, (usize, String)> {
    let (mut values, mut used) = (Vec::new(), 0);
    for part in variant {
        let rest = &words[used..];
        match part {
            Part::Word(word) if rest.first() == Some(word) => used += 1,
            Part::Word(word) => return Err((used, format!("`{word}`"))),
            Part::Slot(slot) => {
                let taken = slot.take(rest);
                let (value, count) =
                    taken.ok_or_else(|| (used, slot.expected(rest.first().copied())))?;
                values.push(value);
                used += count;
            }
        }
    }
    if used < words.len() { Err((used, "the end of the line".to_owned())) } else { Ok(values) }
}

impl Mismatch {
    /// The error of this line, in words.
    pub(crate) fn message(&self, line: &str, forms: &[&str]) -> String {
        let words = words(line);
        if self.understood == 0 {
            let mut first: Vec<&str> =
                forms.iter().filter_map(|form| form.split([' ', '[']).next()).collect();
            first.dedup();
            return format!(
                "`{line}` isn't a statement; statements begin with {}",
                first.join(", ")
            );
        }
        let found = words
            .get(self.understood)
            .map_or_else(|| "the line ends".to_owned(), |word| format!("found `{word}`"));
        format!(
            "`{line}`: expected {} after `{}`, but {found}; the form is `{}`",
            self.expected.join(" or "),
            words[..self.understood].join(" ").replace(" ,", ","),
            self.form
        )
    }
}

/// A form as a regular expression, for the JSON Schema.
pub(crate) fn pattern(form: &'static str) -> String {
    let alternatives: Vec<String> = variants(form)
        .iter()
        .map(|variant| {
            let mut text = String::new();
            for part in variant {
                let part = match part {
                    Part::Word(word) => (*word).to_owned(),
                    Part::Slot(slot) => slot.pattern(),
                };
                if !text.is_empty() && part != "," {
                    text.push(' ');
                }
                text.push_str(&part);
            }
            text
        })
        .collect();
    format!("^({})$", alternatives.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: &[&str] =
        &["expect {event} [within {duration}] [{times}]", "place {lines} [, pay with {method}]"];

    fn error(line: &str) -> String {
        match_line(FORMS, line).unwrap_err().message(line, FORMS)
    }

    #[test]
    fn optional_parts_may_be_left_out() {
        let event = Value::Event("OrderPlaced");
        for (line, values) in [
            ("expect OrderPlaced", vec![event.clone()]),
            ("expect OrderPlaced 2 times", vec![event.clone(), Value::Number(2)]),
            ("expect OrderPlaced once", vec![event.clone(), Value::Number(1)]),
            (
                "expect OrderPlaced within 20 s 2 times",
                vec![event.clone(), Value::Duration(Duration::from_secs(20)), Value::Number(2)],
            ),
        ] {
            assert_eq!(match_line(FORMS, line), Ok((0, values)), "{line}");
        }
    }

    #[test]
    fn lines_name_several_products() {
        let lines = Value::Lines(vec![(2, "A".to_owned()), (1, "B".to_owned())]);
        assert_eq!(match_line(FORMS, "place 2 of A and 1 of B"), Ok((1, vec![lines.clone()])));
        let method = Value::Text("pm_sim_slow".to_owned());
        assert_eq!(
            match_line(FORMS, "place 2 of A and 1 of B, pay with pm_sim_slow"),
            Ok((1, vec![lines, method]))
        );
    }

    #[test]
    fn misspelled_events_get_a_suggestion() {
        let text = error("expect OrderConfrimed within 20 s");
        assert!(text.contains("after `expect`, but found `OrderConfrimed`"), "{text}");
        assert!(text.contains("did you mean OrderConfirmed?"), "{text}");
    }

    #[test]
    fn errors_show_what_was_expected_and_the_form() {
        assert_eq!(
            error("place 1 of A, pay by card"),
            "`place 1 of A, pay by card`: expected `with` after `place 1 of A, pay`, but found `by`; \
             the form is `place {lines} [, pay with {method}]`"
        );
        let text = error("expect OrderPlaced within 20 hours");
        assert!(text.contains("a duration such as 20 s"), "{text}");
        let text = error("expect");
        assert!(text.contains("but the line ends"), "{text}");
        let text = error("hope for OrderPlaced");
        assert!(text.ends_with("statements begin with expect, place"), "{text}");
    }

    #[test]
    fn names_differ_by_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn patterns_have_every_variant() {
        assert_eq!(
            pattern("never {count} [, {count} times]"),
            "^(never [0-9]+|never [0-9]+, [0-9]+ times)$"
        );
    }
}
