//! Files in the homeserver's media repository.

use bytes::Bytes;
use ruma::{MxcUri, OwnedMxcUri, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::{
    AttachmentError, Endpoint, Homeserver, MatrixError,
    client::{As, read},
    encryption::{Spooled, Spooling, Upload, encrypting},
    error::Cause,
};

/// An encrypted file was not fetched, or is not the one that was encrypted.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
}

/// Longest answer to an upload, in bytes: it names one address.
const UPLOADED_BYTES_MAX: usize = 64 * 1024;

impl Homeserver {
    /// Puts a file into the repository, in the name of one of our users.
    ///
    /// It goes without its name, which may name a patient (TIM-29): the name is in the event that
    /// shows the file, and nowhere else. A file that is too long for the homeserver is
    /// [`super::ErrorKind::Never`] and [`MatrixError::is_too_large`].
    pub async fn upload(
        &self,
        user: &UserId,
        content_type: &str,
        file: Upload,
    ) -> Result<OwnedMxcUri, MatrixError> {
        use ruma::api::client::media::create_content::v3;
        let endpoint = Endpoint::Upload;
        let mut request = v3::Request::new(Vec::new());
        request.content_type = Some(content_type.to_owned());
        let length = file.bytes;
        let body = (file.into_body(), length);
        let answer =
            self.ask_with_stream(endpoint, As::User(user), request, body, UPLOADED_BYTES_MAX).await;
        self.uploaded(answer, length).await
    }

    /// Puts a file into the repository, encrypted under its own key; returns the `EncryptedFile`
    /// with that key. The repository learns the file's length, and nothing else: neither name nor
    /// type.
    pub async fn upload_encrypted(
        &self,
        user: &UserId,
        file: Upload,
    ) -> Result<Value, MatrixError> {
        use ruma::api::client::media::create_content::v3;
        let endpoint = Endpoint::Upload;
        let mut request = v3::Request::new(Vec::new());
        request.content_type = Some("application/octet-stream".to_owned());
        let length = file.bytes;
        let encrypting = encrypting(file);
        let body = (encrypting.body, length);
        let answer =
            self.ask_with_stream(endpoint, As::User(user), request, body, UPLOADED_BYTES_MAX).await;
        let uri = self.uploaded(answer, length).await?;
        // It was taken to its end.
        let unsendable = |_| MatrixError::new(endpoint, Cause::Unsendable);
        let mut file = encrypting.info.await.map_err(unsendable)?;
        if let Some(fields) = file.as_object_mut() {
            fields.insert("url".to_owned(), uri.as_str().into());
        }
        Ok(file)
    }

    /// The outcome of an upload of `length` bytes.
    async fn uploaded(
        &self,
        answer: Result<Bytes, MatrixError>,
        length: u64,
    ) -> Result<OwnedMxcUri, MatrixError> {
        #[derive(Deserialize)]
        struct Uploaded {
            content_uri: OwnedMxcUri,
        }
        let endpoint = Endpoint::Upload;
        let answer = match answer {
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

    /// Fetches a file of at most `bytes_max` bytes and makes sure that it is the one its event
    /// describes (`file`: an `EncryptedFile`). Otherwise like [`Homeserver::download`].
    pub async fn download_encrypted(
        &self,
        uri: &MxcUri,
        file: &Value,
        bytes_max: usize,
    ) -> Result<Spooled, DownloadError> {
        use ruma::api::client::authenticated_media::get_content::v1;
        let endpoint = Endpoint::Download;
        let request = v1::Request::from_uri(uri)
            .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))?;
        let mut response = self.ask_for_file(endpoint, As::User(self.bot()), request).await?;
        let spooling = Spooling::new(file.clone());
        let mut length = 0;
        while let Some(piece) =
            response.chunk().await.map_err(|error| MatrixError::no_answer(endpoint, error))?
        {
            length += piece.len();
            if length > bytes_max {
                let bytes_max = bytes_max as u64;
                return Err(MatrixError::new(endpoint, Cause::TooLarge { bytes_max }).into());
            }
            if !spooling.take(piece).await {
                break;
            }
        }
        Ok(spooling.finish().await?)
    }

    /// Fetches a file of at most `bytes_max` bytes, with our token (TIM-13); a longer file is
    /// broken off ([`MatrixError::is_too_large`]). A file the server no longer has is
    /// [`super::ErrorKind::Never`] (TIM-21).
    pub async fn download(&self, uri: &MxcUri, bytes_max: usize) -> Result<Bytes, MatrixError> {
        use ruma::api::client::authenticated_media::get_content::v1;
        let endpoint = Endpoint::Download;
        let request = v1::Request::from_uri(uri)
            .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))?;
        let who = As::User(self.bot());
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
        let who = As::User(self.bot());
        let config: Config =
            self.ask_leniently(Endpoint::MediaConfig, who, v1::Request::new()).await?;
        Ok(config.upload_size)
    }
}
