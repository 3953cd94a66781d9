//! Tables as JSON lines and as CSV.

use super::{Table, Value, WriteError};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Count(count) => serializer.serialize_u64(*count),
            Value::Real(real) => serializer.serialize_f64(*real),
            Value::Switch(switch) => serializer.serialize_bool(*switch),
            Value::Ids(ids) => ids.serialize(serializer),
        }
    }
}

/// A row as an object, its fields in the order of the columns.
struct Row<'a>(&'a Table, &'a [Value]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for (column, value) in self.0.columns.iter().zip(self.1) {
            map.serialize_entry(column.name, value)?;
        }
        map.end()
    }
}

/// Writes one JSON object a row; a missing value is null.
pub fn write_jsonl(table: &Table, path: &Path) -> Result<(), WriteError> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for row in &table.rows {
            serde_json::to_writer(&mut file, &Row(table, row))?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().map_err(|error| WriteError { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a header and one record a row (RFC 4180); a missing value is an empty field, ids are separated by
/// spaces.
pub fn write_csv(table: &Table, path: &Path) -> Result<(), WriteError> {
    let write = || -> Result<(), csv::Error> {
        let mut file = csv::Writer::from_path(path)?;
        file.write_record(table.columns.iter().map(|column| column.name))?;
        for row in &table.rows {
            file.write_record(row.iter().map(field))?;
        }
        Ok(file.flush()?)
    };
    write().map_err(|error| WriteError { path: path.to_owned(), reason: error.to_string() })
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Count(count) => count.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Switch(switch) => switch.to_string(),
        Value::Ids(ids) => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
    }
}
