//! The measurement: a cached file, fetched again and again over one connection.

use std::time::{Duration, Instant};

use parity::{
    Connection,
    proto::files::{GetRequest, file_service_client::FileServiceClient},
};

use crate::{Args, Case, Failure, ensure};

const DURATION: Duration = Duration::from_secs(3);
const SIZE: u64 = 32 << 20; // bytes

pub(crate) async fn bench_get(args: &Args) -> Case {
    let mut files = args.client()?.files();
    fetch(&mut files).await?; // fills the cache
    let start = Instant::now();
    let mut bytes = 0;
    while start.elapsed() < DURATION {
        bytes += fetch(&mut files).await?;
    }
    println!("{:.0}", bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    Ok(())
}

async fn fetch(files: &mut FileServiceClient<Connection>) -> Result<u64, Failure> {
    let request = GetRequest {
        name: "bench32m.bin".into(),
        ..GetRequest::default()
    };
    let mut stream = files.get(request).await?.into_inner();
    let (mut len, mut sum, mut promised) = (0, 0, None);
    while let Some(message) = stream.message().await? {
        len += message.data.len() as u64;
        sum = crc32c::crc32c_append(sum, &message.data);
        promised = message.crc32c;
    }
    ensure!(
        len == SIZE && promised == Some(sum),
        "{len} bytes with checksum {sum}, want {SIZE} with {promised:?}"
    );
    Ok(len)
}
