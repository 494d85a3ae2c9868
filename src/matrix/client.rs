//! One HTTP client for everything that is asked of the homeserver.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use metrics::counter;
use ruma::{
    DeviceId, OwnedUserId, ServerName, UserId,
    api::{
        AppserviceUserIdentity, IncomingResponse, MatrixVersion, OutgoingRequest,
        OutgoingRequestAppserviceExt, SupportedVersions,
        auth_scheme::{AuthScheme, SendAccessToken},
        error::IntoHttpError,
        path_builder::PathBuilder,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::{MatrixError, error::Cause};

/// How long a connection may take: the homeserver is a neighbour.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take. Opening a room is the slowest: several seconds under load.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a file may take: 100 MB at 4 Mbit/s.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(300);

/// How much longer than its own timeout a `/sync` may take.
const SYNC_SLACK: Duration = Duration::from_secs(60);

/// Idle connections that are kept: a homeserver with one process gains nothing from more.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Longest answer that is not a file or a sync, in bytes: the members of a very large room.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest answer to a `/sync`, in bytes: the first one after a long absence names every portal.
const SYNC_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest error answer that is read, in bytes; the error form is far below.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// Where the homeserver is and who we are there.
#[derive(Debug, Clone)]
pub struct HomeserverAccess {
    /// Where its client-server API answers, such as `http://localhost:8008`.
    pub base_url: url::Url,
    /// The part of its users' ids after the colon.
    pub server_name: ruma::OwnedServerName,
    /// The registration's `as_token`.
    pub as_token: SecretString,
    /// The bot's local part: an ordinary user of the namespace, not the `sender_localpart`, for
    /// which Synapse answers `/sync` with 500.
    pub bot_localpart: String,
    /// The prefix of the local parts of ghosts and of portal aliases, such as `_umstieg_`.
    pub user_prefix: String,
    /// PEM certificates to trust besides those of the platform, for a homeserver behind a private
    /// authority.
    pub extra_roots_pem: Vec<u8>,
}

/// The settings do not yield a client.
#[derive(Debug, thiserror::Error)]
pub enum HomeserverAccessError {
    #[error("the bot's local part and the server name do not form a user id")]
    Bot(#[source] ruma::IdParseError),
    #[error("the homeserver's additional certificates cannot be used")]
    Roots(#[source] reqwest::Error),
    #[error("the client for the homeserver could not be set up")]
    Client(#[source] reqwest::Error),
}

/// The homeserver, seen by its application service. A clone is the same client.
#[derive(Clone)]
pub struct Homeserver {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base_url: String,
    server_name: ruma::OwnedServerName,
    as_token: SecretString,
    bot: OwnedUserId,
    user_prefix: String,
    versions: SupportedVersions,
}

/// What was asked of the homeserver: a fixed word for metrics and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Versions,
    Whoami,
    Ping,
    Register,
    Device,
    DisplayName,
    CreateRoom,
    Alias,
    ReadState,
    WriteState,
    Join,
    Invite,
    Kick,
    Leave,
    Members,
    Profile,
    Send,
    Upload,
    Download,
    MediaConfig,
    Sync,
    Messages,
    Devices,
    KeysUpload,
    KeysQuery,
    KeysClaim,
    KeysSign,
    ToDevice,
    AccountData,
}

impl Endpoint {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::Whoami => "whoami",
            Self::Ping => "ping",
            Self::Register => "register",
            Self::Device => "device",
            Self::DisplayName => "displayname",
            Self::CreateRoom => "create_room",
            Self::Alias => "alias",
            Self::ReadState => "read_state",
            Self::WriteState => "write_state",
            Self::Join => "join",
            Self::Invite => "invite",
            Self::Kick => "kick",
            Self::Leave => "leave",
            Self::Members => "members",
            Self::Profile => "profile",
            Self::Send => "send",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::MediaConfig => "media_config",
            Self::Sync => "sync",
            Self::Messages => "messages",
            Self::Devices => "devices",
            Self::KeysUpload => "keys_upload",
            Self::KeysQuery => "keys_query",
            Self::KeysClaim => "keys_claim",
            Self::KeysSign => "keys_sign",
            Self::ToDevice => "to_device",
            Self::AccountData => "account_data",
        }
    }

    /// Whether a 403 or 404 here is about a room and our place in it.
    pub(super) fn is_in_a_room(self) -> bool {
        match self {
            Self::ReadState
            | Self::WriteState
            | Self::Join
            | Self::Invite
            | Self::Kick
            | Self::Leave
            | Self::Members
            | Self::Send
            | Self::Messages => true,
            Self::Versions
            | Self::Whoami
            | Self::Ping
            | Self::Register
            | Self::Device
            | Self::DisplayName
            | Self::CreateRoom
            | Self::Alias
            | Self::Profile
            | Self::Upload
            | Self::Download
            | Self::MediaConfig
            | Self::Sync
            | Self::Devices
            | Self::KeysUpload
            | Self::KeysQuery
            | Self::KeysClaim
            | Self::KeysSign
            | Self::ToDevice
            | Self::AccountData => false,
        }
    }

    fn timeout(self) -> Duration {
        match self {
            Self::Upload | Self::Download => MEDIA_TIMEOUT,
            _ => ANSWER_TIMEOUT,
        }
    }

    fn bytes_max(self) -> usize {
        if self == Self::Sync { SYNC_BYTES_MAX } else { ANSWER_BYTES_MAX }
    }
}

/// The user as whom something is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum As<'a> {
    /// The application service itself: for requests before a user exists.
    Service,
    /// One of our users, whatever its device.
    User(&'a UserId),
    /// One of our users, from this device: keys and what is encrypted with them belong to it, and a
    /// `txn_id` is remembered for a day instead of half an hour.
    Device(&'a UserId, &'a DeviceId),
}

impl Homeserver {
    /// Sets the client up; nothing is asked yet.
    pub fn new(access: HomeserverAccess) -> Result<Self, HomeserverAccessError> {
        let bot =
            UserId::parse_with_server_name(access.bot_localpart.as_str(), &access.server_name)
                .map_err(HomeserverAccessError::Bot)?;
        // reqwest panics without a provider; when one is there already, this changes nothing.
        rustls::crypto::ring::default_provider().install_default().ok();
        let roots = reqwest::Certificate::from_pem_bundle(&access.extra_roots_pem)
            .map_err(HomeserverAccessError::Roots)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy meant for the internet must not see the as_token.
            .no_proxy();
        let http = if access.base_url.scheme() == "http" {
            // The platform may have no roots at all, which does not matter here.
            http.tls_certs_only([])
        } else {
            http.tls_certs_merge(roots)
        };
        let inner = Inner {
            http: http.build().map_err(HomeserverAccessError::Client)?,
            base_url: access.base_url.as_str().trim_end_matches('/').to_owned(),
            server_name: access.server_name,
            as_token: access.as_token,
            bot,
            user_prefix: access.user_prefix,
            versions: SupportedVersions {
                // The version TI-Messenger prescribes; everything that is asked here is in it.
                versions: [MatrixVersion::V1_11].into(),
                features: [].into(),
            },
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The part of its users' ids after the colon.
    pub fn server_name(&self) -> &ServerName {
        &self.inner.server_name
    }

    /// The user that opens portals, says what happened, and follows `/sync`.
    pub fn bot(&self) -> &UserId {
        &self.inner.bot
    }

    /// The prefix of the local parts of ghosts and of portal aliases.
    pub fn user_prefix(&self) -> &str {
        &self.inner.user_prefix
    }

    /// Asks, and reads the answer in ruma's form.
    pub(super) async fn ask<R>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
    ) -> Result<R::IncomingResponse, MatrixError>
    where
        R: ClientRequest,
    {
        let request = self.written(endpoint, who, request)?;
        let body =
            self.answered(endpoint, request, endpoint.timeout(), endpoint.bytes_max()).await?;
        // serde's messages quote what they could not read, so the cause is not kept.
        IncomingResponse::try_from_http_response(http::Response::new(body))
            .map_err(|_| MatrixError::new(endpoint, Cause::Garbled))
    }

    /// Asks, and reads of the answer only what `T` names: for answers that others fill, in which
    /// one unreadable piece must not spoil the rest.
    pub(super) async fn ask_leniently<R, T>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
    ) -> Result<T, MatrixError>
    where
        R: ClientRequest,
        T: DeserializeOwned,
    {
        let request = self.written(endpoint, who, request)?;
        let body =
            self.answered(endpoint, request, endpoint.timeout(), endpoint.bytes_max()).await?;
        read(endpoint, &body)
    }

    /// Like [`Homeserver::ask_leniently`] for a `/sync` that the homeserver may hold for `timeout`.
    pub(super) async fn ask_for_news<R>(
        &self,
        who: As<'_>,
        request: R,
        timeout: Duration,
    ) -> Result<Bytes, MatrixError>
    where
        R: ClientRequest,
    {
        let endpoint = Endpoint::Sync;
        let request = self.written(endpoint, who, request)?;
        self.answered(endpoint, request, timeout + SYNC_SLACK, endpoint.bytes_max()).await
    }

    /// Asks with a separate body, and returns the answer as it came, if it is within `bytes_max`.
    pub(super) async fn ask_with_bytes<R>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
        body: impl Into<reqwest::Body>,
        bytes_max: usize,
    ) -> Result<Bytes, MatrixError>
    where
        R: ClientRequest,
    {
        let (head, _) = self.written(endpoint, who, request)?.into_parts();
        let request = http::Request::from_parts(head, body.into());
        self.answered(endpoint, request, endpoint.timeout(), bytes_max).await
    }

    /// As [`Homeserver::ask_with_bytes`], with a body of this length that is made while it leaves:
    /// Synapse takes no file whose length is not announced.
    pub(super) async fn ask_with_stream<R>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
        (body, length): (reqwest::Body, u64),
        bytes_max: usize,
    ) -> Result<Bytes, MatrixError>
    where
        R: ClientRequest,
    {
        let (mut head, _) = self.written(endpoint, who, request)?.into_parts();
        head.headers.insert(http::header::CONTENT_LENGTH, length.into());
        let request = http::Request::from_parts(head, body);
        self.answered(endpoint, request, endpoint.timeout(), bytes_max).await
    }

    /// Asks for a file; the caller takes its pieces and counts them.
    pub(super) async fn ask_for_file<R>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
    ) -> Result<reqwest::Response, MatrixError>
    where
        R: ClientRequest,
    {
        let request = self.written(endpoint, who, request)?;
        self.response(endpoint, request, endpoint.timeout()).await
    }

    /// The versions of the specification that the homeserver supports. Needs no token, so it tells
    /// an unreachable homeserver from one that does not know us.
    pub async fn versions(&self) -> Result<Vec<String>, MatrixError> {
        #[derive(serde::Deserialize)]
        struct Versions {
            versions: Vec<String>,
        }
        let endpoint = Endpoint::Versions;
        let request =
            http::Request::get(format!("{}/_matrix/client/versions", self.inner.base_url))
                .body(Bytes::new())
                .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))?;
        let body =
            self.answered(endpoint, request, endpoint.timeout(), endpoint.bytes_max()).await?;
        read::<Versions>(endpoint, &body).map(|versions| versions.versions)
    }

    /// Whether the homeserver as a whole is away, or refuses us as a whole, rather than only this
    /// request: then it has no other answer for anything else.
    pub async fn is_away(&self, error: &MatrixError) -> bool {
        error.is_outage() && (error.is_surely_outage() || self.versions().await.is_err())
    }

    /// The user our token belongs to: the registration's sender, if the homeserver knows it.
    ///
    /// Not asked as the bot: before the gateway's first start Synapse does not know that user, and
    /// answers 403 for it as it does for a user outside the namespace.
    pub async fn whoami(&self) -> Result<OwnedUserId, MatrixError> {
        use ruma::api::client::account::whoami::v3;
        let answer = self.ask(Endpoint::Whoami, As::Service, v3::Request::new()).await?;
        Ok(answer.user_id)
    }

    /// Has the homeserver ping us, and returns how long that took it.
    ///
    /// A homeserver that backed off after our absence tries again at once when it gets a 200.
    /// `transaction_id` comes back through our own door. An error 502 or 504 here (`M_BAD_STATUS`,
    /// `M_CONNECTION_FAILED`, `M_CONNECTION_TIMEOUT`) means that the homeserver did not reach *us*.
    /// Asked as the service itself, so that it works before the bot exists.
    pub async fn ping(
        &self,
        appservice_id: &str,
        transaction_id: &str,
    ) -> Result<Duration, MatrixError> {
        use ruma::api::client::appservice::request_ping::v1;
        let mut request = v1::Request::new(appservice_id.to_owned());
        request.transaction_id = Some(transaction_id.into());
        Ok(self.ask(Endpoint::Ping, As::Service, request).await?.duration)
    }

    /// The request as HTTP, with our token and the identity.
    fn written<R: ClientRequest>(
        &self,
        endpoint: Endpoint,
        who: As<'_>,
        request: R,
    ) -> Result<http::Request<Vec<u8>>, MatrixError> {
        let mut identity = AppserviceUserIdentity::default();
        match who {
            As::Service => {}
            As::User(user) => identity.user_id = Some(user),
            As::Device(user, device) => {
                identity.user_id = Some(user);
                identity.device_id = Some(device);
            }
        }
        let token = SendAccessToken::Always(self.inner.as_token.expose_secret());
        let mut request = request
            .write(&self.inner.base_url, token, identity, &self.inner.versions)
            .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))?;
        if let Some(token) = request.headers_mut().get_mut(http::header::AUTHORIZATION) {
            token.set_sensitive(true);
        }
        Ok(request)
    }

    /// The body of a 2xx, if it is within `bytes_max`.
    async fn answered<B: Into<reqwest::Body>>(
        &self,
        endpoint: Endpoint,
        request: http::Request<B>,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Bytes, MatrixError> {
        body_of(endpoint, self.response(endpoint, request, timeout).await?, bytes_max).await
    }

    /// A 2xx. Redirects are not followed; nothing is repeated here.
    async fn response<B: Into<reqwest::Body>>(
        &self,
        endpoint: Endpoint,
        request: http::Request<B>,
        timeout: Duration,
    ) -> Result<reqwest::Response, MatrixError> {
        counter!("umstieg_matrix_requests_total", "endpoint" => endpoint.word()).increment(1);
        let no_answer = |error| MatrixError::no_answer(endpoint, error);
        let mut request = reqwest::Request::try_from(request).map_err(no_answer)?;
        *request.timeout_mut() = Some(timeout);
        let response = self.inner.http.execute(request).await.map_err(no_answer)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let after = retry_after(response.headers());
        // An error whose body cannot be read is still an error of this status.
        let body = body_of(endpoint, response, ERROR_BYTES_MAX).await.unwrap_or_default();
        Err(MatrixError::refused(endpoint, status, after, &body))
    }
}

