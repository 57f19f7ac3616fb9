//! The driver of the interop suite: runs one case against a server. Exit status 0: passed;
//! 1: failed, the reason on stderr; 3: this row cannot have the case, the reason on stdout.

mod bench;
mod checksum;
mod connection;
mod files;
mod get;
mod numbers;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use parity::{Client, Options, reason};
use tonic::{Code, Status};

/// How long a case may take: less than the runner allows.
const LIMIT: Duration = Duration::from_secs(25);

#[derive(Parser)]
struct Args {
    /// The case
    #[arg(long)]
    case: String,
    /// The server's address
    #[arg(long)]
    addr: String,
    /// The server's directory
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The certificate to trust; the server has TLS then
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// The token to send
    #[arg(long)]
    token: Option<String>,
    /// The first of 100 client IDs to use
    #[arg(long, default_value_t = 0)]
    id_base: i32,
    /// The name of this row
    #[arg(long, default_value = "rust")]
    row: String,
}

type Failure = Box<dyn Error>;
type Case = Result<(), Failure>;

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
use ensure;

/// The case cannot be run, for this reason.
#[derive(Debug)]
struct Impossible(&'static str);

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Impossible {}

impl Args {
    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.options())?)
    }

    fn options(&self) -> Options {
        Options {
            addr: self.addr.clone(),
            tls_ca: self.tls_ca.clone(),
            token: self.token.clone(),
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = tokio::time::timeout(LIMIT, run(&args)).await;
    match result.unwrap_or_else(|_| Err(format!("not done after {LIMIT:?}").into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.is::<Impossible>() => {
            println!("{e}");
            ExitCode::from(3)
        }
        Err(e) => {
            eprintln!("{}: {e}", args.case);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Case {
    match args.case.as_str() {
        "draw_even" => numbers::draw_even(args).await,
        "draw_odd" => numbers::draw_odd(args).await,
        "count_session" => numbers::count_session(args).await,
        "count_resume" => numbers::count_resume(args).await,
        "count_bad_first_message" => numbers::count_bad_first_message(args).await,
        "count_headers_first" => numbers::count_headers_first(args).await,
        "count_int64_extremes" => numbers::count_int64_extremes(args).await,
        "deadline" => numbers::deadline(args).await,
        "list_cache" => files::list_cache(args).await,
        "list_paged" => files::list_paged(args).await,
        "list_prefix" => files::list_prefix(args).await,
        "stat" => files::stat(args).await,
        "get_small" => get::get_small(args).await,
        "get_large" => get::get_large(args).await,
        "get_range" => get::get_range(args).await,
        "get_resume_version" => get::get_resume_version(args).await,
        "get_changed" => get::get_changed(args).await,
        "get_missing" => get::get_missing(args).await,
        "get_bad_name" => get::get_bad_name(args).await,
        "get_out_of_range" => get::get_out_of_range(args).await,
        "cancel_mid_stream" => get::cancel_mid_stream(args).await,
        "checksum" => checksum::checksum().await,
        "gzip" => connection::gzip(args).await,
        "tls" => connection::tls(args).await,
        "token" => connection::token(args).await,
        "health" => connection::health(args).await,
        "reflection" => connection::reflection(args).await,
        "bench_get" => bench::bench_get(args).await,
        case => Err(format!("unknown case {case:?}").into()),
    }
}

/// Fails unless a call failed with that status and reason.
fn refused<T>(result: Result<T, Status>, code: Code, why: &str) -> Result<Status, Failure> {
    let Err(status) = result else {
        return Err(format!("the call succeeded, want {code:?} {why}").into());
    };
    ensure!(
        status.code() == code && reason(&status).as_deref() == Some(why),
        "the call failed with {:?} {:?} {:?}, want {code:?} {why}",
        status.code(),
        reason(&status),
        status.message()
    );
    Ok(status)
}
