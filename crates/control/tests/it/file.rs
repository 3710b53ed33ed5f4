//! What only a database in a file does: being made, misplaced, damaged, shared by processes and killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use control::access::{Act, Acts, Pattern};
use control::catalog::{AssetQuery, Inserted};
use control::keys::{NewToken, TOKENS_MAX};
use control::{Catalog, CatalogError, Keys};
use sea_orm::{ConnectionTrait, Database};

use crate::samples::{NOW, clip, id};

pub(crate) fn url(folder: &Path) -> String {
    format!("sqlite:{}/tapeline.db", folder.display())
}

async fn refusal(url: &str) -> String {
    let message = Catalog::open(url).await.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[tokio::test]
async fn a_missing_file_is_made_in_any_spelling_of_its_url() {
    let folder = tempfile::tempdir().unwrap();
    // Characters that are special in URLs are ordinary in file names.
    for (prefix, name) in [("sqlite:", "plain.db"), ("sqlite://", "double.db"), ("sqlite:", "a b%20#é.db")] {
        let path = folder.path().join(name);
        Catalog::open(&format!("{prefix}{}", path.display())).await.unwrap().close().await.unwrap();
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_url_that_is_not_understood_says_how_to_write_one() {
    for (url, says) in [
        ("", "neither"),
        ("mysql://ann:s3cret@db/x", "neither"),
        ("tapeline.db", "neither"),
        ("sqlite:", "path is missing"),
        ("sqlite::memory:", "lost with the process"),
        ("sqlite:a.db?mode=ro", "leave out"),
    ] {
        let message = refusal(url).await;
        assert!(message.contains(says) && message.contains("sqlite:PATH"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    for (url, says) in [
        (
            format!("sqlite:{path}/no/such/t.db"),
            format!("the folder {path}/no/such does not exist; create it"),
        ),
        (format!("sqlite:{path}"), format!("{path} is a folder; name a file in it")),
        // Nobody, root included, makes files there.
        ("sqlite:/sys/tapeline.db".to_owned(), "check that the user that runs tapeline may write".to_owned()),
    ] {
        let message = refusal(&url).await;
        assert!(message.contains(&says), "{message}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_says_so_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tapeline.db");
    let content = "this is a letter, not a database ".repeat(200);
    fs::write(&path, &content).unwrap();
    let message = refusal(&url(folder.path())).await;
    assert!(message.contains("is damaged") && message.contains("tapeline rebuild"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn damage_inside_the_file_is_an_error_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&url(folder.path())).await.unwrap();
    let assets: Vec<_> = (0..300).map(|n| clip(&format!("n{n}"))).collect();
    catalog.upsert_from_tape(&assets).await.unwrap();
    catalog.close().await.unwrap();
    // Everything behind the schema's page and its neighbours.
    let mut file = fs::OpenOptions::new().write(true).open(folder.path().join("tapeline.db")).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length / 2)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(length / 2).unwrap()]).unwrap();
    drop(file);
    let catalog = Catalog::open(&url(folder.path())).await.unwrap();
    let error = catalog.list(&AssetQuery { limit: Some(500), ..AssetQuery::default() }).await.unwrap_err();
    assert!(matches!(error, CatalogError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("tapeline rebuild"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let url = url(folder.path());
    Catalog::open(&url).await.unwrap().close().await.unwrap();
    let outside = Database::connect(&url).await.unwrap();
    outside.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m9999_future', 0)").await.unwrap();
    let message = refusal(&url).await;
    assert!(message.contains("newer Tapeline (step m9999_future)"), "{message}");
    // The refusal left no lock behind.
    outside.execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm9999_future'").await.unwrap();
    Catalog::open(&url).await.unwrap();
}

#[tokio::test]
async fn there_is_an_end_to_the_number_of_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&url(folder.path())).await.unwrap();
    let keys = Keys::load(&catalog).await.unwrap();
    let outside = Database::connect(url(folder.path())).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
         INSERT INTO access_token SELECT printf('%016x', i), CAST(printf('%032d', i) AS BLOB), '', 'play', '*',
         0, NULL, NULL FROM n",
        TOKENS_MAX - 1
    );
    outside.execute_unprepared(&fill).await.unwrap();
    let (secret, _) = keys.create(&token(), NOW).await.unwrap();
    let error = keys.create(&token(), NOW).await.unwrap_err();
    assert!(matches!(error, CatalogError::TooManyTokens(TOKENS_MAX)), "{error}");
    assert!(keys.find(&secret.reveal(), NOW).is_ok());
    assert_eq!(keys.list().await.unwrap().len() as u64, TOKENS_MAX);
}

fn token() -> NewToken {
    let streams = Pattern::parse("live/*").unwrap();
    NewToken { name: String::new(), acts: Acts::of(&[Act::Publish]), streams, expires_at: None }
}

/// In the environment of a second process: the database it is to work on.
const CHILD_URL: &str = "TAPELINE_TEST_CHILD_URL";

/// Starts this test once more, in a process of its own, where it plays the other part.
fn child_of(test: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_token_from_another_process_is_seen_within_five_seconds() {
    if let Ok(url) = std::env::var(CHILD_URL) {
        let keys = Keys::load(&Catalog::open(&url).await.unwrap()).await.unwrap();
        let (secret, _) = keys.create(&token(), NOW).await.unwrap();
        println!("\nsecret {}", secret.reveal());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = url(folder.path());
    let catalog = Catalog::open(&url).await.unwrap();
    let keys = Keys::load(&catalog).await.unwrap();
    let mut child = child_of("file::a_token_from_another_process_is_seen_within_five_seconds", &url);
    // The server is not idle meanwhile.
    for n in 0..50 {
        catalog.insert(&clip(&format!("n{n}"))).await.unwrap();
    }
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let secret = output.lines().find_map(|line| line.strip_prefix("secret ")).unwrap();
    let made = Instant::now();
    while keys.find(secret, NOW).is_err() {
        assert!(made.elapsed() < Duration::from_secs(5));
        keys.refresh().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_there() {
    const ACKNOWLEDGED: usize = 40;
    if let Ok(url) = std::env::var(CHILD_URL) {
        let catalog = Catalog::open(&url).await.unwrap();
        for n in 0.. {
            catalog.insert(&clip(&format!("n{n}"))).await.unwrap();
            println!("\nacknowledged n{n}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let url = url(folder.path());
    // Open beside it, so that the log of the dead one is taken over alive.
    let catalog = Catalog::open(&url).await.unwrap();
    let mut child = child_of("file::what_a_killed_process_was_told_is_there", &url);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(id));
    let told: Vec<_> = told.take(ACKNOWLEDGED).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(told.len(), ACKNOWLEDGED);
    assert_eq!(catalog.insert(&clip("after")).await.unwrap(), Inserted::New);
    let reopened = Catalog::open(&url).await.unwrap();
    for id in told {
        assert!(catalog.get(&id).await.unwrap().is_some(), "{id}");
        assert!(reopened.get(&id).await.unwrap().is_some(), "{id}");
    }
}
