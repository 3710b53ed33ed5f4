//! A PostgreSQL of our own: made in a temporary folder, reached by a socket in it, gone with the test.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use control::{Catalog, CatalogError};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// A running server. It stops when this is dropped, and as well when the test's process is killed: its
/// keeper holds the other end of a pipe and cleans up when that closes.
pub(crate) struct Server {
    folder: TempDir,
    keeper: Child,
}

/// What the keeper does, in the folder of the cluster.
const KEEPER: &str = r#"
initdb --auth=trust --username=tapeline --encoding=UTF8 --locale=C.UTF-8 >log 2>&1 &&
pg_ctl -w -t 60 -l log -o "-c listen_addresses='' -c fsync=off -c max_connections=100 -k $PWD" start >>log 2>&1 &&
echo ready || echo wrong
read -r _
pg_ctl -m immediate -w stop >>log 2>&1
rm -rf "$PGDATA"
"#;

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let path = std::env::join_paths([programs(), "/usr/bin".into(), "/bin".into()]).unwrap();
        command.args(["-c", KEEPER]).env("PATH", path).env("PGDATA", folder.path().join("data"));
        // A group of its own: what interrupts the tests leaves the keeper to clean up after them.
        command.current_dir(folder.path()).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((uid, gid)) = server_user() {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
            command.uid(uid).gid(gid);
        }
        let mut keeper = command.spawn().unwrap();
        let mut answer = [0; 5];
        let ready = keeper.stdout.take().unwrap().read_exact(&mut answer);
        let server = Self { folder, keeper };
        let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        assert!(ready.is_ok() && answer == *b"ready", "PostgreSQL does not start: {log}");
        server
    }

    /// The URL of a new, empty database.
    pub(crate) async fn database(&self, check: &str) -> String {
        let name: String = check.chars().take(60).collect();
        let admin = Database::connect(self.url("postgres")).await.unwrap();
        // The ICU collation orders text unlike its bytes, as many installations do.
        let sql = format!(
            "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
        );
        admin.execute_unprepared(&sql).await.unwrap();
        admin.close().await.unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        self.url_as("tapeline", database)
    }

    fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres:///{database}?user={user}&host={}", self.folder.path().display())
    }

    /// Checks what a database that is not there, and a user that is not known, are answered with.
    pub(crate) async fn refusals_say_what_to_do(&self) {
        for (url, says) in [
            (self.url("nowhere"), "create it (createdb NAME)"),
            (self.url_as("stranger", "postgres"), "check user and password"),
        ] {
            let error = Catalog::open(&url).await.unwrap_err();
            assert!(matches!(error, CatalogError::Unavailable { .. }), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Catalog::open(&format!("postgres://ann:s3cret@127.0.0.1:{port}/tapes")).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, CatalogError::Unavailable { .. }), "{message}");
    assert!(message.contains(&format!("tapes at 127.0.0.1:{port}")), "{message}");
    assert!(message.contains("check that PostgreSQL runs there") && !message.contains("s3cret"), "{message}");
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let stopped = self.keeper.wait();
        assert!(stopped.is_ok() || std::thread::panicking(), "the keeper of PostgreSQL is gone: {stopped:?}");
    }
}

/// Where initdb and pg_ctl are. Debian keeps them out of PATH.
fn programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = debian.chain(std::env::split_paths(&path)).find(|folder| folder.join("pg_ctl").exists());
    found.expect("PostgreSQL is needed for this test: apt-get install postgresql")
}

/// The user to run as where we are root, which PostgreSQL refuses to be.
fn server_user() -> Option<(u32, u32)> {
    if Path::new("/proc/self").metadata().unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find_map(|line| line.strip_prefix("postgres:"));
    let user = user.expect("the package postgresql makes a user postgres: apt-get install postgresql");
    let mut fields = user.split(':').skip(1).map(|field| field.parse::<u32>());
    match (fields.next(), fields.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Some((uid, gid)),
        _ => panic!("/etc/passwd has no numbers for postgres: {user}"),
    }
}
