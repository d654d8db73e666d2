//! The addresses of the server's name, and a connection to each.
//!
//! An agent that prefers an unreachable address waits for it to fail each time.

use super::check_result::CheckResult;
use super::{CHECK_TIMEOUT, Diagnosis};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use webpush_core::address::is_public;

const CHECK: &str = "name";
const CONNECTION: &str = "connection";

pub(super) async fn examine(diagnosis: &Diagnosis) -> Vec<CheckResult> {
    let (host, port) = (diagnosis.url.host(), diagnosis.url.port());
    let found = match timeout(CHECK_TIMEOUT, lookup_host((host, port))).await {
        Ok(found) => found.map(|found| found.collect::<Vec<_>>()),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    };
    let addresses = match found {
        Ok(addresses) if !addresses.is_empty() => addresses,
        Ok(_) => return vec![unknown(host, "no address found")],
        Err(error) => return vec![unknown(host, &error.to_string())],
    };
    let mut refused = Vec::new();
    for address in &addresses {
        if let Err(error) = connect(*address).await {
            refused.push((*address, error));
        }
    }
    vec![of_name(host, &addresses), of_connections(&addresses, &refused)]
}

fn unknown(host: &str, why: &str) -> CheckResult {
    CheckResult::bad(
        CHECK,
        format!("cannot resolve {host}: {why}"),
        "add an A record (and an AAAA record, if the machine has an IPv6 address) at your DNS provider",
    )
}

fn of_name(host: &str, addresses: &[SocketAddr]) -> CheckResult {
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let shown = shown.join(" and ");
    let found = if shown == host { shown } else { format!("{host} is {shown}") };
    if addresses.iter().all(|address| is_public(address.ip())) {
        return CheckResult::good(CHECK, found);
    }
    let inside = "other networks cannot connect to it";
    CheckResult::warning(
        CHECK,
        format!("{found}, which is not public: {inside}"),
        "give the name a public address; this is fine for local testing",
    )
}

fn of_connections(addresses: &[SocketAddr], refused: &[(SocketAddr, io::Error)]) -> CheckResult {
    let shown: Vec<String> =
        refused.iter().map(|(address, error)| format!("cannot connect to {address} ({error})")).collect();
    let shown = shown.join(", ");
    if refused.is_empty() {
        let port = addresses.first().map_or(0, SocketAddr::port);
        return CheckResult::good(CONNECTION, format!("port {port} answers on each address"));
    }
    if refused.len() == addresses.len() {
        return CheckResult::bad(
            CONNECTION,
            shown,
            "start the server, open the port in the firewall, and forward it if there is a router",
        );
    }
    CheckResult::warning(
        CONNECTION,
        shown,
        "listen there as well (--host :: listens on all addresses), or remove the address from the DNS",
    )
}

async fn connect(address: SocketAddr) -> io::Result<()> {
    match timeout(CHECK_TIMEOUT, TcpStream::connect(address)).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_result::CheckStatus;
    use super::*;

    fn addresses() -> Vec<SocketAddr> {
        vec!["93.184.216.34:443".parse().unwrap(), "[2606:2800:220:1::1]:443".parse().unwrap()]
    }

    #[test]
    fn an_address_that_is_not_public_is_a_warning() {
        assert_eq!(of_name("push.example", &addresses()).verdict, CheckStatus::Good);
        let private = of_name("push.example", &["192.168.1.2:443".parse().unwrap()]);
        assert!(
            private.verdict == CheckStatus::Warning && private.found.contains("192.168.1.2"),
            "{private}"
        );
    }

    #[test]
    fn one_unreachable_address_is_a_warning_and_all_are_bad() {
        let unreachable =
            |address: &SocketAddr| (*address, io::Error::from(io::ErrorKind::ConnectionRefused));
        let all = addresses();
        assert_eq!(of_connections(&all, &[]).verdict, CheckStatus::Good);
        let one = of_connections(&all, &[unreachable(&all[1])]);
        assert!(
            one.verdict == CheckStatus::Warning && one.found.contains("[2606:2800:220:1::1]:443"),
            "{one}"
        );
        let none = of_connections(&all, &[unreachable(&all[0]), unreachable(&all[1])]);
        assert_eq!(none.verdict, CheckStatus::Bad);
    }
}
