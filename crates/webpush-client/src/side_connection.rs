//! A second connection, for requests while HTTP/1.1 streams a response.

use crate::connection::{Connection, Connector, FullResponse, Protocols};
use crate::error::ClientError;
use crate::url::CapabilityUrl;
use bytes::Bytes;
use http::Request;

/// A connection that is opened on first use.
pub(crate) struct SideConnection {
    connector: Connector,
    connection: Option<Connection>,
}

impl SideConnection {
    pub(crate) const fn new(connector: Connector) -> Self {
        Self { connector, connection: None }
    }

    /// Sends a request; see [`Connection::exchange`]. The request may be sent twice.
    pub(crate) async fn exchange(
        &mut self,
        url: &CapabilityUrl,
        request: Request<Bytes>,
    ) -> Result<FullResponse, ClientError> {
        // The server may have closed it because it was idle.
        if let Some(mut connection) = self.connection.take()
            && let Ok(answer) = connection.exchange(request.clone()).await
        {
            self.connection = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.connector.connect(url, Protocols::Any).await?;
        let answer = connection.exchange(request).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}
