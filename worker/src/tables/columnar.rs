//! Tables as Parquet, column by column.

use super::{Column, Kind, Table, Value, WriteError};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Rows that are written together.
const GROUP_ROWS: usize = 100_000;

/// Writes a Parquet file: every column is optional, ids are a list of 32-bit numbers.
pub fn write_parquet(table: &Table, path: &Path) -> Result<(), WriteError> {
    let write = || -> Result<(), ParquetError> {
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build());
        let file = File::create(path).map_err(|error| ParquetError::General(error.to_string()))?;
        let mut writer = SerializedFileWriter::new(file, schema(table)?, properties)?;
        for rows in table.rows.chunks(GROUP_ROWS) {
            let mut group = writer.next_row_group()?;
            for (at, column) in table.columns.iter().enumerate() {
                let values: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
                write_column(&mut group, column, &values)?;
            }
            group.close()?;
        }
        writer.close().map(drop)
    };
    write().map_err(|error| WriteError { path: path.to_owned(), reason: error.to_string() })
}

fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
    let fields = table.columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let plain = |physical| Type::primitive_type_builder(column.name, physical).with_repetition(Repetition::OPTIONAL);
    let unsigned = |bit_width| Some(LogicalType::integer(bit_width, false));
    match column.kind {
        Kind::Text => plain(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)).build(),
        Kind::Count => plain(Physical::INT64).with_logical_type(unsigned(64)).build(),
        Kind::Real => plain(Physical::DOUBLE).build(),
        Kind::Switch => plain(Physical::BOOLEAN).build(),
        Kind::Ids => {
            let element = Type::primitive_type_builder("element", Physical::INT32)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(unsigned(32))
                .build()?;
            let list = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![Arc::new(element)])
                .build()?;
            Type::group_type_builder(column.name)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::List))
                .with_fields(vec![Arc::new(list)])
                .build()
        }
    }
}

fn write_column<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &Column,
    values: &[&Value],
) -> Result<(), ParquetError> {
    match column.kind {
        Kind::Text => plain::<ByteArrayType, _>(group, values, |value| match value {
            Value::Text(text) => Some(ByteArray::from(text.as_str())),
            _ => None,
        }),
        // Parquet keeps unsigned numbers as the bits of signed ones.
        Kind::Count => plain::<Int64Type, _>(group, values, |value| match value {
            Value::Count(count) => Some(*count as i64),
            _ => None,
        }),
        Kind::Real => plain::<DoubleType, _>(group, values, |value| match value {
            Value::Real(real) => Some(*real),
            _ => None,
        }),
        Kind::Switch => plain::<BoolType, _>(group, values, |value| match value {
            Value::Switch(switch) => Some(*switch),
            _ => None,
        }),
        Kind::Ids => {
            // Definition: 0 no list, 1 an empty one, 2 an element. Repetition: 0 begins a list, 1 goes on.
            let (mut ids, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
            for value in values {
                match value {
                    Value::Ids(list) if !list.is_empty() => {
                        ids.extend(list.iter().map(|&id| id as i32));
                        definition.extend(list.iter().map(|_| 2));
                        repetition.extend((0..list.len()).map(|at| i16::from(at > 0)));
                    }
                    value => {
                        definition.push(i16::from(matches!(value, Value::Ids(_))));
                        repetition.push(0);
                    }
                }
            }
            write_batch::<Int32Type, _>(group, &ids, &definition, Some(&repetition))
        }
    }
}

fn plain<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[&Value],
    get: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.iter().map(|value| get(value)).collect();
    let definition: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.into_iter().flatten().collect();
    write_batch::<T, W>(group, &present, &definition, None)
}

fn write_batch<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definition: &[i16],
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let none = || ParquetError::General("there are more columns than the schema has".to_owned());
    let mut column = group.next_column()?.ok_or_else(none)?;
    column.typed::<T>().write_batch(values, Some(definition), repetition)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    const COLUMNS: &[Column] = &[
        Column { name: "text", kind: Kind::Text, help: "" },
        Column { name: "count", kind: Kind::Count, help: "" },
        Column { name: "real", kind: Kind::Real, help: "" },
        Column { name: "switch", kind: Kind::Switch, help: "" },
        Column { name: "ids", kind: Kind::Ids, help: "" },
    ];

    /// A value as another reader gives it.
    fn read(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Str(text) => Value::Text(text.clone()),
            Field::ULong(count) => Value::Count(*count),
            Field::Double(real) => Value::Real(*real),
            Field::Bool(switch) => Value::Switch(*switch),
            Field::ListInternal(list) => {
                let id = |field: &Field| if let Field::UInt(id) = field { *id } else { panic!("{field:?}") };
                Value::Ids(list.elements().iter().map(id).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_value_comes_back() {
        let full = |text: &str, count, real, ids: &[u32]| {
            vec![
                Value::Text(text.to_owned()),
                Value::Count(count),
                Value::Real(real),
                Value::Switch(true),
                Value::Ids(ids.to_vec()),
            ]
        };
        let rows = vec![
            full("a\n\u{202E}猫", u64::MAX, -0.1, &[1, u32::MAX]),
            vec![Value::Null; COLUMNS.len()],
            full("", 0, f64::MAX, &[]),
            full("z", 7, 1.0, &[5]),
        ];
        let table = Table { name: "t", help: "", columns: COLUMNS, rows };
        let file = tempfile::NamedTempFile::new().unwrap();
        write_parquet(&table, file.path()).unwrap();
        let reader = SerializedFileReader::new(File::open(file.path()).unwrap()).unwrap();
        let back: Vec<Vec<Value>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_column_iter().map(|(_, field)| read(field)).collect())
            .collect();
        assert_eq!(back, table.rows);
    }
}
