//! A PostgreSQL server of the tests' own: one for the process, a database for each world.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

/// Makes a cluster and serves it on a Unix socket until the other end of its input is gone, which it is
/// however this process ends; then stops it and removes it. Hundreds of databases are a hundred thousand
/// files: they are in memory where there is plenty of it. What the server demands of a database stays on;
/// nothing is tidied up behind databases that live for a second.
const SCRIPT: &str = r#"
trap "" INT TERM
free=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
parent=/tmp
[ -w /dev/shm ] && [ "${free:-0}" -gt 4000000 ] && [ "${available:-0}" -gt 6000000 ] && parent=/dev/shm
directory=$(mktemp -d $parent/blepay-postgres.XXXXXX) || exit 1
"$1/initdb" -D "$directory/data" -U blepay -A trust -E UTF8 --locale=C --no-sync >"$directory/log" 2>&1 ||
    { cat "$directory/log" >&2; exit 1; }
"$1/postgres" -D "$directory/data" -k "$directory" -c listen_addresses= -c shared_buffers=64MB \
    -c max_connections=200 -c max_wal_size=256MB -c fsync=on -c deadlock_timeout=100ms \
    -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0 -c bgwriter_lru_maxpages=0 \
    -c update_process_title=off >>"$directory/log" 2>&1 &
echo "$directory"
cat >/dev/null
kill -QUIT $!
wait $!
rm -r "$directory"
"#;

/// How long to wait until it answers.
const ATTEMPTS_MAX: u32 = 2_400;

/// What PostgreSQL says of a template to which somebody is connected, after it waited for five seconds.
const IN_USE: &str = "55006";

struct Cluster {
    socket: String,
    databases: AtomicU32,
    /// Its input stays open as long as this process lives.
    _script: Child,
}

/// Makes a database and returns its URL.
pub(crate) async fn database() -> String {
    create("template1").await
}

/// Copies the database of a URL and returns the copy's URL.
pub(crate) async fn copy(url: &str) -> String {
    let path = url.split_once('?').map_or(url, |(path, _)| path);

    create(path.rsplit('/').next().unwrap()).await
}

/// Ends who is in a database and lets nobody in.
pub(crate) async fn shut(name: &str) {
    let shut = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false");
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    order(&[shut, end]).await;
}

/// Lets everybody in again.
pub(crate) async fn open(name: &str) {
    order(&[format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")]).await;
}

async fn order(statements: &[String]) {
    let mut connection = cluster().connect().await;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();

    CLUSTER.get_or_init(Cluster::start)
}

async fn create(template: &str) -> String {
    let cluster = cluster();
    let number = cluster.databases.fetch_add(1, Ordering::Relaxed);
    let name = format!("world_{number}");
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    let mut connection = cluster.connect().await;
    // Connections that were closed to the template may need a while to be gone.
    for _ in 0..ATTEMPTS_MAX {
        let create = sqlx::query(AssertSqlSafe(create.clone()));
        match create.execute(&mut connection).await {
            Ok(_) => break,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) => {}
            Err(error) => panic!("{error}"),
        }
    }
    connection.close().await.unwrap();

    cluster.url(&name)
}

impl Cluster {
    fn start() -> Self {
        let programs = programs().expect(
            "the server's promises are tested on PostgreSQL too: apt-get install postgresql",
        );
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--init-groups",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        let mut script = command
            .args(["-c", SCRIPT, "sh"])
            .arg(programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut socket = String::new();
        BufReader::new(script.stdout.take().unwrap())
            .read_line(&mut socket)
            .unwrap();
        let socket = socket.trim().to_owned();
        assert!(!socket.is_empty(), "initdb failed, and said why above");

        Self {
            socket,
            databases: AtomicU32::new(0),
            _script: script,
        }
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgresql://blepay@localhost/{database}?host={}",
            self.socket
        )
    }

    async fn connect(&self) -> PgConnection {
        let url = self.url("postgres");
        for _ in 0..ATTEMPTS_MAX {
            if let Ok(connection) = PgConnection::connect(&url).await {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("PostgreSQL does not answer; its log is in {}", self.socket);
    }
}

/// Returns where Debian's package has the newest of its programs.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            let programs = version.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((number, programs))
        })
        .collect();
    versions.sort();

    versions.pop().map(|(_, programs)| programs)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|process| process.uid() == 0)
}
