//! The statements of a scenario. A new one is a form and its meaning in [`STEPS`].

use super::{
    step::{Answer, Cancelling, Given, LineAction, LineStep, Money, PATIENCE, Placing, Step},
    words::{Mismatch, Value, match_line},
};
use std::time::Duration;

/// The most requests that are sent at once.
const AT_ONCE: u32 = 1_000;
const VISA: &str = "pm_card_visa";

/// A form, its explanation and its meaning.
pub(crate) struct Form<T> {
    pub(crate) form: &'static str,
    pub(crate) about: &'static str,
    read: fn(&mut Values) -> Option<T>,
}

/// The values of a line's slots, in order. An optional slot without a value has none.
pub(crate) struct Values(std::iter::Peekable<std::vec::IntoIter<Value>>);

impl Values {
    fn number(&mut self) -> Option<u32> {
        match self.0.next_if(|value| matches!(value, Value::Number(_)))? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// How many requests are sent at once.
    fn at_once(&mut self) -> Option<u32> {
        self.number().filter(|number| (1..=AT_ONCE).contains(number))
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next_if(|value| matches!(value, Value::Text(_)))? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn event(&mut self) -> Option<&'static str> {
        match self.0.next_if(|value| matches!(value, Value::Event(_)))? {
            Value::Event(event) => Some(event),
            _ => None,
        }
    }

    fn duration(&mut self) -> Option<Duration> {
        match self.0.next_if(|value| matches!(value, Value::Duration(_)))? {
            Value::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    fn lines(&mut self) -> Option<Vec<(u32, String)>> {
        match self.0.next_if(|value| matches!(value, Value::Lines(_)))? {
            Value::Lines(lines) => Some(lines),
            _ => None,
        }
    }

    fn method(&mut self) -> String {
        self.text().unwrap_or_else(|| VISA.to_owned())
    }
}

pub(crate) const GIVENS: &[Form<Given>] = &[Form {
    form: "product {product} with stock {count} at {price}",
    about: "A product of the demo shop's first seller, on sale. The price is in minor units.",
    read: |values| {
        Some(Given { product: values.text()?, stock: values.number()?, price: values.number()? })
    },
}];

pub(crate) const STEPS: &[Form<Step>] = &[
    Form {
        form: "place {lines} [, pay with {method}]",
        about: "A buyer places an order, paid with `pm_card_visa` unless a method is given.",
        read: |values| {
            let lines = values.lines()?;
            Some(Step::Place(Placing { lines, method: values.method(), buyers: 1, times: 1 }))
        },
    },
    Form {
        form: "place {lines} {count} times at once with one key [, pay with {method}]",
        about: "The same request is sent so many times at once under one `Idempotency-Key`. All \
                must be answered with the same order.",
        read: |values| {
            let (lines, times) = (values.lines()?, values.at_once()?);
            Some(Step::Place(Placing { lines, method: values.method(), buyers: 1, times }))
        },
    },
    Form {
        form: "{count} buyers place {lines} at once [, pay with {method}]",
        about: "So many buyers each place an order, at once. Later steps are about all of them.",
        read: |values| {
            let (buyers, lines) = (values.at_once()?, values.lines()?);
            Some(Step::Place(Placing { lines, method: values.method(), buyers, times: 1 }))
        },
    },
    Form {
        form: "cancel order [after {event}]",
        about: "The buyer cancels the order, once the event was received; at once without one. If \
                it was confirmed first, its stock is filled up and the same order placed again, \
                until a cancellation comes in time.",
        read: |values| cancel(false, values.event(), Answer::Accepted),
    },
    Form {
        form: "cancel order as supervisor [after {event}]",
        about: "As before, but a supervisor cancels.",
        read: |values| cancel(true, values.event(), Answer::Accepted),
    },
    Form {
        form: "try to cancel order [after {event}]",
        about: "The buyer cancels. It may also come too late, when the order was confirmed and \
                the cancellation of its lines is only requested; the rest of the scenario must \
                allow for both.",
        read: |values| cancel(false, values.event(), Answer::Either),
    },
    Form {
        form: "cancelling order is refused with {code} [after {event}]",
        about: "The buyer's cancellation is refused with this problem code.",
        read: |values| {
            let code = values.text()?;
            cancel(false, values.event(), Answer::Refused(code))
        },
    },
    Form {
        form: "publish {event} again [{times}]",
        about: "The received event is published on the bus once more, or so many times, with its \
                id, so that every consumer receives a duplicate, perhaps long after the order \
                ended.",
        read: |values| {
            Some(Step::Publish { event: values.event()?, times: values.number().unwrap_or(1) })
        },
    },
    Form {
        form: "expect {event} [within {duration}] [{times}]",
        about: "Each order's event is received within this time (60 s by default) of the last \
                placing or cancelling. With a count, \
                it is received exactly so many times, which is known only once the order is quiet. \
                An event that is delivered twice counts once.",
        read: |values| {
            let event = values.event()?;
            let within = values.duration().unwrap_or(PATIENCE);
            Some(Step::Expect { event, within, times: values.number() })
        },
    },
    Form {
        form: "never {event}",
        about: "Once the order is quiet, no such event was received for it.",
        read: |values| Some(Step::Never { event: values.event()? }),
    },
    Form {
        form: "{event} after {event}",
        about: "The first event was caused by the second, directly or through other events \
                (`causationid`).",
        read: |values| Some(Step::After { later: values.event()?, earlier: values.event()? }),
    },
    Form {
        form: "order is {state} [{reason}]",
        about: "The order reaches this state, and keeps it until it is quiet.",
        read: |values| Some(Step::Ends { states: vec![values.text()?], reason: values.text() }),
    },
    Form {
        form: "order is {state} or {state}",
        about: "The order reaches one of these states, and keeps it until it is quiet.",
        read: |values| {
            Some(Step::Ends { states: vec![values.text()?, values.text()?], reason: None })
        },
    },
    Form {
        form: "exactly {count} orders are {state} [{reason}]",
        about: "Of the orders placed at once exactly so many end in this state.",
        read: |values| {
            let (orders, state) = (values.number()?, values.text()?);
            Some(Step::Count { orders, state, reason: values.text() })
        },
    },
    Form {
        form: "all other orders are {state} [{reason}]",
        about: "Those that no `exactly` has counted end in this state.",
        read: |values| Some(Step::Others { state: values.text()?, reason: values.text() }),
    },
    Form {
        form: "payment is {payment state}",
        about: "The order's payment reaches this state; one that is at rest keeps it until the \
                order is quiet.",
        read: |values| Some(Step::Payment { state: values.text()? }),
    },
    Form {
        form: "the total is paid",
        about: "Once the order is quiet, its total was captured, and nothing refunded.",
        read: |_| Some(Step::Money(Money::Paid)),
    },
    Form {
        form: "the total is refunded",
        about: "Once the order is quiet, its total was captured, and refunded whole.",
        read: |_| Some(Step::Money(Money::Refunded)),
    },
    Form {
        form: "nothing is captured",
        about: "Once the order is quiet, nothing was ever captured for it.",
        read: |_| Some(Step::Money(Money::NotCaptured)),
    },
    Form {
        form: "nothing is paid",
        about: "Once the order is quiet, nothing was captured, or all of it was refunded.",
        read: |_| Some(Step::Money(Money::NotPaid)),
    },
    Form {
        form: "seller accepts line {count}",
        about: "The line's seller accepts it. Every step about a line is tried until it is \
                accepted, for 60 s.",
        read: |values| line(LineAction::Accept, None, values),
    },
    Form {
        form: "seller rejects line {count}",
        about: "The line's seller rejects it.",
        read: |values| line(LineAction::Reject, None, values),
    },
    Form {
        form: "seller splits {count} off line {count}",
        about: "So many pieces become a line of their own, with the next number.",
        read: |values| {
            let pieces = values.number()?;
            line(LineAction::Split, Some(pieces), values)
        },
    },
    Form {
        form: "cancel line {count}",
        about: "The buyer requests the cancellation of a line.",
        read: |values| line(LineAction::Cancel, None, values),
    },
    Form {
        form: "cancel {count} of line {count}",
        about: "The buyer requests the cancellation of so many pieces, which become a line of \
                their own, with the next number.",
        read: |values| {
            let pieces = values.number()?;
            line(LineAction::Cancel, Some(pieces), values)
        },
    },
    Form {
        form: "cancelling line {count} is refused with {code}",
        about: "The buyer's request is refused with this problem code.",
        read: |values| {
            let (number, code) = (values.number()?, values.text()?);
            let refused = Some(code);
            let action = LineAction::Cancel;
            Some(Step::Line(LineStep { action, line: number, pieces: None, refused }))
        },
    },
    Form {
        form: "seller confirms cancelling line {count}",
        about: "The line's seller confirms the cancellation, once delivery holds the line.",
        read: |values| line(LineAction::ConfirmCancel, None, values),
    },
    Form {
        form: "seller ships line {count}",
        about: "The line's delivery starts.",
        read: |values| line(LineAction::Ship, None, values),
    },
    Form {
        form: "seller delivers line {count}",
        about: "The line's delivery is completed.",
        read: |values| line(LineAction::Deliver, None, values),
    },
    Form {
        form: "receive line {count}",
        about: "The buyer confirms the receipt of a line.",
        read: |values| line(LineAction::Receive, None, values),
    },
    Form {
        form: "return line {count}",
        about: "The buyer requests to return a line.",
        read: |values| line(LineAction::Return, None, values),
    },
    Form {
        form: "return {count} of line {count}",
        about: "The buyer requests to return so many pieces, which become a line of their own.",
        read: |values| {
            let pieces = values.number()?;
            line(LineAction::Return, Some(pieces), values)
        },
    },
    Form {
        form: "seller confirms returning line {count}",
        about: "The line's seller confirms the return. The pieces are available again.",
        read: |values| line(LineAction::ConfirmReturn { restock: true }, None, values),
    },
    Form {
        form: "seller writes off returned line {count}",
        about: "The line's seller confirms the return, and the pieces are written off.",
        read: |values| line(LineAction::ConfirmReturn { restock: false }, None, values),
    },
    Form {
        form: "seller declines returning line {count}",
        about: "The line's seller declines the return.",
        read: |values| line(LineAction::DeclineReturn, None, values),
    },
    Form {
        form: "line {count} is {line state}",
        about: "The line reaches this state.",
        read: |values| Some(Step::LineState { line: values.number()?, state: values.text()? }),
    },
    Form {
        form: "{price} are refunded",
        about: "Once the order is quiet, its total was captured, and so much of it refunded (in \
                minor units).",
        read: |values| Some(Step::Money(Money::RefundedInPart(values.number()?))),
    },
    Form {
        form: "stock of {product} is {count} available, {count} reserved [, {count} sold]",
        about: "Once the orders are quiet, this is the product's stock.",
        read: |values| {
            Some(Step::Stock {
                product: values.text()?,
                available: values.number()?,
                reserved: values.number()?,
                sold: values.number(),
            })
        },
    },
    Form {
        form: "product {product} is {status}",
        about: "The catalog comes to show this status of the product.",
        read: |values| Some(Step::Product { product: values.text()?, status: values.text()? }),
    },
];

fn cancel(supervisor: bool, after: Option<&'static str>, answer: Answer) -> Option<Step> {
    Some(Step::Cancel(Cancelling { supervisor, after, answer }))
}

fn line(action: LineAction, pieces: Option<u32>, values: &mut Values) -> Option<Step> {
    Some(Step::Line(LineStep { action, line: values.number()?, pieces, refused: None }))
}

/// Parses a line with these forms.
///
/// # Errors
/// A description of the mistake.
pub(crate) fn parse<T>(forms: &[Form<T>], line: &str) -> Result<T, String> {
    let texts: Vec<&'static str> = forms.iter().map(|form| form.form).collect();
    let wrong = |mismatch: Mismatch| mismatch.message(line, &texts);
    let (at, values) = match_line(&texts, line).map_err(wrong)?;
    // The form has the slots that its meaning reads; tests parse an example of each. So only a
    // count can be wrong.
    (forms[at].read)(&mut Values(values.into_iter().peekable()))
        .ok_or_else(|| format!("`{line}`: from 1 to {AT_ONCE} requests can be sent at once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let examples = [
            "place 2 of A",
            "place 1 of A 32 times at once with one key",
            "200 buyers place 2 of A and 1 of B at once, pay with pm_sim_slow",
            "cancel order after StockReserved",
            "cancel order as supervisor",
            "try to cancel order after StockReserved",
            "cancelling order is refused with illegal_transition",
            "publish OrderPlaced again 3 times",
            "expect OrderConfirmed within 20 s once",
            "never PaymentFailed",
            "OrderConfirmed after PaymentCaptured",
            "order is CANCELLED OUT_OF_STOCK",
            "order is CONFIRMED or CANCELLED",
            "exactly 15 orders are CONFIRMED",
            "all other orders are CANCELLED OUT_OF_STOCK",
            "payment is CAPTURED",
            "the total is paid",
            "the total is refunded",
            "nothing is captured",
            "nothing is paid",
            "seller accepts line 1",
            "seller rejects line 2",
            "seller splits 1 off line 1",
            "cancel line 1",
            "cancel 1 of line 2",
            "cancelling line 1 is refused with illegal_transition",
            "seller confirms cancelling line 1",
            "seller ships line 1",
            "seller delivers line 1",
            "receive line 1",
            "return line 1",
            "return 1 of line 1",
            "seller confirms returning line 1",
            "seller writes off returned line 1",
            "seller declines returning line 1",
            "line 1 is CANCELING",
            "1250 are refunded",
            "stock of A is 3 available, 0 reserved, 2 sold",
            "product A is SOLD_OUT",
        ];
        let forms: Vec<_> = STEPS.iter().map(|form| form.form).collect();
        for (at, example) in examples.iter().enumerate() {
            assert_eq!(match_line(&forms, example).unwrap().0, at, "{example}");
            parse(STEPS, example).unwrap();
        }
        assert_eq!(examples.len(), STEPS.len());
    }

    #[test]
    fn requests_at_once_are_limited() {
        for count in ["0", "1001"] {
            for line in [
                format!("{count} buyers place 1 of A at once"),
                format!("place 1 of A {count} times at once with one key"),
            ] {
                assert!(parse(STEPS, &line).unwrap_err().contains("from 1 to 1000"), "{line}");
            }
        }
        parse(STEPS, "1000 buyers place 1 of A at once").unwrap();
    }

    #[test]
    fn values_are_read_in_the_order_of_the_slots() {
        let product = "A".to_owned();
        let expected = Step::Stock { product, available: 3, reserved: 1, sold: Some(2) };
        let line = "stock of A is 3 available, 1 reserved, 2 sold";
        assert_eq!(parse(STEPS, line), Ok(expected));
        let expected = Step::After { later: "OrderConfirmed", earlier: "PaymentCaptured" };
        assert_eq!(parse(STEPS, "OrderConfirmed after PaymentCaptured"), Ok(expected));
        let given = Given { product: "A".to_owned(), stock: 5, price: 1200 };
        assert_eq!(parse(GIVENS, "product A with stock 5 at 1200"), Ok(given));
    }

    #[test]
    fn orders_are_paid_by_card_unless_another_means_is_given() {
        let method = |line| match parse(STEPS, line).unwrap() {
            Step::Place(placing) => placing.method,
            other => panic!("{other:?}"),
        };
        assert_eq!(method("place 1 of A"), "pm_card_visa");
        assert_eq!(method("place 1 of A, pay with pm_sim_lost"), "pm_sim_lost");
    }
}
