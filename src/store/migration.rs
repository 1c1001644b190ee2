//! The schemas of the back ends, and what one that does not fit means to the operator.

use sqlx::{
    SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::key::refuse;
use crate::error::Error;

/// The steps of one back end, in order: `migrations!("sqlite"; "0001_first_step", …)`.
///
/// As `sqlx::migrate!` would have them, which takes a second build of all of sqlx, its databases included, along.
macro_rules! migrations {
    ($folder:literal; $($name:literal),+ $(,)?) => {
        std::sync::LazyLock::new(|| {
            $crate::store::migration::of(&[
                $(($name, include_str!(concat!("migrations/", $folder, "/", $name, ".sql")))),+
            ])
        })
    };
}
pub(super) use migrations;

/// Steps by their names, `0001_first_step`, and texts.
pub(super) fn of(steps: &[(&'static str, &'static str)]) -> Migrator {
    let step = |(name, text): &(&'static str, &'static str)| {
        // A test holds the names against the files; nameless steps would come first, and be refused by any database.
        let (version, description) = name.split_once('_').unwrap_or_default();
        let (version, description) = (version.parse().unwrap_or_default(), description.replace('_', " "));
        Migration::new(version, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.iter().map(step).collect())
}

/// The newest schema that `migrations` know.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Why `database` was not brought to the newest schema.
pub(super) fn refused(migrations: &Migrator, database: &str, error: MigrateError) -> Error {
    let newest = newest(migrations);
    let text = match &error {
        MigrateError::VersionMissing(version) => format!(
            "The database {database} was made by a newer version of hubgate (schema {version}; this version knows schemas \
             up to {newest}). Use that version, or a backup from before the upgrade"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "The database {database} has another schema {version} than this version of hubgate: it is not to be used"
        ),
        _ => format!("The database {database} cannot be brought to schema {newest}"),
    };
    refuse(text).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    fn files(folder: &str) -> BTreeMap<i64, (String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(folder);
        let file = |file: fs::DirEntry| {
            let name = file.file_name().into_string().unwrap();
            let (version, rest) = name.split_once('_').unwrap();
            let description = rest.strip_suffix(".sql").unwrap().replace('_', " ");
            (version.parse().unwrap(), (description, fs::read_to_string(file.path()).unwrap()))
        };
        fs::read_dir(folder).unwrap().map(|entry| file(entry.unwrap())).collect()
    }

    #[test]
    fn every_file_is_a_step() {
        for (folder, steps) in
            [("sqlite", &super::super::sqlite::MIGRATIONS), ("postgres", &super::super::postgres::MIGRATIONS)]
        {
            let known = steps.iter().map(|step| {
                assert!(!step.no_tx && step.migration_type == MigrationType::Simple);
                (step.version, (step.description.clone().into_owned(), step.sql.as_str().to_owned()))
            });
            assert_eq!(known.collect::<BTreeMap<_, _>>(), files(folder), "{folder}");
        }
    }
}
