//! Links to runs: their hashes, their ends, and what they show. No secret is ever here.

use super::board::Change;
use super::transaction::now_unix_ms;
use super::{Store, StoreError, Transaction};
use rusqlite::{Connection, OptionalExtension, named_params, params};
use shared::recording::Part;
use shared::share::ShareSummary;

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct NewShare {
    /// SHA-256 of its secret, in hex.
    pub share: String,
    /// How long it is good, in seconds.
    pub lifetime_secs: u64,
    /// What its snapshot leaves out.
    pub left_out: Vec<Part>,
    /// The session file that it shows, for ever the same.
    pub snapshot: Vec<u8>,
}

/// A share that can be opened: neither revoked nor over.
const OPEN: &str = "revoked_unix_ms IS NULL AND expires_unix_ms > :now";

impl Store {
    /// When the share ends that has this name, if it can be opened.
    pub async fn share_expiry(&self, share: &str) -> Result<Option<u64>, StoreError> {
        let share = share.to_owned();
        let sql = format!("SELECT expires_unix_ms FROM shares WHERE share = :share AND {OPEN}");
        self.reader
            .run(move |connection| {
                let values = named_params! { ":share": share, ":now": now_unix_ms() };
                Ok(connection.query_row(&sql, values, |row| row.get(0)).optional()?)
            })
            .await?
    }

    /// The snapshot of a share, if it can be opened.
    pub async fn share_snapshot(&self, share: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let share = share.to_owned();
        let sql = format!("SELECT snapshot FROM shares WHERE share = :share AND {OPEN}");
        self.reader
            .run(move |connection| {
                let values = named_params! { ":share": share, ":now": now_unix_ms() };
                Ok(connection.query_row(&sql, values, |row| row.get(0)).optional()?)
            })
            .await?
    }

    /// All shares of a run, newest first.
    pub async fn shares(&self, run: &str) -> Result<Vec<ShareSummary>, StoreError> {
        let run = run.to_owned();
        self.reader.run(move |connection| list(connection, &run)).await?
    }

    /// Writes down that somebody opened a share.
    pub async fn share_was_opened(&self, share: &str) -> Result<(), StoreError> {
        let share = share.to_owned();
        self.write(move |transaction| {
            let now = transaction.now_unix_ms;
            transaction.sql.execute("UPDATE shares SET opened_unix_ms = ?2 WHERE share = ?1", params![share, now])?;
            Ok(())
        })
        .await
    }
}

impl Transaction<'_> {
    /// Adds a share to a run.
    pub fn add_share(&mut self, run: &str, new: NewShare) -> Result<(), StoreError> {
        let left_out = serde_json::to_string(&new.left_out).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let expires_unix_ms = self.now_unix_ms.saturating_add(new.lifetime_secs.saturating_mul(1000));
        self.sql.execute(
            "INSERT INTO shares (share, run, created_unix_ms, expires_unix_ms, left_out, snapshot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![new.share, run, self.now_unix_ms, expires_unix_ms, left_out, new.snapshot],
        )?;
        Ok(())
    }

    /// The run of a share, whatever became of it.
    pub fn run_of_share(&self, share: &str) -> Result<Option<String>, StoreError> {
        Ok(self.sql.query_row("SELECT run FROM shares WHERE share = ?1", [share], |row| row.get(0)).optional()?)
    }

    /// The shares of a run that can be opened.
    pub fn open_shares(&self, run: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.sql.prepare(&format!("SELECT share FROM shares WHERE run = :run AND {OPEN}"))?;
        let values = named_params! { ":run": run, ":now": self.now_unix_ms };
        let shares = statement.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(shares)
    }

    /// Ends a share for good, and deletes what it showed.
    pub fn revoke_share(&mut self, share: &str) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE shares SET revoked_unix_ms = ?2, snapshot = x'' WHERE share = ?1 AND revoked_unix_ms IS NULL",
            params![share, self.now_unix_ms],
        )?;
        self.changes.push(Change::ShareRevoked(share.to_owned()));
        Ok(())
    }
}

fn list(connection: &Connection, run: &str) -> Result<Vec<ShareSummary>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT share, created_unix_ms, expires_unix_ms, revoked_unix_ms, opened_unix_ms, left_out, length(snapshot)
         FROM shares WHERE run = ?1 ORDER BY created_unix_ms DESC, share",
    )?;
    let mut rows = statement.query([run])?;
    let mut shares = Vec::new();
    while let Some(row) = rows.next()? {
        let left_out: String = row.get(5)?;
        shares.push(ShareSummary {
            share: row.get(0)?,
            created_unix_ms: row.get(1)?,
            expires_unix_ms: row.get(2)?,
            revoked_unix_ms: row.get(3)?,
            opened_unix_ms: row.get(4)?,
            left_out: serde_json::from_str(&left_out).map_err(|error| StoreError::Damaged(error.to_string()))?,
            bytes: row.get(6)?,
        });
    }
    Ok(shares)
}
