use std::fmt;
use std::net::Ipv6Addr;

/// A host and a port as people write them: `mac.local`, `mac.local:5555`, `10.0.0.2`, `[fe80::1%en0]:5555`,
/// `::1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or a literal address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// There is no host in it.
    NoHost,
    /// What follows the colon is not a number from 0 to 65535.
    Port,
    /// A bracket is missing, or something other than a port follows it, or what is inside is not IPv6.
    Brackets,
    /// An IPv6 address without brackets whose last group could be a port.
    Ambiguous,
    /// A character that no host name has.
    Host,
}

impl Address {
    /// Reads `text`; a port that is not given is `default_port`.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let text = text.trim();
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or(AddressError::Brackets)?;
            if !is_ipv6(host) {
                return Err(AddressError::Brackets);
            }
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or(AddressError::Brackets)?)),
            }
        } else {
            match text.rsplit_once(':') {
                None => (text, None),
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                Some((host, port)) => match (is_ipv6(text), is_ipv6(host) && is_port(port)) {
                    (true, true) => return Err(AddressError::Ambiguous),
                    (true, false) => (text, None),
                    (false, true) => (host, Some(port)),
                    (false, false) => return Err(AddressError::Host),
                },
            }
        };
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        // A slash is most often a URL's; getaddrinfo would take any of these to the network.
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/,@[]".contains(c)) {
            return Err(AddressError::Host);
        }
        let port = match port {
            None => default_port,
            Some(port) if is_port(port) => port.parse().map_err(|_| AddressError::Port)?,
            Some(_) => return Err(AddressError::Port),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|zone| !zone.is_empty())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHost => "no host in it: write HOST or HOST:PORT",
            Self::Port => "the port is not a number from 0 to 65535",
            Self::Brackets => {
                "brackets hold an IPv6 address and a port follows them: [ADDRESS]:PORT"
            }
            Self::Ambiguous => "with or without a port? Write [ADDRESS] or [ADDRESS]:PORT",
            Self::Host => "not a host name or address: write HOST or HOST:PORT",
        })
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, AddressError> {
        Address::parse(text, 5555).map(|address| address.to_string())
    }

    #[test]
    fn a_port_that_is_not_given_is_the_default() {
        assert_eq!(parsed("mac.local"), Ok("mac.local:5555".into()));
        assert_eq!(parsed(" 10.0.0.2 "), Ok("10.0.0.2:5555".into()));
        assert_eq!(parsed("mac.local:80"), Ok("mac.local:80".into()));
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        assert_eq!(parsed("[::1]"), Ok("[::1]:5555".into()));
        assert_eq!(parsed("[fe80::1%en0]:80"), Ok("[fe80::1%en0]:80".into()));
        assert_eq!(parsed("[::1"), Err(AddressError::Brackets));
        assert_eq!(parsed("[::1]80"), Err(AddressError::Brackets));
        assert_eq!(parsed("[mac.local]:80"), Err(AddressError::Brackets));
    }

    #[test]
    fn bare_ipv6_is_taken_where_it_can_mean_one_thing_only() {
        assert_eq!(parsed("::1"), Ok("[::1]:5555".into()));
        assert_eq!(parsed("fe80::1"), Ok("[fe80::1]:5555".into()));
        assert_eq!(parsed("1:2:3:4:5:6:7:8"), Ok("[1:2:3:4:5:6:7:8]:5555".into()));
        assert_eq!(parsed("1:2:3:4:5:6:7:8:80"), Ok("[1:2:3:4:5:6:7:8]:80".into()));
        assert_eq!(parsed("fe80::1:5555"), Err(AddressError::Ambiguous));
        assert_eq!(parsed("fe80::1:abcd"), Ok("[fe80::1:abcd]:5555".into()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(parsed(""), Err(AddressError::NoHost));
        assert_eq!(parsed(":80"), Err(AddressError::NoHost));
        assert_eq!(parsed("mac.local:"), Err(AddressError::Port));
        assert_eq!(parsed("mac.local:70000"), Err(AddressError::Port));
        assert_eq!(parsed("mac.local:+80"), Err(AddressError::Port));
        assert_eq!(parsed("http://mac.local"), Err(AddressError::Port));
        assert_eq!(parsed("mac local"), Err(AddressError::Host));
        assert_eq!(parsed("a:b:c"), Err(AddressError::Host));
    }
}
