//! What the two ends of a connection say of the codecs that have four characters for a name: Enhanced RTMP v2,
//! "Enhancing NetConnection connect Command".

use crate::proto::amf::Text;
use crate::proto::amf::amf0::Value;

/// Four characters that name a codec.
pub type FourCc = [u8; 4];

/// The video codecs that are taken and sent, and `avc1`, which is taken.
const VIDEO: [FourCc; 4] = [*b"avc1", *b"hvc1", *b"av01", *b"vp09"];
/// The same of sound.
const AUDIO: [FourCc; 3] = [*b"mp4a", *b"Opus", *b".mp3"];
/// Most codecs of one peer that are kept. There are ten.
const CODECS_MAX: usize = 64;

/// `FourCcInfoMask`.
mod can {
    pub(super) const DECODE: u32 = 1;
    pub(super) const FORWARD: u32 = 4;
}

/// `CapsExMask`: several tracks in a message, modifiers, and nanoseconds as one of them.
mod caps_ex {
    pub(super) const MULTITRACK: u32 = 2;
    pub(super) const MODIFIERS: u32 = 4;
    pub(super) const TIMESTAMP_NANO_OFFSET: u32 = 8;
}

/// Which codecs a peer has announced that it can be sent in enhanced form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    codecs: Vec<FourCc>,
    any_video: bool,
    any_audio: bool,
}

impl Announced {
    /// Reads the properties of a peer's `connect`. What is not understood is passed over: a peer that says
    /// nothing has announced nothing.
    pub fn of(properties: &[(Text, Value)]) -> Self {
        let mut announced = Self::default();
        for (key, value) in properties {
            match key.as_bytes() {
                b"fourCcList" => announced.list(value),
                b"videoFourCcInfoMap" => announced.any_video |= announced.map(value),
                b"audioFourCcInfoMap" => announced.any_audio |= announced.map(value),
                _ => {}
            }
        }
        announced
    }

    fn list(&mut self, value: &Value) {
        let Value::StrictArray(names) = value else { return };
        for name in names.iter().filter_map(Value::as_text) {
            if name.as_bytes() == b"*" {
                (self.any_video, self.any_audio) = (true, true);
            }
            self.add(name);
        }
    }

    /// Whether the map says that any codec can be sent.
    fn map(&mut self, value: &Value) -> bool {
        let mut any = false;
        for (name, flags) in value.properties().unwrap_or_default() {
            // `as` saturates: what is no set of flags has none or all.
            let flags = flags.as_f64().unwrap_or(0.0) as u32;
            if flags & (can::DECODE | can::FORWARD) == 0 {
                continue;
            }
            any |= name.as_bytes() == b"*";
            self.add(name);
        }
        any
    }

    fn add(&mut self, name: &Text) {
        let Ok(four) = FourCc::try_from(name.as_bytes()) else { return };
        if self.codecs.len() < CODECS_MAX && !self.codecs.contains(&four) {
            self.codecs.push(four);
        }
    }

    /// Whether the peer can be sent this codec.
    pub fn takes(&self, four: FourCc) -> bool {
        let any = if VIDEO.contains(&four) { self.any_video } else { self.any_audio };
        any || self.codecs.contains(&four)
    }
}

/// What we say of ourselves, as a server in the answer to `connect` and as a client in `connect`: we forward
/// these codecs, and read several tracks and modifiers. The older `fourCcList` is left out: it is a client's to
/// send, and ours sends only what every server takes.
pub(super) fn our_properties() -> [(&'static str, Value); 3] {
    let forward = f64::from(can::FORWARD);
    let map = |codecs: &[FourCc]| {
        let flags = codecs.iter().map(|four| (text(four), forward.into()));
        Value::Object(flags.collect())
    };
    let caps = caps_ex::MULTITRACK | caps_ex::MODIFIERS | caps_ex::TIMESTAMP_NANO_OFFSET;
    [
        ("videoFourCcInfoMap", map(&VIDEO)),
        ("audioFourCcInfoMap", map(&AUDIO)),
        ("capsEx", f64::from(caps).into()),
    ]
}

fn text(four: &FourCc) -> Text {
    std::str::from_utf8(four).expect("the names are ASCII").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, Value)]) -> Vec<(Text, Value)> {
        pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect()
    }

    fn list(names: &[&str]) -> Value {
        Value::StrictArray(names.iter().map(|name| Value::from(*name)).collect())
    }

    fn takes(announced: &Announced) -> [bool; 4] {
        [*b"hvc1", *b"av01", *b"vp09", *b"Opus"].map(|four| announced.takes(four))
    }

    #[test]
    fn lists_and_maps_announce() {
        assert_eq!(takes(&Announced::of(&[])), [false; 4]);
        let old = properties(&[("app", "live".into()), ("fourCcList", list(&["hvc1", "av01"]))]);
        assert_eq!(takes(&Announced::of(&old)), [true, true, false, false]);
        // Decode, encode alone, forward.
        let flags = Value::object([("hvc1", 1.0.into()), ("av01", 2.0.into()), ("vp09", 4.0.into())]);
        let new = properties(&[("videoFourCcInfoMap", flags)]);
        assert_eq!(takes(&Announced::of(&new)), [true, false, true, false]);
        let sound = Value::object([("Opus", 3.0.into())]);
        assert_eq!(
            takes(&Announced::of(&properties(&[("audioFourCcInfoMap", sound)]))),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_star_means_every_codec_of_its_map() {
        assert_eq!(takes(&Announced::of(&properties(&[("fourCcList", list(&["*"]))]))), [true; 4]);
        let forward = Value::object([("*", 4.0.into())]);
        let video = properties(&[("videoFourCcInfoMap", forward.clone())]);
        assert_eq!(takes(&Announced::of(&video)), [true, true, true, false]);
        let sound = properties(&[("audioFourCcInfoMap", forward)]);
        assert_eq!(takes(&Announced::of(&sound)), [false, false, false, true]);
    }

    #[test]
    fn nonsense_announces_nothing_and_masses_are_bounded() {
        let odd = properties(&[
            ("fourCcList", "hvc1".into()),
            ("videoFourCcInfoMap", list(&["hvc1"])),
            ("audioFourCcInfoMap", Value::object([("Opus", "yes".into()), ("x", f64::NAN.into())])),
        ]);
        assert_eq!(Announced::of(&odd), Announced::default());
        let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(Announced::of(&properties(&[("fourCcList", list(&names))])).codecs.len(), CODECS_MAX);
    }

    #[test]
    fn what_we_say_of_ourselves_reads_back() {
        let ours = Announced::of(&properties(&our_properties()));
        assert!(VIDEO.iter().chain(&AUDIO).all(|four| ours.takes(*four)));
        assert!(!ours.takes(*b"vp08") && !ours.takes(*b"fLaC"));
    }
}
