//! The push URL of a request.

use crate::access::authority;
use crate::ready::Addresses;
use crate::service_name::ServiceName;
use crate::vendor::Vendor;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Uri};
use webpush_http::resources::aliases::{self, Alias};

/// The prefix of push URLs of this server.
const PUSH: &str = "/push/";

/// A push URL, as its sender wrote it and as this server knows it.
pub(crate) struct Endpoint {
    pub(crate) service: ServiceName,
    /// The URL that the sender has.
    pub(crate) url: String,
    /// A path of this server.
    ///
    /// It is an alias for which a removed subscription is 410, if the one of the sender was.
    pub(crate) own_path: Uri,
    /// True for a path of Google's on this server, for which tokens for Google are valid.
    pub(crate) is_google_alias: bool,
    token: String,
}

/// The target of a request.
pub(crate) enum PushUrl {
    /// A push.
    Push(Endpoint),
    /// Something else at a vendor's host, where there is nothing else.
    Nothing(Vendor),
    /// Something else at this server.
    Other,
}

impl PushUrl {
    pub(crate) fn from_request(head: &Parts, addresses: &Addresses) -> Self {
        let authority = authority(head);
        let host = authority.as_ref().map_or("", Authority::host);
        let sends = matches!(head.method, Method::POST | Method::PUT);
        if let Some(vendor) = Vendor::from_host(host) {
            return match vendor.token(&head.uri).filter(|_| sends) {
                Some(token) => Self::Push(Endpoint::at_vendor(vendor, host, &head.uri, token)),
                None => Self::Nothing(vendor),
            };
        }
        let resource = aliases::resolve(head.uri.path());
        match resource.path.strip_prefix(PUSH) {
            Some(token) if sends => {
                let is_https = addresses.is_https(authority.as_ref().and_then(Authority::port_u16));
                let service = if is_https { ServiceName::Https } else { ServiceName::Local };
                let scheme = if is_https { "https" } else { "http" };
                let authority = authority.as_ref().map_or("", Authority::as_str);
                Self::Push(Endpoint {
                    service,
                    url: format!("{scheme}://{authority}{}", head.uri.path()),
                    own_path: head.uri.clone(),
                    is_google_alias: resource.alias == Some(Alias::Google),
                    token: token.to_owned(),
                })
            }
            _ => Self::Other,
        }
    }
}

impl Endpoint {
    /// Vendors respond with 410 to a removed subscription, and so does the path of autopush.
    fn at_vendor(vendor: Vendor, host: &str, uri: &Uri, token: String) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            service: ServiceName::Vendor(vendor),
            url: format!("https://{host}{path}"),
            own_path: Uri::try_from(format!("/wpush/v2/{token}")).unwrap_or_else(|_| Uri::from_static(PUSH)),
            is_google_alias: false,
            token,
        }
    }

    /// Creates the endpoint of a URL that stands for another one of this server.
    pub(crate) fn local(url: String, token: &str) -> Option<Self> {
        Some(Self {
            service: ServiceName::Local,
            url,
            own_path: Uri::try_from(format!("/wpush/v2/{token}")).ok()?,
            is_google_alias: false,
            token: token.to_owned(),
        })
    }

    /// Returns the path of the push URL of this server.
    pub(crate) fn push_path(&self) -> String {
        [PUSH, &self.token].concat()
    }
}
