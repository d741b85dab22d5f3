//! Many rows in one statement: what books claims by the thousand.
//!
//! A statement names its rows as `{rows}` and their columns as `given.column1`, `given.column2` …. SQLite is
//! given them as `VALUES`, a few sizes of it so that statements stay prepared; PostgreSQL as arrays.

use super::sql::{self, Row, Sql, Value};
use super::{StoreError, Unit};

/// The most rows of one statement on SQLite, a power of two: with 16 columns far below the engine's
/// 32,766 parameters.
const SQLITE_ROWS_MAX: usize = 256;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Integer,
    Bytes,
}

/// Rows of values, all of the same columns.
#[derive(Debug)]
pub(super) struct Rows {
    columns: &'static [Column],
    values: Vec<Value>,
}

impl Rows {
    pub(super) const fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            values: Vec::new(),
        }
    }

    /// Adds a row, which has a value for each column.
    pub(super) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.values.extend(row);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn len(&self) -> usize {
        self.values
            .len()
            .checked_div(self.columns.len())
            .unwrap_or(0)
    }

    /// Splits into statements: their texts, with the values of each.
    fn statements(self, template: &str, engine: Engine) -> Vec<(String, Vec<Value>)> {
        match engine {
            Engine::Postgres => {
                let text = template.replace("{rows}", &postgres_rows(self.columns));
                vec![(text, self.into_arrays())]
            }
            Engine::Sqlite => {
                let (mut left, width) = (self.len(), self.columns.len());
                let mut values = self.values.into_iter();
                let mut statements = Vec::new();
                while left > 0 {
                    let size = sqlite_size(left);
                    let text = template.replace("{rows}", &sqlite_rows(size, width));
                    let count = size.saturating_mul(width);
                    statements.push((text, values.by_ref().take(count).collect()));
                    left = left.saturating_sub(size);
                }

                statements
            }
        }
    }

    /// Turns rows of values into one array for each column.
    fn into_arrays(self) -> Vec<Value> {
        let rows = self.len();
        let mut arrays: Vec<Value> = self
            .columns
            .iter()
            .map(|column| match column {
                Column::Integer => Value::Integers(Vec::with_capacity(rows)),
                Column::Bytes => Value::ManyBytes(Vec::with_capacity(rows)),
            })
            .collect();
        let columns = self.columns.len();
        for (value, number) in self.values.into_iter().zip((0..columns).cycle()) {
            match (arrays.get_mut(number), value) {
                (Some(Value::Integers(array)), Value::Integer(value)) => array.push(value),
                (Some(Value::ManyBytes(array)), Value::Bytes(value)) => array.push(value),
                (_, other) => debug_assert!(false, "{other:?} does not fit its column"),
            }
        }

        arrays
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Unit<'_> {
    /// Runs a statement for all rows and returns how many rows it changed.
    pub(super) async fn execute_rows(
        &mut self,
        template: &str,
        rows: Rows,
    ) -> Result<u64, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let mut changed: u64 = 0;
        for (text, values) in rows.statements(template, self.engine()) {
            let query = sql::query_built(text).bind_all(values);
            let done = query.execute(self.sql()).await?;
            changed = changed.saturating_add(done.rows_affected());
        }

        Ok(changed)
    }

    /// Runs a statement for all rows and returns what it finds.
    pub(super) async fn fetch_rows(
        &mut self,
        template: &str,
        rows: Rows,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        if rows.is_empty() {
            return Ok(found);
        }
        for (text, values) in rows.statements(template, self.engine()) {
            let query = sql::query_built(text).bind_all(values);
            found.extend(query.fetch_all(self.sql()).await?);
        }

        Ok(found)
    }

    fn engine(&mut self) -> Engine {
        match self.sql() {
            Sql::Sqlite(_) => Engine::Sqlite,
            Sql::Postgres(_) => Engine::Postgres,
        }
    }
}

/// Returns the largest power of two that is not more than `left`, up to the most rows of a statement.
fn sqlite_size(left: usize) -> usize {
    let power = left.checked_ilog2().unwrap_or(0);

    2_usize.saturating_pow(power).min(SQLITE_ROWS_MAX)
}

fn sqlite_rows(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows.saturating_mul(columns).saturating_mul(5));
    text.push_str("(VALUES ");
    let row = format!("({}),", vec!["?"; columns].join(","));
    text.push_str(&row.repeat(rows));
    text.pop();
    text.push_str(") AS given");

    text
}

fn postgres_rows(columns: &[Column]) -> String {
    let arrays: Vec<String> = columns
        .iter()
        .zip(1..)
        .map(|(column, number)| match column {
            Column::Integer => format!("${number}::BIGINT[]"),
            Column::Bytes => format!("${number}::BYTEA[]"),
        })
        .collect();
    let names: Vec<String> = (1..=columns.len())
        .map(|number| format!("column{number}"))
        .collect();

    format!(
        "UNNEST({}) AS given({})",
        arrays.join(", "),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_few_sizes_for_one_engine_and_into_columns_for_the_other() {
        let rows = || {
            let mut rows = Rows::new(&[Column::Integer, Column::Bytes]);
            for i in 0..3_i64 {
                rows.push([i.into(), vec![0_u8].into()]);
            }
            rows
        };

        let sqlite = rows().statements("SELECT * FROM {rows}", Engine::Sqlite);
        let postgres = rows().statements("SELECT * FROM {rows}", Engine::Postgres);

        assert_eq!(sqlite.len(), 2);
        assert_eq!(sqlite[0].0, "SELECT * FROM (VALUES (?,?),(?,?)) AS given");
        assert_eq!((sqlite[0].1.len(), sqlite[1].1.len()), (4, 2));
        assert_eq!(
            postgres[0].0,
            "SELECT * FROM UNNEST($1::BIGINT[], $2::BYTEA[]) AS given(column1, column2)"
        );
        assert_eq!(postgres[0].1.len(), 2);
    }
}
