//! The catalog, the keys and the policy from outside. What a database does is checked on both: each check
//! of `library`, `paging`, `crowd`, `tokens` and `jwt` is a test on SQLite, and one test runs all of them on a
//! PostgreSQL that it starts itself (one, because making a cluster takes seconds). What only a file can do
//! is in `file`, the policy in `policy`.

#![expect(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

mod crowd;
mod file;
mod jwt;
mod library;
mod paging;
mod policy;
mod postgres;
mod samples;
mod tokens;

/// Makes the tests of checks that take the URL of an empty database.
macro_rules! checks_on_both_databases {
    ($($module:ident: $($check:ident),+;)+) => {
        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let folder = tempfile::tempdir().unwrap();
                    super::$module::$check(&super::file::url(folder.path())).await;
                }
            )+)+
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_check_holds_on_postgresql() {
            let server = postgres::Server::start();
            server.refusals_say_what_to_do().await;
            $($(
                println!("{}", stringify!($check));
                $module::$check(&server.database(stringify!($check)).await).await;
            )+)+
        }
    };
}

checks_on_both_databases! {
    library:
        an_asset_comes_back_as_it_went_in, inserting_again_changes_nothing, the_tape_overwrites_facts_and_never_labels,
        a_rebuild_of_many_assets_goes_in_batches, people_change_labels, a_refused_patch_changes_nothing,
        recordings_are_closed_and_failures_cleared, files_are_named_and_forgotten,
        a_deleted_asset_is_returned_and_gone, calls_about_what_is_not_there_say_so, what_is_not_acceptable_is_refused;
    paging:
        filters_agree_with_plain_rust, pages_lose_and_repeat_nothing_while_assets_come_and_go,
        strange_queries_are_refused;
    crowd:
        many_opens_of_a_new_database_all_succeed, a_burst_of_writers_is_never_told_busy,
        changes_of_one_asset_do_not_overwrite_each_other, changes_of_two_fields_at_once_both_stay, abandoned_calls_leave_whole_assets_or_none;
    tokens:
        a_token_works_here_at_once_and_elsewhere_after_a_refresh, a_revoked_token_stops,
        tokens_are_listed_without_secrets, ended_tokens_are_forgotten_in_time, bad_tokens_are_not_made,
        path_grants_open_one_stream_while_their_token_lives, damaged_rows_are_errors;
    jwt:
        a_signed_token_works_until_it_or_its_key_is_revoked, keys_are_listed_without_secrets_and_their_ids_used_once,
        tokens_are_made_with_shared_secrets_only, path_grants_die_with_the_signed_token_behind_them,
        a_revoked_token_is_remembered_until_it_has_run_out;
}
