//! `rialto-faults`: the fault proxy as a program of its own.

use clap::Parser;
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// Stands before an emulator and does to calls what its rules say. Everything passes while there are none.
#[derive(Parser)]
struct Arguments {
    /// Where functions call, such as 127.0.0.1:4599.
    #[arg(long)]
    listen: SocketAddr,
    /// The emulator's authority, such as 127.0.0.1:4566.
    #[arg(long)]
    to: String,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).await?;
    rialto_faults::proxy::serve(listener, arguments.to).await
}
