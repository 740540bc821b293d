//! Where the exporter listens: on this machine only.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::Error;

/// Before the path of a socket in the file system.
const UNIX: &str = "unix:";

const ALLOWED: &str = "127.0.0.1:PORT, [::1]:PORT or unix:/PATH";

const NOT_LOOPBACK: &str = "127.0.0.1:PORT, [::1]:PORT or unix:/PATH; what a process goes through \
     is not for the network: let a reverse proxy or an agent on this machine fetch it";

/// A socket that listens, and closes with all that belongs to it. It is not inherited by
/// programs that this one starts.
#[derive(Debug)]
pub(super) struct Endpoint {
    socket: Socket,
    address: String,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// The file goes before the socket does: until then no other one can be taken for it.
    Unix {
        _file: SocketFile,
        listener: UnixListener,
    },
}

impl Endpoint {
    pub(super) fn open(address: &str) -> Result<Self, Error> {
        match address.strip_prefix(UNIX) {
            Some("") => Err(not_allowed(address, ALLOWED)),
            Some(path) => unix(address, Path::new(path)),
            None => tcp(address),
        }
    }

    /// With the port or the whole path, as clients need them.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// A client, if there is one: nothing blocks, here or with its socket.
    pub(super) fn accept(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (client, _from) = listener.accept()?;
                client.set_nonblocking(true)?;
                Ok(client.into())
            }
            Socket::Unix { listener, .. } => {
                let (client, _from) = listener.accept()?;
                client.set_nonblocking(true)?;
                Ok(client.into())
            }
        }
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

fn tcp(address: &str) -> Result<Endpoint, Error> {
    let place: SocketAddr = address.parse().map_err(|_| not_allowed(address, ALLOWED))?;
    if !place.ip().is_loopback() {
        return Err(not_allowed(address, NOT_LOOPBACK));
    }
    let listener = TcpListener::bind(place).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => taken(
            address,
            "another program listens there; choose another port, or port 0 for any that is free",
        ),
        _ => cannot(address, error),
    })?;
    let ready = listener.set_nonblocking(true);
    let found = ready.and_then(|()| listener.local_addr());
    let address = found.map_err(|error| cannot(address, error))?.to_string();
    Ok(Endpoint {
        socket: Socket::Tcp(listener),
        address,
    })
}

fn unix(address: &str, path: &Path) -> Result<Endpoint, Error> {
    let failed = |error| cannot(address, error);
    let path = std::path::absolute(path).map_err(failed)?;
    make_way(address, &path)?;
    let listener = UnixListener::bind(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => taken(address, LISTENS),
        _ => cannot(address, error),
    })?;
    let file = SocketFile::new(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = format!("{UNIX}{}", file.path.display());
    Ok(Endpoint {
        socket: Socket::Unix {
            _file: file,
            listener,
        },
        address,
    })
}

const LISTENS: &str = "another process listens there; choose another path, or end that process";

/// Removes a socket that somebody has left behind.
fn make_way(address: &str, path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        let reason = "the file that is there is no socket; choose another path";
        return Err(taken(address, reason));
    }
    match is_heard(path) {
        Ok(true) => Err(taken(address, LISTENS)),
        Ok(false) => fs::remove_file(path).map_err(|error| cannot(address, error)),
        Err(errno) => Err(cannot(address, errno.into())),
    }
}

/// Whether anybody listens at a socket.
fn is_heard(path: &Path) -> Result<bool, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let asking = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&asking, &SocketAddrUnix::new(path)?) {
        // There is no room in its queue.
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The file of a socket; removed by the process that made it, if it still is the same.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    pid: u32,
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        Ok(SocketFile {
            identity: identity(&path)?,
            path,
            pid: std::process::id(),
        })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = self.pid == std::process::id();
        if is_own
            && identity(&self.path).is_ok_and(|found| found == self.identity)
            // Whoever listens there next will find that nobody does.
            && let Err(_left) = fs::remove_file(&self.path)
        {}
    }
}

fn not_allowed(address: &str, allowed: &str) -> Error {
    Error::Option {
        option: "address".into(),
        value: address.into(),
        allowed: allowed.into(),
    }
}

fn taken(address: &str, reason: &'static str) -> Error {
    Error::Address {
        address: address.into(),
        reason,
    }
}

fn cannot(address: &str, source: io::Error) -> Error {
    Error::Os {
        what: format!("listen on {address}"),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn refused(address: &str) -> String {
        Endpoint::open(address).unwrap_err().to_string()
    }

    /// A path of this test's own.
    fn socket(name: &str) -> PathBuf {
        let name = format!("gilprof-{}-{name}.sock", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn at(path: &Path) -> String {
        format!("unix:{}", path.display())
    }

    #[test]
    fn any_port_that_is_free_is_named() {
        let endpoint = Endpoint::open("127.0.0.1:0").unwrap();
        let place: SocketAddr = endpoint.address().parse().unwrap();
        assert_ne!(place.port(), 0);
    }

    #[test]
    fn a_port_in_use_is_refused_with_what_to_do() {
        let first = Endpoint::open("127.0.0.1:0").unwrap();
        let told = refused(first.address());
        assert!(told.contains(first.address()), "{told}");
        assert!(told.contains("another program listens there; choose another port"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_one() {
        for wrong in ["localhost", "9464", "unix:", "127.0.0.1:99999"] {
            let told = refused(wrong);
            assert!(told.contains(&format!("address={wrong} ")), "{told}");
            assert!(told.contains("127.0.0.1:PORT, [::1]:PORT or unix:/PATH"));
        }
    }

    #[test]
    fn an_address_of_the_network_is_refused_with_the_reason() {
        for wide in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:80"] {
            assert!(refused(wide).contains("is not for the network"), "{wide}");
        }
    }

    #[test]
    fn a_socket_that_nobody_listens_at_is_replaced() {
        let path = socket("stale");
        drop(UnixListener::bind(&path).unwrap());
        let endpoint = Endpoint::open(&at(&path)).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(endpoint);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_in_use_is_refused_and_left_alone() {
        let path = socket("used");
        let endpoint = Endpoint::open(&at(&path)).unwrap();
        assert!(refused(&at(&path)).contains("another process listens there"));
        UnixStream::connect(&path).unwrap();
        drop(endpoint);
    }

    #[test]
    fn another_file_is_refused_and_left_alone() {
        let path = socket("file");
        fs::write(&path, "mine").unwrap();
        assert!(refused(&at(&path)).contains("is no socket; choose another path"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_socket_of_another_one_is_not_removed() {
        let path = socket("other");
        let endpoint = Endpoint::open(&at(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(endpoint);
        assert!(path.exists());
        drop(other);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let told = refused("unix:/nowhere/at/all.sock");
        assert!(
            told.starts_with("cannot listen on unix:/nowhere/at/all.sock: "),
            "{told}"
        );
    }
}
