//! The stored form of an order's lines. A part has no title: it is that of the line as placed, and
//! an item's size is limited.

use super::line::OrderLine;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

pub(super) fn serialize<S: Serializer>(
    lines: &[OrderLine],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let stored = lines.iter().map(|line| {
        let mut line = line.clone();
        if line.part.is_some() {
            line.title.clear();
        }
        line
    });
    stored.collect::<Vec<_>>().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<OrderLine>, D::Error> {
    let mut lines = Vec::<OrderLine>::deserialize(deserializer)?;
    let titles: BTreeMap<u32, String> =
        lines.iter().map(|line| (line.line_no, line.title.clone())).collect();
    for line in lines.iter_mut().filter(|line| line.title.is_empty()) {
        line.title = titles.get(&line.root()).cloned().unwrap_or_default();
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use crate::{
        domain::{keyed_request::RequestRecord, line_transitions::PiecesRequest, order::Order},
        fixtures::confirmed_order_of,
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Quantity, Timestamp};

    #[test]
    fn a_part_is_stored_without_its_title() {
        let (now, cause) = (Timestamp::from_millis(1), EventContext::default());
        let mut order = confirmed_order_of(&[3]);
        for (from, key) in [(1, "a"), (2, "b")] {
            let quantity = Quantity::new(3 - i64::from(from)).unwrap();
            let record = RequestRecord::new("split", from, key, &quantity);
            let pieces = PiecesRequest { quantity, record };
            order = order.split_line(from, pieces, now, &cause).unwrap().order;
        }
        let stored = serde_json::to_value(&order).unwrap();
        let has_title = |line: usize| stored["lines"][line].get("title").is_some();
        assert_eq!([0, 1, 2].map(has_title), [true, false, false]);
        assert_eq!(serde_json::from_value::<Order>(stored).unwrap(), order);
    }
}
