//! Orders records in memory: stable, by several keys, nulls last in either direction.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    eval,
    lists::{Direction, Order},
    moment::Moment,
};

/// What one record is ordered by, for one key; kinds order among themselves as listed.
enum Key {
    Boolean(bool),
    /// The number, and exactly if it is whole (floats alone would make neighbours equal, and both alone no total order).
    Number(f64, i128),
    Moment(Moment),
    /// The text in lower case, then as it is.
    Text(String, String),
    /// An object: no order among them.
    Other,
    Null,
}

/// Sorts `records`; equal ones keep their order.
pub fn sort(records: &mut Vec<Json>, orders: &[Order]) {
    if orders.is_empty() {
        return;
    }
    let mut keyed: Vec<(Vec<Key>, Json)> = std::mem::take(records)
        .into_iter()
        .map(|record| (orders.iter().map(|order| key(&record, &order.field)).collect(), record))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let keys = orders.iter().zip(a.iter().zip(b));
        keys.map(|(order, (a, b))| compare(a, b, order.direction))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    *records = keyed.into_iter().map(|(_, record)| record).collect();
}

/// The first value at the path.
fn key(record: &Json, path: &str) -> Key {
    let found = std::cell::RefCell::new(Key::Null);
    eval::any(record, path, &|json| {
        found.replace(match json {
            Json::Null => Key::Null,
            Json::Bool(value) => Key::Boolean(*value),
            Json::Number(number) => {
                let float = number.as_f64().unwrap_or_default();
                let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                #[expect(clippy::cast_possible_truncation, reason = "only parts equal floats")]
                Key::Number(float, whole.unwrap_or(float as i128))
            }
            Json::String(text) => match Moment::parse(text) {
                Some(moment) => Key::Moment(moment),
                None => Key::Text(text.to_lowercase(), text.clone()),
            },
            Json::Array(_) | Json::Object(_) => Key::Other,
        });
        true
    });
    found.into_inner()
}

fn compare(a: &Key, b: &Key, direction: Direction) -> Ordering {
    let turned = |order: Ordering| if direction == Direction::Ascending { order } else { order.reverse() };
    match (a, b) {
        (Key::Null, Key::Null) => Ordering::Equal,
        (Key::Null, _) => Ordering::Greater,
        (_, Key::Null) => Ordering::Less,
        (Key::Boolean(a), Key::Boolean(b)) => turned(a.cmp(b)),
        (Key::Number(a, x), Key::Number(b, y)) => turned(a.total_cmp(b).then_with(|| x.cmp(y))),
        (Key::Moment(a), Key::Moment(b)) => turned(a.at.cmp(&b.at)),
        (Key::Text(a, x), Key::Text(b, y)) => turned(a.cmp(b).then_with(|| x.cmp(y))),
        (a, b) => turned(rank(a).cmp(&rank(b))),
    }
}

fn rank(key: &Key) -> u8 {
    match key {
        Key::Boolean(_) => 0,
        Key::Number(..) => 1,
        Key::Moment(_) => 2,
        Key::Text(..) => 3,
        Key::Other => 4,
        Key::Null => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::parse_order_by, *};

    fn sorted(values: Vec<Json>, by: &str) -> Vec<u64> {
        let mut records: Vec<Json> =
            values.into_iter().zip(0_u64..).map(|(value, n)| json!({"k": value, "n": n, "odd": n % 2})).collect();
        sort(&mut records, &parse_order_by(by).unwrap());
        records.iter().map(|record| record["n"].as_u64().unwrap()).collect()
    }

    #[test]
    fn orders_with_nulls_last() {
        assert_eq!(sorted(vec![json!(null), json!(10), json!(9)], "k"), [2, 1, 0]);
        assert_eq!(sorted(vec![json!(null), json!(10), json!(9)], "k desc"), [1, 2, 0]);
        assert_eq!(sorted(vec![json!("b"), json!("A"), json!("a"), json!("B")], "k"), [1, 2, 3, 0]);
        assert_eq!(sorted(vec![json!("2020-01-02T00:00:00+02:00"), json!("2020-01-01T23:00:00Z")], "k"), [0, 1]);
    }

    #[test]
    fn is_stable_and_takes_several_keys() {
        assert_eq!(sorted(vec![json!(1), json!(1), json!(0), json!(0)], "k"), [2, 3, 0, 1]);
        assert_eq!(sorted(vec![json!(1), json!(1), json!(0), json!(0)], "odd desc, k"), [3, 1, 2, 0]);
    }
}
