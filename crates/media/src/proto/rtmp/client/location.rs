//! `rtmp://` URLs, cut into what a client has to say. What a server makes of it is [`crate::proto::rtmp::resolve`].

use thiserror::Error;

/// A stream on a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// Host and, where given, port.
    pub authority: String,
    /// Everything between the host and the last slash.
    pub app: String,
    /// What follows the last slash of the path, with the query.
    pub name: String,
}

/// Why a URL names no stream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not rtmp://HOST[:PORT]/APP/STREAM")]
pub struct LocationError(pub String);

impl Location {
    /// Cuts `rtmp://host:port/app/stream?query`. The query belongs to the stream.
    pub fn parse(url: &str) -> Result<Self, LocationError> {
        let error = || LocationError(url.to_owned());
        let rest = url.strip_prefix("rtmp://").or(url.strip_prefix("rtmps://")).ok_or_else(error)?;
        let (before, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let (authority, path) = before.split_once('/').ok_or_else(error)?;
        let (app, stream) = path.rsplit_once('/').ok_or_else(error)?;
        if authority.is_empty() || app.is_empty() || stream.is_empty() {
            return Err(error());
        }
        Ok(Self { authority: authority.to_owned(), app: app.to_owned(), name: format!("{stream}{query}") })
    }

    /// The URL of the app, which `connect` tells.
    pub fn tc_url(&self) -> String {
        format!("rtmp://{}/{}", self.authority, self.app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_stream() {
        let location = Location::parse("rtmp://h:1935/live/room/cam1?token=a/b").unwrap();
        assert_eq!((location.app.as_str(), location.name.as_str()), ("live/room", "cam1?token=a/b"));
        assert_eq!(location.tc_url(), "rtmp://h:1935/live/room");
    }

    #[test]
    fn a_url_without_a_stream_is_refused() {
        for bad in [
            "http://h/live/cam1",
            "rtmp://h",
            "rtmp://h/live",
            "rtmp:///live/cam1",
            "rtmp://h/live/",
            "rtmp://h//x",
        ] {
            assert_eq!(Location::parse(bad), Err(LocationError(bad.to_owned())));
        }
    }
}
