//! Requests beside a stream that has its connection for itself, as over HTTP/1.1.

use crate::connection::{Answer, Connection, Connector, Protocols};
use crate::error::ClientError;
use crate::url::CapabilityUrl;
use bytes::Bytes;
use http::Request;

/// A second connection, made when it is needed.
pub(crate) struct SideConnection {
    connector: Connector,
    connection: Option<Connection>,
}

impl SideConnection {
    pub(crate) const fn new(connector: Connector) -> Self {
        Self { connector, connection: None }
    }

    /// As [`Connection::exchange`]. The request may be made twice.
    pub(crate) async fn exchange(
        &mut self,
        url: &CapabilityUrl,
        request: Request<Bytes>,
    ) -> Result<Answer, ClientError> {
        // It may have been closed for idleness meanwhile.
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
