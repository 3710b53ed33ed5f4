//! `[[jwt]]`: keys that signed tokens are checked with, for servers that are set up by files and environment alone.

use std::path::PathBuf;

use control::keys::{Algorithm, KeyParts, Signer};

use super::nearest::hint;
use super::tables::Entry;
use super::value::{Refusal, Value};

/// The keys of an entry.
const PATHS: [&str; 7] =
    ["jwt.kid", "jwt.algorithm", "jwt.secret", "jwt.public_key", "jwt.file", "jwt.issuer", "jwt.audience"];

/// One key, as it is written.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct JwtKey {
    kid: String,
    algorithm: Option<Algorithm>,
    material: Option<Material>,
    issuer: Option<String>,
    audience: Option<String>,
    parts: Option<KeyParts>,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Secret(String),
    PublicKey(String),
    File(PathBuf),
}

/// Shows nothing of the material.
impl std::fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl JwtKey {
    /// The key, ready to check tokens. `None` before it was checked.
    pub(crate) fn signer(&self) -> Option<Signer> {
        // It was made once already when it was checked.
        Signer::new(self.parts.clone()?).ok()
    }

    fn set_material(&mut self, material: Material) -> Result<(), Refusal> {
        if self.material.replace(material).is_some() {
            let reason = "is one of secret, public_key and file too many".to_owned();
            return Err(Refusal { reason, example: false });
        }
        Ok(())
    }

    fn read(&self, algorithm: Algorithm) -> Result<String, String> {
        match &self.material {
            Some(Material::Secret(text)) if algorithm.is_shared() => Ok(text.clone()),
            Some(Material::PublicKey(text)) if !algorithm.is_shared() => Ok(text.trim().to_owned()),
            Some(Material::File(path)) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|e| format!("jwt.file: {} cannot be read: {e}", path.display()))?;
                Ok(text.trim().to_owned())
            }
            _ => {
                let what = if algorithm.is_shared() { "secret" } else { "public_key" };
                Err(format!("a [[jwt]] of {algorithm} needs {what}, or file with it inside"))
            }
        }
    }
}

impl Entry for JwtKey {
    const SECTION: &'static str = "jwt";
    const ONE: &'static str = "a key";
    const NAMES: &'static [&'static str] =
        &["kid", "algorithm", "secret", "public_key", "file", "issuer", "audience"];
    const COUNT_MAX: usize = 64;

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        // A refusal of a secret must not repeat it, so values are not told here.
        let set = |r: Result<(), Refusal>| r.map_err(|refusal| format!("jwt.{name}: {}", refusal.reason));
        let text = |value: &Value| value.text().map(str::to_owned);
        match name {
            "kid" => set(text(value).map(|t| self.kid = t)),
            "algorithm" => set(value.one_of(&ALGORITHMS).map(|a| self.algorithm = Some(a))),
            "secret" => set(text(value).and_then(|t| self.set_material(Material::Secret(t)))),
            "public_key" => set(text(value).and_then(|t| self.set_material(Material::PublicKey(t)))),
            "file" => set(text(value).and_then(|t| self.set_material(Material::File(t.into())))),
            "issuer" => set(text(value).map(|t| self.issuer = Some(t))),
            "audience" => set(text(value).map(|t| self.audience = Some(t))),
            other => {
                let near = hint(&format!("jwt.{other}"), PATHS);
                let advice = near.unwrap_or_else(|| format!("; a key takes {}", Self::NAMES.join(", ")));
                Err(format!("unknown key jwt.{other}{advice}"))
            }
        }
    }

    fn checked(mut self) -> Result<Self, String> {
        if self.kid.is_empty() {
            return Err("a [[jwt]] needs kid, the name that its tokens call it by".into());
        }
        let Some(algorithm) = self.algorithm else {
            return Err("a [[jwt]] needs algorithm, e.g. algorithm = \"EdDSA\"".into());
        };
        let parts = KeyParts {
            id: self.kid.clone(),
            algorithm,
            material: self.read(algorithm)?,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        };
        Signer::new(parts.clone()).map_err(|error| format!("[[jwt]] {:?}: {error}", self.kid))?;
        self.parts = Some(parts);
        Ok(self)
    }
}

const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
    ("RS256", Algorithm::Rs256),
    ("ES256", Algorithm::Es256),
    ("EdDSA", Algorithm::EdDsa),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pairs: &[(&str, &str)]) -> Result<JwtKey, String> {
        let mut key = JwtKey::default();
        for (name, value) in pairs {
            key.set(name, &Value::Env((*value).to_owned()))?;
        }
        key.checked()
    }

    const SECRET: &str = "a secret that has at least 32 bytes, as it must";

    #[test]
    fn a_key_has_a_name_an_algorithm_and_what_that_needs() {
        let good = key(&[("kid", "site"), ("algorithm", "HS256"), ("secret", SECRET)]).unwrap();
        assert_eq!(good.signer().unwrap().id(), "site");
        assert!(!format!("{good:?}").contains(SECRET));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        let read = key(&[("kid", "site"), ("algorithm", "HS256"), ("file", file.to_str().unwrap())]).unwrap();
        assert_eq!(read.parts, good.parts, "the line's end is not part of a secret");
        for (pairs, says) in [
            (&[("algorithm", "HS256"), ("secret", SECRET)][..], "needs kid"),
            (&[("kid", "a"), ("secret", SECRET)], "needs algorithm"),
            (&[("kid", "a"), ("algorithm", "hs256")], "did you mean \"HS256\""),
            (&[("kid", "a"), ("algorithm", "none")], "is none of"),
            (&[("kid", "a"), ("algorithm", "HS256")], "needs secret"),
            (&[("kid", "a"), ("algorithm", "EdDSA"), ("secret", SECRET)], "needs public_key"),
            (&[("kid", "a"), ("algorithm", "HS256"), ("secret", "short")], "32"),
            (&[("kid", "a"), ("algorithm", "EdDSA"), ("public_key", "x")], "no public key"),
            (&[("kid", "a b"), ("algorithm", "HS256"), ("secret", SECRET)], "A-Z"),
            (&[("kid", "a"), ("algorithm", "HS256"), ("file", "/nonexistent")], "/nonexistent"),
            (&[("secret", SECRET), ("file", "x")], "too many"),
            (&[("kidd", "a")], "did you mean jwt.kid?"),
        ] {
            let error = key(pairs).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains(SECRET), "{error}");
        }
    }
}
