//! Closed vocabularies: enums whose values are spelled the same in the database, in the API, in the
//! configuration and on the command line. The vocabularies themselves live with what they are about.

use thiserror::Error;

/// A word that a vocabulary does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is no {what}; use one of: {known}")]
pub struct UnknownWord {
    /// Which vocabulary.
    pub what: &'static str,
    /// What was written.
    pub found: String,
    /// The words there are, separated by commas.
    pub known: String,
}

/// Makes a vocabulary: the enum, `ALL`, `as_str`, `Display`, `FromStr` and serde in the same spelling.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;
            fn from_str(word: &str) -> Result<Self, $crate::word::UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::word::UnknownWord { what: $what, found: word.to_owned(), known: [$($word),+].join(", ") }),
                }
            }
        }
    };
}
pub(crate) use words;
