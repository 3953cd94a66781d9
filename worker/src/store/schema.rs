//! The tables, and how an older file becomes a newer one.

use super::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Marks a SQLite file as ours ("Stee" in ASCII).
const APPLICATION_ID: i32 = 0x5374_6565;

/// One step for each format of the file, never edited once released; `user_version` counts those
/// that were applied.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        created_unix_ms INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        head_seq INTEGER NOT NULL,
        phase TEXT NOT NULL,
        queue_order INTEGER,
        preset TEXT NOT NULL,
        model TEXT NOT NULL,
        teacher TEXT NOT NULL,
        seed INTEGER NOT NULL,
        gap_closed_test REAL,
        prefix_text TEXT,
        spec TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX runs_queue ON runs (queue_order) WHERE queue_order IS NOT NULL;
    CREATE TABLE events (
        run TEXT NOT NULL REFERENCES runs (run),
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        at_unix_ms INTEGER NOT NULL,
        progress_stage INTEGER,
        event TEXT NOT NULL,
        PRIMARY KEY (run, epoch, seq)
    ) STRICT;
    CREATE TABLE commands (
        id TEXT PRIMARY KEY,
        at_unix_ms INTEGER NOT NULL,
        command TEXT NOT NULL,
        reply TEXT NOT NULL
    ) STRICT;
    CREATE INDEX commands_age ON commands (at_unix_ms);
",
    "
    ALTER TABLE runs ADD COLUMN title TEXT;
    ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE runs ADD COLUMN deleted_unix_ms INTEGER;
",
    "
    ALTER TABLE runs ADD COLUMN recording_header TEXT;
    CREATE TABLE shares (
        share TEXT PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (run),
        created_unix_ms INTEGER NOT NULL,
        expires_unix_ms INTEGER NOT NULL,
        revoked_unix_ms INTEGER,
        opened_unix_ms INTEGER,
        left_out TEXT NOT NULL,
        snapshot BLOB NOT NULL
    ) STRICT;
    CREATE INDEX shares_run ON shares (run);
",
];

/// Opens a log for writing, creating or migrating it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let not_a_log = |reason: String| StoreError::NotALog { path: path.to_owned(), reason };
    let unreadable = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => not_a_log(error.to_string()),
        _ => StoreError::Sqlite(error),
    };
    create_private(path).map_err(|source| StoreError::Directory { path: path.to_owned(), source })?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(unreadable)?;
    let tables: usize =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unreadable)?;
    if application != APPLICATION_ID && (application != 0 || tables != 0) {
        return Err(not_a_log("it is a database of another program".to_owned()));
    }
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(unreadable)?;
    // A commit is on disk when it returns: what a client was told survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Creates the file for its owner only; SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// A second connection to a log that [`open`] has opened.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(prepare: impl FnOnce(&Path)) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("log.sqlite3");
        prepare(&path);
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "the file is not named: {error}");
        error
    }

    #[test]
    fn a_new_file_gets_the_newest_format_and_opens_again() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("log.sqlite3");
        drop(open(&path).unwrap());
        let connection = open(&path).unwrap();
        let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, MIGRATIONS.len());
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(synchronous, 2, "FULL");
    }

    #[test]
    fn a_file_of_every_older_format_is_brought_up_to_date() {
        for version in 1..MIGRATIONS.len() {
            let scratch = tempfile::tempdir().unwrap();
            let path = scratch.path().join("log.sqlite3");
            let old = Connection::open(&path).unwrap();
            old.execute_batch(&MIGRATIONS[..version].concat()).unwrap();
            old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            old.pragma_update(None, "user_version", version).unwrap();
            old.execute_batch(
                "INSERT INTO runs (run, created_unix_ms, epoch, head_seq, phase, preset, model, teacher, seed, spec)
                 VALUES ('r', 1, 1, 0, 'finished', 'p', 'm', 't', 0, '{}')",
            )
            .unwrap();
            drop(old);
            let connection = open(&path).unwrap();
            let header: Option<String> =
                connection.query_row("SELECT recording_header FROM runs", [], |row| row.get(0)).unwrap();
            let shares: u32 = connection.query_row("SELECT count(*) FROM shares", [], |row| row.get(0)).unwrap();
            assert_eq!((header, shares), (None, 0), "from {version}");
        }
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let error = refusal(|path| {
            let connection = open(path).unwrap();
            connection.pragma_update(None, "user_version", MIGRATIONS.len() + 1).unwrap();
        });
        assert!(error.contains("newer Steerage"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_refused() {
        let error = refusal(|path| std::fs::write(path, "It was a dark and stormy night. ".repeat(64)).unwrap());
        assert!(error.contains("not a Steerage log"), "{error}");
    }

    #[test]
    fn a_damaged_header_page_is_refused() {
        let error = refusal(|path| {
            drop(open(path).unwrap());
            let mut bytes = std::fs::read(path).unwrap();
            bytes[100..1000].fill(0xff);
            std::fs::write(path, bytes).unwrap();
        });
        assert!(error.contains("not a Steerage log"), "{error}");
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let error = refusal(|path| {
            Connection::open(path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        });
        assert!(error.contains("another program"), "{error}");
    }
}
