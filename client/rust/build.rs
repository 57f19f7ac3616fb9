//! Generates the messages and clients from `../../proto`. protox compiles protobuf in Rust,
//! so that no protoc needs to be installed.

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(
        [
            "parity/files/v1/files.proto",
            "parity/numbers/v1/numbers.proto",
        ],
        [root],
    )?;
    tonic_prost_build::configure()
        // Bytes shares the receive buffer instead of copying it.
        .bytes(".parity.files.v1.GetResponse.data")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
