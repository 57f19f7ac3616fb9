//! A client of Parity: draws numbers, counts, and lists and downloads files over gRPC.
//!
//! ```no_run
//! # async fn example() -> Result<(), parity::Error> {
//! let client = parity::Client::new(&parity::Options::new("localhost:50051"))?;
//! let target = parity::Target::below(".".as_ref(), "README.md")?;
//! let done = parity::download(client.files(), &parity::Download::new("README.md", target)).await?;
//! println!("{} bytes", done.size);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod connect;
mod count;
mod download;
mod error;
mod part;
mod segment;
mod target;
mod text;

pub use connect::{Client, Connection, Options, Token};
pub use count::{Event, Totals, count};
pub use download::{Download, Downloaded, download};
pub use error::{Error, reason};
pub use target::Target;
pub use text::printable;

/// The code that `build.rs` generates from `../../proto`.
pub mod proto {
    /// Package `parity.files.v1`.
    #[allow(clippy::all)]
    pub mod files {
        tonic::include_proto!("parity.files.v1");
    }
    /// Package `parity.numbers.v1`.
    #[allow(clippy::all)]
    pub mod numbers {
        tonic::include_proto!("parity.numbers.v1");
    }
}
