//! Where datagrams may be sent: the rail that keeps replayed market data from leaving the machine by accident.

use std::net::SocketAddr;
use std::str::FromStr;
use std::{fmt, io};

use crate::wire::interface::find;

/// The interface that multicast leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number on this machine.
    pub index: u32,
}

impl FromStr for Interface {
    type Err = io::Error;

    /// The interface's name, or one of its addresses.
    fn from_str(name_or_address: &str) -> io::Result<Self> {
        find(name_or_address)?.map(|found| Self { index: found.index }).map_err(|others| {
            let mut names: Vec<_> = others.into_iter().map(|interface| interface.name).collect();
            names.sort_unstable();
            names.dedup();
            let text = format!("no network interface is {name_or_address:?}: there are {}", names.join(", "));
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }
}

/// How far datagrams may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Interface for multicast; without it no group is a destination.
    pub interface: Option<Interface>,
    /// Routers that multicast may pass, plus one: 0 stays on this machine, 1 on the interface's network.
    pub multicast_ttl: u32,
    /// Unicast to other machines is meant.
    pub allow_remote: bool,
}

/// Why an address is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationError {
    /// The port is 0.
    NoPort(SocketAddr),
    /// The address is `0.0.0.0` or `::`.
    Unspecified(SocketAddr),
    /// A multicast group, and no interface was named.
    NoInterface(SocketAddr),
    /// Another machine, and that was not allowed.
    Remote(SocketAddr),
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort(to) => write!(f, "cannot send to {to}: expected a port from 1 to 65535"),
            Self::Unspecified(to) => write!(f, "cannot send to {to}: expected an address of a machine or a group"),
            Self::NoInterface(to) => {
                write!(
                    f,
                    "will not send to the multicast group {to} without an interface: name the one it shall leave by"
                )
            }
            Self::Remote(to) => {
                write!(f, "will not send to {to}, which is not this machine: say allow_remote if that is meant")
            }
        }
    }
}

impl std::error::Error for DestinationError {}

/// Whether datagrams may be sent to `to`: by default to loopback and, by a named interface, to multicast groups.
///
/// # Errors
///
/// The rule that `to` breaks.
pub fn check_destination(to: SocketAddr, reach: &Reach) -> Result<(), DestinationError> {
    let address = to.ip().to_canonical();
    if to.port() == 0 {
        return Err(DestinationError::NoPort(to));
    }
    if address.is_unspecified() {
        return Err(DestinationError::Unspecified(to));
    }
    if address.is_multicast() {
        return if reach.interface.is_some() { Ok(()) } else { Err(DestinationError::NoInterface(to)) };
    }
    if address.is_loopback() || reach.allow_remote { Ok(()) } else { Err(DestinationError::Remote(to)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: &str, reach: &Reach) -> Result<(), DestinationError> {
        check_destination(to.parse().expect("an address"), reach)
    }

    #[test]
    fn by_default_only_loopback_is_a_destination() {
        let reach = Reach::default();
        for to in ["127.0.0.1:1", "127.255.0.9:65535", "[::1]:9"] {
            assert_eq!(check(to, &reach), Ok(()), "{to}");
        }
        for to in
            ["10.0.0.1:1", "8.8.8.8:53", "255.255.255.255:1", "169.254.0.1:1", "[2001:db8::1]:1", "[::ffff:8.8.8.8]:1"]
        {
            assert!(matches!(check(to, &reach), Err(DestinationError::Remote(_))), "{to}");
        }
        for to in ["239.1.1.1:1", "224.0.0.1:1", "[ff02::1]:1", "[::ffff:239.1.1.1]:1"] {
            assert!(matches!(check(to, &reach), Err(DestinationError::NoInterface(_))), "{to}");
        }
    }

    #[test]
    fn a_group_needs_an_interface_even_where_remote_is_allowed() {
        let reach = Reach { allow_remote: true, ..Reach::default() };
        assert_eq!(check("10.0.0.1:1", &reach), Ok(()));
        assert!(matches!(check("239.1.1.1:1", &reach), Err(DestinationError::NoInterface(_))));
    }

    #[test]
    fn an_interface_opens_groups_and_nothing_else() {
        let by_index = Reach { interface: Some(Interface { index: 1 }), ..Reach::default() };
        assert_eq!(check("239.1.1.1:1", &by_index), Ok(()));
        assert_eq!(check("[ff02::1]:1", &by_index), Ok(()));
        assert!(matches!(check("10.0.0.1:1", &by_index), Err(DestinationError::Remote(_))));
    }

    #[test]
    fn no_port_and_no_address_are_refused_always() {
        let reach = Reach { allow_remote: true, interface: Some(Interface { index: 1 }), multicast_ttl: 0 };
        assert!(matches!(check("127.0.0.1:0", &reach), Err(DestinationError::NoPort(_))));
        assert!(matches!(check("0.0.0.0:1", &reach), Err(DestinationError::Unspecified(_))));
        assert!(matches!(check("[::]:1", &reach), Err(DestinationError::Unspecified(_))));
    }

    #[test]
    fn an_interface_is_named_by_name_or_address() {
        let by_address: Interface = "127.0.0.1".parse().expect("loopback");
        assert_eq!("lo".parse::<Interface>().expect("loopback"), by_address);
        let unknown = "no-such-interface".parse::<Interface>().expect_err("unknown");
        assert!(unknown.to_string().starts_with("no network interface is \"no-such-interface\": there are "));
    }
}
