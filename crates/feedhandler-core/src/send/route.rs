//! Which recorded stream goes to which destination.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::faults::LineName;

/// The destinations, numbered, and what goes to each.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    destinations: Vec<SocketAddr>,
    mapped: HashMap<SocketAddr, Vec<usize>>,
    default: Vec<usize>,
}

impl Routes {
    /// Routes from recorded to new addresses, and destinations of everything that no route names.
    ///
    /// A stream with several routes, or several defaults, is sent to each of them.
    #[must_use]
    pub fn new(mapped: &[(SocketAddr, SocketAddr)], default: &[SocketAddr]) -> Self {
        let mut routes = Self::default();
        for &(from, to) in mapped {
            let number = routes.number(to);
            routes.mapped.entry(from).or_default().push(number);
        }
        routes.default = default.iter().map(|&to| routes.number(to)).collect();
        routes
    }

    /// The destinations by number, each once.
    #[must_use]
    pub fn destinations(&self) -> &[SocketAddr] {
        &self.destinations
    }

    /// The recorded addresses that have a route.
    pub fn recorded(&self) -> impl Iterator<Item = SocketAddr> {
        self.mapped.keys().copied()
    }

    /// What each destination may be called: its own address, and those that it stands for.
    #[must_use]
    pub fn line_names(&self) -> Vec<LineName> {
        let name = |(number, to): (usize, &SocketAddr)| {
            let mut from: Vec<_> =
                self.mapped.iter().filter(|(_, numbers)| numbers.contains(&number)).map(|(from, _)| *from).collect();
            from.sort_unstable();
            LineName::new(number, [*to].into_iter().chain(from).map(|address| address.to_string()).collect())
        };
        self.destinations.iter().enumerate().map(name).collect()
    }

    /// Numbers of the destinations of what was recorded on the way to `recorded`; none where it is to be skipped.
    #[must_use]
    pub fn of(&self, recorded: Option<SocketAddr>) -> &[usize] {
        recorded.and_then(|recorded| self.mapped.get(&recorded)).unwrap_or(&self.default)
    }

    /// Numbers of the destinations of what no route names, in the order in which they were given.
    #[must_use]
    pub fn unmapped(&self) -> &[usize] {
        &self.default
    }

    fn number(&mut self, to: SocketAddr) -> usize {
        self.destinations.iter().position(|&known| known == to).unwrap_or_else(|| {
            self.destinations.push(to);
            self.destinations.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_stream_goes_its_way_and_the_rest_to_the_default() {
        let (line_a, line_b) = (address("224.0.31.11:1"), address("224.0.32.11:1"));
        let to: Vec<SocketAddr> = (1..4).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let routes = Routes::new(&[(line_a, to[0]), (line_b, to[1]), (line_b, to[0])], &[to[2]]);
        assert_eq!(routes.destinations(), to);
        assert_eq!(routes.of(Some(line_a)), [0]);
        assert_eq!(routes.of(Some(line_b)), [1, 0]);
        assert_eq!(routes.of(Some(address("224.0.31.11:2"))), [2], "same group, other port");
        assert_eq!(routes.of(None), [2]);
    }

    #[test]
    fn without_a_default_the_rest_goes_nowhere() {
        let routes = Routes::new(&[(address("224.0.31.11:1"), address("127.0.0.1:1"))], &[]);
        assert!(routes.of(Some(address("224.0.31.12:1"))).is_empty());
        assert!(routes.of(None).is_empty());
    }
}