/// A request of the client-server API: one with a token and a path that depends on the version.
pub(super) trait ClientRequest: OutgoingRequest {
    fn write(
        self,
        base_url: &str,
        token: SendAccessToken<'_>,
        identity: AppserviceUserIdentity<'_>,
        versions: &SupportedVersions,
    ) -> Result<http::Request<Vec<u8>>, IntoHttpError>;
}

impl<R> ClientRequest for R
where
    R: OutgoingRequest,
    for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
    for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
{
    fn write(
        self,
        base_url: &str,
        token: SendAccessToken<'_>,
        identity: AppserviceUserIdentity<'_>,
        versions: &SupportedVersions,
    ) -> Result<http::Request<Vec<u8>>, IntoHttpError> {
        let versions = Cow::Borrowed(versions);
        self.try_into_http_request_with_identity(base_url, token, identity, versions)
    }
}

impl std::fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Homeserver({})", self.inner.server_name)
    }
}

/// Reads JSON of which only what `T` names matters.
pub(super) fn read<'de, T: serde::Deserialize<'de>>(
    endpoint: Endpoint,
    body: &'de [u8],
) -> Result<T, MatrixError> {
    serde_json::from_slice(body).map_err(|_| MatrixError::new(endpoint, Cause::Garbled))
}

/// The body, read only as far as it is within the bound.
async fn body_of(
    endpoint: Endpoint,
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<Bytes, MatrixError> {
    let too_large = || MatrixError::new(endpoint, Cause::TooLarge { bytes_max: bytes_max as u64 });
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).ok().filter(|bytes| *bytes <= bytes_max);
    let mut body = BytesMut::with_capacity(announced.ok_or_else(too_large)?);
    while let Some(chunk) =
        response.chunk().await.map_err(|error| MatrixError::no_answer(endpoint, error))?
    {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Only the form with a number of seconds: a date would need a clock.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
