//! Copies of the books, and how PostgreSQL's own programs find them.

use std::path::Path;

use sqlx::ConnectOptions as _;

use super::{Connection, Store, StoreAddress, StoreError};

impl Store {
    /// Writes the books, as they are at one instant, into a file that is empty. Others go on writing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be written, or the books are not in a file.
    pub(crate) async fn copy_into(&mut self, path: &Path) -> Result<(), StoreError> {
        let Connection::Sqlite(connection) = &mut self.connection else {
            return Err(StoreError::Damaged("only books in a file are copied so"));
        };
        let path = path
            .to_str()
            .ok_or(StoreError::Damaged("the file's name is no UTF-8"))?;
        let copying = sqlx::query("VACUUM INTO $1").bind(path).execute(connection);
        let _copied = host::task::outside(copying).await?;

        Ok(())
    }
}

impl StoreAddress {
    /// Returns the address as PostgreSQL's programs take it, fit for a command line that all can read.
    pub(crate) fn url_without_password(&self) -> String {
        let Self::Postgres(options) = self else {
            return String::new();
        };
        let mut url = options.to_url_lossy();
        // Neither fails for an address with a host, and this one has one.
        url.set_password(None).ok();
        url.set_query(Some("connect_timeout=10"));

        url.to_string()
    }

    /// Returns the password, where the address has one.
    pub(crate) fn password(&self) -> Option<String> {
        let Self::Postgres(options) = self else {
            return None;
        };
        let url = options.to_url_lossy();

        url.password().map(percent_decoded)
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let decoded = digits
            .and_then(|digits| hex::decode(digits).ok())
            .and_then(|decoded| decoded.first().copied());
        match (decoded, after.get(2..)) {
            (Some(byte), Some(tail)) => {
                bytes.push(byte);
                rest = tail;
            }
            (Some(_) | None, _) => {
                bytes.push(*first);
                rest = after;
            }
        }
    }

    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_reaches_the_tool_and_never_the_command_line() {
        let address: StoreAddress = "postgresql://pay:s%C3%A9%40%25@db.example:5433/books"
            .parse()
            .unwrap();

        assert_eq!(address.password().unwrap(), "sé@%");
        let url = address.url_without_password();
        assert!(
            url.starts_with("postgres://pay@db.example:5433/books?"),
            "{url}"
        );
        assert_eq!(
            "postgresql:///books"
                .parse::<StoreAddress>()
                .unwrap()
                .password(),
            None
        );
    }
}
