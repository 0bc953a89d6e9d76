//! Identifies the process behind a connection, via `/proc` (Linux only).

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

/// The calling process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: Option<u32>,
    /// The function's name without the stage's prefix, if the process runs one.
    pub(crate) function: Option<String>,
}

impl Peer {
    /// The process at `address`, connected to `here`. Unknown where there is no `/proc`.
    pub(crate) fn at(address: SocketAddr, local_address: SocketAddr) -> Self {
        let Some(pid) = socket(address, local_address).and_then(|inode| owner(&inode)) else {
            return Self::default();
        };
        Self { pid: Some(pid), function: function(pid) }
    }
}

/// The inode of the socket between the two addresses. Both are compared, because one local port can
/// be connected to several remote ones.
fn socket(address: SocketAddr, local_address: SocketAddr) -> Option<String> {
    let (address, local_address) = (entry(address)?, entry(local_address)?);
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines
        .find(|fields| fields.get(1..3) == Some(&[address.as_str(), local_address.as_str()]))?;
    line.get(9).map(|inode| (*inode).to_owned())
}

/// An address in the format of `/proc/net/tcp`: hexadecimal, the IP address in native byte order.
fn entry(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

fn owner(inode: &str) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = processes
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    processes.find(|pid| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(&link)))
    })
}

fn function(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variable = |name: &str| {
        let variables = environment.split(|byte| *byte == 0);
        let mut variables =
            variables.filter_map(|variable| str::from_utf8(variable).ok()?.split_once('='));
        variables.find(|(other, _)| *other == name).map(|(_, value)| value.to_owned())
    };
    let name = variable("AWS_LAMBDA_FUNCTION_NAME")?;
    let prefix = format!("rialto-{}-", variable("RIALTO_STAGE")?);
    name.strip_prefix(&prefix).map(str::to_owned)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn connections_of_this_process_are_identified() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, address) = listener.accept().unwrap();
        let local_address = connection.local_addr().unwrap();
        assert_eq!(
            Peer::at(address, local_address),
            Peer { pid: Some(std::process::id()), function: None }
        );
    }
}
