//! Files in the homeserver's media repository.

use bytes::Bytes;
use ruma::{MxcUri, OwnedMxcUri, UserId};
use serde::Deserialize;

use super::{
    Endpoint, Homeserver, MatrixError,
    client::{As, read},
    error::Cause,
};

/// Longest answer to an upload, in bytes: it names one address.
const UPLOADED_BYTES_MAX: usize = 64 * 1024;

impl Homeserver {
    /// Puts a file into the repository, in one of our users' name.
    ///
    /// It goes without its name, which may name a patient (TIM-29): the name stands in the event
    /// that shows the file, and nowhere else. A file the homeserver does not want for its length
    /// is [`super::ErrorKind::Never`] and [`MatrixError::is_too_large`].
    pub async fn upload(
        &self,
        user: &UserId,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<OwnedMxcUri, MatrixError> {
        use ruma::api::client::media::create_content::v3;
        #[derive(Deserialize)]
        struct Uploaded {
            content_uri: OwnedMxcUri,
        }
        let endpoint = Endpoint::Upload;
        let mut request = v3::Request::new(Vec::new());
        request.content_type = Some(content_type.to_owned());
        let length = bytes.len() as u64;
        let answer = match self
            .ask_with_bytes(endpoint, As::Device(user), request, bytes, UPLOADED_BYTES_MAX)
            .await
        {
            // Synapse hangs up on a file that is too long, which looks like an outage.
            Err(error) if error.is_broken() => match self.upload_bytes_max().await {
                Ok(Some(bytes_max)) if length > bytes_max => {
                    return Err(MatrixError::new(endpoint, Cause::TooLarge { bytes_max }));
                }
                _ => return Err(error),
            },
            answer => answer?,
        };
        read::<Uploaded>(endpoint, &answer).map(|uploaded| uploaded.content_uri)
    }

    /// Fetches a file of at most `bytes_max` bytes, with our token (TIM-13); what is longer is
    /// broken off ([`MatrixError::is_too_large`]). A file the server no longer has is
    /// [`super::ErrorKind::Never`] (TIM-21).
    pub async fn download(&self, uri: &MxcUri, bytes_max: usize) -> Result<Bytes, MatrixError> {
        use ruma::api::client::authenticated_media::get_content::v1;
        let endpoint = Endpoint::Download;
        let request = v1::Request::from_uri(uri)
            .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))?;
        let who = As::Device(self.bot());
        self.ask_with_bytes(endpoint, who, request, Bytes::new(), bytes_max).await
    }

    /// The longest file the homeserver takes, in bytes, where it says so.
    pub async fn upload_bytes_max(&self) -> Result<Option<u64>, MatrixError> {
        use ruma::api::client::authenticated_media::get_media_config::v1;
        #[derive(Deserialize)]
        struct Config {
            #[serde(rename = "m.upload.size")]
            upload_size: Option<u64>,
        }
        let who = As::Device(self.bot());
        let config: Config =
            self.ask_leniently(Endpoint::MediaConfig, who, v1::Request::new()).await?;
        Ok(config.upload_size)
    }
}
