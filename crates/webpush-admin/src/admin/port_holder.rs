//! The program that listens on a TCP port of this machine, as Linux knows it (proc(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Returns the program that listens on an address, such as `nginx (pid 7, user www-data)`.
///
/// Returns `None` if none is known. The name and the number of a process of another user are known to root only.
#[must_use]
pub fn describe(address: &str) -> Option<String> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().ok()?.collect();
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let mut sockets = tables.iter().flat_map(|table| table.lines()).filter_map(ListeningSocket::parse);
    let socket = sockets.find(|socket| addresses.iter().any(|address| socket.holds(*address)))?;
    let user = user_name(&socket.user, &fs::read_to_string("/etc/passwd").unwrap_or_default());
    Some(match process_of(&socket.inode) {
        Some((pid, name)) => format!("{name} (pid {pid}, {user})"),
        None => format!("a program of the {user}"),
    })
}

#[derive(Debug, PartialEq, Eq)]
struct ListeningSocket {
    address: SocketAddr,
    user: String,
    inode: String,
}

impl ListeningSocket {
    /// Parses a line of `/proc/net/tcp`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (ip, port) = words.nth(1)?.split_once(':')?;
        if words.nth(1)? != LISTEN {
            return None;
        }
        let address = SocketAddr::new(parse_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
        Some(Self { address, user: words.nth(3)?.to_owned(), inode: words.nth(1)?.to_owned() })
    }

    fn holds(&self, address: SocketAddr) -> bool {
        let (own, other) = (self.address.ip(), address.ip());
        let is_same = own == other || own.is_unspecified() && (own.is_ipv6() || other.is_ipv4());
        is_same && self.address.port() == address.port()
    }
}

/// Parses an address in words of the machine's byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at * 8)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

/// Returns number and name of a process that has the socket.
fn process_of(inode: &str) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
        files.find(|file| fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == &*wanted))?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some((pid, webpush_core::printable::one_line(name.trim()).into_owned()))
    })
}

fn user_name(id: &str, passwd: &str) -> String {
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, of_line) = (fields.next()?, fields.nth(1)?);
        (of_line == id).then_some(name)
    });
    name.map_or_else(|| format!("user with ID {id}"), |name| format!("user {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let holder = describe(&address).unwrap();
        assert!(holder.contains(&format!("pid {}", std::process::id())), "{holder}");
        drop(listener);
        assert_eq!(describe(&address), None);
    }

    #[test]
    fn tables_of_the_system_are_read() {
        let tail = "00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0";
        let line = format!("   0: 0100007F:1F8F 00000000:0000 0A {tail}");
        let socket = ListeningSocket::parse(&line).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(socket.address.to_string(), "127.0.0.1:8079");
        }
        assert_eq!((&*socket.user, &*socket.inode), ("1000", "4711"));
        assert_eq!(ListeningSocket::parse(&line.replace(" 0A ", " 01 ")), None);
        let everywhere = ListeningSocket {
            address: "[::]:8079".parse().unwrap(),
            user: String::new(),
            inode: String::new(),
        };
        assert!(everywhere.holds("127.0.0.1:8079".parse().unwrap()));
        assert!(!everywhere.holds("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(user_name("33", "root:x:0:0\nwww-data:x:33:33:www\n"), "user www-data");
        assert_eq!(user_name("7", ""), "user with ID 7");
    }
}
