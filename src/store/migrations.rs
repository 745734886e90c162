//! Brings the schema up to date from `migrations/`, which is compiled in. A file is named `VERSION_description.sql`, is
//! applied in the order of its version, and never changes once it is released.

use std::time::Duration;

use rust_embed::Embed;
use sqlx::{
    AnyPool, AssertSqlSafe, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{Error, Result};

#[derive(Embed)]
#[folder = "migrations"]
struct Files;

fn migrations() -> Vec<Migration> {
    Files::iter()
        .filter_map(|name| {
            let (version, description) = name.strip_suffix(".sql")?.split_once('_')?;
            let sql = String::from_utf8(Files::get(&name)?.data.into_owned()).ok()?;
            Some(Migration::new(
                version.parse().ok()?,
                description.replace('_', " ").into(),
                MigrationType::Simple,
                AssertSqlSafe(sql).into_sql_str(),
                false,
            ))
        })
        .collect()
}

/// Applies what `pool`'s database lacks.
pub(super) async fn migrate(pool: &AnyPool) -> Result<()> {
    let migrator = Migrator::with_migrations(migrations());
    // Processes that start together on a new SQLite file race for its tables; the loser finds them made.
    let mut tries = 0;
    loop {
        tries += 1;
        match migrator.run(pool).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::VersionMissing(version)) => {
                return Err(Error::Unusable(format!(
                    "the database was written by a newer kubertnetes (its schema is {version}, this program knows up \
                     to {}); update the program or point store.url at another database",
                    migrator.iter().map(|migration| migration.version).max().unwrap_or_default()
                )));
            }
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if tries < 9 => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(e) => return Err(Error::Unusable(format!("the database cannot be brought up to date: {e}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_migration() {
        assert!(Files::iter().count() > 0);
        assert_eq!(migrations().len(), Files::iter().count(), "a file is not named VERSION_description.sql");
    }
}
