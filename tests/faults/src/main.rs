//! `rialto-faults`: the fault proxy as a program.

use clap::Parser;
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// Fault-injection proxy in front of an emulator. Forwards all calls until rules are added.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on, for example 127.0.0.1:4599.
    #[arg(long)]
    listen: SocketAddr,
    /// Host and port of the emulator, for example 127.0.0.1:4566.
    #[arg(long)]
    to: String,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).await?;
    rialto_faults::proxy::serve(listener, arguments.to).await
}
