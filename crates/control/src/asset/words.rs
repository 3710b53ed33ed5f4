//! The closed vocabularies of an asset, each spelled the same in the database, in the API and in queries.

use crate::word::words;

words! {
    /// Where an asset comes from.
    AssetKind ("kind of asset") {
        /// A range cut out of a tape on request.
        Clip = "clip",
        /// A recording span: a run of a tape, or the part of one between two splits.
        Recording = "recording",
        /// A file that was sent in.
        Upload = "upload",
        /// A transcode of another asset.
        Rendition = "rendition",
        /// A regenerated video.
        Regen = "regen",
    }
}

words! {
    /// How far an asset is.
    AssetStatus ("status of an asset") {
        /// Still growing: its end is open.
        Recording = "recording",
        /// Complete in the catalog, not yet in its bytes.
        Pending = "pending",
        /// Complete.
        Ready = "ready",
        /// Will not become ready; [`Facts::error`](crate::asset::Facts::error) says why.
        Failed = "failed",
    }
}

words! {
    /// Who may fetch an asset's media.
    #[derive(Default)]
    Visibility ("visibility") {
        /// Whoever may look into the past of its stream.
        #[default]
        Private = "private",
        /// Whoever knows its id.
        Public = "public",
    }
}

words! {
    /// How exactly a clip keeps to the asked range.
    Accuracy ("accuracy") {
        /// Rounded outward to key frames.
        Gop = "gop",
        /// Exact by edit list: the pre-roll is in the file and hidden.
        Editlist = "editlist",
        /// Exact by encoding the first group of pictures again.
        Reencode = "reencode",
    }
}

words! {
    /// What a clip does about the gaps of its range.
    GapPolicy ("gap policy") {
        /// Leaves them out.
        Collapse = "collapse",
        /// Holds the last picture, with silence.
        Hold = "hold",
        /// Refuses the range.
        Fail = "fail",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_spelled_the_same_in_json() {
        for status in AssetStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(Visibility::default(), Visibility::Private);
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let error = "Gop".parse::<Accuracy>().unwrap_err();
        assert_eq!(error.to_string(), "\"Gop\" is no accuracy; use one of: gop, editlist, reencode");
    }
}
