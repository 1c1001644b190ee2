//! Organizations and users.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sqlx::Row as _;

use super::{DbRow, DbStore, keys};
use crate::{
    error::{Error as PublicError, Kind, Result as PublicResult},
    store::{
        Accounts, Actor, CreatedAccount, NewAccount, Organization, User, action,
        audit::Entry,
        error::{Error, Result},
        records::time,
        seal::{self, Place},
    },
};

pub(super) const ORGANIZATION: &str = "organization";
pub(super) const USER: &str = "account_user";
/// Stands in a sealed column until the row's id is known, which is part of what a value is bound to.
pub(super) const UNSEALED: &[u8] = &[];

pub(super) fn secret_of(table: &'static str, row: i64) -> Place {
    Place { table, row, column: "secret" }
}

fn organization(row: &DbRow) -> Result<Organization> {
    Ok(Organization {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: time(row.try_get("created_at")?)?,
    })
}

fn user(row: &DbRow) -> Result<User> {
    Ok(User {
        id: row.try_get("id")?,
        organization_id: row.try_get("organization_id")?,
        email: row.try_get("email")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        created_at: time(row.try_get("created_at")?)?,
    })
}

pub(super) fn text(plain: &[u8], what: &'static str) -> Result<SecretString> {
    std::str::from_utf8(plain).map(SecretString::from).map_err(|_| Error::Corrupt { what })
}

/// 256 random bits in base64, the shape of user secrets and instance tokens.
pub(super) fn new_secret() -> Result<SecretString> {
    Ok(SecretString::from(STANDARD.encode(seal::random::<32>()?)))
}

impl DbStore {
    async fn insert_account(&self, new: NewAccount) -> Result<CreatedAccount> {
        let now = self.now();
        let organization_secret = match new.organization_secret {
            Some(secret) => secret,
            None => SecretString::from(hex::encode(seal::random::<16>()?)),
        };
        let user_secret = match new.user_secret {
            Some(secret) => secret,
            None => new_secret()?,
        };
        let mut tx = self.begin().await?;
        let key_id = keys::sealing(&mut tx).await?;
        let row = sqlx::query(
            "INSERT INTO organization (name, secret_digest, secret_sealed, key_id, created_at) \
             VALUES ($1, $2, $3, $4, $5) RETURNING *",
        )
        .bind(&new.organization)
        .bind(self.sealer.digest_under(&key_id, ORGANIZATION, organization_secret.expose_secret())?.as_slice())
        .bind(UNSEALED)
        .bind(&key_id)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        let organization = organization(&row)?;
        let row = sqlx::query(
            "INSERT INTO account_user (organization_id, email, email_folded, first_name, last_name, secret_digest, \
             secret_sealed, key_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *",
        )
        .bind(organization.id)
        .bind(&new.email)
        .bind(new.email.to_lowercase())
        .bind(&new.first_name)
        .bind(&new.last_name)
        .bind(self.sealer.digest_under(&key_id, USER, user_secret.expose_secret())?.as_slice())
        .bind(UNSEALED)
        .bind(&key_id)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        let user = user(&row)?;
        let sealed = |table, row, secret: &SecretString| {
            self.sealer.seal(secret_of(table, row), &key_id, secret.expose_secret().as_bytes())
        };
        sqlx::query("UPDATE organization SET secret_sealed = $1 WHERE id = $2")
            .bind(sealed(ORGANIZATION, organization.id, &organization_secret)?)
            .bind(organization.id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE account_user SET secret_sealed = $1 WHERE id = $2")
            .bind(sealed(USER, user.id, &user_secret)?)
            .bind(user.id)
            .execute(&mut *tx)
            .await?;
        let entry = Entry {
            actor: &new.actor,
            owner: Some((organization.id, user.id)),
            action: action::ACCOUNT_CREATED,
            instances: &[],
            details: json!({}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(CreatedAccount { organization, user, organization_secret, user_secret })
    }

    /// Opens a secret for the operator, once its reading is recorded.
    async fn read_out(&self, table: &'static str, id: i64, row: Option<DbRow>) -> Result<Option<SecretString>> {
        let Some(row) = row else { return Ok(None) };
        let (key_id, sealed): (String, Vec<u8>) = (row.try_get("key_id")?, row.try_get("secret_sealed")?);
        let plain = self.sealer.open(secret_of(table, id), &key_id, &sealed)?;
        let mut tx = self.begin().await?;
        let house: i64 = row.try_get("house")?;
        let entry = Entry {
            actor: &Actor::default(),
            owner: (table == USER).then_some((house, id)),
            action: action::ACCOUNT_READ,
            instances: &[],
            details: json!({"secret": table, "id": id, "organizationId": house}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await?;
        text(&plain, "secret").map(Some)
    }
}

#[async_trait]
impl Accounts for DbStore {
    async fn create_account(&self, new: NewAccount) -> PublicResult<CreatedAccount> {
        self.insert_account(new).await.map_err(|error| {
            let error = PublicError::from(error);
            if error.kind() == Kind::Conflict {
                return PublicError::new(Kind::Conflict, "The e-mail address or a secret is taken").with_source(error);
            }
            error
        })
    }

    async fn organization(&self, id: i64) -> PublicResult<Option<Organization>> {
        let query = sqlx::query("SELECT * FROM organization WHERE id = $1").bind(id);
        let row = query.fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(row.as_ref().map(organization).transpose()?)
    }

    async fn organization_by_secret(&self, secret: &str) -> PublicResult<Option<Organization>> {
        let row = self.by_secret("SELECT * FROM organization WHERE secret_digest", ORGANIZATION, secret).await?;
        Ok(row.as_ref().map(organization).transpose()?)
    }

    async fn organization_secret(&self, id: i64) -> PublicResult<Option<SecretString>> {
        let query = sqlx::query("SELECT key_id, secret_sealed, id AS house FROM organization WHERE id = $1");
        let row = query.bind(id).fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(self.read_out(ORGANIZATION, id, row).await?)
    }

    async fn user(&self, id: i64) -> PublicResult<Option<User>> {
        let query = sqlx::query("SELECT * FROM account_user WHERE id = $1").bind(id);
        let row = query.fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(row.as_ref().map(user).transpose()?)
    }

    async fn user_by_secret(&self, secret: &str) -> PublicResult<Option<User>> {
        let row = self.by_secret("SELECT * FROM account_user WHERE secret_digest", USER, secret).await?;
        Ok(row.as_ref().map(user).transpose()?)
    }

    async fn user_by_email(&self, email: &str) -> PublicResult<Option<User>> {
        let query = sqlx::query("SELECT * FROM account_user WHERE email_folded = $1").bind(email.to_lowercase());
        let row = query.fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(row.as_ref().map(user).transpose()?)
    }

    async fn user_secret(&self, id: i64) -> PublicResult<Option<SecretString>> {
        let query =
            sqlx::query("SELECT key_id, secret_sealed, organization_id AS house FROM account_user WHERE id = $1");
        let row = query.bind(id).fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(self.read_out(USER, id, row).await?)
    }
}
