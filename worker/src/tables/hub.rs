//! A folder that `datasets.load_dataset` opens: Parquet files, and a card that says what they are.

use super::{Table, WriteError, write_parquet};
use std::fmt::Write as _;
use std::path::Path;

/// Writes the folder's files: `data/NAME.parquet` for each table that has rows, and `README.md`.
pub fn write_hub(tables: &[Table], folder: &Path) -> Result<(), WriteError> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(|error| WriteError { path: data.clone(), reason: error.to_string() })?;
    // A configuration without a single row cannot be opened.
    let filled: Vec<&Table> = tables.iter().filter(|table| !table.rows.is_empty()).collect();
    for table in &filled {
        write_parquet(table, &data.join(format!("{}.parquet", table.name)))?;
    }
    let path = folder.join("README.md");
    std::fs::write(&path, card(&filled)).map_err(|error| WriteError { path, reason: error.to_string() })
}

fn card(tables: &[&Table]) -> String {
    let mut card = "---\npretty_name: Steering prefixes\ntags:\n- steerage\nconfigs:\n".to_owned();
    for (at, table) in tables.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(card, "- config_name: {0}\n  data_files: data/{0}.parquet\n", table.name);
        if at == 0 {
            card.push_str("  default: true\n");
        }
    }
    card.push_str("---\n\n# Steering prefixes\n\nWritten by Steerage. One configuration a table:\n\n");
    for table in tables {
        let _ =
            write!(card, "## {}\n\n{}\n\n| column | holds | meaning |\n| --- | --- | --- |\n", table.name, table.help);
        for column in table.columns {
            let _ = writeln!(card, "| `{}` | {} | {} |", column.name, column.kind.name(), column.help);
        }
        card.push('\n');
    }
    card
}
