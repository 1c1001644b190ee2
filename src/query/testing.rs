//! Columns for the renderers' tests.

use super::{Column, ColumnKind, Operators, RenderError, Value};

/// Knows a handful of fields; the provider's name of `x` is `P_x`.
pub(super) fn resolve(field: &str) -> Result<Column<'static>, RenderError> {
    let kind = match field {
        "name" | "status" | "frozen" => ColumnKind::Text,
        "size" => ColumnKind::Number,
        "active" => ColumnKind::Boolean,
        "born" => ColumnKind::Date,
        "changed" => ColumnKind::DateTime,
        "other" | "evil" => ColumnKind::Other,
        _ => return Err(RenderError::Field { field: field.to_owned(), nearest: None }),
    };
    let name = if field == "evil" { "Id = '' OR Id".to_owned() } else { format!("P_{field}") };
    let mut column = Column { name, kind, operators: Operators::ALL, encode: None };
    match field {
        "frozen" => column.operators = Operators::NONE,
        "status" => {
            column.encode = Some(Box::new(|value| match value.as_text() {
                "open" => Ok(Value::Text("OPEN!".to_owned())),
                _ => Err("one of open".to_owned()),
            }));
        }
        _ => {}
    }
    Ok(column)
}
