//! The command line: `parity --help`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use parity::{
    Client, Download, Downloaded, Error, Event, Options, Target,
    proto::files::{ListRequest, Source},
};
use tokio::{sync::watch, time::Instant};

/// A client of Parity.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The server's address
    #[arg(
        long,
        global = true,
        default_value = "localhost:50051",
        value_name = "HOST:PORT"
    )]
    addr: String,
    /// Encrypt, and trust the certificates in this PEM file
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The token to send with every call
    #[arg(
        long,
        global = true,
        env = "PARITY_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Count until Ctrl-C: report a value every 500 ms, draw an increment every 3 to 5 s
    Count(Count),
    /// List the cached files
    List(List),
    /// Download files; run it again to resume
    Get(Get),
}

#[derive(Args)]
struct Count {
    /// The client ID
    #[arg(long)]
    id: i32,
    /// Stop after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    duration: Option<u64>,
}

#[derive(Args)]
struct List {
    /// Only names that begin with this
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// List all files of the directory; * marks the cached ones
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
struct Get {
    /// The names of the files
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Put the files below this folder
    #[arg(short, long, default_value = ".")]
    dir: PathBuf,
    /// Put the file there; only with one name
    #[arg(short, long, value_name = "FILE", conflicts_with = "dir")]
    output: Option<PathBuf>,
    /// Fetch only this version
    #[arg(long, value_name = "VERSION")]
    only_version: Option<String>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse(); // exits with status 2 after wrong usage
    run(cli).await.unwrap_or_else(|e| report(&e))
}

/// Prints an error, and returns the exit status for it.
fn report(error: &Error) -> ExitCode {
    eprintln!("parity: {error}");
    match error {
        Error::Usage(_) => ExitCode::from(2),
        e if e.reason().as_deref() == Some("FILE_NOT_FOUND") => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let addr = cli.addr.clone();
    let client = Client::new(&Options {
        addr: cli.addr,
        tls_ca: cli.tls_ca,
        token: cli.token,
    })?;
    match cli.command {
        Command::Count(args) => count(client, args).await,
        Command::List(args) => list(client, &addr, args).await,
        Command::Get(args) => tokio::select! {
            result = get(client, args) => result,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("parity: interrupted; run it again to go on");
                Ok(ExitCode::from(INTERRUPTED))
            }
        },
    }
}

async fn count(client: Client, args: Count) -> Result<ExitCode, Error> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let end = args
            .duration
            .map(|s| Instant::now() + Duration::from_secs(s));
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {}
        }
        stop.send_replace(true);
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(INTERRUPTED.into()); // the user does not want to wait
        }
    });
    let totals = parity::count(client.numbers(), args.id, stopped, |event| match event {
        Event::Registered {
            value,
            increment,
            returning,
        } => {
            let known = if returning { "returning" } else { "new" };
            println!("registered ({known}): value {value}, increment {increment}");
        }
        Event::Reported(value) => println!("value {value}"),
        Event::Increment(number) => println!("increment {number}"),
        Event::Committed(value) => println!("confirmed {value}"),
        Event::Lost(error, wait) => {
            eprintln!(
                "parity: {error}; next attempt in {:.1} s",
                wait.as_secs_f64()
            )
        }
    })
    .await?;
    println!(
        "{} of {} reports confirmed, last value {}",
        totals.committed, totals.reports, totals.value
    );
    Ok(ExitCode::SUCCESS)
}

async fn list(client: Client, addr: &str, args: List) -> Result<ExitCode, Error> {
    let mut files = client.files();
    let source = if args.all {
        Source::Directory
    } else {
        Source::Cache
    };
    let mut request = ListRequest {
        source: source.into(),
        prefix: args.prefix,
        ..ListRequest::default()
    };
    loop {
        let response = files.list(request.clone()).await;
        let page = response
            .map_err(|status| Error::Call {
                what: addr.into(),
                status: Box::new(status),
            })?
            .into_inner();
        for file in page.files {
            let mark = if args.all && file.cached { '*' } else { ' ' };
            println!(
                "{mark} {:>14}  {}",
                file.size_bytes,
                parity::printable(&file.name)
            );
        }
        if page.next_page_token.is_empty() || page.next_page_token == request.page_token {
            eprintln!(
                "cache: {} of {} bytes used",
                page.cache_used_bytes, page.cache_capacity_bytes
            );
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

async fn get(client: Client, args: Get) -> Result<ExitCode, Error> {
    if args.output.is_some() && args.names.len() > 1 {
        return Err(Error::Usage(
            "--output takes one name; use --dir for several".into(),
        ));
    }
    let mut code = ExitCode::SUCCESS;
    for name in &args.names {
        // One file that cannot be fetched does not keep the others back.
        match get_one(&client, name, &args).await {
            Ok(done) => println!("{}: {} bytes", parity::printable(name), done.size),
            Err(e) => code = report(&e),
        }
    }
    Ok(code)
}

async fn get_one(client: &Client, name: &str, args: &Get) -> Result<Downloaded, Error> {
    let target = match &args.output {
        Some(path) => Target::file(path)?,
        None => Target::below(&args.dir, name)?,
    };
    let done = parity::download(
        client.files(),
        &Download {
            name: name.into(),
            target,
            version: args.only_version.clone(),
            force: args.force,
        },
    )
    .await?;
    if done.resumed > 0 {
        eprintln!("parity: resumed at {} bytes", done.resumed);
    }
    Ok(done)
}
