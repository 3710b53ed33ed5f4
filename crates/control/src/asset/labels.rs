//! The half of an asset that people write: checked and brought into one form before it is stored.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Invalid, Visibility, check_text};
use crate::fold::fold;

/// Longest title: a long sentence in any script.
pub const TITLE_BYTES_MAX: usize = 1024;
/// Most tags of one asset: past this they are a text, and a page of 500 assets stays small.
pub const TAGS_MAX: usize = 64;
/// Longest tag.
pub const TAG_BYTES_MAX: usize = 128;
/// Longest category and owner.
pub const LABEL_BYTES_MAX: usize = 256;

/// What people say about an asset. The catalog is the only place that keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// May be empty.
    pub title: String,
    /// In the order given; no two differ only in case.
    pub tags: Vec<String>,
    /// At most one.
    pub category: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Who may fetch its media.
    pub visibility: Visibility,
}

impl Labels {
    /// The labels in canonical form: trimmed, empty ones absent, tags without repetition.
    pub(crate) fn checked(&self) -> Result<Self, Invalid> {
        Ok(Self {
            title: clean_title(&self.title)?,
            tags: clean_tags(&self.tags)?,
            category: clean_label("category", self.category.as_deref())?,
            owner: clean_label("owner", self.owner.as_deref())?,
            visibility: self.visibility,
        })
    }
}

fn clean_title(title: &str) -> Result<String, Invalid> {
    let title = title.trim();
    check_text("title", title, TITLE_BYTES_MAX)?;
    Ok(title.to_owned())
}

fn clean_label(field: &'static str, label: Option<&str>) -> Result<Option<String>, Invalid> {
    let Some(label) = label.map(str::trim).filter(|label| !label.is_empty()) else { return Ok(None) };
    check_text(field, label, LABEL_BYTES_MAX)?;
    Ok(Some(label.to_owned()))
}

/// Trims tags and drops repetitions (the first spelling stays); an empty tag is an error.
fn clean_tags(tags: &[String]) -> Result<Vec<String>, Invalid> {
    if tags.len() > TAGS_MAX {
        return Err(Invalid::new("tags", format!("{} of them; the limit is {TAGS_MAX}", tags.len())));
    }
    let mut seen = HashSet::with_capacity(tags.len());
    let mut clean = Vec::with_capacity(tags.len());
    for tag in tags {
        let tag = tag.trim();
        check_text("tags", tag, TAG_BYTES_MAX)?;
        if tag.is_empty() {
            return Err(Invalid::new("tags", "contains an empty tag; leave it out"));
        }
        if seen.insert(fold(tag)) {
            clean.push(tag.to_owned());
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_and_tags_are_said_once() {
        let labels = Labels {
            title: "  Final  ".into(),
            tags: vec!["Goal".into(), " goal ".into(), "摄像".into(), "GOAL".into()],
            category: Some("  ".into()),
            owner: Some(" ann ".into()),
            visibility: Visibility::Public,
        };
        let clean = labels.checked().unwrap();
        assert_eq!(clean.title, "Final");
        assert_eq!(clean.tags, ["Goal", "摄像"]);
        assert_eq!((clean.category.as_deref(), clean.owner.as_deref()), (None, Some("ann")));
        assert_eq!(clean.checked().unwrap(), clean);
    }

    #[test]
    fn labels_that_are_too_long_too_many_or_hold_control_characters_are_refused() {
        let field = |labels: Labels| labels.checked().unwrap_err().field;
        let labels = Labels::default;
        assert_eq!(field(Labels { title: "x".repeat(TITLE_BYTES_MAX + 1), ..labels() }), "title");
        assert_eq!(field(Labels { title: "a\0b".into(), ..labels() }), "title");
        assert_eq!(field(Labels { tags: vec![" ".into()], ..labels() }), "tags");
        assert_eq!(field(Labels { tags: vec!["t".into(); TAGS_MAX + 1], ..labels() }), "tags");
        assert_eq!(field(Labels { tags: vec!["é".repeat(TAG_BYTES_MAX)], ..labels() }), "tags");
        assert_eq!(field(Labels { category: Some("a\nb".into()), ..labels() }), "category");
        assert_eq!(field(Labels { owner: Some("x".repeat(LABEL_BYTES_MAX + 1)), ..labels() }), "owner");
    }
}
