//! A mail straight into a mailbox (LMTP, RFC 2033).

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::error::{Result, WorldError};

/// The envelope's sender. Not empty: an empty one marks a report (RFC 5321, 4.5.5).
const SENDER: &str = "sender@world.test";

/// Each mail to its address, one after the other on one connection.
pub(super) async fn deliver(server: SocketAddr, mails: &[(&[u8], &str)]) -> Result<()> {
    let failed = |error| WorldError::io("reach Dovecot by LMTP", error);
    let (read, write) = TcpStream::connect(server).await.map_err(failed)?.into_split();
    let mut talk = LmtpTalk { read: BufReader::new(read), write, to: "nobody yet" };
    talk.expect('2').await?;
    talk.say(b"LHLO world.test\r\n").await?;
    for (raw_mail, to) in mails {
        talk.to = to;
        talk.say(format!("MAIL FROM:<{SENDER}>\r\n").as_bytes()).await?;
        talk.say(format!("RCPT TO:<{to}>\r\n").as_bytes()).await?;
        talk.write.write_all(b"DATA\r\n").await.map_err(failed)?;
        talk.expect('3').await?;
        talk.say(&stuffed(raw_mail)).await?;
    }
    talk.say(b"QUIT\r\n").await
}

struct LmtpTalk<'a> {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    to: &'a str,
}

impl LmtpTalk<'_> {
    async fn say(&mut self, words: &[u8]) -> Result<()> {
        let doing = || format!("deliver to {} by LMTP", self.to);
        self.write.write_all(words).await.map_err(|error| WorldError::io(doing(), error))?;
        self.expect('2').await
    }

    /// Reads one answer, of one line or more; its last line has a space after the code.
    async fn expect(&mut self, class: char) -> Result<()> {
        let doing = format!("deliver to {} by LMTP", self.to);
        loop {
            let mut line = String::new();
            self.read.read_line(&mut line).await.map_err(|error| WorldError::io(&doing, error))?;
            if line.chars().nth(3) == Some('-') {
                continue;
            }
            if line.starts_with(class) {
                return Ok(());
            }
            return Err(WorldError::refused(doing, line.trim()));
        }
    }
}

/// Lines that end in CRLF, a second dot before one that starts a line, the final dot.
fn stuffed(raw_mail: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(raw_mail.len() + raw_mail.len() / 16);
    let body = raw_mail.strip_suffix(b"\n").unwrap_or(raw_mail);
    for line in body.split(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            data.push(b'.');
        }
        data.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

#[cfg(test)]
mod tests {
    use super::stuffed;

    #[test]
    fn dots_are_doubled_and_line_ends_made_alike() {
        assert_eq!(stuffed(b"a\n.b\r\n..\n"), b"a\r\n..b\r\n...\r\n.\r\n");
        assert_eq!(stuffed(b"no end"), b"no end\r\n.\r\n");
    }
}
