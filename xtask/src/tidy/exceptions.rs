//! The reviewed exceptions from the rules, each with its reason. One that is no longer needed is itself a
//! finding, so the list cannot rot.

use super::finding::Finding;

/// One place that may break one rule.
#[derive(Debug)]
pub(crate) struct Exception {
    /// The rule's name.
    pub(crate) check: &'static str,
    /// Relative to the root.
    pub(crate) path: &'static str,
    /// The finding's subject.
    pub(crate) subject: &'static str,
    /// Why it is right there.
    pub(crate) reason: &'static str,
}

/// Every exception of this tree.
pub(crate) const REVIEWED: &[Exception] = &[
    Exception {
        check: "words",
        path: "crates/server/tests/it/server.rs",
        subject: "sleep",
        reason: "the pause between two looks of a wait that has a deadline",
    },
    Exception {
        check: "words",
        path: "crates/server/tests/it/crash.rs",
        subject: "sleep",
        reason: "the same, with shorter pauses: a kill has to come right after what it waits for",
    },
];

/// This file, where an exception that is not needed is reported.
const HERE: &str = "xtask/src/tidy/exceptions.rs";

type Found = Vec<(&'static str, Vec<Finding>)>;

/// Takes the excepted findings out, and adds the exceptions that matched none.
pub(crate) fn apply(exceptions: &[Exception], mut found: Found) -> Found {
    let unused = exceptions.iter().filter(|exception| !take_out(exception, &mut found));
    let unused = unused.map(unneeded).collect();
    found.push(("exceptions", unused));
    found
}

/// Removes what the exception covers; was there anything?
fn take_out(exception: &Exception, found: &mut Found) -> bool {
    let covers = |f: &Finding| f.path == exception.path && f.subject == exception.subject;
    let mut used = false;
    for (_, findings) in found.iter_mut().filter(|(name, _)| *name == exception.check) {
        let before = findings.len();
        findings.retain(|finding| !covers(finding));
        used |= findings.len() < before;
    }
    used
}

fn unneeded(exception: &Exception) -> Finding {
    let Exception { check, path, subject, reason } = exception;
    Finding {
        path: HERE.to_owned(),
        line: 0,
        subject: (*subject).to_owned(),
        what: format!("the exception from {check} for {subject} in {path} ({reason}) covers nothing"),
        next: "take it out".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Exception = Exception { check: "length", path: "a.rs", subject: "f", reason: "a table" };

    fn finding(path: &str, subject: &str) -> Finding {
        Finding { path: path.into(), line: 1, subject: subject.into(), what: "w".into(), next: "n".into() }
    }

    #[test]
    fn an_exception_covers_its_place_only() {
        let found = vec![("length", vec![finding("a.rs", "f"), finding("a.rs", "g"), finding("b.rs", "f")])];
        let left = apply(&[LONG], found);
        assert_eq!(left[0].1, [finding("a.rs", "g"), finding("b.rs", "f")]);
        assert_eq!(left[1], ("exceptions", vec![]));
    }

    #[test]
    fn an_exception_that_covers_nothing_is_found() {
        let left = apply(&[LONG], vec![("length", vec![]), ("other", vec![finding("a.rs", "f")])]);
        assert_eq!(left[1].1.len(), 1);
        assert!(left[2].1[0].what.contains("covers nothing"), "{}", left[2].1[0]);
    }
}
